//! Storage of one node: a journal of chained blocks, extents of settled records and an index.
//!
//! It knows neither protocols nor what an entry or a record means: bodies are opaque bytes. It
//! starts no threads and reads no clock; every operation is a plain call over a [`disk::Disk`], so
//! that a simulation can drive it through every power cut.

pub mod checksum;
pub mod directory;
pub mod disk;
pub mod engine;
pub mod extent;
mod fail;
mod fields;
#[cfg(test)]
mod fuzz;
pub mod index;
pub mod inspect;
pub mod journal;
pub mod salvage;
pub mod verify;
