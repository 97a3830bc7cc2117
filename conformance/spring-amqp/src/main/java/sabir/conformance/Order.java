package sabir.conformance;

/** An order and how its handling goes: {@code fails} times it cannot be handled. */
public record Order(String id, int quantity, int fails) {}
