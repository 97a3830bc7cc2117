//! The thread that writes blocks.

use super::{Shard, gather::Gathering, keeper::Job, lock};
use sabir_core::{
    journal::SealedBlock,
    storage::{Admission, Appended, Durability, FileNumber, Journal, Position, StorageError},
};
use sabir_storage::{disk::RealDisk, journal::LocalJournal};
use std::{
    mem,
    sync::{Condvar, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// How long to wait before a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// What the journal's thread is given.
#[derive(Default)]
struct Given {
    block: Option<SealedBlock>,
    /// Files before this one are no longer needed.
    first_needed: Option<FileNumber>,
    /// What is written has to be synced.
    sync: bool,
    stop: bool,
}

/// Where blocks wait for the journal's thread, and how far it has come.
#[derive(Default)]
pub(super) struct JournalSlot {
    given: Mutex<Given>,
    changed: Condvar,
    durable: Mutex<Position>,
    advanced: Condvar,
}

impl JournalSlot {
    pub(super) fn give(&self, block: SealedBlock) {
        lock(&self.given).block = Some(block);
        self.changed.notify_one();
    }

    /// Files before `first_needed` may be used again.
    pub(super) fn trim(&self, first_needed: FileNumber) {
        lock(&self.given).first_needed = Some(first_needed);
        self.changed.notify_one();
    }

    /// Brings what is written to stable storage.
    pub(super) fn sync(&self) {
        lock(&self.given).sync = true;
        self.changed.notify_one();
    }

    /// Ends the thread after the block that it has been given.
    pub(super) fn stop(&self) {
        lock(&self.given).stop = true;
        self.changed.notify_one();
    }

    /// Waits until a position is on stable storage. False when that takes too long.
    pub(super) fn wait_durable(&self, position: Position, at_most: Duration) -> bool {
        let durable = lock(&self.durable);
        let (durable, _) = self
            .advanced
            .wait_timeout_while(durable, at_most, |durable| *durable < position)
            .unwrap_or_else(PoisonError::into_inner);
        *durable >= position
    }

    /// Remembers how far the journal is on stable storage.
    pub(super) fn durable(&self, position: Position) {
        *lock(&self.durable) = position;
        self.advanced.notify_all();
    }

    fn take(&self) -> Given {
        let given = lock(&self.given);
        let mut given = self
            .changed
            .wait_while(given, |given| {
                given.block.is_none() && given.first_needed.is_none() && !given.sync && !given.stop
            })
            .unwrap_or_else(PoisonError::into_inner);
        Given {
            block: given.block.take(),
            first_needed: given.first_needed.take(),
            sync: mem::take(&mut given.sync),
            stop: given.stop,
        }
    }
}

/// Writes blocks until it is told to stop; gives the journal back. Files that fill up are
/// announced to `sealed`.
///
/// # Errors
/// When the disk fails: nothing may be confirmed any more.
pub(super) fn write_blocks(
    shard: &Shard,
    mut journal: LocalJournal<RealDisk>,
    sealed: &mpsc::Sender<Job>,
) -> Result<LocalJournal<RealDisk>, StorageError> {
    shard.journal.durable(journal.durable());
    let mut gathering = Gathering::default();
    loop {
        let given = shard.journal.take();
        if let Some(first_needed) = given.first_needed {
            journal.trim(first_needed)?;
        }
        let stop = given.stop && given.block.is_none();
        if let Some(block) = given.block {
            let appended = write(shard, &mut journal, &block)?;
            if block.durability == Durability::Fsync {
                journal.sync()?;
            }
            shard.journal.durable(journal.durable());
            if let Some(file) = appended.sealed {
                let _: Result<(), mpsc::SendError<_>> = sealed.send(Job::Settle(file));
            }
            shard.written(appended.position, appended.file);
            gathering.wait(shard, block.publishes);
            shard.journal_is_idle();
        }
        if given.sync || given.stop {
            journal.sync()?;
            shard.journal.durable(journal.durable());
        }
        if stop {
            return Ok(journal);
        }
    }
}

/// Appends a block, however long the disk is full. Publishers are told to wait then; what they have
/// sent before goes to the reserve, because settlements wait behind it.
fn write(
    shard: &Shard,
    journal: &mut LocalJournal<RealDisk>,
    block: &SealedBlock,
) -> Result<Appended, StorageError> {
    let mut admission = block.admission;
    loop {
        match journal.append(&block.body, admission) {
            Err(StorageError::DiskFull { .. }) => {
                shard.disk_is_full();
                if admission == Admission::Reserve {
                    thread::sleep(FULL_RETRY);
                }
                admission = Admission::Reserve;
            }
            Ok(appended) => {
                debug_assert_eq!(appended.position, block.position);
                return Ok(appended);
            }
            Err(error) => return Err(error),
        }
    }
}
