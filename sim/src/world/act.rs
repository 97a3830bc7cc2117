//! One random thing after the other.

use sabir_core::admin::AdminRequest;
use sabir_core::broker::Effects;
use sabir_core::id::{ProducerId, SessionId, WindowId};
use sabir_core::message::value::Table;
use sabir_core::message::{Format, Message};
use sabir_core::name::Name;
use sabir_core::policy::{AppliesTo, Policy};
use sabir_core::queue::QueueSettings;
use sabir_core::request::{Binding, Command, Destination, Outcome, PolicyChange, Publish, Request};
use sabir_core::routing::{ExchangeSpec, Kind, Subject};
use sabir_core::storage::{Durability, Position};
use sabir_storage::disk::Fault;

use super::World;
use crate::clients::{Asked, Held};
use crate::payload::Payload;
use crate::setting::{FAN, LATER, Template};

/// A message with what the witness has to know of it.
struct Draft {
    publish: Publish,
    number: u64,
    promised: Durability,
    /// The block it goes to, or went to when this is a repetition.
    position: Position,
}

impl World {
    /// Something happens.
    pub(super) fn step(&mut self) {
        self.provoke();
        match self.random.u32(0..100) {
            0..45 => self.client_step(),
            45..68 => self.journal_step(),
            68..80 => self.fetch_step(),
            80..90 => self.keeper_step(),
            90..95 => self.pass_time(),
            _ => self.finish(),
        }
        if self.random.u32(0..3) != 0 {
            self.finish();
        }
        if self.random.u32(0..20) == 0 {
            self.check_balance();
        }
    }

    /// Lets something go wrong now or soon.
    fn provoke(&mut self) {
        let faults = self.setting.faults;
        let disk = self.node.disk.clone();
        let ahead = self.random.u64(0..25);
        let soon = disk.operations() + ahead;
        if faults.crashes {
            match self.random.u32(0..400) {
                0 => self.crash(),
                1 => disk.inject(soon, Fault::PowerOff),
                2 => self.stop_in_order(),
                _ => {}
            }
        }
        // The process may have been started anew, on another disk.
        let disk = self.node.disk.clone();
        if faults.errors && self.random.u32(0..250) == 0 {
            disk.inject(disk.operations() + ahead, Fault::InputOutput);
        }
        if faults.full && self.random.u32(0..80) == 0 {
            self.is_full = !self.is_full;
            let room = self.random.u64(0..100_000);
            disk.limit(self.is_full.then(|| used(&disk) + room));
        }
    }

    pub(super) fn finish(&mut self) {
        let mut effects = Effects::default();
        self.node.finish(self.now, &mut effects);
        self.take(effects);
    }

    pub(super) fn journal_step(&mut self) {
        let mut effects = Effects::default();
        let patient = self.random.u32(0..4) != 0;
        let result = self.node.journal_step(self.now, patient, &mut effects);
        self.take(effects);
        self.survive(result.map(drop));
    }

    pub(super) fn fetch_step(&mut self) {
        let mut effects = Effects::default();
        self.node
            .fetch_step(self.now, &mut self.random, &mut effects);
        self.take(effects);
    }

    pub(super) fn keeper_step(&mut self) {
        match self.random.u32(0..30) {
            0 => self.node.begin_save(self.now),
            1 => {
                let result = self.node.begin_rewrite();
                self.survive(result);
            }
            _ => {
                if let Some(position) = self.node.keeper.waits_for()
                    && self.node.committed >= position
                {
                    let synced = self.node.sync();
                    self.survive(synced);
                }
                let result = self.node.keeper_step(self.now);
                self.survive(result);
            }
        }
    }

    fn pass_time(&mut self) {
        self.now = self.now.after(self.random.u64(0..150));
        let mut effects = Effects::default();
        self.node.tick(self.now, &mut effects);
        self.take(effects);
    }

    fn client_step(&mut self) {
        if self.clients.len() < 2 || self.clients.len() < 5 && self.random.u32(0..20) == 0 {
            self.connect();
            return;
        }
        let index = self.random.usize(0..self.clients.len());
        let Some(client) = self.clients.get(index) else {
            return;
        };
        let session = client.session;
        let waits = client.waits();
        match self.random.u32(0..100) {
            0..45 if !waits => self.publish(session),
            0..45 => self.settle(session),
            45..72 => self.settle(session),
            72..80 => self.written(session),
            80..83 => self.allow_more(session),
            83..84 => self.close(session),
            _ if waits => {}
            84..90 => self.consume(session),
            90..92 => self.cancel(session),
            92..96 => self.get(session),
            96..98 => self.commit(session),
            _ => self.change_definitions(session),
        }
    }

    fn publish(&mut self, session: SessionId) {
        let Some(draft) = self.draft(session, true) else {
            return;
        };
        self.witness.published(
            session,
            draft.publish.ticket,
            draft.number,
            draft.position,
            draft.promised,
        );
        self.apply(Command::Publish {
            session,
            publish: draft.publish,
        });
    }

    /// A random message.
    fn draft(&mut self, session: SessionId, confirmed: bool) -> Option<Draft> {
        let number = self.next_number;
        self.next_number += 1;
        let exchange = match self.random.u32(0..10) {
            0..2 => FAN,
            2 => LATER,
            _ => "",
        };
        let queue = self.random_queue();
        let wanted = confirmed && self.random.u32(0..4) != 0;
        let client = self.client(session)?;
        client.sequence += 1;
        let sequence = client.sequence;
        let mut ticket = 0;
        if wanted {
            ticket = client.next_ticket;
            client.next_ticket += 1;
        }
        // Messages that are held back need not keep the order.
        let publisher = if exchange == LATER {
            1 << 63 | number
        } else {
            session.0
        };
        let padding = match self.random.u32(0..10) {
            0 => self.random.usize(0..9_000),
            _ => self.random.usize(0..150),
        };
        let payload = Payload {
            number,
            publisher,
            sequence,
        };
        let unique = (queue == "once" && exchange.is_empty()).then(|| self.random.u64(0..20));
        let persistent = self.random.u32(0..5) != 0;
        let message = Message {
            exchange: Name::from(exchange),
            routing_key: Subject::from_bytes(bytes::Bytes::from_static(queue.as_bytes())),
            extra_keys: Vec::new(),
            persistent,
            priority: self.random.u8(0..5),
            ttl_ms: (self.random.u32(0..10) == 0).then(|| self.random.u64(0..300)),
            delay_ms: (exchange == LATER).then(|| self.random.u64(0..500)),
            deduplication_id: unique.map(|id| bytes::Bytes::copy_from_slice(&id.to_le_bytes())),
            format: Format(0),
            head: bytes::Bytes::new(),
            body: payload.body(padding),
            deaths: Vec::new(),
        };
        let position = self.node.broker.open_position();
        let promised = self.promise(exchange, queue, persistent);
        let first = (position, promised);
        let remembered = unique.filter(|_| self.queues.contains(queue));
        let first = remembered.map_or(first, |id| *self.unique.entry(id).or_insert(first));
        Some(Draft {
            publish: Publish {
                producer: ProducerId(1),
                ticket,
                mandatory: self.random.u32(0..10) == 0,
                message,
            },
            number,
            promised: first.1,
            position: first.0,
        })
    }

    /// How safe a message has to be before its confirm.
    fn promise(&self, exchange: &str, queue: &'static str, persistent: bool) -> Durability {
        let one = std::slice::from_ref(&queue);
        let promise = |queue: &&str| match *queue {
            "volatile" => Durability::Memory,
            "quick" => Durability::Os,
            _ if persistent => Durability::Fsync,
            _ => Durability::Os,
        };
        match self.bound.get(exchange) {
            Some(bound) => bound.iter().map(promise).max(),
            None => one
                .iter()
                .filter(|queue| self.queues.contains(*queue))
                .map(promise)
                .max(),
        }
        .unwrap_or(Durability::Memory)
    }

    fn settle(&mut self, session: SessionId) {
        let mut random = self.random.fork();
        let Some((settlement, held)) = self
            .client(session)
            .and_then(|client| client.settle(&mut random))
        else {
            return;
        };
        let position = self.position_for(session);
        self.witness_settled(settlement.outcome, &held, position);
        self.apply(Command::Settle {
            session,
            settlement,
        });
    }

    /// The block to which a command of this session goes. While the session waits for the record
    /// that it wants to get, that is not known: the command waits too.
    fn position_for(&mut self, session: SessionId) -> Position {
        let waits = self.client(session).is_some_and(|client| client.waits());
        if waits {
            return Position(u64::MAX);
        }
        self.node.broker.open_position()
    }

    fn witness_settled(&mut self, outcome: Outcome, held: &[Held], position: Position) {
        for held in held {
            match outcome {
                Outcome::Ack => self.witness.settled(held.id, position),
                Outcome::Release { .. } | Outcome::Reject => self.witness.released(held.id),
            }
        }
    }

    fn written(&mut self, session: SessionId) {
        let Some(client) = self.client(session) else {
            return;
        };
        let bytes = std::mem::take(&mut client.taken_bytes);
        self.apply(Command::Written { session, bytes });
    }

    fn allow_more(&mut self, session: SessionId) {
        if self.random.bool() {
            let unsettled_max = self.random.u32(0..6);
            self.apply(Command::Window {
                session,
                window: WindowId(1),
                unsettled_max,
            });
            return;
        }
        let credit = self.random.u32(0..10);
        let consumer = self
            .client(session)
            .and_then(|client| client.readers.keys().next().copied());
        if let Some(consumer) = consumer {
            self.apply(Command::Credit {
                session,
                consumer,
                credit,
            });
        }
    }

    fn consume(&mut self, session: SessionId) {
        let queue = self.random_queue();
        let mut random = self.random.fork();
        let Some((id, request)) = self
            .client(session)
            .map(|client| client.consume(&mut random, queue))
        else {
            return;
        };
        let Request::Consume(consume) = &request else {
            return;
        };
        self.started(session, consume.consumer, queue);
        self.apply(Command::Request {
            session,
            id,
            request,
        });
    }

    fn cancel(&mut self, session: SessionId) {
        let consumer = self.client(session).and_then(|client| {
            let consumer = client.readers.keys().next().copied()?;
            client.readers.remove(&consumer);
            Some(consumer)
        });
        if let Some(consumer) = consumer {
            self.request(session, Asked::Other, Request::Cancel { consumer });
        }
    }

    fn get(&mut self, session: SessionId) {
        let queue = self.random_queue();
        let settled = self.random.u32(0..4) == 0;
        let request = Request::Get {
            queue: Name::from(queue),
            settled,
        };
        self.request(session, Asked::Get { queue, settled }, request);
    }

    fn commit(&mut self, session: SessionId) {
        let mut publishes = Vec::new();
        let position = self.node.broker.open_position();
        for _ in 0..self.random.u32(0..4) {
            if let Some(draft) = self.draft(session, false) {
                self.witness
                    .published(session, 0, draft.number, position, Durability::Memory);
                publishes.push(draft.publish);
            }
        }
        let mut settlements = Vec::new();
        for _ in 0..self.random.u32(0..3) {
            let mut random = self.random.fork();
            let settled = self
                .client(session)
                .and_then(|client| client.settle(&mut random));
            if let Some((settlement, held)) = settled {
                self.witness_settled(settlement.outcome, &held, position);
                settlements.push(settlement);
            }
        }
        let request = Request::Commit {
            publishes,
            settlements,
        };
        self.request(session, Asked::Other, request);
    }

    fn change_definitions(&mut self, session: SessionId) {
        let queue = self.random_queue();
        match self.random.u32(0..6) {
            0..2 => {
                let name = Name::from(queue);
                let request = Request::Purge { queue: name };
                self.request(session, Asked::Purge(queue), request);
            }
            2 => self.delete(session, queue),
            3 => self.set_policy(),
            _ => {
                let missing = self
                    .templates
                    .iter()
                    .find(|template| !self.queues.contains(template.name))
                    .cloned();
                if let Some(template) = missing {
                    self.declare(session, &template);
                    self.bind(session, FAN, template.name);
                }
            }
        }
    }

    pub(super) fn delete(&mut self, session: SessionId, queue: &'static str) {
        self.queues.remove(queue);
        if queue == "once" {
            self.unique.clear();
        }
        self.bound.values_mut().for_each(|bound| {
            bound.remove(queue);
        });
        self.ready_before.remove(queue);
        self.purged.remove(queue);
        self.uncounted.remove(queue);
        let request = Request::DeleteQueue {
            name: Name::from(queue),
            if_unused: false,
            if_empty: false,
        };
        for client in &mut self.clients {
            // Purges that are not answered yet were of the queue that is gone.
            client.asked.values_mut().for_each(|asked| {
                if matches!(asked, Asked::Purge(purged) if *purged == queue) {
                    *asked = Asked::Other;
                }
            });
        }
        self.request(session, Asked::Other, request);
    }

    fn set_policy(&mut self) {
        let name = Name::from_static("limits");
        let change = if self.random.bool() {
            let settings = QueueSettings {
                length_max: Some(self.random.u64(1..30)),
                message_ttl_ms: self.random.bool().then(|| self.random.u64(50..500)),
                ..QueueSettings::default()
            };
            PolicyChange::Set(Policy {
                name,
                operator: false,
                pattern: Name::from_static("^plain$"),
                applies_to: AppliesTo::Queues,
                priority: 1,
                settings,
                alternate_exchange: None,
                definition: Table::new(),
            })
        } else {
            PolicyChange::Remove {
                name,
                operator: false,
            }
        };
        self.administer(AdminRequest::ChangePolicy {
            namespace: Name::from_static("/"),
            change,
        });
    }

    pub(super) fn declare(&mut self, session: SessionId, template: &Template) {
        self.queues.insert(template.name);
        let request = Request::DeclareQueue {
            name: Name::from(template.name),
            generated_prefix: "",
            spec: template.spec.clone(),
        };
        self.request(session, Asked::Other, request);
    }

    pub(super) fn declare_exchanges(&mut self, session: SessionId) {
        let later = Kind::Delayed {
            inner: Box::new(Kind::Fanout),
        };
        for (name, kind) in [(FAN, Kind::Fanout), (LATER, later)] {
            let mut table = Table::new();
            let mut spec = ExchangeSpec::durable(kind.clone());
            if let Kind::Delayed { .. } = kind {
                let inner = sabir_core::message::value::Value::from("fanout");
                table.insert(Name::from_static("x-delayed-type"), inner);
                spec.arguments = table;
            }
            let name = Name::from(name);
            let request = Request::DeclareExchange { name, spec };
            self.request(session, Asked::Other, request);
        }
        for (exchange, queue) in [
            (FAN, "plain"),
            (FAN, "short"),
            (FAN, "dead"),
            (FAN, "volatile"),
            (FAN, "kept"),
            (LATER, "plain"),
            (LATER, "ranked"),
        ] {
            self.bind(session, exchange, queue);
        }
    }

    fn bind(&mut self, session: SessionId, exchange: &'static str, queue: &'static str) {
        let bound = self.bound.entry(exchange).or_default();
        if !bound.insert(queue) {
            return;
        }
        let request = Request::Bind(Binding {
            source: Name::from(exchange),
            destination: Destination::Queue(Name::from(queue)),
            routing_key: Subject::from_bytes(bytes::Bytes::new()),
            arguments: Table::new(),
        });
        self.request(session, Asked::Other, request);
    }
}

/// Bytes that a simulated disk holds.
fn used(disk: &sabir_storage::disk::SimDisk) -> u64 {
    use sabir_storage::disk::Disk;
    const MUCH: u64 = 1 << 60;
    disk.limit(Some(MUCH));
    MUCH - disk.free_bytes().unwrap_or(MUCH)
}
