//! How a core and a store work together: recovery, moving records to disk, checkpoints.
//!
//! These are the steps; in which thread and when they happen is up to the caller, which is the
//! server or a simulation.

use sabir_core::broker::{Broker, Checkpoint, Recovery, RecoveryError, SettleRecord, SettleStep};
use sabir_core::id::Timestamp;
use sabir_core::storage::{
    FileNumber, IndexBatch, IndexStore, Journal, Keyspace, Mark, Position, Run, StorageError, Tier,
};

use crate::directory::{Recovered, Store};
use crate::disk::Disk;
use crate::extent::{Extents, OWN_FILE_BYTES, SettleWriter};
use crate::journal::{JournalOptions, LocalJournal};

/// The position of the block that an orderly stop ends with.
const CLEAN_KEY: &[u8] = b"clean";

/// A broker that is as it was when it stopped.
pub struct Restarted<D: Disk> {
    /// The parts of its store.
    pub parts: Recovered<D>,
    /// Whether it had stopped in order.
    pub clean: bool,
    /// The mark that the index had.
    pub mark: Mark,
}

/// Brings an empty broker to the state that the store holds.
///
/// # Errors
/// When the store is damaged, or holds what this version does not understand.
pub fn restart<D: Disk, I: IndexStore>(
    broker: &mut Broker,
    store: Store<D, I>,
    options: JournalOptions,
    now: Timestamp,
) -> Result<Restarted<D>, RecoveryError> {
    let (index, mark) = (store.index(), store.mark());
    let mut recovery = Recovery::default();
    let mut failure = None;
    for keyspace in Keyspace::ALL {
        index.scan(keyspace, &[], &mut |key, value| {
            if failure.is_none() {
                failure = recovery.add(keyspace, key, value).err();
            }
            Ok(())
        })?;
    }
    failure.map_or(Ok(()), Err)?;
    broker.restore(now, recovery)?;
    let mut failure = None;
    let parts = store.recover(options, &mut |block| {
        if failure.is_none() {
            failure = broker.replay(now, &block, mark.states).err();
        }
        Ok(())
    })?;
    failure.map_or(Ok(()), Err)?;
    let clean =
        index.get(Keyspace::Mark, CLEAN_KEY)? == Some(parts.report.last.0.to_be_bytes().to_vec());
    broker.recovered(now, parts.journal.next_position(), clean)?;
    Ok(Restarted { parts, clean, mark })
}

/// Writes the records that `next` hands out into extents.
///
/// # Errors
/// When the disk fails or is full; nothing refers to what was written then.
pub fn write_records<D: Disk>(
    extents: &Extents<D>,
    tier: Tier,
    mut next: impl FnMut() -> SettleStep,
) -> Result<Vec<Run>, StorageError> {
    let mut writer = SettleWriter::new(extents, tier, OWN_FILE_BYTES);
    while let SettleStep::Records(records) = next() {
        for SettleRecord {
            log,
            offset,
            meta,
            bytes,
        } in records
        {
            writer.add(log.0, offset.0, meta, bytes)?;
        }
    }
    Ok(writer.finish()?.runs)
}

/// Commits a checkpoint whose position is durable, then deletes the extent files that hold
/// nothing any more.
///
/// # Errors
/// When the index or the disk fails.
pub fn commit_checkpoint<D: Disk>(
    index: &dyn IndexStore,
    extents: &Extents<D>,
    checkpoint: Checkpoint,
    first_file: FileNumber,
) -> Result<(), StorageError> {
    let Checkpoint {
        position,
        mut batch,
        empty,
    } = checkpoint;
    batch.put_mark(Mark {
        first_file,
        states: position,
    });
    index.commit(batch)?;
    empty.into_iter().try_for_each(|file| extents.remove(file))
}

/// Ends the use of a store in order: the next start will know that nothing was under way.
///
/// # Errors
/// When the index or the disk fails.
pub fn stop<D: Disk>(index: &dyn IndexStore, journal: LocalJournal<D>) -> Result<(), StorageError> {
    let Position(last) = journal.next_position();
    let mut batch = IndexBatch::default();
    batch.put(Keyspace::Mark, CLEAN_KEY, last.to_be_bytes());
    index.commit(batch)?;
    journal.close()
}
