//! Which extent files still hold something that is wanted, and what the index has to learn of it.

use crate::storage::{ExtentFile, FileUsage, IndexBatch, Run, Tier};
use std::collections::{BTreeMap, BTreeSet};

/// The extent files in use and the changes since the last checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Files {
    usage: BTreeMap<ExtentFile, FileUsage>,
    dirty: BTreeSet<ExtentFile>,
    runs_added: BTreeMap<Vec<u8>, Run>,
    runs_gone: BTreeMap<Vec<u8>, Run>,
}

impl Files {
    /// A file as the index knows it.
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

    /// Counts a run that the index knows.
    pub(crate) fn run_recovered(&mut self, run: &Run, live: u64) {
        self.count(run, live);
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

    /// One record of a run is no longer wanted.
    pub(crate) fn record_gone(&mut self, run: &Run) {
        let usage = self.usage.entry(run.file).or_default();
        usage.live_records = usage.live_records.saturating_sub(1);
        usage.live_bytes = usage.live_bytes.saturating_sub(average(run));
        if usage.live_records == 0 {
            self.dirty.insert(run.file);
        }
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
