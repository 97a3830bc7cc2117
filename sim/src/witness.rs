//! What was published, confirmed, delivered and settled, and what must follow from it.

use std::collections::{BTreeMap, BTreeSet};

use sabir_core::broker::QueueInventory;
use sabir_core::event::Delivery;
use sabir_core::id::{LogId, Offset, SessionId, Timestamp};
use sabir_core::request::DeliveryId;
use sabir_core::storage::{Durability, Position};

use crate::payload::Payload;

/// A message that was handed to the broker.
struct Published {
    /// The block that it was written to, if it was.
    position: Position,
    /// How safe it has to be before it is confirmed.
    promised: Durability,
    ticket: u64,
    session: SessionId,
    answered: bool,
}

/// A record as consumers have seen it.
struct Seen {
    number: u64,
    /// Who holds it.
    holder: Option<SessionId>,
    /// The block in which it was settled.
    settled: Option<Position>,
    /// Whether it stays when it is settled.
    kept: bool,
}

/// Everything that clients know.
#[derive(Default)]
pub(crate) struct Witness {
    published: BTreeMap<u64, Published>,
    tickets: BTreeMap<(SessionId, u64), u64>,
    seen: BTreeMap<DeliveryId, Seen>,
    /// The newest record of each log that was delivered for the first time.
    newest: BTreeMap<LogId, Offset>,
    /// The newest of each publisher's messages in each log, by offset.
    in_order: BTreeMap<(LogId, u64), BTreeMap<Offset, u64>>,
    /// Logs whose records stay.
    kept: BTreeSet<LogId>,
    pub(crate) confirms: u64,
    pub(crate) deliveries: u64,
    pub(crate) redeliveries: u64,
}

/// How far the journal is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub(crate) committed: Position,
    pub(crate) durable: Position,
}

/// Under which circumstances a delivery was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) now: Timestamp,
    pub(crate) session: SessionId,
    /// Its queue keeps its records.
    pub(crate) kept: bool,
    /// Its queue survives a restart.
    pub(crate) durable: bool,
    /// It answers a request, which may come some time after the record was taken.
    pub(crate) got: bool,
    /// The block that is open.
    pub(crate) position: Position,
    pub(crate) reach: Reach,
}

impl Witness {
    /// A message was handed to the broker; what happened is in the block at `position`.
    pub(crate) fn published(
        &mut self,
        session: SessionId,
        ticket: u64,
        number: u64,
        position: Position,
        promised: Durability,
    ) {
        let published = Published {
            position,
            promised,
            ticket,
            session,
            answered: false,
        };
        self.published.insert(number, published);
        if ticket != 0 {
            self.tickets.insert((session, ticket), number);
        }
    }

    /// Tickets were confirmed: each once, and not before its message is safe.
    pub(crate) fn confirmed(&mut self, session: SessionId, first: u64, last: u64, reach: Reach) {
        for ticket in first..=last {
            let published = self.answer(session, ticket);
            let safe = match published.promised {
                Durability::Memory => Position(u64::MAX),
                Durability::Os => reach.committed,
                Durability::Fsync => reach.durable,
            };
            assert!(
                published.position <= safe,
                "ticket {ticket} of session {session} was confirmed in block {}, which is not safe: {reach:?}",
                published.position
            );
            self.confirms += 1;
        }
    }

    /// A ticket was refused.
    pub(crate) fn refused(&mut self, session: SessionId, ticket: u64) {
        if ticket != 0 {
            self.answer(session, ticket);
        }
    }

    fn answer(&mut self, session: SessionId, ticket: u64) -> &Published {
        let number = self
            .tickets
            .get(&(session, ticket))
            .expect("answers are to tickets that were given");
        let published = self.published.get_mut(number).expect("it was published");
        assert!(!published.answered, "ticket {ticket} is answered once");
        published.answered = true;
        published
    }

    /// Whether all tickets of a session have been answered.
    pub(crate) fn unanswered(&self) -> usize {
        let open = self.published.values();
        open.filter(|published| published.ticket != 0 && !published.answered)
            .count()
    }

    /// A session is gone: nobody waits for its answers.
    pub(crate) fn gone(&mut self, session: SessionId) {
        for published in self.published.values_mut() {
            published.answered |= published.session == session;
        }
        for seen in self.seen.values_mut() {
            if seen.holder == Some(session) {
                seen.holder = None;
            }
        }
    }

    /// A record was delivered to a session.
    pub(crate) fn delivered(&mut self, delivery: &Delivery, circumstances: Circumstances) {
        let Circumstances {
            now,
            kept,
            durable,
            got,
            reach,
            ..
        } = circumstances;
        let view = delivery.record.view().expect("a record");
        let payload = Payload::read(view.body).expect("a body as it was published");
        let published = self
            .published
            .get(&payload.number)
            .expect("only what was published is delivered");
        let id = delivery.id.expect("a record of a queue");
        let original = !view.has_deaths();
        self.deliveries += 1;
        if original && durable {
            assert!(
                published.position <= reach.committed,
                "{id:?} was delivered before it was safe"
            );
        }
        let lively =
            kept || got || view.ttl_ms == Some(0) || view.due().is_none_or(|due| due > now);
        assert!(lively, "{id:?} was delivered after its time");
        if original && view.delay_ms.is_none() {
            self.check_publisher_order(id, payload);
        }
        self.check_history(delivery, id, payload.number, circumstances);
    }

    /// Messages of one publisher are in a log in the order in which they were published.
    fn check_publisher_order(&mut self, id: DeliveryId, payload: Payload) {
        let sequences = self
            .in_order
            .entry((id.log, payload.publisher))
            .or_default();
        sequences.insert(id.offset, payload.sequence);
        let before = sequences.range(..id.offset).next_back();
        let after = sequences.range(id.offset.next()..).next();
        let in_order = before.is_none_or(|(_, sequence)| *sequence < payload.sequence)
            && after.is_none_or(|(_, sequence)| *sequence > payload.sequence);
        assert!(
            in_order,
            "{id:?} {payload:?} is out of order: {sequences:?}"
        );
    }

    fn check_history(
        &mut self,
        delivery: &Delivery,
        id: DeliveryId,
        number: u64,
        circumstances: Circumstances,
    ) {
        let Circumstances {
            session,
            kept,
            got,
            position,
            ..
        } = circumstances;
        let known = self.seen.get(&id);
        if let Some(known) = known {
            self.redeliveries += 1;
            assert_eq!(known.number, number, "{id:?} is another message now");
            if !kept {
                assert!(delivery.redelivered, "{id:?} is a duplicate without a flag");
                assert_eq!(known.holder, None, "{id:?} is held by another session");
                assert_eq!(known.settled, None, "{id:?} was settled");
            }
        }
        if kept {
            self.kept.insert(id.log);
        } else if !delivery.redelivered && !got {
            let newest = self.newest.entry(id.log).or_insert(id.offset);
            assert!(*newest <= id.offset, "{id:?} comes after {newest:?}");
            *newest = id.offset;
        }
        let seen = Seen {
            number,
            holder: (!delivery.settled).then_some(session),
            settled: delivery.settled.then_some(position),
            kept,
        };
        self.seen.insert(id, seen);
    }

    /// A session has settled a record for good; what happened is in the block at `position`.
    pub(crate) fn settled(&mut self, id: DeliveryId, position: Position) {
        if let Some(seen) = self.seen.get_mut(&id) {
            seen.holder = None;
            if !seen.kept {
                seen.settled = Some(position);
            }
        }
    }

    /// A session has given a record back. It may be gone for good with that.
    pub(crate) fn released(&mut self, id: DeliveryId) {
        if let Some(seen) = self.seen.get_mut(&id) {
            seen.holder = None;
        }
    }

    /// The process has died, and blocks after `last` with it.
    pub(crate) fn restarted(&mut self, last: Position, queues: &[QueueInventory]) {
        let lanes = queues.iter().flat_map(|queue| &queue.lanes);
        let tails: BTreeMap<LogId, u64> = lanes.map(|lane| (lane.log, lane.tail)).collect();
        let survives =
            |log: LogId, offset: Offset| tails.get(&log).is_some_and(|tail| offset.0 < *tail);
        self.seen.retain(|id, seen| {
            seen.holder = None;
            seen.settled = seen.settled.filter(|position| *position <= last);
            survives(id.log, id.offset)
        });
        self.newest.clear();
        for ((log, _), sequences) in &mut self.in_order {
            sequences.retain(|offset, _| survives(*log, *offset));
        }
        for published in self.published.values_mut() {
            published.answered = true;
        }
    }
}
