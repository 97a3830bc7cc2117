//! What the queues hold, record by record, for checks: a restart has to bring back exactly this.

use super::Broker;
use crate::{
    id::{LogId, Timestamp},
    name::Name,
    queue::{Purpose, Queue, lane::Lane},
    storage::Position,
};
use bytes::Bytes;

/// What one queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueInventory {
    /// Where it is.
    pub namespace: Name,
    /// Its name; of the broker's own queue for delayed messages, empty.
    pub name: Name,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Its lanes with anything in their past, by descending priority.
    pub lanes: Vec<LaneInventory>,
    /// Deduplication ids that still count, in order.
    pub seen: Vec<Bytes>,
}

/// What one lane holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneInventory {
    /// Its log.
    pub log: LogId,
    /// The offset that the next record will take.
    pub tail: u64,
    /// First and last of each range of records that are ready or leased.
    pub unsettled: Vec<(u64, u64)>,
    /// Records that have failed, and how often.
    pub attempts: Vec<(u64, u32)>,
    /// Bytes of the records that are ready or leased.
    pub bytes: u64,
    /// How many of them are leased.
    pub leased: u64,
}

impl Broker {
    /// What every queue holds, by identifier. It looks at every queue: for checks.
    #[must_use]
    pub fn inventory(&self, now: Timestamp) -> Vec<QueueInventory> {
        let mut queues: Vec<&Queue> = self.queues.values().map(AsRef::as_ref).collect();
        queues.sort_by_key(|queue| queue.id);
        queues
            .into_iter()
            .map(|queue| QueueInventory {
                namespace: self.namespace_name(queue.namespace),
                name: match queue.purpose {
                    Purpose::Deliver => queue.name.clone(),
                    Purpose::Delay => Name::default(),
                },
                durable: queue.is_journaled(),
                lanes: queue.lanes.iter().filter_map(inventory_of).collect(),
                seen: queue
                    .seen_order
                    .iter()
                    .filter(|(until, _)| *until > now)
                    .map(|(_, id)| id.clone())
                    .collect(),
            })
            .collect()
    }

    /// The position that the open block will have: everything that happens next is part of it.
    #[must_use]
    pub fn open_position(&self) -> Position {
        self.memory.open.position()
    }
}

fn inventory_of(lane: &Lane) -> Option<LaneInventory> {
    let tail = lane.log.tail().0;
    let last = tail.checked_sub(1)?;
    let unsettled = lane.ledger.wanted_ranges(0, last);
    let ranges = unsettled.iter().copied();
    Some(LaneInventory {
        log: lane.log.id(),
        tail,
        attempts: ranges
            .flat_map(|(first, last)| lane.ledger.attempts_between(first, last))
            .collect(),
        unsettled,
        bytes: lane.bytes,
        leased: lane.ledger.leased(),
    })
}
