//! One priority of a queue: a log and the progress of the queue's consumers over it.

use crate::{
    broker::memory::Memory,
    id::{LogId, Offset},
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
        if self.unwritten.is_empty() {
            memory.open.settled.push(self.log.id());
        }
        self.unwritten_bytes += bytes;
        match self.unwritten.last_mut() {
            Some((_, last)) if *last + 1 == offset.0 => *last = offset.0,
            _ => self.unwritten.push((offset.0, offset.0)),
        }
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
        let wanted: Vec<_> = if self.ledger.leased() == 0 {
            Vec::new()
        } else {
            self.ledger.held_between(Offset(0), tail, |_| true)
        };
        let head = self.ledger.head();
        let purged = self.ledger.purge(tail);
        let gone_bytes = self.bytes.saturating_sub(leased_bytes);
        let mut from = head;
        for keep in wanted.iter().copied().chain([tail]) {
            self.discard_range(from, keep, memory);
            from = keep.next();
        }
        self.bytes = leased_bytes.min(self.bytes);
        self.unwritten_bytes += if self.durable { gone_bytes } else { 0 };
        purged
    }

    fn discard_range(&mut self, from: Offset, to: Offset, memory: &mut Memory) {
        if from >= to {
            return;
        }
        if from <= self.log.first() {
            self.log
                .discard_before(to, &mut memory.chunks, &mut memory.files);
        } else {
            for offset in from.0..to.0 {
                self.log
                    .discard(Offset(offset), &mut memory.chunks, &mut memory.files);
            }
        }
        if self.durable {
            if self.unwritten.is_empty() {
                memory.open.settled.push(self.log.id());
            }
            self.unwritten.push((from.0, to.0 - 1));
        }
    }

    /// Everything before `head` is gone, by retention.
    pub(crate) fn truncate(&mut self, head: Offset, memory: &mut Memory) {
        self.ledger.truncate(head);
        self.log
            .discard_before(head, &mut memory.chunks, &mut memory.files);
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
            if live == 0 {
                memory.files.run_gone(&run, 0);
            } else {
                live_runs.push((run, live));
            }
        }
        let mut lane = Self::new(log.queue(), log.lane(), true);
        lane.log = Log::recovered(log, ledger.head(), tail, live_runs);
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
