//! Which extent files still hold something that is wanted, and what the index has to learn of it.

use crate::storage::{ExtentFile, FileUsage, IndexBatch, Run, Tier};
use std::collections::{BTreeMap, BTreeSet};

/// A file of which less than this is wanted is written anew.
const SPARSE_PERCENT: u64 = 30;

/// The extent files in use and the changes since the last checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Files {
    usage: BTreeMap<ExtentFile, FileUsage>,
    dirty: BTreeSet<ExtentFile>,
    runs_added: BTreeMap<Vec<u8>, Run>,
    runs_gone: BTreeMap<Vec<u8>, Run>,
    /// Files that cannot be written anew.
    damaged: BTreeSet<ExtentFile>,
}

impl Files {
    /// A file as the index knows it; what is wanted of it is counted by its runs.
    pub(crate) fn recovered(&mut self, file: ExtentFile, usage: FileUsage) {
        self.usage.insert(
            file,
            FileUsage {
                live_bytes: 0,
                live_records: 0,
                ..usage
            },
        );
    }

    /// Counts what is wanted of a run that the index knows.
    pub(crate) fn run_recovered(&mut self, run: &Run, live: u64) {
        let usage = self.usage.entry(run.file).or_default();
        usage.live_records += live;
        usage.live_bytes += live * average(run);
        if live == 0 {
            self.run_gone(run, 0);
        }
    }

    /// A run was written; `live` of its records are still wanted.
    pub(crate) fn run_added(&mut self, run: &Run, live: u64) {
        self.count(run, live);
        if run.file.tier == Tier::Durable {
            self.runs_added.insert(run.key(), *run);
        }
    }

    /// A run goes with `live` wanted records.
    pub(crate) fn run_gone(&mut self, run: &Run, live: u64) {
        let usage = self.usage.entry(run.file).or_default();
        usage.live_records = usage.live_records.saturating_sub(live);
        usage.live_bytes = usage.live_bytes.saturating_sub(live * average(run));
        self.dirty.insert(run.file);
        let key = run.key();
        if self.runs_added.remove(&key).is_none() && run.file.tier == Tier::Durable {
            self.runs_gone.insert(key, *run);
        }
    }

    /// Records of a run are no longer wanted.
    pub(crate) fn records_gone(&mut self, run: &Run, count: u64) {
        let usage = self.usage.entry(run.file).or_default();
        usage.live_records = usage.live_records.saturating_sub(count);
        usage.live_bytes = usage.live_bytes.saturating_sub(count * average(run));
        if usage.live_records == 0 {
            self.dirty.insert(run.file);
        }
    }

    /// The durable file with the smallest wanted part, if that part is so small that it is worth
    /// writing it anew.
    pub(crate) fn sparsest(&self) -> Option<ExtentFile> {
        let share = |usage: &FileUsage| usage.live_bytes.saturating_mul(100) / usage.bytes.max(1);
        self.usage
            .iter()
            .filter(|(file, usage)| file.tier == Tier::Durable && usage.live_records > 0)
            .filter(|(file, _)| !self.damaged.contains(file))
            .map(|(file, usage)| (share(usage), *file))
            .min()
            .filter(|(share, _)| *share < SPARSE_PERCENT)
            .map(|(_, file)| file)
    }

    /// A file is not to be written anew.
    pub(crate) fn keep_as_it_is(&mut self, file: ExtentFile) {
        self.damaged.insert(file);
    }

    /// How many changes wait for the next checkpoint, and how many files there are.
    pub(crate) fn len(&self) -> (usize, usize) {
        let changes = self.dirty.len() + self.runs_added.len() + self.runs_gone.len();
        (changes, self.usage.len())
    }

    /// Bytes of all extent files.
    pub(crate) fn bytes(&self) -> u64 {
        self.usage.values().map(|usage| usage.bytes).sum()
    }

    /// Writes the changes since the last call and returns the files that hold nothing any more:
    /// they may be deleted once the batch is durable.
    pub(crate) fn checkpoint(&mut self, batch: &mut IndexBatch) -> Vec<ExtentFile> {
        for (_, run) in std::mem::take(&mut self.runs_added) {
            batch.put_run(&run);
        }
        for (_, run) in std::mem::take(&mut self.runs_gone) {
            batch.remove_run(&run);
        }
        let mut empty = Vec::new();
        for file in std::mem::take(&mut self.dirty) {
            let Some(usage) = self.usage.get(&file).copied() else {
                continue;
            };
            let durable = file.tier == Tier::Durable;
            if usage.live_records == 0 {
                self.usage.remove(&file);
                self.damaged.remove(&file);
                empty.push(file);
                if durable {
                    batch.remove_file(file);
                }
            } else if durable {
                batch.put_file(file, usage);
            }
        }
        empty
    }

    fn count(&mut self, run: &Run, live: u64) {
        let usage = self.usage.entry(run.file).or_default();
        usage.records += run.count;
        usage.bytes += run.bytes;
        usage.live_records += live;
        usage.live_bytes += live * average(run);
        self.dirty.insert(run.file);
    }
}

fn average(run: &Run) -> u64 {
    run.bytes / run.count.max(1)
}
