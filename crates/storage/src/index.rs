//! Engines behind the core's [`IndexStore`]: one for disks, one for simulations.
//!
//! They know keys and values as bytes only.
//!
//! [`IndexStore`]: sabir_core::storage::IndexStore

mod fjall;
mod sim;

pub use self::fjall::FjallIndex;
pub use self::sim::SimIndex;

use sabir_core::storage::{IndexBatch, IndexChange, StorageError};

use crate::fail::at_most;

/// Longest key: what the tree takes, less the byte that names the keyspace.
const KEY_BYTES_MAX: u64 = u16::MAX as u64 - 1;

/// Longest value.
const VALUE_BYTES_MAX: u64 = 64 << 20;

fn ensure_bounded(batch: &IndexBatch) -> Result<(), StorageError> {
    for change in batch.changes() {
        let (key, value) = match change {
            IndexChange::Put { key, value, .. } => (key, value.len()),
            IndexChange::Remove { key, .. } => (key, 0),
        };
        at_most("index key", key.len() as u64, KEY_BYTES_MAX)?;
        at_most("index value", value as u64, VALUE_BYTES_MAX)?;
    }
    Ok(())
}
