//! What the core writes down: entries in blocks, and what waits for a block to be safe.

pub mod entry;
pub(crate) mod open;

pub use open::SealedBlock;
