//! The codec from outside: round trips, fragmentation, bounds, bytes known from the specification, and a short fuzz run.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

#[path = "codec/fuzz.rs"]
mod fuzz;
#[path = "codec/golden.rs"]
mod golden;
#[path = "codec/properties.rs"]
mod properties;
#[path = "codec/strategies.rs"]
mod strategies;
