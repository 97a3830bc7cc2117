//! The broker, feature by feature, with a journal and a disk in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    dead_code,
    reason = "the kit of builders and inspections is larger than any one feature needs"
)]

mod build;
mod damage;
mod dead_letters;
mod deduplication;
mod disk;
mod node;
mod recovery;
mod streams;
mod waiting;
