//! The one door: every message of every protocol comes in here.

use super::{Broker, Effects, mark_dirty, timer::Timer};
use crate::{
    authorize::{Operation, Resource},
    event::{Delivery, Event},
    id::{LogId, Offset, SessionId, Timestamp},
    journal::{entry, open::Confirms},
    log::chunk::Slot,
    message::{DeathReason, Message, Record, record},
    name::Name,
    queue::{Overflow, Queue},
    refusal::{Kind, Refusal},
    request::Publish,
    routing::{self, QueueId},
    storage::Durability,
};
use bytes::Bytes;

/// How one message fared in the queues it was routed to.
struct Stored {
    /// The strictest promise of a queue that took it.
    durability: Durability,
    /// A queue that had no room for it.
    full: Option<Name>,
    /// Queues that took it.
    taken: usize,
}

impl Broker {
    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        session: SessionId,
        publish: Publish,
        effects: &mut Effects,
    ) {
        let Publish {
            producer,
            ticket,
            mandatory,
            message,
        } = publish;
        let stored = match self.accept(now, session, &message, effects) {
            Ok(stored) => stored,
            Err(refusal) => {
                effects.tell(
                    session,
                    Event::Refused {
                        producer,
                        ticket,
                        refusal,
                    },
                );
                return;
            }
        };
        if mandatory && stored.taken == 0 && stored.full.is_none() {
            let message = Box::new(message);
            effects.tell(session, Event::Returned { producer, message });
        }
        if let Some(queue) = stored.full {
            let refusal = Refusal::Full { queue };
            effects.tell(
                session,
                Event::Refused {
                    producer,
                    ticket,
                    refusal,
                },
            );
        } else if ticket != 0 {
            let confirms = Confirms {
                session,
                producer,
                first: ticket,
                last: ticket,
            };
            self.confirm(stored.durability, confirms, effects);
        }
    }

    fn confirm(&mut self, durability: Durability, confirms: Confirms, effects: &mut Effects) {
        if durability > Durability::Memory {
            self.memory.open.confirm(confirms);
            return;
        }
        let Confirms {
            session,
            producer,
            first,
            last,
        } = confirms;
        effects.tell(
            session,
            Event::Confirmed {
                producer,
                first,
                last,
            },
        );
    }

    /// Checks a message, routes and stores it.
    fn accept(
        &mut self,
        now: Timestamp,
        session: SessionId,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<Stored, Refusal> {
        let slot = self.check_publish(session, message)?;
        let route = self.resolve(slot, message, true);
        if !route.delayed_by.is_empty() || !route.recorded_by.is_empty() {
            self.hold_back(now, slot, message, &route, effects);
        }
        if !route.mailboxes.is_empty() || route.is_empty() {
            let live = self.deliver_live(now, slot, message, &route.mailboxes, effects);
            if live > 0 && route.queues.is_empty() {
                return Ok(Stored {
                    durability: Durability::Memory,
                    full: None,
                    taken: live,
                });
            }
        }
        let held = route.delayed_by.len();
        let mut stored = self.store(now, message, &route.queues, false, effects);
        if held > 0 {
            stored.taken += held;
            stored.durability = stored.durability.max(self.config.durability);
        }
        Ok(stored)
    }

    /// Keeps a message for exchanges that delay it or remember it.
    fn hold_back(
        &mut self,
        now: Timestamp,
        slot: u32,
        message: &Message,
        route: &super::route::Route,
        effects: &mut Effects,
    ) {
        for exchange in &route.delayed_by {
            let queue = self.delay_queue(now, slot);
            let mut held = message.clone();
            held.exchange = exchange.clone();
            self.store(now, &held, &[queue], true, effects);
        }
        let Some(namespace) = self.namespaces.get_mut(slot) else {
            return;
        };
        for exchange in &route.recorded_by {
            let kind = namespace
                .router
                .exchange(exchange)
                .map(|exchange| &exchange.spec().kind);
            let Some(routing::Kind::RecentHistory { length }) = kind else {
                continue;
            };
            let length = *length as usize;
            let history = namespace.histories.entry(exchange.clone()).or_default();
            history.push_back(message.detached());
            while history.len() > length {
                history.pop_front();
            }
        }
    }

    /// The namespace of a session that may publish this message.
    pub(super) fn check_publish(
        &mut self,
        session: SessionId,
        message: &Message,
    ) -> Result<u32, Refusal> {
        let not_found = || Refusal::NotFound {
            kind: Kind::Exchange,
            name: message.exchange.detached(),
        };
        let state = self.sessions.get_mut(&session).ok_or_else(not_found)?;
        state.published += 1;
        let slot = state.namespace;
        let namespace = self.namespaces.get_mut(slot).ok_or_else(not_found)?;
        let exchange = namespace
            .router
            .exchange(&message.exchange)
            .ok_or_else(not_found)?;
        if exchange.spec().internal {
            return Err(Refusal::Internal {
                exchange: message.exchange.detached(),
            });
        }
        let by_key = exchange.spec().kind == routing::Kind::Topic;
        let generation = self.authorizer.generation();
        let known = state.may_publish.get(&message.exchange) == Some(&generation);
        if by_key || !known {
            let mut resource = Resource::exchange(&message.exchange);
            if by_key {
                resource = resource.with_routing_key(message.routing_key.as_bytes());
            }
            let permitted = self.authorizer.permits(
                &state.principal,
                &namespace.name,
                Operation::Publish,
                resource,
            );
            if !permitted {
                return Err(Refusal::AccessDenied {
                    operation: Operation::Publish,
                    kind: Kind::Exchange,
                    name: message.exchange.detached(),
                });
            }
            state
                .may_publish
                .insert(message.exchange.detached(), generation);
        }
        Ok(slot)
    }

    /// Delivers to live subscribers. Returns how many there were.
    fn deliver_live(
        &mut self,
        now: Timestamp,
        slot: u32,
        message: &Message,
        mailboxes: &[routing::MailboxId],
        effects: &mut Effects,
    ) -> usize {
        let Some(namespace) = self.namespaces.get(slot) else {
            return 0;
        };
        let by_address = message
            .exchange
            .is_empty()
            .then(|| namespace.mailboxes.get(message.routing_key.as_bytes()))
            .flatten();
        let bound = mailboxes
            .iter()
            .filter_map(|mailbox| self.bound_mailboxes.get(mailbox));
        let readers: Vec<_> = by_address.into_iter().chain(bound).copied().collect();
        if readers.is_empty() {
            return 0;
        }
        let mut bytes = Vec::new();
        record::encode(&mut bytes, message, now);
        let record = Record(Bytes::from(bytes));
        for (session, consumer) in &readers {
            let delivery = Delivery {
                consumer: *consumer,
                id: None,
                settled: true,
                redelivered: false,
                attempts: 0,
                record: record.clone(),
            };
            if let Some(state) = self.sessions.get_mut(session) {
                state.delivered += 1;
                state.window_bytes -= i64::try_from(delivery.cost()).unwrap_or(i64::MAX);
            }
            effects.tell(*session, Event::Delivery(delivery));
        }
        readers.len()
    }

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
    fn store(
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
        let mut journaled: Vec<(LogId, Offset)> = Vec::new();
        let mut volatile: Vec<LogId> = Vec::new();
        let size = (message.head.len() + message.body.len()) as u64;
        for id in queues {
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            if !always && refuses(queue, size) {
                queue.counters.refused += 1;
                stored.full = Some(queue.name.clone());
                self.dead_letter_refused(now, *id, message, effects);
                continue;
            }
            stored.taken += 1;
            if self.is_repeated(now, *id, message) {
                continue;
            }
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            queue.counters.published += 1;
            let durability = queue.settings.durability.unwrap_or(self.config.durability);
            let lane = queue.lane_for(message.priority);
            let log = lane.log.id();
            if lane.durable {
                journaled.push((log, lane.log.tail()));
                let promised = if message.persistent {
                    durability
                } else {
                    Durability::Os
                };
                stored.durability = stored.durability.max(promised.max(Durability::Os));
            } else {
                volatile.push(log);
            }
        }
        if !journaled.is_empty() {
            let slot = self.memory.write_journaled(now, message, &journaled);
            self.memory.open.require(stored.durability);
            self.memory.open.admission = crate::storage::Admission::Normal;
            for (log, _) in journaled {
                self.append(now, log, slot, message, effects);
            }
        }
        if !volatile.is_empty() {
            let slot = self.memory.write_volatile(now, message);
            for log in volatile {
                self.append(now, log, slot, message, effects);
            }
        }
        stored
    }

    fn append(
        &mut self,
        now: Timestamp,
        log: LogId,
        slot: Slot,
        message: &Message,
        effects: &mut Effects,
    ) {
        let position = self.memory.open.position();
        let Some(queue) = self.queues.get_mut(&log.queue()) else {
            return;
        };
        let Some(lane) = queue.lane_mut(log.lane()) else {
            return;
        };
        let offset = lane.log.append(slot, &mut self.memory.chunks);
        lane.bytes += u64::from(slot.length);
        if lane.durable {
            if lane.touched != position {
                lane.touched = position;
                let tails = &mut self.memory.open.waiting.tails;
                tails.push((log, Offset(0)));
            }
        } else if lane.touched == crate::storage::Position(0) {
            lane.touched = crate::storage::Position(u64::MAX);
            self.fresh.push(log);
        }
        if !lane.in_memory {
            lane.in_memory = true;
            self.recent.insert(log);
        }
        if let Some(wait_ms) = message.delay_ms.or(message.ttl_ms) {
            self.timers
                .set(now.after(wait_ms), Timer::Record(log, offset));
        }
        if let Some(ttl_ms) = queue.settings.message_ttl_ms
            && queue.head_timer.is_none()
        {
            let due = now.after(ttl_ms);
            queue.head_timer = Some(due);
            self.timers.set(due, Timer::Head(queue.id));
        }
        let over = queue.is_over_limit();
        self.changed_log(log);
        if over {
            self.overflow(now, log.queue(), effects);
        }
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

    /// Pushes out the oldest messages of a queue that holds too many.
    fn overflow(&mut self, now: Timestamp, id: QueueId, effects: &mut Effects) {
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

    pub(super) fn drop_overflow(
        &mut self,
        queue: &mut Queue,
        deaths: &mut Vec<super::dead_letter::Death>,
        effects: &mut Effects,
    ) {
        while queue.is_over_limit() {
            let Some((index, ready)) = queue.peek_to_drop() else {
                return;
            };
            match self.ready_record(queue, index, ready.offset, effects) {
                None => {
                    mark_dirty(&mut self.dirty, queue);
                    return;
                }
                Some(None) => {}
                Some(Some(record)) => self.kill_ready(
                    queue,
                    index,
                    record,
                    ready.offset,
                    DeathReason::LengthExceeded,
                    deaths,
                ),
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
        let death = super::dead_letter::Death {
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
