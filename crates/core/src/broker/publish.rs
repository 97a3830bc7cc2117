//! The one door: every message of every protocol comes in here.

use super::{Broker, Effects, store::Stored};
use crate::{
    authorize::{Operation, Resource},
    event::{Delivery, Event},
    id::{SessionId, Timestamp},
    journal::open::Confirms,
    message::{Message, Record, record},
    refusal::{Kind, Refusal},
    request::Publish,
    routing,
    storage::Durability,
};
use bytes::Bytes;

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

    /// Confirms when everything written so far is as safe as was promised.
    fn confirm(&mut self, durability: Durability, confirms: Confirms, effects: &mut Effects) {
        let open = &mut self.memory.open;
        if durability > Durability::Memory {
            let position = open.newest();
            if position == open.position() {
                open.require(durability);
            }
            if position > self.committed {
                open.waiting_at(position).confirm(confirms);
                return;
            }
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
        // A delay is for exchanges that hold messages back; to queues it means nothing.
        let at_once = message.delay_ms.map(|_| Message {
            delay_ms: None,
            ..message.clone()
        });
        let message = at_once.as_ref().unwrap_or(message);
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
}
