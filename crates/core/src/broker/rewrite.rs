//! Extent files of which little is wanted any more: what is, moves to a new file.

use super::Broker;
use crate::{
    id::LogId,
    storage::{ExtentFile, Run},
};

/// An extent file that is to be written anew.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The file.
    pub file: ExtentFile,
    /// What is wanted of it, by log.
    pub parts: Vec<RewritePart>,
}

/// What is wanted of one run.
#[derive(Clone, Debug)]
pub struct RewritePart {
    /// The run.
    pub run: Run,
    /// First and last offset of each wanted range, in order.
    pub wanted: Vec<(u64, u64)>,
}

impl Rewrite {
    /// Whether a record of the file is wanted.
    #[must_use]
    pub fn wants(&self, log: u64, offset: u64) -> bool {
        let part = self
            .parts
            .binary_search_by_key(&log, |part| part.run.log)
            .ok()
            .and_then(|index| self.parts.get(index));
        part.is_some_and(|part| {
            let index = part.wanted.partition_point(|(_, last)| *last < offset);
            let range = part.wanted.get(index);
            range.is_some_and(|(first, _)| *first <= offset)
        })
    }
}

impl Broker {
    /// The file that is most worth writing anew, if one is.
    #[must_use]
    pub fn next_rewrite(&self) -> Option<Rewrite> {
        let file = self.memory.files.sparsest()?;
        let lanes = self.queues.values().flat_map(|queue| &queue.lanes);
        let mut parts: Vec<_> = lanes
            .flat_map(|lane| lane.log.runs().map(move |run| (lane, run)))
            .filter(|(_, run)| run.file == file)
            .map(|(lane, run)| RewritePart {
                run: *run,
                wanted: lane.ledger.wanted_ranges(run.first, run.last),
            })
            .collect();
        parts.sort_by_key(|part| (part.run.log, part.run.first));
        Some(Rewrite { file, parts })
    }

    /// The file cannot be read, so it stays as it is.
    pub fn rewrite_failed(&mut self, rewrite: &Rewrite) {
        self.memory.files.keep_as_it_is(rewrite.file);
    }

    /// What was wanted is now in these runs too, one for each log.
    pub fn rewritten(&mut self, rewrite: &Rewrite, runs: &[Run]) {
        for part in &rewrite.parts {
            let log = LogId(part.run.log);
            let new = runs.iter().find(|run| run.log == log.0);
            let lane = self
                .queues
                .get_mut(&log.queue())
                .and_then(|queue| queue.lane_mut(log.lane()));
            let Some(lane) = lane else {
                if let Some(new) = new {
                    self.run_is_unwanted(new);
                }
                continue;
            };
            let live = |run: &Run| {
                lane.ledger
                    .wanted_between(run.first, run.last)
                    .min(run.count)
            };
            if new.is_none() && live(&part.run) > 0 {
                continue;
            }
            let new = new.map(|run| (*run, live(run)));
            lane.log.moved(&part.run, new, &mut self.memory.files);
        }
    }
}
