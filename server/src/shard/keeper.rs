//! The thread that moves records from memory to disk and saves checkpoints.

use super::{Shard, lock};
use sabir_core::storage::{FileNumber, IndexStore, Run, StorageError, Tier};
use sabir_storage::{disk::RealDisk, engine, extent::Extents, index::FjallIndex, journal::Spares};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// How often a checkpoint is saved when no journal file fills up.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(20);

/// Bytes of records that are taken from the core at a time.
const STEP_BYTES: u64 = 1 << 20;

/// How long to wait before a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// How long a checkpoint waits for the journal before it looks whether all is well.
const DURABLE_WAIT: Duration = Duration::from_millis(500);

/// Work for the keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// A journal file is full.
    Settle(FileNumber),
    /// Save a last checkpoint and end.
    Stop,
}

/// What the core asks of the keeper.
#[derive(Default)]
pub(super) struct KeeperSignals {
    volatile_heavy: AtomicBool,
}

impl KeeperSignals {
    /// Records that are not journaled take too much memory.
    pub(super) fn move_volatile(&self) {
        self.volatile_heavy.store(true, Ordering::Relaxed);
    }
}

/// What the keeper works with.
pub(super) struct Files {
    pub(super) extents: Arc<Extents<RealDisk>>,
    pub(super) index: Arc<FjallIndex>,
    pub(super) spares: Arc<Spares<RealDisk>>,
    /// The first journal file that a restart needs.
    pub(super) first_needed: FileNumber,
}

/// How often the keeper looks whether volatile records have to move.
const VOLATILE_PERIOD: Duration = Duration::from_millis(100);

/// Serves until it is told to stop; then saves a last checkpoint.
///
/// # Errors
/// When the disk or the index fails.
pub(super) fn serve(
    shard: &Shard,
    mut files: Files,
    jobs: &mpsc::Receiver<Job>,
) -> Result<(), StorageError> {
    let mut quiet = Duration::ZERO;
    loop {
        while files.spares.replenish()? {}
        match jobs.recv_timeout(VOLATILE_PERIOD) {
            Ok(Job::Settle(file)) => {
                settle_file(shard, &mut files, file)?;
                quiet = Duration::ZERO;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                quiet += VOLATILE_PERIOD;
                if shard.keeper.volatile_heavy.swap(false, Ordering::Relaxed) {
                    settle_volatile(shard, &files)?;
                }
                if quiet >= CHECKPOINT_PERIOD {
                    quiet = Duration::ZERO;
                    checkpoint(shard, &files)?;
                }
            }
            Ok(Job::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                return checkpoint(shard, &files);
            }
        }
    }
}

/// Moves what is left of a full journal file to disk and gives the file back.
fn settle_file(shard: &Shard, files: &mut Files, file: FileNumber) -> Result<(), StorageError> {
    shard.run();
    let runs = until_there_is_room(|| {
        if !shard.with(|broker| broker.begin_settle(file)) {
            return Ok(Vec::new());
        }
        let next = || shard.with(|broker| broker.settle_next(STEP_BYTES));
        engine::write_records(&files.extents, Tier::Durable, next)
    })?;
    shard.with(|broker| broker.settled(&runs));
    files.first_needed = files.first_needed.max(file.next());
    checkpoint(shard, files)?;
    shard.journal.trim(files.first_needed);
    Ok(())
}

fn settle_volatile(shard: &Shard, files: &Files) -> Result<(), StorageError> {
    let runs = until_there_is_room(|| {
        shard.with(sabir_core::broker::Broker::begin_settle_volatile);
        let next = || shard.with(|broker| broker.settle_next(STEP_BYTES));
        engine::write_records(&files.extents, Tier::Volatile, next)
    })?;
    shard.with(|broker| broker.settled(&runs));
    Ok(())
}

/// Writes extents again and again while the disk is full: nothing refers to an attempt that failed.
fn until_there_is_room(
    mut write: impl FnMut() -> Result<Vec<Run>, StorageError>,
) -> Result<Vec<Run>, StorageError> {
    loop {
        match write() {
            Err(StorageError::DiskFull { .. }) => {
                tracing::error!("the disk is full: records stay in memory until there is room");
                thread::sleep(FULL_RETRY);
            }
            outcome => return outcome,
        }
    }
}

/// Saves what has changed, once the journal has it.
fn checkpoint(shard: &Shard, files: &Files) -> Result<(), StorageError> {
    let checkpoint = {
        let mut state = lock(&shard.state);
        let checkpoint = state.broker.checkpoint();
        state.sync_wanted = true;
        checkpoint
    };
    shard.runner.poke(super::Poke::Run);
    shard.journal.sync();
    while !shard
        .journal
        .wait_durable(checkpoint.position, DURABLE_WAIT)
    {
        lock(&shard.state).sync_wanted = true;
        shard.runner.poke(super::Poke::Run);
        shard.journal.sync();
    }
    let index: &dyn IndexStore = &*files.index;
    engine::commit_checkpoint(index, &files.extents, checkpoint, files.first_needed)
}
