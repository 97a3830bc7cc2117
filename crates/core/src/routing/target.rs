//! What a binding points at.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::stable::stable_hash;
use crate::name::Name;

/// A queue, as the router knows it: the number that the namespace gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// A live subscriber without a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub u64);

/// What a binding points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A queue.
    Queue(QueueId),
    /// Another exchange of the namespace, by name.
    Exchange(Name),
    /// A live subscriber.
    Mailbox(MailboxId),
}

impl Target {
    /// A number that stays the same over restarts, so that hashing exchanges send a key to the
    /// same target before and after.
    pub(super) fn stable_hash(&self) -> u64 {
        match self {
            Self::Queue(QueueId(id)) => stable_hash(&[b"queue".as_slice(), &id.to_be_bytes()]),
            Self::Exchange(name) => stable_hash(&[b"exchange".as_slice(), name.bytes()]),
            Self::Mailbox(MailboxId(id)) => {
                stable_hash(&[b"mailbox".as_slice(), &id.to_be_bytes()])
            }
        }
    }
}

/// The slot of an exchange in the router; given to another exchange after deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ExchangeId(pub(super) u32);

/// A [`Target`] with the exchange resolved, small enough to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Destination {
    Queue(QueueId),
    Exchange(ExchangeId),
    Mailbox(MailboxId),
}

/// The distinct destinations of one place in an index, each with the number of bindings that
/// lead to it. Most places have one, which costs no allocation.
#[derive(Debug, Default)]
pub(super) enum Destinations {
    #[default]
    Empty,
    One(Destination, u32),
    Many(BTreeMap<Destination, u32>),
}

impl Destinations {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Adds one binding that leads to the destination.
    pub(super) fn insert(&mut self, destination: Destination) {
        match self {
            Self::Empty => *self = Self::One(destination, 1),
            Self::One(only, count) if *only == destination => *count += 1,
            Self::One(only, count) => {
                *self = Self::Many(BTreeMap::from([(*only, *count), (destination, 1)]));
            }
            Self::Many(counts) => *counts.entry(destination).or_insert(0) += 1,
        }
    }

    /// Removes one binding that leads to the destination.
    pub(super) fn remove(&mut self, destination: Destination) {
        match self {
            Self::One(only, 1) if *only == destination => *self = Self::Empty,
            Self::One(only, count) if *only == destination => *count -= 1,
            Self::Empty | Self::One(..) => {}
            Self::Many(counts) => {
                release(counts, destination);
                if counts.is_empty() {
                    *self = Self::Empty;
                }
            }
        }
    }

    /// Calls `found` once for each distinct destination, in order.
    pub(super) fn each(&self, found: &mut impl FnMut(Destination)) {
        match self {
            Self::Empty => {}
            Self::One(only, _) => found(*only),
            Self::Many(counts) => counts.keys().copied().for_each(found),
        }
    }
}

fn release(counts: &mut BTreeMap<Destination, u32>, destination: Destination) {
    if let Entry::Occupied(mut entry) = counts.entry(destination) {
        match entry.get() {
            1 => {
                entry.remove();
            }
            count => {
                let remaining = count - 1;
                entry.insert(remaining);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct(destinations: &Destinations) -> Vec<Destination> {
        let mut found = Vec::new();
        destinations.each(&mut |destination| found.push(destination));
        found
    }

    #[test]
    fn a_destination_stays_until_its_last_binding_goes() {
        let first = Destination::Queue(QueueId(1));
        let second = Destination::Mailbox(MailboxId(1));
        let mut destinations = Destinations::default();
        for destination in [second, first, first] {
            destinations.insert(destination);
        }
        assert_eq!(distinct(&destinations), [first, second]);
        destinations.remove(first);
        assert_eq!(distinct(&destinations), [first, second]);
        destinations.remove(first);
        destinations.remove(first);
        assert_eq!(distinct(&destinations), [second]);
        destinations.remove(second);
        assert!(destinations.is_empty());
    }

    #[test]
    fn targets_of_different_sorts_hash_differently() {
        let queue = Target::Queue(QueueId(1)).stable_hash();
        let mailbox = Target::Mailbox(MailboxId(1)).stable_hash();
        assert_ne!(queue, mailbox);
    }
}
