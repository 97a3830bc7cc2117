//! The broker.
mod config;
fn main() {}
