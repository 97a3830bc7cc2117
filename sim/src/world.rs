//! The loop: clients, a broker, its disk, and what goes wrong.

mod act;
mod end;
mod life;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use sabir_core::admin::{AdminRequest, Listing, Report as List};
use sabir_core::broker::Effects;
use sabir_core::event::{Delivery, Event, Response};
use sabir_core::id::{ConsumerId, RequestId, SessionId, Timestamp};
use sabir_core::name::Name;
use sabir_core::refusal::Refusal;
use sabir_core::request::{Command, Destination, Request};
use sabir_core::storage::{Durability, Journal, Position, StorageError};
use sabir_storage::disk::SimDisk;
use sabir_storage::index::SimIndex;

use crate::clients::{Asked, Client, Reader};
use crate::node::{Node, Plan};
use crate::setting::{self, DEAD, FAN, LATER, Setting, Template};
use crate::snapshot;
use crate::trace::Trace;
use crate::witness::{Reach, Witness};

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The same for the same seed.
    pub trace: u64,
    /// Confirms that publishers got.
    pub confirms: u64,
    /// Deliveries that consumers got.
    pub deliveries: u64,
    /// Of these, deliveries of what had been delivered before.
    pub redeliveries: u64,
    /// How often the broker was started again.
    pub restarts: u64,
}

/// Runs a setting to its end. It panics where something breaks that must not, and says how to do
/// the same run again.
#[must_use]
pub fn run(setting: &Setting) -> Report {
    let _again = Again(setting.seed);
    let mut world = World::new(setting);
    for _ in 0..setting.steps {
        world.step();
    }
    world.end();
    Report {
        trace: world.trace.number(),
        confirms: world.witness.confirms,
        deliveries: world.witness.deliveries,
        redeliveries: world.witness.redeliveries,
        restarts: world.restarts,
    }
}

/// Says how to do a run again when it fails.
struct Again(u64);

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "seed {0} failed; again: SABIR_SIM_FIRST_SEED={0} SABIR_SIM_SEEDS=1 cargo test -p sabir-sim",
                self.0
            );
        }
    }
}

/// Everything there is in a run.
struct World {
    random: Rng,
    setting: Setting,
    plan: Plan,
    templates: Vec<Template>,
    node: Node,
    now: Timestamp,
    clients: Vec<Client>,
    witness: Witness,
    /// Queues that exist.
    queues: BTreeSet<&'static str>,
    /// Queues that are bound to an exchange.
    bound: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// The blocks to which messages with a deduplication id first went, and how safe they had to be.
    unique: BTreeMap<u64, (Position, Durability)>,
    /// Messages that were ready when this life began, or left otherwise than the counters say.
    ready_before: BTreeMap<&'static str, u64>,
    purged: BTreeMap<&'static str, u64>,
    /// Queues that were purged by sessions that did not hear of how many there were.
    uncounted: BTreeSet<&'static str>,
    next_session: u64,
    next_number: u64,
    is_full: bool,
    restarts: u64,
    trace: Trace,
}

/// Requests of the simulation itself come from here.
const NOBODY: SessionId = SessionId(0);

impl World {
    fn new(setting: &Setting) -> Self {
        let mut random = Rng::with_seed(setting.seed);
        let plan = Plan {
            core: setting::core_config(&mut random),
            journal: setting::journal_options(&mut random),
            seed: random.u64(..),
        };
        let templates = setting::templates(&mut random);
        let disk = SimDisk::new();
        let index = SimIndex::new(&disk);
        let now = Timestamp(1_000_000);
        let (node, _) = Node::start(&plan, &disk, &index, now).expect("an empty disk is good");
        let mut world = Self {
            random,
            setting: setting.clone(),
            plan,
            templates,
            node,
            now,
            clients: Vec::new(),
            witness: Witness::default(),
            queues: BTreeSet::new(),
            bound: BTreeMap::new(),
            unique: BTreeMap::new(),
            ready_before: BTreeMap::new(),
            purged: BTreeMap::new(),
            uncounted: BTreeSet::new(),
            next_session: 1,
            next_number: 1,
            is_full: false,
            restarts: 0,
            trace: Trace::new(),
        };
        world.node.remember(now, world.node.committed);
        world.furnish();
        world
    }

    /// Makes what is missing of queues, exchanges and bindings.
    fn furnish(&mut self) {
        let name = Name::from_static("/");
        self.administer(AdminRequest::CreateNamespace { name });
        self.look_around();
        let builder = self.connect();
        for template in self.templates.clone() {
            if !self.queues.contains(template.name) {
                self.declare(builder, &template);
            }
        }
        self.declare_exchanges(builder);
        self.close(builder);
    }

    fn reach(&self) -> Reach {
        Reach {
            committed: self.node.committed,
            durable: self.node.journal.durable(),
        }
    }

    /// Hands a command to the core and takes what follows.
    fn apply(&mut self, command: Command) {
        let mut effects = Effects::default();
        let position = self.node.broker.open_position();
        self.trace.say("command", (position, &command));
        self.node.apply(self.now, command, &mut effects);
        self.take(effects);
    }

    fn request(&mut self, session: SessionId, asked: Asked, request: Request) {
        let id = match self.client(session) {
            Some(client) => client.ask(asked),
            None => return,
        };
        self.apply(Command::Request {
            session,
            id,
            request,
        });
    }

    fn administer(&mut self, request: AdminRequest) {
        self.apply(Command::Administer {
            id: RequestId(1),
            session: NOBODY,
            request,
        });
    }

    fn client(&mut self, session: SessionId) -> Option<&mut Client> {
        self.clients
            .iter_mut()
            .find(|client| client.session == session)
    }

    fn connect(&mut self) -> SessionId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.clients.push(Client::new(session));
        self.apply(Command::Open {
            session,
            namespace: Name::from_static("/"),
            principal: Name::default(),
            description: Name::default(),
        });
        session
    }

    fn close(&mut self, session: SessionId) {
        if let Some(client) = self.client(session) {
            let asked = std::mem::take(&mut client.asked).into_values();
            let purges = asked.filter_map(|asked| match asked {
                Asked::Purge(queue) => Some(queue),
                _ => None,
            });
            let purges: Vec<_> = purges.collect();
            self.uncounted.extend(purges);
        }
        self.clients.retain(|client| client.session != session);
        self.witness.gone(session);
        self.apply(Command::Close { session });
    }

    /// Learns which queues and bindings there are.
    fn look_around(&mut self) {
        let (now, broker) = (self.now, &mut self.node.broker);
        let mut ready = BTreeMap::new();
        if let Some(List::Queues(rows)) = snapshot::list(broker, now, Listing::Queues) {
            for row in rows {
                if let Some(template) = self.templates.iter().find(|one| *one.name == *row.name) {
                    ready.insert(template.name, row.ready + row.unsettled);
                }
            }
        }
        self.queues = ready.keys().copied().collect();
        self.ready_before = ready;
        self.purged.clear();
        self.uncounted.clear();
        self.bound.clear();
        let Some(List::Bindings(rows)) = snapshot::list(broker, now, Listing::Bindings) else {
            return;
        };
        for row in rows {
            let Destination::Queue(target) = &row.binding.destination else {
                continue;
            };
            let source = [FAN, LATER]
                .into_iter()
                .find(|one| **one == *row.binding.source);
            let target = self.templates.iter().find(|one| *one.name == **target);
            if let (Some(source), Some(target)) = (source, target) {
                self.bound.entry(source).or_default().insert(target.name);
            }
        }
    }

    /// Takes what a call of the core has brought about.
    fn take(&mut self, effects: Effects) {
        assert!(effects.fetches.is_empty(), "the node has taken them");
        for (session, event) in effects.events {
            self.note(session, &event);
            if session == NOBODY || self.client(session).is_none() {
                continue;
            }
            self.hear(session, event);
        }
    }

    fn hear(&mut self, session: SessionId, event: Event) {
        let reach = self.reach();
        match event {
            Event::Confirmed { first, last, .. } => {
                self.witness.confirmed(session, first, last, reach);
            }
            Event::Refused { ticket, .. } => self.witness.refused(session, ticket),
            Event::Delivery(delivery) => self.deliver(session, &delivery),
            Event::Reply { id, result } => self.answer(session, id, result),
            Event::Cancelled { consumer } => {
                if let Some(client) = self.client(session) {
                    client.readers.remove(&consumer);
                }
            }
            Event::Violated { refusal } => panic!("session {session} did nothing wrong: {refusal}"),
            Event::Returned { .. } | Event::Blocked { .. } | Event::Unblocked => {}
            Event::Disconnect { reason } => panic!("nobody asked for that: {reason}"),
        }
    }

    fn note(&mut self, session: SessionId, event: &Event) {
        self.trace.say("    event", (session, event));
        self.trace.note(session);
        match event {
            Event::Delivery(delivery) => self.trace.note((delivery.id, &delivery.record.0)),
            Event::Confirmed { first, last, .. } => self.trace.note((first, last)),
            Event::Reply { id, .. } => self.trace.note(id),
            _ => {}
        }
    }

    fn deliver(&mut self, session: SessionId, delivery: &Delivery) {
        let Some(client) = self.client(session) else {
            return;
        };
        let reader = client
            .readers
            .get(&delivery.consumer)
            .cloned()
            .expect("deliveries go to consumers that were started");
        client.receive(delivery, reader.queue == "kept");
        self.witness_delivery(session, delivery, reader.queue);
        if reader.queue == "kept" {
            self.check_kept(session, delivery, &reader);
        }
    }

    fn witness_delivery(&mut self, session: SessionId, delivery: &Delivery, queue: &'static str) {
        let (kept, durable) = (queue == "kept", queue != "volatile");
        let position = self.node.broker.open_position();
        let reach = self.reach();
        let circumstances = crate::witness::Circumstances {
            now: self.now,
            session,
            kept,
            durable,
            got: delivery.consumer == ConsumerId(0),
            position,
            reach,
        };
        self.witness.delivered(delivery, circumstances);
    }

    /// A reader of kept records misses none, unless they are gone.
    fn check_kept(&mut self, session: SessionId, delivery: &Delivery, reader: &Reader) {
        let offset = delivery.id.expect("a record of a queue").offset.0;
        if let Some(next) = reader.next {
            assert!(offset >= next, "kept records come in order");
            let first = self.first_kept();
            assert!(
                offset == next || offset <= first,
                "{next} to {offset} were passed over"
            );
        }
        let consumer = delivery.consumer;
        if let Some(client) = self.client(session)
            && let Some(reader) = client.readers.get_mut(&consumer)
        {
            reader.next = Some(offset + 1);
        }
    }

    fn first_kept(&self) -> u64 {
        let queues = self.node.broker.inventory(self.now);
        let kept = queues.iter().find(|queue| &*queue.name == "kept");
        kept.and_then(|queue| queue.lanes.first())
            .and_then(|lane| lane.unsettled.first())
            .map_or(u64::MAX, |(first, _)| *first)
    }

    fn answer(&mut self, session: SessionId, id: RequestId, result: Result<Response, Refusal>) {
        let Some(client) = self.client(session) else {
            return;
        };
        let Some(asked) = client.asked.remove(&id) else {
            assert_eq!(id, RequestId(0), "answers are to requests that were made");
            return;
        };
        match (asked, result) {
            (
                Asked::Get { queue, settled },
                Ok(Response::Got {
                    delivery: Some(delivery),
                    ..
                }),
            ) => {
                assert_eq!(settled, delivery.settled);
                client.receive(&delivery, false);
                // What was taken by get does not use the window.
                client.taken_bytes -= delivery.cost();
                self.witness_delivery(session, &delivery, queue);
            }
            (Asked::Consume(consumer), Err(_)) => {
                client.readers.remove(&consumer);
            }
            (Asked::Purge(queue), Ok(Response::Removed { messages })) => {
                *self.purged.entry(queue).or_default() += messages;
            }
            _ => {}
        }
    }

    fn started(&mut self, session: SessionId, consumer: ConsumerId, queue: &'static str) {
        if let Some(client) = self.client(session) {
            client
                .readers
                .insert(consumer, Reader { queue, next: None });
        }
    }

    /// What can only be a storage error ends the life of the process.
    fn survive(&mut self, result: Result<(), StorageError>) {
        if let Err(error) = result {
            self.die(&error);
        }
    }

    fn random_queue(&mut self) -> &'static str {
        let index = self.random.usize(0..self.templates.len());
        self.templates
            .get(index)
            .map_or(DEAD, |template| template.name)
    }
}
