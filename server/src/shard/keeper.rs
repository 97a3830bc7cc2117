//! The thread that moves records from memory to disk, saves checkpoints and writes sparse files anew.

use super::Shard;
use sabir_core::storage::{FileNumber, IndexStore, Run, StorageError, Tier};
use sabir_storage::{
    disk::RealDisk,
    engine,
    extent::{self, Extents},
    index::FjallIndex,
    journal::Spares,
};
use std::{
    mem,
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
    /// With more bytes of records in memory than this, full files are emptied at once.
    pub(super) heavy_bytes: u64,
}

/// How often the keeper looks whether volatile records have to move.
const VOLATILE_PERIOD: Duration = Duration::from_millis(100);

/// How often a sparse file is looked for when no journal file fills up.
const REWRITE_PERIOD: Duration = Duration::from_secs(1);

/// Serves until it is told to stop; then saves a last checkpoint.
///
/// # Errors
/// When the disk or the index fails.
pub(super) fn serve(
    shard: &Shard,
    mut files: Files,
    jobs: &mpsc::Receiver<Job>,
) -> Result<(), StorageError> {
    let mut idle = Idle::default();
    let mut resting = None;
    find_room(shard, &files)?;
    loop {
        match jobs.recv_timeout(VOLATILE_PERIOD) {
            Ok(Job::Settle(file)) => {
                if let Some(rested) = resting.replace(file) {
                    settle_file(shard, &mut files, rested)?;
                    rewrite_sparsest(shard, &files)?;
                }
                settle_if_heavy(shard, &mut files, &mut resting)?;
                idle = Idle::default();
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                settle_if_heavy(shard, &mut files, &mut resting)?;
                idle.pass(shard, &files)?;
            }
            Ok(Job::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                return checkpoint(shard, &files);
            }
        }
    }
}

/// A full file rests until the next one is full, because most of what is in it will have been
/// settled by then; not while records take much memory.
fn settle_if_heavy(
    shard: &Shard,
    files: &mut Files,
    resting: &mut Option<FileNumber>,
) -> Result<(), StorageError> {
    let heavy_bytes = files.heavy_bytes;
    let is_heavy = || shard.with(|broker| broker.memory_bytes().0 > heavy_bytes);
    match resting.take_if(|_| is_heavy()) {
        Some(file) => settle_file(shard, files, file),
        None => Ok(()),
    }
}

/// Time without a full journal file.
#[derive(Default)]
struct Idle {
    since_checkpoint: Duration,
    since_rewrite: Duration,
}

impl Idle {
    /// A period has passed. Spare files are made only now: one that is used again comes back
    /// sooner than a new one is filled with zeros.
    fn pass(&mut self, shard: &Shard, files: &Files) -> Result<(), StorageError> {
        self.since_checkpoint += VOLATILE_PERIOD;
        self.since_rewrite += VOLATILE_PERIOD;
        find_room(shard, files)?;
        if shard.keeper.volatile_heavy.swap(false, Ordering::Relaxed) {
            settle_volatile(shard, files)?;
        }
        if self.since_rewrite >= REWRITE_PERIOD {
            self.since_rewrite = Duration::ZERO;
            rewrite_sparsest(shard, files)?;
        }
        if self.since_checkpoint >= CHECKPOINT_PERIOD {
            self.since_checkpoint = Duration::ZERO;
            checkpoint(shard, files)?;
        }
        Ok(())
    }
}

/// Makes the spare files that are missing.
fn find_room(shard: &Shard, files: &Files) -> Result<(), StorageError> {
    while files.spares.replenish()? {}
    if files.spares.has_reserve() {
        shard.journal_room.found();
    }
    Ok(())
}

/// Copies what is wanted of the sparsest extent file to a new one, so that the old one can go.
fn rewrite_sparsest(shard: &Shard, files: &Files) -> Result<(), StorageError> {
    let Some(rewrite) = shard.with(|broker| broker.next_rewrite()) else {
        return Ok(());
    };
    let wants = |log, offset| rewrite.wants(log, offset);
    match extent::rewrite(&files.extents, rewrite.file, wants) {
        Ok(settled) => {
            shard.with(|broker| broker.rewritten(&rewrite, &settled.runs));
            checkpoint(shard, files)
        }
        Err(StorageError::DiskFull { .. }) => Ok(()),
        Err(error @ StorageError::Corrupt { .. }) => {
            tracing::error!(%error, "an extent file stays as it is: run `sabir storage verify`");
            shard.with(|broker| broker.rewrite_failed(&rewrite));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Moves what is left of a full journal file to disk and gives the file back.
fn settle_file(shard: &Shard, files: &mut Files, file: FileNumber) -> Result<(), StorageError> {
    let runs = until_there_is_room(shard, files, || {
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
    let runs = until_there_is_room(shard, files, || {
        shard.with(sabir_core::broker::Broker::begin_settle_volatile);
        let next = || shard.with(|broker| broker.settle_next(STEP_BYTES));
        engine::write_records(&files.extents, Tier::Volatile, next)
    })?;
    shard.with(|broker| broker.settled(&runs));
    Ok(())
}

/// Writes extents again and again while the disk is full: nothing refers to an attempt that failed.
/// Meanwhile files of which nothing is wanted any more are deleted.
fn until_there_is_room(
    shard: &Shard,
    files: &Files,
    mut write: impl FnMut() -> Result<Vec<Run>, StorageError>,
) -> Result<Vec<Run>, StorageError> {
    let mut told = false;
    loop {
        match write() {
            Err(StorageError::DiskFull { .. }) => {
                if !mem::replace(&mut told, true) {
                    tracing::error!("the disk is full: records stay in memory until there is room");
                }
                thread::sleep(FULL_RETRY);
                find_room(shard, files)?;
                checkpoint(shard, files)?;
            }
            outcome => return outcome,
        }
    }
}

/// Saves what has changed, once the journal has it.
fn checkpoint(shard: &Shard, files: &Files) -> Result<(), StorageError> {
    let checkpoint = shard.hold(|state| {
        state.sync_wanted = true;
        state.broker.checkpoint()
    });
    shard.runner.poke(super::Poke::Run);
    shard.journal.sync();
    while !shard
        .journal
        .wait_durable(checkpoint.position, DURABLE_WAIT)
    {
        shard.hold(|state| state.sync_wanted = true);
        shard.runner.poke(super::Poke::Run);
        shard.journal.sync();
    }
    let index: &dyn IndexStore = &*files.index;
    engine::commit_checkpoint(index, &files.extents, checkpoint, files.first_needed)
}
