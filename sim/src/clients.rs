//! What sessions do, and what they remember of what they were told.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use sabir_core::event::Delivery;
use sabir_core::id::{ConsumerId, Offset, RequestId, SessionId, WindowId};
use sabir_core::message::value::Table;
use sabir_core::name::Name;
use sabir_core::request::{Consume, DeliveryId, Outcome, Request, Settlement, Start};

/// A consumer as its client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) queue: &'static str,
    /// Where a reader of kept records is: its next offset, once it has read one.
    pub(crate) next: Option<u64>,
}

/// What a request was about.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Consume(ConsumerId),
    Get { queue: &'static str, settled: bool },
    Purge(&'static str),
    Other,
}

/// A session.
pub(crate) struct Client {
    pub(crate) session: SessionId,
    pub(crate) readers: BTreeMap<ConsumerId, Reader>,
    /// Deliveries that are not settled, oldest first.
    pub(crate) held: VecDeque<Held>,
    pub(crate) asked: BTreeMap<RequestId, Asked>,
    /// Bytes of deliveries that it has not reported as taken.
    pub(crate) taken_bytes: u64,
    pub(crate) next_ticket: u64,
    pub(crate) sequence: u64,
    next_request: u64,
    next_consumer: u32,
}

/// A delivery that is not settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) id: DeliveryId,
    pub(crate) kept: bool,
}

impl Client {
    pub(crate) fn new(session: SessionId) -> Self {
        Self {
            session,
            readers: BTreeMap::new(),
            held: VecDeque::new(),
            asked: BTreeMap::new(),
            taken_bytes: 0,
            next_ticket: 1,
            sequence: 0,
            next_request: 1,
            next_consumer: 1,
        }
    }

    /// Numbers a request.
    pub(crate) fn ask(&mut self, asked: Asked) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.asked.insert(id, asked);
        id
    }

    /// Whether it waits for a record that it wants to get.
    pub(crate) fn waits(&self) -> bool {
        let mut asked = self.asked.values();
        asked.any(|asked| matches!(asked, Asked::Get { .. }))
    }

    /// A consumer with random limits.
    pub(crate) fn consume(
        &mut self,
        random: &mut Rng,
        queue: &'static str,
    ) -> (RequestId, Request) {
        let consumer = ConsumerId(self.next_consumer);
        self.next_consumer += 1;
        let id = self.ask(Asked::Consume(consumer));
        let kept = queue == "kept";
        let consume = Consume {
            consumer,
            tag: Name::default(),
            queue: Name::from(queue),
            settled: !kept && random.u32(0..6) == 0,
            exclusive: !kept && random.u32(0..20) == 0,
            priority: random.i32(-1..2),
            unsettled_max: random.choice([0, 1, 2, 10]).unwrap_or(0),
            window: (random.u32(0..4) == 0).then_some(WindowId(1)),
            credit: (random.u32(0..8) == 0).then(|| random.u32(0..5)),
            start: if random.bool() {
                Start::First
            } else {
                Start::Next
            },
            arguments: Table::new(),
        };
        (id, Request::Consume(consume))
    }

    /// A consumer without limits.
    pub(crate) fn consume_all(&mut self, queue: &'static str) -> (RequestId, Request) {
        let (id, request) = self.consume(&mut Rng::with_seed(0), queue);
        let Request::Consume(consume) = request else {
            return (id, request);
        };
        let consume = Consume {
            settled: false,
            exclusive: false,
            unsettled_max: 0,
            window: None,
            credit: None,
            ..consume
        };
        (id, Request::Consume(consume))
    }

    /// A delivery has arrived.
    pub(crate) fn receive(&mut self, delivery: &Delivery, kept: bool) {
        self.taken_bytes += delivery.cost();
        if let Some(id) = delivery.id.filter(|_| !delivery.settled) {
            self.held.push_back(Held { id, kept });
        }
    }

    /// Settles some deliveries in a random way; returns what and which.
    pub(crate) fn settle(&mut self, random: &mut Rng) -> Option<(Settlement, Vec<Held>)> {
        if self.held.is_empty() {
            return None;
        }
        let first = self.held.get(random.usize(0..self.held.len())).copied()?;
        let outcome = match random.u32(0..10) {
            _ if first.kept => Outcome::Ack,
            0 => Outcome::Reject,
            1 => Outcome::Release { failed: true },
            2 => Outcome::Release { failed: false },
            _ => Outcome::Ack,
        };
        let holds = |offset| {
            let id = DeliveryId {
                offset: Offset(offset),
                ..first.id
            };
            self.held.iter().any(|held| held.id == id)
        };
        // Only what it knows of: it may hold more, of which it has not heard yet.
        let mut last = first.id.offset.0;
        while random.u32(0..3) == 0 && holds(last + 1) {
            last += 1;
        }
        let covers = |held: &Held| {
            held.id.log == first.id.log && (first.id.offset.0..=last).contains(&held.id.offset.0)
        };
        let settled: Vec<Held> = self.held.iter().copied().filter(covers).collect();
        self.held.retain(|held| !covers(held));
        let settlement = Settlement {
            log: first.id.log,
            first: first.id.offset,
            last: Offset(last),
            outcome,
        };
        Some((settlement, settled))
    }
}
