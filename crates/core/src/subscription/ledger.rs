//! Individual progress: every record is ready, leased or settled. What it costs grows with the
//! leases and the holes, not with the records that wait.

use crate::{
    id::{Offset, Timestamp},
    wire::{Malformed, Reader, Writer},
};
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, BTreeSet};

/// A record that is being worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Slot of the consumer in the broker's table.
    pub(crate) holder: u32,
    /// Size of the record.
    pub(crate) bytes: u32,
    /// When the record is due, if it has a time of its own.
    pub(crate) due: Option<Timestamp>,
}

/// Holds what no consumer holds any more and is not settled yet.
pub(crate) const NOBODY: u32 = u32::MAX;

/// A record that may be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) offset: Offset,
    pub(crate) redelivered: bool,
    pub(crate) attempts: u32,
}

/// The progress of one subscription over one log.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    head: u64,
    next: u64,
    settled: RoaringTreemap,
    settled_count: u64,
    returned: BTreeSet<u64>,
    attempts: BTreeMap<u64, u32>,
    leased: BTreeMap<u64, Lease>,
    redelivered_below: u64,
}

/// Most attempts entries that are read back.
const ATTEMPTS_MAX: usize = 16_777_216;

impl Ledger {
    /// All records before this one are settled.
    pub(crate) fn head(&self) -> Offset {
        Offset(self.head)
    }

    /// Records below `tail` that are neither settled nor leased.
    pub(crate) fn ready(&self, tail: Offset) -> u64 {
        self.remaining(tail) - self.leased.len() as u64
    }

    /// Records below `tail` that are not settled.
    pub(crate) fn remaining(&self, tail: Offset) -> u64 {
        tail.0.saturating_sub(self.head) - self.settled_count
    }

    /// Records that are leased.
    pub(crate) fn leased(&self) -> u64 {
        self.leased.len() as u64
    }

    /// Whether the record is still wanted.
    pub(crate) fn wants(&self, offset: Offset) -> bool {
        offset.0 >= self.head && !self.settled.contains(offset.0)
    }

    /// Whether the record is neither settled nor leased.
    pub(crate) fn is_ready(&self, offset: Offset) -> bool {
        self.wants(offset) && !self.leased.contains_key(&offset.0)
    }

    /// The first record below `visible` that may be delivered.
    pub(crate) fn peek(&mut self, visible: Offset) -> Option<Ready> {
        let offset = match self.returned.first() {
            Some(&returned) => returned,
            None => self.skip_settled(visible)?,
        };
        let attempts = if self.attempts.is_empty() {
            0
        } else {
            self.attempts.get(&offset).copied().unwrap_or(0)
        };
        Some(Ready {
            offset: Offset(offset),
            redelivered: offset < self.redelivered_below || offset < self.next,
            attempts,
        })
    }

    /// Ready records below `visible` in order, without taking them.
    pub(crate) fn ready_from(&self, visible: Offset) -> impl Iterator<Item = Offset> + '_ {
        let fresh = (self.next..visible.0).filter(|offset| !self.settled.contains(*offset));
        self.returned.iter().copied().chain(fresh).map(Offset)
    }

    /// Leases the record that [`Ledger::peek`] gave.
    pub(crate) fn lease(&mut self, offset: Offset, lease: Lease) {
        self.take(offset);
        self.leased.insert(offset.0, lease);
    }

    /// Settles the record that [`Ledger::peek`] gave, without a lease.
    pub(crate) fn consume(&mut self, offset: Offset) {
        self.take(offset);
        self.settle(offset);
    }

    /// Settles a ready record that is not the next one.
    pub(crate) fn remove(&mut self, offset: Offset) {
        self.returned.remove(&offset.0);
        self.settle(offset);
    }

    /// Ends a lease and returns it; the record is then neither ready nor leased until the caller
    /// settles or releases it.
    pub(crate) fn end_lease(&mut self, offset: Offset) -> Option<Lease> {
        self.leased.remove(&offset.0)
    }

    /// Takes a leased record from its holder; it stays out of reach until its lease is ended.
    pub(crate) fn take_away(&mut self, offset: Offset) {
        if let Some(lease) = self.leased.get_mut(&offset.0) {
            lease.holder = NOBODY;
        }
    }

    /// The holder of a lease.
    pub(crate) fn holder(&self, offset: Offset) -> Option<u32> {
        self.leased.get(&offset.0).map(|lease| lease.holder)
    }

    /// The holders of all leases, one for each.
    pub(crate) fn holders(&self) -> impl Iterator<Item = u32> + '_ {
        self.leased.values().map(|lease| lease.holder)
    }

    /// Bytes of all leased records.
    pub(crate) fn leased_bytes(&self) -> u64 {
        self.leased
            .values()
            .map(|lease| u64::from(lease.bytes))
            .sum()
    }

    /// The offsets between two, inclusive, that `accept` holds.
    pub(crate) fn held_between(
        &self,
        first: Offset,
        last: Offset,
        accept: impl Fn(u32) -> bool,
    ) -> Vec<Offset> {
        if first > last {
            return Vec::new();
        }
        self.leased
            .range(first.0..=last.0)
            .filter(|(_, lease)| accept(lease.holder))
            .map(|(offset, _)| Offset(*offset))
            .collect()
    }

    /// Makes a record whose lease has ended ready again, in its place. Returns its failed attempts.
    pub(crate) fn release(&mut self, offset: Offset, failed: bool) -> u32 {
        self.returned.insert(offset.0);
        if !failed {
            return self.attempts.get(&offset.0).copied().unwrap_or(0);
        }
        let attempts = self.attempts.entry(offset.0).or_insert(0);
        *attempts += 1;
        *attempts
    }

    /// The record is done.
    pub(crate) fn settle(&mut self, offset: Offset) {
        if !self.attempts.is_empty() {
            self.attempts.remove(&offset.0);
        }
        if offset.0 != self.head {
            if offset.0 > self.head && self.settled.insert(offset.0) {
                self.settled_count += 1;
            }
            return;
        }
        self.head += 1;
        while self.settled_count > 0 && self.settled.remove(self.head) {
            self.settled_count -= 1;
            self.head += 1;
        }
        self.next = self.next.max(self.head);
    }

    /// All ready records below `tail` are done; leased ones stay. Returns how many there were.
    pub(crate) fn purge(&mut self, tail: Offset) -> u64 {
        let purged = self.ready(tail);
        self.returned.clear();
        self.next = tail.0;
        self.settled.clear();
        self.settled_count = 0;
        self.head = self.leased.keys().next().copied().unwrap_or(tail.0);
        let leased = &self.leased;
        self.attempts
            .retain(|offset, _| leased.contains_key(offset));
        self.settled.insert_range(self.head..tail.0);
        for offset in leased.keys() {
            self.settled.remove(*offset);
        }
        self.settled_count = self.settled.len();
        purged
    }

    /// Everything below `head` is done, whatever its state was.
    pub(crate) fn truncate(&mut self, head: Offset) {
        if head.0 <= self.head {
            return;
        }
        self.head = head.0;
        self.settled.remove_range(..head.0);
        self.settled_count = self.settled.len();
        self.returned = self.returned.split_off(&head.0);
        self.attempts = self.attempts.split_off(&head.0);
        self.leased = self.leased.split_off(&head.0);
        while self.settled_count > 0 && self.settled.remove(self.head) {
            self.settled_count -= 1;
            self.head += 1;
        }
        self.next = self.next.max(self.head);
    }

    /// Failed attempts as they were recorded before a restart.
    pub(crate) fn set_attempts(&mut self, offset: Offset, attempts: u32) {
        if self.wants(offset) {
            self.attempts.insert(offset.0, attempts);
        }
    }

    /// Everything that is not settled is ready, from the head on. What lies below `delivered` may
    /// have been delivered before.
    pub(crate) fn restart(&mut self, delivered: Offset) {
        self.next = self.head;
        self.leased.clear();
        self.returned.clear();
        self.redelivered_below = self.redelivered_below.max(delivered.0);
    }

    /// What may have been delivered lies below this offset.
    pub(crate) fn delivered(&self) -> Offset {
        Offset(self.next.max(self.redelivered_below))
    }

    /// How many of the records from `first` to `last` are still wanted.
    pub(crate) fn wanted_between(&self, first: u64, last: u64) -> u64 {
        let first = first.max(self.head);
        if last < first {
            return 0;
        }
        let before = first
            .checked_sub(1)
            .map_or(0, |before| self.settled.rank(before));
        (last - first + 1) - (self.settled.rank(last) - before)
    }

    /// The first record at or after `from` that is still wanted, or would be if it existed.
    pub(crate) fn first_wanted(&self, from: Offset) -> Offset {
        let from = from.0.max(self.head);
        let all_settled = |end: u64| {
            let before = from
                .checked_sub(1)
                .map_or(0, |before| self.settled.rank(before));
            self.settled.rank(end) - before == end - from + 1
        };
        if !self.settled.contains(from) {
            return Offset(from);
        }
        let (mut settled, mut step) = (from, 1);
        while step > 0 {
            if all_settled(settled + step) {
                settled += step;
                step *= 2;
            } else {
                step /= 2;
            }
        }
        Offset(settled + 1)
    }

    /// First and last of each range of records from `first` to `last` that are still wanted.
    pub(crate) fn wanted_ranges(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        let mut from = first.max(self.head);
        while from <= last {
            from = self.first_wanted(Offset(from)).0;
            if from > last {
                break;
            }
            let rank = self.settled.rank(from);
            let end = self
                .settled
                .select(rank)
                .map_or(last, |settled| (settled - 1).min(last));
            ranges.push((from, end));
            from = end + 1;
        }
        ranges
    }

    /// Appends what a restart needs to know.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.varint(self.head);
        writer.varint(self.delivered().0);
        writer.varint(self.attempts.len() as u64);
        for (offset, attempts) in &self.attempts {
            writer.varint(*offset);
            writer.varint(u64::from(*attempts));
        }
        let mut settled = Vec::new();
        if self.settled_count > 0 && self.settled.serialize_into(&mut settled).is_err() {
            settled.clear();
        }
        writer.bytes(&settled);
    }

    /// What [`Ledger::write`] wrote: all that is not settled is ready.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let head = reader.varint()?;
        let redelivered_below = reader.varint()?;
        let count = reader.count(ATTEMPTS_MAX)?;
        let mut attempts = BTreeMap::new();
        for _ in 0..count {
            let offset = reader.varint()?;
            let failed = u32::try_from(reader.varint()?).map_err(|_| Malformed)?;
            attempts.insert(offset, failed);
        }
        let settled = match reader.bytes()? {
            [] => RoaringTreemap::new(),
            bytes => RoaringTreemap::deserialize_from(bytes).map_err(|_| Malformed)?,
        };
        Ok(Self {
            head,
            next: head,
            settled_count: settled.len(),
            settled,
            attempts,
            redelivered_below,
            ..Self::default()
        })
    }

    /// Failed attempts of a record.
    pub(crate) fn attempts(&self, offset: Offset) -> u32 {
        self.attempts.get(&offset.0).copied().unwrap_or(0)
    }

    /// The records from `first` to `last` that have failed, and how often.
    pub(crate) fn attempts_between(
        &self,
        first: u64,
        last: u64,
    ) -> impl Iterator<Item = (u64, u32)> + '_ {
        let between = self.attempts.range(first..=last);
        between.map(|(offset, attempts)| (*offset, *attempts))
    }

    fn take(&mut self, offset: Offset) {
        if !self.returned.remove(&offset.0) {
            self.next = self.next.max(offset.0 + 1);
        }
    }

    fn skip_settled(&mut self, visible: Offset) -> Option<u64> {
        while self.settled_count > 0 && self.next < visible.0 && self.settled.contains(self.next) {
            self.next += 1;
        }
        (self.next < visible.0).then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(ledger: &mut Ledger, offset: u64) {
        ledger.lease(
            Offset(offset),
            Lease {
                holder: 0,
                bytes: 1,
                due: None,
            },
        );
    }

    #[test]
    fn a_released_record_comes_before_newer_ones() {
        let mut ledger = Ledger::default();
        let tail = Offset(3);
        for offset in 0..2 {
            assert_eq!(
                ledger.peek(tail).map(|ready| ready.offset),
                Some(Offset(offset))
            );
            lease(&mut ledger, offset);
        }
        ledger.end_lease(Offset(0));
        assert_eq!(ledger.release(Offset(0), true), 1);
        let again = ledger.peek(tail);
        assert_eq!(
            again,
            Some(Ready {
                offset: Offset(0),
                redelivered: true,
                attempts: 1
            })
        );
    }

    #[test]
    fn the_first_wanted_record_is_found_behind_holes() {
        let mut ledger = Ledger::default();
        for offset in (1..500).chain(600..601) {
            ledger.settle(Offset(offset));
        }
        for (from, wanted) in [
            (0, 0),
            (1, 500),
            (499, 500),
            (500, 500),
            (600, 601),
            (700, 700),
        ] {
            assert_eq!(ledger.first_wanted(Offset(from)), Offset(wanted), "{from}");
        }
    }

    #[test]
    fn wanted_ranges_lie_between_the_holes() {
        let mut ledger = Ledger::default();
        for offset in [0, 1, 4, 5, 9] {
            ledger.settle(Offset(offset));
        }
        assert_eq!(ledger.wanted_ranges(0, 12), [(2, 3), (6, 8), (10, 12)]);
        assert_eq!(ledger.wanted_ranges(3, 6), [(3, 3), (6, 6)]);
        assert_eq!(ledger.wanted_ranges(4, 5), []);
        assert_eq!(ledger.wanted_ranges(20, 21), [(20, 21)]);
    }

    #[test]
    fn what_a_truncation_removes_is_not_delivered_again() {
        let mut ledger = Ledger::default();
        ledger.settle(Offset(5));
        ledger.truncate(Offset(5));
        assert_eq!(
            ledger.peek(Offset(9)).map(|ready| ready.offset),
            Some(Offset(6))
        );
    }

    #[test]
    fn holes_close_when_the_head_is_settled() {
        let mut ledger = Ledger::default();
        for offset in 0..4 {
            lease(&mut ledger, offset);
        }
        for offset in [2, 1, 3] {
            ledger.end_lease(Offset(offset));
            ledger.settle(Offset(offset));
        }
        assert_eq!((ledger.head(), ledger.remaining(Offset(4))), (Offset(0), 1));
        ledger.end_lease(Offset(0));
        ledger.settle(Offset(0));
        assert_eq!((ledger.head(), ledger.remaining(Offset(4))), (Offset(4), 0));
    }

    #[test]
    fn a_purge_keeps_what_is_leased() {
        let mut ledger = Ledger::default();
        for offset in 0..3 {
            lease(&mut ledger, offset);
        }
        ledger.end_lease(Offset(1));
        ledger.release(Offset(1), false);
        assert_eq!(ledger.purge(Offset(10)), 8);
        assert_eq!(ledger.ready(Offset(10)), 0);
        assert_eq!(ledger.leased(), 2);
        assert_eq!(ledger.peek(Offset(10)), None);
        ledger.end_lease(Offset(0));
        ledger.settle(Offset(0));
        assert_eq!(ledger.head(), Offset(2));
    }

    #[test]
    fn a_restart_makes_all_that_was_leased_ready_and_flags_it() -> Result<(), Malformed> {
        let mut ledger = Ledger::default();
        for offset in 0..4 {
            lease(&mut ledger, offset);
        }
        ledger.end_lease(Offset(1));
        ledger.settle(Offset(1));
        let mut bytes = Vec::new();
        ledger.write(&mut Writer(&mut bytes));
        let mut again = Ledger::read(&mut Reader(&bytes))?;
        let mut seen = Vec::new();
        while let Some(ready) = again.peek(Offset(6)) {
            seen.push((ready.offset.0, ready.redelivered));
            lease(&mut again, ready.offset.0);
        }
        assert_eq!(
            seen,
            [(0, true), (2, true), (3, true), (4, false), (5, false)]
        );
        Ok(())
    }
}
