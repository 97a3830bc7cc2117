# `just` lists the recipes; what they do is in `cargo xtask`.

[private]
default:
    @just --list

# Start the broker
serve *flags:
    cargo run --release --bin sabir -- serve {{flags}}

# Run every test
test *flags:
    cargo xtask test {{flags}}

# Run every test but the real clients
quick:
    cargo xtask test --no-conformance

# Check the rules of the design
tidy:
    cargo xtask tidy

# Run the simulation
sim seeds="1000":
    cargo xtask sim --seeds {{seeds}}

# Run real clients against a fresh broker
conformance *flags:
    cargo xtask conformance {{flags}}

# Write the generated pages
docs:
    cargo xtask docs

# Check licences, advisories and sources of dependencies (needs cargo-deny)
deny:
    cargo deny check

# Build the Debian package (needs cargo-deb)
deb:
    cargo build --release --package sabir --bin sabir
    mkdir -p target/deb-assets
    target/release/sabir man > target/deb-assets/sabir.1
    target/release/sabir completions bash > target/deb-assets/sabir.bash
    target/release/sabir completions zsh > target/deb-assets/_sabir
    target/release/sabir completions fish > target/deb-assets/sabir.fish
    cargo deb --no-build --package sabir

# Build the container image
image:
    docker build -f packaging/Dockerfile -t sabir .
