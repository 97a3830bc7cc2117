//! What goes on behind the broker: records of full journal files move to extents, what changed is
//! saved in the index, sparse files are written anew. One step at a time, so that clients work in
//! between.

use std::collections::VecDeque;

use sabir_core::broker::{Checkpoint, Rewrite, SettleRecord, SettleStep};
use sabir_core::id::Timestamp;
use sabir_core::storage::{FileNumber, Journal, Position, Run, StorageError, Tier};
use sabir_storage::{engine, extent};

use crate::node::Node;

/// Bytes of records that are taken from the core at a time.
const STEP_BYTES: u64 = 4_000;

/// What is to be done next.
enum Stage {
    Idle,
    /// Records are taken from the core.
    Take {
        file: Option<FileNumber>,
        records: Vec<SettleRecord>,
    },
    /// They have been written.
    Hand {
        file: Option<FileNumber>,
        runs: Vec<Run>,
    },
    /// What is wanted of a file has been copied.
    Replace {
        rewrite: Rewrite,
        runs: Vec<Run>,
    },
    /// The changes wait for the journal to have everything that they include.
    Save {
        checkpoint: Checkpoint,
    },
    /// Journal files that nobody needs are given back.
    Trim,
}

/// The work behind the broker.
pub(crate) struct Keeper {
    full: VecDeque<FileNumber>,
    first_needed: FileNumber,
    stage: Stage,
}

impl Keeper {
    pub(crate) fn new(full: VecDeque<FileNumber>, first_needed: FileNumber) -> Self {
        Self {
            full,
            first_needed,
            stage: Stage::Idle,
        }
    }

    /// A journal file gets no more blocks.
    pub(crate) fn file_is_full(&mut self, file: FileNumber) {
        self.full.push_back(file);
    }

    /// Whether something was begun or waits to be.
    pub(crate) fn is_busy(&self) -> bool {
        !matches!(self.stage, Stage::Idle) || !self.full.is_empty()
    }

    /// Whether a checkpoint waits for the journal to reach this position.
    pub(crate) fn waits_for(&self) -> Option<Position> {
        match &self.stage {
            Stage::Save { checkpoint } => Some(checkpoint.position),
            _ => None,
        }
    }
}

impl Node {
    /// The keeper does the next thing. A full disk makes it begin that again later.
    pub(crate) fn keeper_step(&mut self, now: Timestamp) -> Result<(), StorageError> {
        let stage = std::mem::replace(&mut self.keeper.stage, Stage::Idle);
        self.keeper.stage = match stage {
            Stage::Idle => self.begin(),
            Stage::Take { file, records } => self.take_records(file, records)?,
            Stage::Hand { file, runs } => {
                self.broker.settled(&runs);
                match file {
                    Some(file) => {
                        self.keeper.full.pop_front();
                        self.keeper.first_needed = self.keeper.first_needed.max(file.next());
                        self.begin_checkpoint(now)
                    }
                    None => Stage::Idle,
                }
            }
            Stage::Replace { rewrite, runs } => {
                self.broker.rewritten(&rewrite, &runs);
                self.begin_checkpoint(now)
            }
            Stage::Save { checkpoint } if self.journal.durable() >= checkpoint.position => {
                let first = self.keeper.first_needed;
                engine::commit_checkpoint(&*self.index, &self.extents, checkpoint, first)?;
                Stage::Trim
            }
            Stage::Save { checkpoint } => Stage::Save { checkpoint },
            Stage::Trim => {
                self.journal.trim(self.keeper.first_needed)?;
                self.journal.spares().replenish()?;
                Stage::Idle
            }
        };
        Ok(())
    }

    fn begin(&mut self) -> Stage {
        let take = |file| Stage::Take {
            file,
            records: Vec::new(),
        };
        if let Some(file) = self.keeper.full.front().copied() {
            return if self.broker.begin_settle(file) {
                take(Some(file))
            } else {
                Stage::Hand {
                    file: Some(file),
                    runs: Vec::new(),
                }
            };
        }
        if self.broker.is_volatile_heavy() {
            self.broker.begin_settle_volatile();
            return take(None);
        }
        Stage::Idle
    }

    fn take_records(
        &mut self,
        file: Option<FileNumber>,
        mut records: Vec<SettleRecord>,
    ) -> Result<Stage, StorageError> {
        if let SettleStep::Records(more) = self.broker.settle_next(STEP_BYTES) {
            records.extend(more);
            return Ok(Stage::Take { file, records });
        }
        let tier = if file.is_some() {
            Tier::Durable
        } else {
            Tier::Volatile
        };
        let mut steps = vec![SettleStep::Done, SettleStep::Records(records)];
        let next = || steps.pop().unwrap_or(SettleStep::Done);
        match engine::write_records(&self.extents, tier, next) {
            Ok(runs) => Ok(Stage::Hand { file, runs }),
            Err(StorageError::DiskFull { .. }) => Ok(Stage::Idle),
            Err(error) => Err(error),
        }
    }

    /// Writes the sparsest extent file anew, if the keeper is idle.
    pub(crate) fn begin_rewrite(&mut self) -> Result<(), StorageError> {
        if self.keeper.is_busy() {
            return Ok(());
        }
        let Some(rewrite) = self.broker.next_rewrite() else {
            return Ok(());
        };
        let wants = |log, offset| rewrite.wants(log, offset);
        match extent::rewrite(&self.extents, rewrite.file, wants) {
            Ok(settled) => {
                self.keeper.stage = Stage::Replace {
                    runs: settled.runs,
                    rewrite,
                };
                Ok(())
            }
            Err(StorageError::DiskFull { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Begins to save what has changed, if the keeper is idle.
    pub(crate) fn begin_save(&mut self, now: Timestamp) {
        if matches!(self.keeper.stage, Stage::Idle) {
            self.keeper.stage = self.begin_checkpoint(now);
        }
    }

    fn begin_checkpoint(&mut self, now: Timestamp) -> Stage {
        let before = self.broker.open_position();
        let checkpoint = self.broker.checkpoint();
        if self.broker.open_position() > before {
            self.remember(now, before);
        }
        Stage::Save { checkpoint }
    }
}
