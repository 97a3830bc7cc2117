//! One priority of a queue: a log and the progress of the queue's consumers over it.

use super::due::{Dues, LEAD_MS};
use crate::{
    broker::{
        memory::Memory,
        timer::{Timer, Timers},
    },
    id::{LogId, Offset, Timestamp},
    journal::entry,
    log::{Log, Place},
    routing::QueueId,
    storage::{Position, Run},
    subscription::ledger::Ledger,
    wire::{Malformed, Reader, Writer},
};
use bytes::Bytes;

/// One priority of a queue.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) level: u8,
    pub(crate) log: Log,
    pub(crate) ledger: Ledger,
    /// Records before this offset may be delivered: they are as safe as they were promised to be.
    pub(crate) visible: Offset,
    /// Records before this offset have been offered to the consumers that were there.
    pub(crate) offered: Offset,
    /// Which of its records have a time of their own.
    pub(crate) dues: Dues,
    /// Bytes of the records that are not settled.
    pub(crate) bytes: u64,
    /// Whether it is journaled.
    pub(crate) durable: bool,
    /// A read of the records ahead is under way.
    pub(crate) fetching: bool,
    /// The block whose commit will make the tail visible.
    pub(crate) touched: Position,
    /// Its state has changed since the last checkpoint.
    pub(crate) unsaved: bool,
    /// It is known to have records in memory.
    pub(crate) in_memory: bool,
    unwritten: Vec<(u64, u64)>,
    unwritten_bytes: u64,
}

/// Where a record's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Here.
    Bytes(Bytes),
    /// On disk.
    OnDisk(Run),
    /// Nowhere: it is lost.
    Lost,
}

impl Lane {
    pub(crate) fn new(queue: QueueId, level: u8, durable: bool) -> Self {
        Self {
            level,
            log: Log::new(LogId::of_lane(queue, level)),
            ledger: Ledger::default(),
            visible: Offset(0),
            offered: Offset(0),
            dues: Dues::default(),
            bytes: 0,
            durable,
            fetching: false,
            touched: Position(0),
            unsaved: false,
            in_memory: false,
            unwritten: Vec::new(),
            unwritten_bytes: 0,
        }
    }

    /// Messages that wait for a consumer.
    pub(crate) fn ready(&self) -> u64 {
        self.ledger.ready(self.log.tail())
    }

    /// The bytes of a record, if they are in memory.
    pub(crate) fn find(&self, offset: Offset, memory: &Memory) -> Found {
        if let Some(bytes) = self.log.loaded(offset) {
            return Found::Bytes(bytes.clone());
        }
        match self.log.place(offset) {
            Place::Memory(slot) => memory.read(slot).map_or(Found::Lost, Found::Bytes),
            Place::Disk(run) => Found::OnDisk(run),
            Place::Gone => Found::Lost,
        }
    }

    /// A record that is neither ready nor leased is done; the journal learns of it with the block.
    pub(crate) fn settle(&mut self, offset: Offset, bytes: u64, memory: &mut Memory) {
        self.ledger.settle(offset);
        self.forget(offset, bytes, memory);
    }

    /// A ready record is done.
    pub(crate) fn remove(&mut self, offset: Offset, bytes: u64, memory: &mut Memory) {
        self.ledger.remove(offset);
        self.forget(offset, bytes, memory);
    }

    pub(crate) fn forget(&mut self, offset: Offset, bytes: u64, memory: &mut Memory) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.log
            .discard(offset, &mut memory.chunks, &mut memory.files);
        if !self.durable {
            return;
        }
        self.unwritten_bytes += bytes;
        self.write_later(offset, offset, memory);
    }

    /// Writes the settlements since the last block.
    pub(crate) fn write_settled(&mut self, body: &mut Vec<u8>) {
        if self.unwritten.is_empty() {
            return;
        }
        let ranges = merged(std::mem::take(&mut self.unwritten));
        let bytes = std::mem::take(&mut self.unwritten_bytes);
        entry::write_settle(body, self.log.id(), bytes, &ranges);
    }

    /// All ready messages are gone. Returns how many there were.
    pub(crate) fn purge(&mut self, leased_bytes: u64, memory: &mut Memory) -> u64 {
        let tail = self.log.tail();
        let held = self.ledger.held_between(Offset(0), tail, |_| true);
        let head = self.ledger.head();
        let purged = self.ledger.purge(tail);
        self.log
            .keep_only(&held, &mut memory.chunks, &mut memory.files);
        self.dues.clear();
        let gone_bytes = self.bytes.saturating_sub(leased_bytes);
        self.bytes -= gone_bytes;
        if purged == 0 || !self.durable {
            return purged;
        }
        self.unwritten_bytes += gone_bytes;
        let mut from = head;
        for end in held.into_iter().chain([tail]) {
            if from < end {
                self.write_later(from, Offset(end.0 - 1), memory);
            }
            from = end.next();
        }
        purged
    }

    fn write_later(&mut self, first: Offset, last: Offset, memory: &mut Memory) {
        if self.unwritten.is_empty() {
            memory.open.settled.push(self.log.id());
        }
        match self.unwritten.last_mut() {
            Some((_, end)) if *end + 1 == first.0 => *end = last.0,
            _ => self.unwritten.push((first.0, last.0)),
        }
    }

    /// Everything before `head` is gone. Returns how many bytes of records that were there, wanted
    /// or not.
    pub(crate) fn truncate(&mut self, head: Offset, memory: &mut Memory) -> u64 {
        let cut = self.log.run_across(head).map(|run| {
            let gone = self.ledger.wanted_between(run.first, head.0 - 1);
            (run, gone)
        });
        self.ledger.truncate(head);
        let bytes = self
            .log
            .discard_before(head, &mut memory.chunks, &mut memory.files);
        if let Some((run, gone)) = cut {
            self.log.discard_in(&run, gone, &mut memory.files);
        }
        bytes
    }

    /// Sets the lane's timer to when it next has something to do about records that are due.
    /// While reads from disk have to wait, what is on disk sets no timer.
    pub(crate) fn set_due_timer(&mut self, reads_wait: bool, timers: &mut Timers) {
        let on_disk = if self.dues.reading || reads_wait {
            None
        } else if self.dues.first_to_read().is_some() || self.dues.scan.is_some() {
            Some(Timestamp(0))
        } else {
            let due = self.log.runs_due();
            due.map(|due| Timestamp(due.0.saturating_sub(LEAD_MS)))
        };
        let next = on_disk.into_iter().chain(self.dues.next()).min();
        if next == self.dues.timer {
            return;
        }
        let timer = Timer::Due(self.log.id());
        if let Some(known) = self.dues.timer.take() {
            timers.clear(known, timer);
        }
        if let Some(next) = next {
            timers.set(next, timer);
        }
        self.dues.timer = next;
    }

    /// Appends what a restart needs to know.
    pub(crate) fn write_state(&self, writer: &mut Writer<'_>) {
        writer.varint(self.log.tail().0);
        writer.varint(self.bytes);
        self.ledger.write(writer);
    }

    /// A lane as [`Lane::write_state`] left it, with its runs on disk.
    pub(crate) fn read_state(
        log: LogId,
        state: &[u8],
        runs: Vec<Run>,
        memory: &mut Memory,
    ) -> Result<Self, Malformed> {
        let mut reader = Reader(state);
        let tail = Offset(reader.varint()?);
        let bytes = reader.varint()?;
        let ledger = Ledger::read(&mut reader)?;
        let mut live_runs = Vec::with_capacity(runs.len());
        for run in runs {
            let live = ledger.wanted_between(run.first, run.last).min(run.count);
            memory.files.run_recovered(&run, live);
            if live > 0 {
                live_runs.push((run, live));
            }
        }
        let after_runs = live_runs.last().map_or(0, |(run, _)| run.last + 1);
        let recent = ledger.first_wanted(Offset(after_runs));
        let mut lane = Self::new(log.queue(), log.lane(), true);
        lane.log = Log::recovered(log, recent, tail, live_runs);
        lane.ledger = ledger;
        lane.bytes = bytes;
        lane.visible = tail;
        Ok(lane)
    }
}

/// Sorts ranges and joins those that touch.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn ranges_that_touch_become_one() {
        let ranges = vec![(5, 6), (1, 1), (2, 3), (9, 9)];
        assert_eq!(merged(ranges), [(1, 3), (5, 6), (9, 9)]);
    }
}
