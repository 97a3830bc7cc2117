//! Queues: a log for each priority in use, with one subscription that settles record by record.

pub(crate) mod due;
pub(crate) mod lane;
pub mod settings;

use crate::{
    id::{Offset, SessionId, Timestamp},
    log::chunk::Slot,
    message::DeathReason,
    name::Name,
    routing::QueueId,
    subscription::{ledger::Ready, roster::Roster},
};
use bytes::Bytes;
use lane::Lane;
pub use settings::{Difference, Overflow, QueueKind, QueueSettings, QueueSpec};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// What has happened to a queue, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Taken in.
    pub published: u64,
    /// Delivered to consumers or taken by them, each attempt counted.
    pub delivered: u64,
    /// Of these, delivered again.
    pub redelivered: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// Dead-lettered.
    pub dead_lettered: u64,
    /// Dropped: expired, pushed out or refused by a consumer without a place for dead letters.
    pub dropped: u64,
    /// Refused to publishers because the queue was full.
    pub refused: u64,
}

impl Counters {
    /// Adds those of another queue.
    pub fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.delivered += other.delivered;
        self.redelivered += other.redelivered;
        self.acknowledged += other.acknowledged;
        self.dead_lettered += other.dead_lettered;
        self.dropped += other.dropped;
        self.refused += other.refused;
    }
}

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Consumers read it.
    Deliver,
    /// It holds messages of delaying exchanges until they are due.
    Delay,
}

/// Records that wait for their bytes to be read from disk before they can be dead-lettered.
#[derive(Debug, Default)]
pub(crate) struct Dying {
    /// By lane and offset.
    pub(crate) records: BTreeMap<(u8, Offset), DeathReason>,
    /// A read for them is under way.
    pub(crate) reading: bool,
}

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    /// Slot of its namespace.
    pub(crate) namespace: u32,
    pub(crate) name: Name,
    pub(crate) purpose: Purpose,
    pub(crate) spec: Box<QueueSpec>,
    /// The settings in force.
    pub(crate) settings: Arc<QueueSettings>,
    pub(crate) policy: Option<Name>,
    pub(crate) operator_policy: Option<Name>,
    /// The session that an exclusive queue belongs to.
    pub(crate) owner: Option<SessionId>,
    /// By descending priority.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) roster: Roster,
    pub(crate) counters: Counters,
    pub(crate) leased_bytes: u64,
    /// Whether it stands in the line for dispatch.
    pub(crate) dirty: bool,
    pub(crate) head_timer: Option<Timestamp>,
    pub(crate) idle_timer: Option<Timestamp>,
    pub(crate) used_at: Timestamp,
    /// When kept records are checked for their age.
    pub(crate) retention_timer: Option<Timestamp>,
    pub(crate) dying: Dying,
    /// Reads from disk fail; they are tried again then.
    pub(crate) retry_at: Option<Timestamp>,
    /// How many reads from disk have failed in a row.
    pub(crate) failed_reads: u32,
    /// Sessions that wait for a record on disk to answer a get.
    pub(crate) getting: Vec<SessionId>,
    /// Deduplication ids that still count.
    pub(crate) seen: BTreeSet<Bytes>,
    /// The same in the order in which they came, and until when they count.
    pub(crate) seen_order: VecDeque<(Timestamp, Bytes)>,
}

impl Queue {
    /// Messages that wait for a consumer.
    pub(crate) fn ready(&self) -> u64 {
        self.lanes.iter().map(Lane::ready).sum()
    }

    /// Messages that consumers hold.
    pub(crate) fn unsettled(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.ledger.leased()).sum()
    }

    /// Bytes of all messages.
    pub(crate) fn bytes(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.bytes).sum()
    }

    /// Bytes of messages that wait for a consumer.
    pub(crate) fn ready_bytes(&self) -> u64 {
        self.bytes().saturating_sub(self.leased_bytes)
    }

    /// Whether its records stay when they are settled.
    pub(crate) fn keeps_records(&self) -> bool {
        self.spec.kind == QueueKind::Stream
    }

    /// What a record counts towards the queue's size: its body, or all of it where the size is that of a file.
    pub(crate) fn weight(&self, slot: Slot, body_bytes: u64) -> u64 {
        if self.keeps_records() {
            u64::from(slot.length)
        } else {
            body_bytes
        }
    }

    /// Whether one more message of `bytes` is more than it may hold.
    pub(crate) fn is_full_for(&self, bytes: u64) -> bool {
        let settings = &self.settings;
        settings.length_max.is_some_and(|max| self.ready() >= max)
            || settings
                .bytes_max
                .is_some_and(|max| self.ready_bytes() + bytes > max)
    }

    /// Whether it holds more than it may.
    pub(crate) fn is_over_limit(&self) -> bool {
        let settings = &self.settings;
        settings.length_max.is_some_and(|max| self.ready() > max)
            || settings
                .bytes_max
                .is_some_and(|max| self.ready_bytes() > max && self.ready() > 0)
    }

    /// How many failed attempts its consumers are told of: none where they are not limited.
    pub(crate) fn told_attempts(&self, ready: Ready) -> u32 {
        match self.settings.delivery_limit {
            Some(_) => ready.attempts,
            None => 0,
        }
    }

    /// Forgets the deduplication ids whose time is over.
    pub(crate) fn forget_seen(&mut self, now: Timestamp) {
        while self
            .seen_order
            .front()
            .is_some_and(|(until, _)| *until <= now)
        {
            if let Some((_, id)) = self.seen_order.pop_front() {
                self.seen.remove(&id);
            }
        }
    }

    /// The lane for messages of `priority`. Records that are kept have one order only.
    pub(crate) fn lane_for(&mut self, priority: u8) -> &mut Lane {
        let level = match self.settings.priority_max {
            Some(max) if !self.keeps_records() => priority.min(max),
            _ => 0,
        };
        let (id, durable) = (self.id, self.is_journaled());
        lane_of(&mut self.lanes, level, || Lane::new(id, level, durable))
    }

    /// Whether its records are written to the journal.
    pub(crate) fn is_journaled(&self) -> bool {
        self.spec.durable && self.owner.is_none()
    }

    /// An existing lane.
    pub(crate) fn lane(&self, level: u8) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.level == level)
    }

    /// The index of an existing lane.
    pub(crate) fn index_of(&self, level: u8) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.level == level)
    }

    /// An existing lane.
    pub(crate) fn lane_mut(&mut self, level: u8) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.level == level)
    }

    /// The next record to deliver and the index of its lane.
    pub(crate) fn peek(&mut self) -> Option<(usize, Ready)> {
        self.lanes
            .iter_mut()
            .enumerate()
            .find_map(|(index, lane)| Some((index, lane.ledger.peek(lane.visible)?)))
    }

    /// The next record to push out at the length limit: of the lowest priority, durable or not.
    pub(crate) fn peek_to_drop(&mut self) -> Option<(usize, Ready)> {
        self.lanes
            .iter_mut()
            .enumerate()
            .rev()
            .find_map(|(index, lane)| Some((index, lane.ledger.peek(lane.log.tail())?)))
    }
}

/// The lane of a level among `lanes`, made if it is missing; lanes stay in descending order.
pub(crate) fn lane_of(lanes: &mut Vec<Lane>, level: u8, make: impl FnOnce() -> Lane) -> &mut Lane {
    let index = match lanes.binary_search_by(|lane| level.cmp(&lane.level)) {
        Ok(index) => index,
        Err(index) => {
            // Most queues have one lane, and a vector that grows by itself makes room for four.
            lanes.reserve_exact(1);
            lanes.insert(index, make());
            index
        }
    };
    &mut lanes[index]
}
