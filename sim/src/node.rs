//! A broker with its journal, extents and index on a simulated disk. Every method is one step
//! after which the power may fail; an error of the disk ends the life of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use sabir_core::authorize::{Authorizer, Operation, Resource};
use sabir_core::broker::{Broker, Config, Effects, Fetch, RecoveryError, Urgency};
use sabir_core::id::Timestamp;
use sabir_core::journal::SealedBlock;
use sabir_core::message::Formats;
use sabir_core::request::Command;
use sabir_core::storage::{Durability, FileNumber, Journal, Position, StorageError};
use sabir_storage::directory::{Identity, Store};
use sabir_storage::disk::SimDisk;
use sabir_storage::engine;
use sabir_storage::extent::Extents;
use sabir_storage::index::SimIndex;
use sabir_storage::journal::{JournalOptions, LocalJournal};

use crate::keeper::Keeper;
use crate::snapshot::{Snapshot, durable_definitions, durable_queues};

/// Permits everything.
struct Everyone;

impl Authorizer for Everyone {
    fn permits(&self, _: &str, _: &str, _: Operation, _: Resource<'_>) -> bool {
        true
    }

    fn generation(&self) -> u64 {
        1
    }
}

const IDENTITY: Identity = Identity {
    cluster: 1,
    node: 2,
};

/// What a node is made with, in every life.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) core: Config,
    pub(crate) journal: JournalOptions,
    pub(crate) seed: u64,
}

/// A block that was written and is not yet as safe as it has to be.
struct Written {
    position: Position,
    file: FileNumber,
    durability: Durability,
}

/// One life of a process.
pub(crate) struct Node {
    pub(crate) broker: Broker,
    pub(crate) disk: SimDisk,
    pub(crate) index: Arc<SimIndex>,
    pub(crate) journal: LocalJournal<SimDisk>,
    pub(crate) extents: Extents<SimDisk>,
    pub(crate) keeper: Keeper,
    /// A block that the journal has been given and not written.
    given: Option<SealedBlock>,
    written: Option<Written>,
    /// Blocks up to this one are as safe as they were asked to be.
    pub(crate) committed: Position,
    pub(crate) fetches: Vec<Fetch>,
    /// The state at the end of each block that may be the last to survive.
    snapshots: BTreeMap<Position, Snapshot>,
    definitions: Arc<BTreeSet<String>>,
    definitions_changed: bool,
}

impl Node {
    /// Brings a node to life on what the disk holds.
    pub(crate) fn start(
        plan: &Plan,
        disk: &SimDisk,
        index: &SimIndex,
        now: Timestamp,
    ) -> Result<(Self, Position), RecoveryError> {
        let index = Arc::new(index.clone());
        let store = Store::open(
            Arc::new(disk.clone()),
            Arc::clone(&index),
            || IDENTITY,
            plan.journal,
        )?;
        let mut broker = Broker::new(
            plan.core.clone(),
            Arc::new(Everyone),
            Formats::default(),
            plan.seed,
        );
        let restarted = engine::restart(&mut broker, store, plan.journal, now)?;
        let parts = restarted.parts;
        let last = parts.report.last;
        let current = parts.journal.current_file();
        let full = (restarted.mark.first_file.0..current.0).map(FileNumber);
        let committed = Position(parts.journal.next_position().0.saturating_sub(1));
        Ok((
            Self {
                keeper: Keeper::new(full.collect(), restarted.mark.first_file),
                broker,
                disk: disk.clone(),
                index,
                journal: parts.journal,
                extents: parts.extents,
                given: None,
                written: None,
                committed,
                fetches: Vec::new(),
                snapshots: BTreeMap::new(),
                definitions: Arc::default(),
                definitions_changed: true,
            },
            last,
        ))
    }

    /// The state at the end of the last block up to `position`, if it is remembered.
    pub(crate) fn snapshot_at(&self, position: Position) -> Option<Snapshot> {
        let (_, snapshot) = self.snapshots.range(..=position).next_back()?;
        Some(snapshot.clone())
    }

    /// Lets the core carry out a command.
    pub(crate) fn apply(&mut self, now: Timestamp, command: Command, effects: &mut Effects) {
        self.definitions_changed |= !matches!(
            command,
            Command::Publish { .. } | Command::Settle { .. } | Command::Written { .. }
        );
        let before = self.broker.open_position();
        self.broker.apply(now, command, effects);
        let after = self.broker.open_position();
        assert_eq!(before, after, "a command is in one block");
        self.fetches.append(&mut effects.fetches);
    }

    /// Lets time pass in the core.
    pub(crate) fn tick(&mut self, now: Timestamp, effects: &mut Effects) {
        self.definitions_changed = true;
        self.broker.tick(now, effects);
        self.fetches.append(&mut effects.fetches);
    }

    /// Ends a batch.
    pub(crate) fn finish(&mut self, now: Timestamp, effects: &mut Effects) {
        self.broker.finish(now, effects);
        self.fetches.append(&mut effects.fetches);
    }

    /// The state as it is now belongs to the block at `position`, which was just closed.
    pub(crate) fn remember(&mut self, now: Timestamp, position: Position) {
        let snapshot = self.snapshot(now);
        self.snapshots.insert(position, snapshot);
        let durable = self.journal.durable();
        let needed = self.snapshots.range(..=durable).next_back();
        if let Some((needed, _)) = needed {
            self.snapshots = self.snapshots.split_off(&Position(needed.0));
        }
    }

    /// The durable part of the state.
    pub(crate) fn snapshot(&mut self, now: Timestamp) -> Snapshot {
        if std::mem::take(&mut self.definitions_changed) {
            let definitions = durable_definitions(&mut self.broker, now);
            if definitions != *self.definitions {
                self.definitions = Arc::new(definitions);
            }
        }
        Snapshot {
            queues: durable_queues(&self.broker, now),
            definitions: Arc::clone(&self.definitions),
        }
    }

    /// The journal does the next thing it has to do. False when it has nothing to do or the disk
    /// is full.
    pub(crate) fn journal_step(
        &mut self,
        now: Timestamp,
        patient: bool,
        effects: &mut Effects,
    ) -> Result<bool, StorageError> {
        if let Some(written) = self.written.take() {
            if written.durability == Durability::Fsync {
                self.journal.sync()?;
            }
            self.committed = self.committed.max(written.position);
            self.broker
                .committed(written.position, written.file, effects);
            self.fetches.append(&mut effects.fetches);
            return Ok(true);
        }
        if self.given.is_none() {
            self.given = self.next_block(now, patient);
        }
        let Some(block) = &self.given else {
            return Ok(false);
        };
        match self.journal.append(&block.body, block.admission) {
            Ok(appended) => {
                assert_eq!(appended.position, block.position);
                self.written = Some(Written {
                    position: appended.position,
                    file: appended.file,
                    durability: block.durability,
                });
                self.given = None;
                if let Some(full) = appended.sealed {
                    self.keeper.file_is_full(full);
                }
                Ok(true)
            }
            Err(StorageError::DiskFull { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn next_block(&mut self, now: Timestamp, patient: bool) -> Option<SealedBlock> {
        let due = match self.broker.urgency() {
            Urgency::Nothing => false,
            Urgency::Now => true,
            Urgency::By(deadline) => !patient || deadline <= now,
        };
        if !due {
            return None;
        }
        let before = self.broker.open_position();
        let block = self.broker.seal()?;
        if self.broker.open_position() > before {
            self.remember(now, before);
        }
        Some(block)
    }

    /// Makes everything durable that was written.
    pub(crate) fn sync(&mut self) -> Result<(), StorageError> {
        self.journal.sync().map(drop)
    }

    /// Answers one of the reads that wait.
    pub(crate) fn fetch_step(&mut self, now: Timestamp, random: &mut Rng, effects: &mut Effects) {
        if self.fetches.is_empty() {
            return;
        }
        let fetch = self
            .fetches
            .swap_remove(random.usize(0..self.fetches.len()));
        let read = self
            .extents
            .read(fetch.run.file, fetch.log.0, fetch.from.0, fetch.bytes_max);
        self.broker.fetched(now, &fetch, read.ok(), effects);
        self.fetches.append(&mut effects.fetches);
    }

    /// What is under way.
    pub(crate) fn describe(&self) -> String {
        format!(
            "given {:?}, written {}, {} reads, {:?}, keeper {}",
            self.given.as_ref().map(|block| block.position),
            self.written.is_some(),
            self.fetches.len(),
            self.broker.urgency(),
            self.keeper.is_busy(),
        )
    }

    /// Whether blocks or reads are under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.given.is_some()
            || self.written.is_some()
            || !self.fetches.is_empty()
            || self.broker.urgency() != Urgency::Nothing
    }
}
