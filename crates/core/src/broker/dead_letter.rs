//! What becomes of messages that leave a queue without being acknowledged.

use super::{Broker, Effects, Fetch, FetchPurpose};
use crate::{
    id::{Offset, Timestamp},
    message::{self, DeathReason, Message, Record, death::record_death},
    name::Name,
    queue::{Purpose, Queue, lane::Found},
    routing::{QueueId, Subject},
};

/// A message that has just left its queue.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) record: Record,
    pub(crate) reason: DeathReason,
}

/// What the republication needs to know of the queue that a message left.
struct Origin {
    namespace: u32,
    queue: Name,
    exchange: Option<Name>,
    routing_key: Option<Name>,
    purpose: Purpose,
}

/// How much is read at once to find dying records.
const DYING_READ_BYTES: u64 = 64 << 10;

impl Broker {
    /// A leased record is refused: it dies at once if nobody wants dead letters or its bytes are
    /// here, else when they have been read.
    pub(super) fn kill_leased(
        &mut self,
        queue: &mut Queue,
        level: u8,
        offset: Offset,
        reason: DeathReason,
        deaths: &mut Vec<Death>,
        effects: &mut Effects,
    ) {
        let wanted = queue.settings.dead_letter_exchange.is_some();
        let Some(lane) = queue.lane_mut(level) else {
            return;
        };
        let found = if wanted {
            lane.find(offset, &self.memory)
        } else {
            Found::Lost
        };
        match found {
            Found::OnDisk(_) => {
                lane.ledger.take_away(offset);
                queue.dying.records.insert((level, offset), reason);
                self.read_dying(queue, effects);
            }
            Found::Bytes(bytes) => {
                self.end_lease_and_settle(queue, level, offset);
                deaths.push(Death {
                    record: Record(bytes),
                    reason,
                });
            }
            Found::Lost => {
                self.lost += u64::from(wanted);
                self.end_lease_and_settle(queue, level, offset);
                queue.counters.dropped += 1;
            }
        }
    }

    /// Buries the dying whose bytes have arrived, and reads those of the others.
    pub(super) fn bury_dying(
        &mut self,
        queue: &mut Queue,
        deaths: &mut Vec<Death>,
        effects: &mut Effects,
    ) {
        if queue.dying.records.is_empty() {
            return;
        }
        let arrived: Vec<_> = queue
            .dying
            .records
            .iter()
            .filter(|((level, offset), _)| {
                queue.lane(*level).is_none_or(|lane| {
                    !matches!(lane.find(*offset, &self.memory), Found::OnDisk(_))
                })
            })
            .map(|(place, reason)| (*place, *reason))
            .collect();
        for ((level, offset), reason) in arrived {
            queue.dying.records.remove(&(level, offset));
            self.kill_leased(queue, level, offset, reason, deaths, effects);
        }
        self.read_dying(queue, effects);
    }

    /// Reads the first of the dying, and those near it, from disk.
    fn read_dying(&mut self, queue: &mut Queue, effects: &mut Effects) {
        if queue.dying.reading || queue.retry_at.is_some() {
            return;
        }
        let Some((&(level, offset), _)) = queue.dying.records.first_key_value() else {
            return;
        };
        let Some(lane) = queue.lane(level) else {
            return;
        };
        if let Found::OnDisk(run) = lane.find(offset, &self.memory) {
            effects.fetches.push(Fetch {
                log: lane.log.id(),
                run,
                from: offset,
                bytes_max: DYING_READ_BYTES,
                purpose: FetchPurpose::Single,
            });
            queue.dying.reading = true;
        }
    }

    pub(super) fn end_lease_and_settle(&mut self, queue: &mut Queue, level: u8, offset: Offset) {
        let Some(lane) = queue.lane_mut(level) else {
            return;
        };
        let Some(lease) = lane.ledger.end_lease(offset) else {
            return;
        };
        lane.settle(offset, u64::from(lease.bytes), &mut self.memory);
        let log = lane.log.id();
        queue.leased_bytes = queue.leased_bytes.saturating_sub(u64::from(lease.bytes));
        self.changed(log, queue);
    }

    /// Publishes the dead to where their queue sends them, in the same block as their settlement.
    pub(super) fn bury(
        &mut self,
        now: Timestamp,
        queue: QueueId,
        deaths: Vec<Death>,
        effects: &mut Effects,
    ) {
        self.graves
            .extend(deaths.into_iter().map(|death| (queue, death)));
        // What a burial pushes out of another queue is buried after it, not within it.
        if std::mem::replace(&mut self.burying, true) {
            return;
        }
        while let Some((queue, death)) = self.graves.pop_front() {
            self.bury_one(now, queue, &death, effects);
        }
        self.burying = false;
    }

    fn bury_one(&mut self, now: Timestamp, id: QueueId, death: &Death, effects: &mut Effects) {
        let Some(origin) = self.queues.get(&id).map(|queue| Origin {
            namespace: queue.namespace,
            queue: queue.name.clone(),
            exchange: queue.settings.dead_letter_exchange.clone(),
            routing_key: queue.settings.dead_letter_routing_key.clone(),
            purpose: queue.purpose,
        }) else {
            return;
        };
        let sent = match origin.purpose {
            Purpose::Delay => self.release_delayed(now, &origin, &death.record, effects),
            Purpose::Deliver => self.dead_letter(now, &origin, death, effects),
        };
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.counters.dead_lettered += u64::from(sent);
            queue.counters.dropped += u64::from(!sent);
        }
    }

    fn dead_letter(
        &mut self,
        now: Timestamp,
        origin: &Origin,
        death: &Death,
        effects: &mut Effects,
    ) -> bool {
        let Some(exchange) = &origin.exchange else {
            return false;
        };
        let Ok(mut message) = death.record.to_message() else {
            self.lost += 1;
            return false;
        };
        let obituary = obituary(now, origin, death.reason, &message);
        record_death(&mut message.deaths, obituary);
        if let Some(key) = origin.routing_key.as_ref() {
            message.routing_key = Subject::from_bytes(key.bytes().clone());
            message.extra_keys.clear();
        }
        message.exchange = exchange.clone();
        // A message that has died once has no time of its own any more, or it could die of it in every queue.
        message.ttl_ms = None;
        let route = self.resolve(origin.namespace, &message, true);
        if let Some(delaying) = route.delayed_by.first() {
            message.exchange = delaying.clone();
            let queue = self.delay_queue(now, origin.namespace);
            return self.store_for_broker(now, &message, &[queue], effects) > 0;
        }
        let mut targets = route.queues.to_vec();
        if death.reason != DeathReason::Rejected {
            targets.retain(|target| !self.would_cycle(*target, &message));
        }
        self.store_for_broker(now, &message, &targets, effects) > 0
    }

    /// Whether the message has been in this queue before and has come back without any consumer
    /// having refused it on the way.
    fn would_cycle(&self, target: QueueId, message: &Message) -> bool {
        let Some(queue) = self.queues.get(&target) else {
            return false;
        };
        message
            .deaths
            .iter()
            .take_while(|death| death.reason != DeathReason::Rejected)
            .any(|death| death.queue == queue.name)
    }

    fn release_delayed(
        &mut self,
        now: Timestamp,
        origin: &Origin,
        record: &Record,
        effects: &mut Effects,
    ) -> bool {
        let Ok(message) = record.to_message() else {
            self.lost += 1;
            return false;
        };
        let route = self.resolve(origin.namespace, &message, false);
        self.store_for_broker(now, &message, &route.queues, effects) > 0
    }
}

fn obituary(
    now: Timestamp,
    origin: &Origin,
    reason: DeathReason,
    message: &Message,
) -> message::Death {
    let text = |key: &[u8]| Name::from(&*String::from_utf8_lossy(key));
    message::Death {
        queue: origin.queue.clone(),
        reason,
        count: 1,
        time: now,
        exchange: message.exchange.detached(),
        routing_keys: std::iter::once(message.routing_key.as_bytes())
            .chain(message.extra_keys.iter().map(AsRef::as_ref))
            .map(text)
            .collect(),
        original_ttl_ms: message.ttl_ms,
    }
}
