//! How messages get into queues, and what has to leave to make room.

use super::{Broker, Effects, dead_letter::Death, mark_dirty};
use crate::{
    id::{LogId, Offset, Timestamp},
    journal::entry,
    log::chunk::Slot,
    message::{DeathReason, Message, Record, record},
    name::Name,
    queue::{Overflow, Queue},
    routing::QueueId,
    storage::{Admission, Durability, Position},
};
use bytes::Bytes;

/// How one message fared in the queues it was routed to.
pub(super) struct Stored {
    /// The strictest promise of a queue that took it.
    pub(super) durability: Durability,
    /// A queue that had no room for it.
    pub(super) full: Option<Name>,
    /// Queues that took it.
    pub(super) taken: usize,
}

/// The logs that take a message.
#[derive(Default)]
struct Takers {
    journaled: Vec<(LogId, Offset)>,
    volatile: Vec<LogId>,
    /// Queues that refused it.
    refused: Vec<QueueId>,
}

/// Most bytes that are pushed out of a queue at once.
const OVERFLOW_BYTES_MAX: u64 = 4 << 20;

impl Broker {
    /// Stores a message that the broker itself publishes. Returns how many queues took it.
    pub(super) fn store_for_broker(
        &mut self,
        now: Timestamp,
        message: &Message,
        queues: &[QueueId],
        effects: &mut Effects,
    ) -> usize {
        self.memory.open.can_wait(now);
        self.store(now, message, queues, true, effects).taken
    }

    /// Adds a message to queues: one record for all that are journaled, one for the others.
    /// `always` adds it to full queues too.
    pub(super) fn store(
        &mut self,
        now: Timestamp,
        message: &Message,
        queues: &[QueueId],
        always: bool,
        effects: &mut Effects,
    ) -> Stored {
        let mut stored = Stored {
            durability: Durability::Memory,
            full: None,
            taken: 0,
        };
        let takers = self.choose(now, message, queues, always, &mut stored);
        let Takers {
            journaled,
            volatile,
            refused,
        } = takers;
        if !journaled.is_empty() {
            let slot = self.memory.write_journaled(now, message, &journaled);
            self.memory.open.require(stored.durability);
            self.memory.open.admission = Admission::Normal;
            for (log, _) in &journaled {
                self.append(now, *log, slot, message);
            }
        }
        if !volatile.is_empty() {
            let slot = self.memory.write_volatile(now, message);
            for log in &volatile {
                self.append(now, *log, slot, message);
            }
        }
        // Nothing may be pushed out before all have taken it: what is pushed out may be
        // dead-lettered to another taker, whose offset is already written down.
        let logs = journaled.into_iter().map(|(log, _)| log).chain(volatile);
        for log in logs {
            self.overflow(now, log.queue(), effects);
        }
        for id in refused {
            self.dead_letter_refused(now, id, message, effects);
        }
        stored
    }

    /// Finds the logs that take a message, each with the offset that it will have there.
    fn choose(
        &mut self,
        now: Timestamp,
        message: &Message,
        queues: &[QueueId],
        always: bool,
        stored: &mut Stored,
    ) -> Takers {
        let mut takers = Takers::default();
        let size = message.body.len() as u64;
        for id in queues {
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            if !always && refuses(queue, size) {
                queue.counters.refused += 1;
                stored.full = Some(queue.name.clone());
                takers.refused.push(*id);
                continue;
            }
            stored.taken += 1;
            let durability = queue.settings.durability.unwrap_or(self.config.durability);
            if queue.is_journaled() {
                let promised = if message.persistent {
                    durability.max(Durability::Os)
                } else {
                    Durability::Os
                };
                stored.durability = stored.durability.max(promised);
            }
            if self.is_repeated(now, *id, message) {
                continue;
            }
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            queue.counters.published += 1;
            let lane = queue.lane_for(message.priority);
            let log = lane.log.id();
            if lane.durable {
                takers.journaled.push((log, lane.log.tail()));
            } else {
                takers.volatile.push(log);
            }
        }
        takers
    }

    fn append(&mut self, now: Timestamp, log: LogId, slot: Slot, message: &Message) {
        let position = self.memory.open.position();
        let Some(queue) = self.queues.get_mut(&log.queue()) else {
            return;
        };
        let bytes = queue.weight(slot, message.body.len() as u64);
        let Some(lane) = queue.lane_mut(log.lane()) else {
            return;
        };
        let offset = lane.log.append(slot, &mut self.memory.chunks);
        lane.bytes += bytes;
        if lane.durable {
            if lane.touched != position {
                lane.touched = position;
                let tails = &mut self.memory.open.waiting.tails;
                tails.push((log, Offset(0)));
            }
        } else if lane.touched == Position(0) {
            lane.touched = Position(u64::MAX);
            self.fresh.push(log);
        }
        if !lane.in_memory {
            lane.in_memory = true;
            self.recent.insert(log);
        }
        self.watch_new(now, log, offset, message);
        self.changed_log(log);
    }

    pub(super) fn changed_log(&mut self, log: LogId) {
        if let Some(lane) = self
            .queues
            .get_mut(&log.queue())
            .and_then(|queue| queue.lane_mut(log.lane()))
            && lane.durable
            && !lane.unsaved
        {
            lane.unsaved = true;
            self.unsaved.push(log);
        }
    }

    /// Pushes out the oldest messages of a queue if it holds too many.
    fn overflow(&mut self, now: Timestamp, id: QueueId, effects: &mut Effects) {
        let over = self
            .queues
            .get(&id)
            .is_some_and(|queue| queue.is_over_limit());
        if !over {
            return;
        }
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        let mut deaths = Vec::new();
        if queue.keeps_records() {
            self.retain_kept(now, &mut queue);
        } else {
            self.drop_overflow(&mut queue, &mut deaths, effects);
        }
        self.queues.insert(id, queue);
        self.bury(now, id, deaths, effects);
    }

    /// Pushes out the oldest messages while there are too many. What has to be read from disk
    /// first, or is more than is pushed out at once, goes with the next dispatch.
    pub(super) fn drop_overflow(
        &mut self,
        queue: &mut Queue,
        deaths: &mut Vec<Death>,
        effects: &mut Effects,
    ) {
        let mut bytes = 0;
        while queue.is_over_limit() {
            if bytes >= OVERFLOW_BYTES_MAX {
                mark_dirty(&mut self.dirty, queue);
                return;
            }
            let Some((index, ready)) = queue.peek_to_drop() else {
                return;
            };
            match self.ready_record(queue, index, ready.offset, effects) {
                None => return,
                Some(None) => {}
                Some(Some(record)) => {
                    bytes += record.0.len() as u64;
                    let reason = DeathReason::LengthExceeded;
                    self.kill_ready(queue, index, record, ready.offset, reason, deaths);
                }
            }
        }
    }

    /// A message that a full queue refuses goes where its dead letters go, if the queue says so.
    fn dead_letter_refused(
        &mut self,
        now: Timestamp,
        id: QueueId,
        message: &Message,
        effects: &mut Effects,
    ) {
        let wanted = self.queues.get(&id).is_some_and(|queue| {
            queue.settings.overflow == Some(Overflow::RejectPublishDeadLetter)
                && queue.settings.dead_letter_exchange.is_some()
        });
        if !wanted {
            return;
        }
        let mut bytes = Vec::new();
        record::encode(&mut bytes, message, now);
        let death = Death {
            record: Record(Bytes::from(bytes)),
            reason: DeathReason::LengthExceeded,
        };
        self.bury(now, id, vec![death], effects);
    }

    /// Whether the queue has seen this message's deduplication id within its window.
    fn is_repeated(&mut self, now: Timestamp, id: QueueId, message: &Message) -> bool {
        let Some(queue) = self.queues.get_mut(&id) else {
            return false;
        };
        let (Some(window_ms), Some(repeated)) =
            (queue.settings.deduplication_ms, &message.deduplication_id)
        else {
            return false;
        };
        let repeated = Bytes::copy_from_slice(repeated);
        queue.forget_seen(now);
        if queue.seen.contains(&repeated) {
            queue.counters.dropped += 1;
            return true;
        }
        let until = now.after(window_ms);
        queue.seen.insert(repeated.clone());
        queue.seen_order.push_back((until, repeated.clone()));
        if queue.is_journaled() {
            let log = LogId::of_lane(id, 0);
            entry::write_deduplicate(&mut self.memory.open.body, log, &repeated, until.0);
            self.memory.open.can_wait(now);
        }
        false
    }
}

fn refuses(queue: &Queue, bytes: u64) -> bool {
    matches!(
        queue.settings.overflow,
        Some(Overflow::RejectPublish | Overflow::RejectPublishDeadLetter)
    ) && queue.is_full_for(bytes)
}
