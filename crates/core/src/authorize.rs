//! Who may do what: the question the core asks.
