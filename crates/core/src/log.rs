//! A log: records by offset, the recent ones in memory, older ones in runs on disk.

pub(crate) mod chunk;
pub(crate) mod files;

use crate::{
    id::{LogId, Offset, Timestamp},
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

/// A run, how many of its records are still wanted and when the earliest of those is due whose
/// times are not in memory.
#[derive(Clone, Copy, Debug)]
struct LiveRun {
    run: Run,
    live: u64,
    due: Option<Timestamp>,
}

/// The records of one log. Offsets below `recent_base` are in `runs`, the others in `recent`.
#[derive(Debug)]
pub(crate) struct Log {
    id: LogId,
    runs: VecDeque<LiveRun>,
    recent_base: u64,
    recent: VecDeque<Option<Slot>>,
    loaded: BTreeMap<u64, Bytes>,
    /// No record of a run is due before, as far as their times are not in memory.
    runs_due: Option<Timestamp>,
}

impl Log {
    pub(crate) fn new(id: LogId) -> Self {
        Self {
            id,
            runs: VecDeque::new(),
            recent_base: 0,
            recent: VecDeque::new(),
            loaded: BTreeMap::new(),
            runs_due: None,
        }
    }

    /// A log as its checkpoint knew it: what is in memory arrives by [`Log::restore`]. No record
    /// from the end of the runs to `recent` is wanted.
    pub(crate) fn recovered(
        id: LogId,
        recent: Offset,
        tail: Offset,
        runs: Vec<(Run, u64)>,
    ) -> Self {
        let recent_base = recent.0.min(tail.0);
        let mut log = Self {
            id,
            runs: runs
                .into_iter()
                .map(|(run, live)| LiveRun {
                    run,
                    live,
                    due: run.due_ms_min.map(Timestamp),
                })
                .collect(),
            recent_base,
            recent: (recent_base..tail.0).map(|_| None).collect(),
            ..Self::new(id)
        };
        log.find_runs_due();
        log
    }

    /// The offset that the next record will take.
    pub(crate) fn tail(&self) -> Offset {
        Offset(self.recent_base + self.recent.len() as u64)
    }

    /// Adds a record at the tail.
    pub(crate) fn append(&mut self, slot: Slot, chunks: &mut Chunks) -> Offset {
        let offset = self.tail();
        chunks.retain(slot.chunk);
        if self.recent.capacity() == 0 {
            self.recent.reserve_exact(1);
        }
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

    /// How many records were read ahead.
    pub(crate) fn loaded_count(&self) -> usize {
        self.loaded.len()
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
        if offset.0 < self.recent_base {
            self.discard_on_disk(offset, files);
            return;
        }
        self.discard_in_memory(offset, chunks);
        self.drop_front();
    }

    /// All records before `end` are no longer wanted. Returns how many bytes they had.
    pub(crate) fn discard_before(
        &mut self,
        end: Offset,
        chunks: &mut Chunks,
        files: &mut Files,
    ) -> u64 {
        let mut bytes = 0;
        while let Some(first) = self.runs.front().copied() {
            if first.run.last >= end.0 {
                break;
            }
            bytes += first.run.bytes;
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
                bytes += u64::from(slot.length);
                chunks.release(slot.chunk);
            }
        }
        bytes
    }

    /// The run with records on both sides of `offset`.
    pub(crate) fn run_across(&self, offset: Offset) -> Option<Run> {
        let index = self.run_of(offset)?;
        let run = self.runs.get(index)?.run;
        (run.first < offset.0).then_some(run)
    }

    /// So many records of a run are no longer wanted.
    pub(crate) fn discard_in(&mut self, run: &Run, count: u64, files: &mut Files) {
        let place = self.runs.iter().position(|live| same(&live.run, run));
        if let Some(index) = place {
            self.discard_at(index, count, files);
        }
    }

    fn discard_at(&mut self, index: usize, count: u64, files: &mut Files) {
        let Some(live) = self.runs.get_mut(index) else {
            return;
        };
        live.live = live.live.saturating_sub(count);
        let (run, left) = (live.run, live.live);
        files.records_gone(&run, count);
        if left == 0 {
            self.runs.remove(index);
            files.run_gone(&run, 0);
        }
    }

    /// All records of which `held` says nothing are no longer wanted; `held` is in order and was
    /// wanted before.
    pub(crate) fn keep_only(&mut self, held: &[Offset], chunks: &mut Chunks, files: &mut Files) {
        let count = |run: &Run| {
            let from = held.partition_point(|offset| offset.0 < run.first);
            let to = held.partition_point(|offset| offset.0 <= run.last);
            (to - from) as u64
        };
        self.runs.retain_mut(|live| {
            let left = count(&live.run);
            files.records_gone(&live.run, live.live.saturating_sub(left));
            live.live = left;
            live.due = None;
            if left == 0 {
                files.run_gone(&live.run, 0);
            }
            left > 0
        });
        self.runs_due = None;
        self.loaded
            .retain(|offset, _| held.binary_search(&Offset(*offset)).is_ok());
        let base = self.recent_base;
        for (index, place) in self.recent.iter_mut().enumerate() {
            let offset = Offset(base + index as u64);
            if let Some(slot) = place
                && held.binary_search(&offset).is_err()
            {
                chunks.release(slot.chunk);
                *place = None;
            }
        }
        self.drop_front();
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

    /// Records now in `run` leave memory; the earliest that is due is so at `due`.
    pub(crate) fn settled(
        &mut self,
        run: Run,
        due: Option<Timestamp>,
        chunks: &mut Chunks,
        files: &mut Files,
    ) {
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
        self.drop_front();
        files.run_added(&run, live);
        if live > 0 {
            // Of very many queues most have one run; a deque that grows by itself makes room for four.
            if self.runs.capacity() == 0 {
                self.runs.reserve_exact(1);
            }
            self.runs.push_back(LiveRun { run, live, due });
            self.find_runs_due();
        } else {
            files.run_gone(&run, 0);
        }
    }

    /// A run was written anew into another file; `live` of its records are still wanted. `None`
    /// for the new one says that none was.
    pub(crate) fn moved(&mut self, old: &Run, new: Option<(Run, u64)>, files: &mut Files) {
        let place = self.runs.iter().position(|live| same(&live.run, old));
        let live_run = place.and_then(|index| self.runs.get_mut(index));
        let (Some(index), Some(live_run)) = (place, live_run) else {
            if let Some((run, _)) = new {
                files.run_added(&run, 0);
                files.run_gone(&run, 0);
            }
            return;
        };
        files.run_gone(&live_run.run, live_run.live);
        match new {
            Some((run, live)) if live > 0 => {
                files.run_added(&run, live);
                live_run.run = run;
                live_run.live = live;
            }
            Some((run, _)) => {
                files.run_added(&run, 0);
                files.run_gone(&run, 0);
                self.runs.remove(index);
            }
            None => drop(self.runs.remove(index)),
        }
    }

    /// The run with the earliest due record whose time is not in memory, if that is by `deadline`.
    pub(crate) fn run_due_by(&mut self, deadline: Timestamp) -> Option<Run> {
        if self.runs_due? > deadline {
            return None;
        }
        // The run that was the earliest may have gone.
        self.find_runs_due();
        let due = self.runs_due.filter(|due| *due <= deadline)?;
        let earliest = self.runs.iter().find(|live| live.due == Some(due))?;
        Some(earliest.run)
    }

    /// No record of a run is due before, as far as their times are not in memory.
    pub(crate) fn runs_due(&self) -> Option<Timestamp> {
        self.runs_due
    }

    /// Remembers when the earliest record of a run is due whose time is not in memory.
    pub(crate) fn set_run_due(&mut self, run: &Run, due: Option<Timestamp>) {
        if let Some(live) = self.runs.iter_mut().find(|live| same(&live.run, run)) {
            live.due = due;
        }
        self.find_runs_due();
    }

    /// Nobody asks when its records on disk are due.
    pub(crate) fn forget_dues(&mut self) {
        for live in &mut self.runs {
            live.due = None;
        }
        self.runs_due = None;
    }

    fn find_runs_due(&mut self) {
        self.runs_due = self.runs.iter().filter_map(|live| live.due).min();
    }

    /// Whether this run is still part of the log.
    pub(crate) fn has_run(&self, run: &Run) -> bool {
        self.runs.iter().any(|live| same(&live.run, run))
    }

    /// The records from here on up to `offset` are lost: none of them was seen.
    pub(crate) fn skip_to(&mut self, offset: Offset) {
        while self.tail() < offset {
            self.recent.push_back(None);
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

    fn discard_in_memory(&mut self, offset: Offset, chunks: &mut Chunks) {
        let place = offset
            .0
            .checked_sub(self.recent_base)
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| self.recent.get_mut(index));
        if let Some(slot) = place.and_then(Option::take) {
            chunks.release(slot.chunk);
        }
    }

    fn discard_on_disk(&mut self, offset: Offset, files: &mut Files) {
        if let Some(index) = self.run_of(offset) {
            self.discard_at(index, 1, files);
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

fn same(one: &Run, other: &Run) -> bool {
    (one.file, one.log, one.first) == (other.file, other.log, other.first)
}
