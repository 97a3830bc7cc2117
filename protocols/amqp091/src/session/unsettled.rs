//! Deliveries of a channel that wait for their acknowledgement, by delivery tag.

use std::collections::VecDeque;

use sabir_core::id::Timestamp;
use sabir_core::request::{DeliveryId, Outcome, Settlement};

/// One delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tag: u64,
    pub(super) id: DeliveryId,
    pub(super) delivered: Timestamp,
}

/// Deliveries in the order of their tags. One that was acknowledged out of order leaves a hole until those before it
/// are acknowledged too.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    slots: VecDeque<Slot>,
    last_tag: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    entry: Entry,
    waiting: bool,
}

impl Unsettled {
    /// The tag of the next delivery that needs no acknowledgement.
    pub(super) const fn next_tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    /// Adds a delivery and gives it a tag.
    pub(super) fn push(&mut self, id: DeliveryId, delivered: Timestamp) -> u64 {
        let tag = self.next_tag();
        self.slots.push_back(Slot {
            entry: Entry { tag, id, delivered },
            waiting: true,
        });
        tag
    }

    /// When the oldest delivery that still waits was made.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.slots.front().map(|slot| slot.entry.delivered)
    }

    /// Takes the delivery with this tag.
    pub(super) fn take(&mut self, tag: u64) -> Option<Entry> {
        let index = self.index_of(tag)?;
        let slot = self.slots.get_mut(index)?;
        slot.waiting = false;
        let entry = slot.entry;
        self.trim();
        Some(entry)
    }

    /// Takes all deliveries up to the one with this tag, which must wait itself.
    pub(super) fn take_through(&mut self, tag: u64) -> Option<Taken> {
        let index = self.index_of(tag)?;
        let taken = self.slots.drain(..=index);
        let taken = Taken(
            taken
                .filter(|slot| slot.waiting)
                .map(|slot| slot.entry)
                .collect(),
        );
        self.trim();
        Some(taken)
    }

    /// Takes all deliveries.
    pub(super) fn take_all(&mut self) -> Taken {
        let slots = std::mem::take(&mut self.slots);
        Taken(
            slots
                .into_iter()
                .filter(|slot| slot.waiting)
                .map(|slot| slot.entry)
                .collect(),
        )
    }

    /// Puts back what was taken.
    pub(super) fn restore(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let mut slots: Vec<Slot> = self.slots.drain(..).filter(|slot| slot.waiting).collect();
        slots.extend(entries.into_iter().map(|entry| Slot {
            entry,
            waiting: true,
        }));
        slots.sort_unstable_by_key(|slot| slot.entry.tag);
        self.slots = slots.into();
    }

    fn index_of(&self, tag: u64) -> Option<usize> {
        let is_it = |slot: &Slot| slot.waiting && slot.entry.tag == tag;
        if self.slots.front().is_some_and(is_it) {
            return Some(0);
        }
        let index = self.slots.partition_point(|slot| slot.entry.tag < tag);
        self.slots.get(index).is_some_and(is_it).then_some(index)
    }

    /// Removes the holes at the front.
    fn trim(&mut self) {
        while self.slots.front().is_some_and(|slot| !slot.waiting) {
            self.slots.pop_front();
        }
    }
}

/// Deliveries that were taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken(pub(super) Vec<Entry>);

impl Taken {
    /// The fewest settlements that settle them alike.
    pub(super) fn settlements(self, outcome: Outcome) -> Vec<Settlement> {
        let mut ids: Vec<DeliveryId> = self.0.into_iter().map(|entry| entry.id).collect();
        ids.sort_unstable();
        let mut settlements: Vec<Settlement> = Vec::new();
        for DeliveryId { log, offset } in ids {
            match settlements.last_mut() {
                Some(last) if last.log == log && last.last.next() == offset => last.last = offset,
                _ => settlements.push(Settlement {
                    log,
                    first: offset,
                    last: offset,
                    outcome,
                }),
            }
        }
        settlements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sabir_core::id::{LogId, Offset};

    fn id(log: u64, offset: u64) -> DeliveryId {
        DeliveryId {
            log: LogId(log),
            offset: Offset(offset),
        }
    }

    fn filled(count: u64) -> Unsettled {
        let mut unsettled = Unsettled::default();
        for offset in 0..count {
            unsettled.push(id(1, offset), Timestamp(offset));
        }
        unsettled
    }

    fn tags(taken: &Taken) -> Vec<u64> {
        taken.0.iter().map(|entry| entry.tag).collect()
    }

    #[test]
    fn a_tag_is_taken_once() {
        let mut unsettled = filled(3);
        assert_eq!(unsettled.take(2).map(|entry| entry.id), Some(id(1, 1)));
        assert_eq!(unsettled.take(2), None);
        assert_eq!(unsettled.take(4), None);
        assert_eq!(unsettled.take(0), None);
    }

    #[test]
    fn taking_through_passes_over_holes_and_needs_the_tag_itself() {
        let mut unsettled = filled(5);
        unsettled.take(2);
        unsettled.take(4);
        assert_eq!(unsettled.take_through(4), None);
        assert_eq!(
            unsettled.take_through(3).as_ref().map(tags),
            Some(vec![1, 3])
        );
        assert_eq!(unsettled.oldest(), Some(Timestamp(4)));
        assert_eq!(tags(&unsettled.take_all()), [5]);
    }

    #[test]
    fn deliveries_without_acknowledgement_use_tags_too() {
        let mut unsettled = filled(1);
        assert_eq!(unsettled.next_tag(), 2);
        assert_eq!(unsettled.push(id(1, 9), Timestamp(0)), 3);
        assert_eq!(unsettled.take(2), None);
        assert!(unsettled.take(3).is_some());
    }

    #[test]
    fn what_is_restored_is_in_its_place() {
        let mut unsettled = filled(4);
        let second = unsettled.take(2).unwrap();
        let first = unsettled.take(1).unwrap();
        unsettled.restore([second, first]);
        assert_eq!(tags(&unsettled.take_all()), [1, 2, 3, 4]);
    }

    #[test]
    fn contiguous_offsets_of_a_log_become_one_settlement() {
        let mut unsettled = Unsettled::default();
        for (log, offset) in [(1, 5), (2, 1), (1, 6), (2, 3), (1, 7)] {
            unsettled.push(id(log, offset), Timestamp(0));
        }
        let settlements = unsettled.take_all().settlements(Outcome::Ack);
        let ranges: Vec<_> = settlements
            .iter()
            .map(|part| (part.log.0, part.first.0, part.last.0))
            .collect();
        assert_eq!(ranges, [(1, 5, 7), (2, 1, 1), (2, 3, 3)]);
    }
}
