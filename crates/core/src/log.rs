//! A log: records by offset, the recent ones in memory, older ones in runs on disk.

pub(crate) mod chunk;
pub(crate) mod files;

use crate::{
    id::{LogId, Offset},
    storage::Run,
};
use bytes::Bytes;
use chunk::{ChunkId, Chunks, Slot};
use files::Files;
use std::collections::{BTreeMap, VecDeque};

/// Where a record can be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// In memory.
    Memory(Slot),
    /// In an extent that has to be read.
    Disk(Run),
    /// It is no longer there.
    Gone,
}

/// A run and how many of its records are still wanted.
#[derive(Clone, Copy, Debug)]
struct LiveRun {
    run: Run,
    live: u64,
}

/// The records of one log. Offsets below `recent_base` are in `runs`, the others in `recent`.
#[derive(Debug)]
pub(crate) struct Log {
    id: LogId,
    runs: VecDeque<LiveRun>,
    recent_base: u64,
    recent: VecDeque<Option<Slot>>,
    loaded: BTreeMap<u64, Bytes>,
}

impl Log {
    pub(crate) fn new(id: LogId) -> Self {
        Self {
            id,
            runs: VecDeque::new(),
            recent_base: 0,
            recent: VecDeque::new(),
            loaded: BTreeMap::new(),
        }
    }

    /// A log as its checkpoint knew it: what is in memory arrives by [`Log::restore`].
    pub(crate) fn recovered(id: LogId, head: Offset, tail: Offset, runs: Vec<(Run, u64)>) -> Self {
        let after_runs = runs.last().map_or(0, |(run, _)| run.last + 1);
        let recent_base = after_runs.max(head.0).min(tail.0);
        Self {
            id,
            runs: runs
                .into_iter()
                .map(|(run, live)| LiveRun { run, live })
                .collect(),
            recent_base,
            recent: (recent_base..tail.0).map(|_| None).collect(),
            loaded: BTreeMap::new(),
        }
    }

    /// The offset that the next record will take.
    pub(crate) fn tail(&self) -> Offset {
        Offset(self.recent_base + self.recent.len() as u64)
    }

    /// Adds a record at the tail.
    pub(crate) fn append(&mut self, slot: Slot, chunks: &mut Chunks) -> Offset {
        let offset = self.tail();
        chunks.retain(slot.chunk);
        self.recent.push_back(Some(slot));
        offset
    }

    /// Puts back a record that the checkpoint counted. Returns false when it is not wanted there.
    pub(crate) fn restore(&mut self, offset: Offset, slot: Slot, chunks: &mut Chunks) -> bool {
        let index = offset.0.checked_sub(self.recent_base);
        let Some(place) = index.and_then(|index| self.recent.get_mut(usize::try_from(index).ok()?))
        else {
            return false;
        };
        if place.is_none() {
            chunks.retain(slot.chunk);
            *place = Some(slot);
        }
        true
    }

    /// Where the record at `offset` is.
    pub(crate) fn place(&self, offset: Offset) -> Place {
        if let Some(index) = offset.0.checked_sub(self.recent_base) {
            let slot = usize::try_from(index)
                .ok()
                .and_then(|index| self.recent.get(index).copied().flatten());
            return slot.map_or(Place::Gone, Place::Memory);
        }
        self.run_of(offset)
            .and_then(|index| self.runs.get(index))
            .map_or(Place::Gone, |live| Place::Disk(live.run))
    }

    /// A record that was read from disk earlier and not yet used.
    pub(crate) fn loaded(&self, offset: Offset) -> Option<&Bytes> {
        self.loaded.get(&offset.0)
    }

    /// Keeps records that were read from disk until they are used or [`Log::unload`]ed.
    pub(crate) fn load(&mut self, records: impl IntoIterator<Item = (Offset, Bytes)>) {
        self.loaded
            .extend(records.into_iter().map(|(offset, bytes)| (offset.0, bytes)));
    }

    /// Forgets what was read ahead.
    pub(crate) fn unload(&mut self) {
        self.loaded.clear();
    }

    /// Forgets one record that was read ahead.
    pub(crate) fn used(&mut self, offset: Offset) {
        if !self.loaded.is_empty() {
            self.loaded.remove(&offset.0);
        }
    }

    /// The record at `offset` is no longer wanted by anyone.
    pub(crate) fn discard(&mut self, offset: Offset, chunks: &mut Chunks, files: &mut Files) {
        self.used(offset);
        let Some(index) = offset.0.checked_sub(self.recent_base) else {
            self.discard_on_disk(offset, files);
            return;
        };
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| self.recent.get_mut(index))
            .and_then(Option::take);
        if let Some(slot) = slot {
            chunks.release(slot.chunk);
        }
        self.drop_front();
    }

    /// All records before `end` are no longer wanted.
    pub(crate) fn discard_before(&mut self, end: Offset, chunks: &mut Chunks, files: &mut Files) {
        while let Some(first) = self.runs.front().copied() {
            if first.run.last >= end.0 {
                break;
            }
            files.run_gone(&first.run, first.live);
            self.runs.pop_front();
        }
        self.loaded = self.loaded.split_off(&end.0);
        while self.recent_base < end.0 {
            let Some(place) = self.recent.pop_front() else {
                break;
            };
            self.recent_base += 1;
            if let Some(slot) = place {
                chunks.release(slot.chunk);
            }
        }
    }

    /// Forgets everything; the log itself goes.
    pub(crate) fn delete(&mut self, chunks: &mut Chunks, files: &mut Files) {
        self.discard_before(self.tail(), chunks, files);
    }

    /// The records from `from` on whose chunks are at or before `boundary`, oldest first.
    pub(crate) fn until(
        &self,
        from: Offset,
        boundary: ChunkId,
    ) -> impl Iterator<Item = (Offset, Slot)> + '_ {
        let skip = usize::try_from(from.0.saturating_sub(self.recent_base)).unwrap_or(usize::MAX);
        self.recent
            .iter()
            .enumerate()
            .skip(skip)
            .filter_map(|(index, slot)| Some((Offset(self.recent_base + index as u64), (*slot)?)))
            .take_while(move |(_, slot)| slot.chunk <= boundary)
    }

    /// Records now in `run` leave memory.
    pub(crate) fn settled(&mut self, run: Run, chunks: &mut Chunks, files: &mut Files) {
        let mut live = 0;
        while self.recent_base <= run.last {
            let Some(place) = self.recent.pop_front() else {
                break;
            };
            self.recent_base += 1;
            if let Some(slot) = place {
                chunks.release(slot.chunk);
                live += 1;
            }
        }
        files.run_added(&run, live);
        if live > 0 {
            self.runs.push_back(LiveRun { run, live });
        } else {
            files.run_gone(&run, 0);
        }
    }

    /// The runs on disk, oldest first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().map(|live| &live.run)
    }

    /// The first offset at or after `from` whose record should be in memory but is not.
    pub(crate) fn first_missing(&self, wanted: impl Fn(Offset) -> bool) -> Option<Offset> {
        self.recent
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_none())
            .map(|(index, _)| Offset(self.recent_base + index as u64))
            .find(|offset| wanted(*offset))
    }

    /// Whether no record is in memory.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.recent.is_empty()
    }

    /// How many records are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.recent.iter().flatten().count()
    }

    /// The oldest offset that may still be there.
    pub(crate) fn first(&self) -> Offset {
        Offset(
            self.runs
                .front()
                .map_or(self.recent_base, |live| live.run.first),
        )
    }

    /// This log's identifier.
    pub(crate) fn id(&self) -> LogId {
        self.id
    }

    fn drop_front(&mut self) {
        while self.recent.front().is_some_and(Option::is_none) {
            self.recent.pop_front();
            self.recent_base += 1;
        }
    }

    fn discard_on_disk(&mut self, offset: Offset, files: &mut Files) {
        let Some(index) = self.run_of(offset) else {
            return;
        };
        let Some(live) = self.runs.get_mut(index) else {
            return;
        };
        live.live = live.live.saturating_sub(1);
        files.record_gone(&live.run);
        if live.live == 0 {
            let run = live.run;
            self.runs.remove(index);
            files.run_gone(&run, 0);
        }
    }

    fn run_of(&self, offset: Offset) -> Option<usize> {
        let index = self.runs.partition_point(|live| live.run.last < offset.0);
        self.runs
            .get(index)
            .is_some_and(|live| live.run.first <= offset.0)
            .then_some(index)
    }
}
