//! A broker with one queue, brought to where a step begins.

use std::sync::Arc;

use bytes::Bytes;
use sabir_core::admin::AdminRequest;
use sabir_core::authorize::{Authorizer, Operation, Resource};
use sabir_core::broker::{Broker, Config, Effects};
use sabir_core::event::Event;
use sabir_core::id::{ConsumerId, ProducerId, RequestId, SessionId, Timestamp};
use sabir_core::message::value::Table;
use sabir_core::message::{Format, Formats, Message};
use sabir_core::name::Name;
use sabir_core::queue::QueueSpec;
use sabir_core::request::{Command, Consume, Outcome, Publish, Request, Settlement, Start};
use sabir_core::routing::Subject;
use sabir_core::storage::{FileNumber, Position};

/// How often each step is made.
pub(crate) const MESSAGES: u64 = 100;

const SESSION: SessionId = SessionId(1);
const QUEUE: &str = "queue";
const NOW: Timestamp = Timestamp(1_000_000);

/// Permits everything, so that only the core is counted.
struct Everyone;

impl Authorizer for Everyone {
    fn permits(&self, _: &str, _: &str, _: Operation, _: Resource<'_>) -> bool {
        true
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// A broker with a session, a durable queue and a consumer.
pub(crate) struct Shard {
    broker: Broker,
    effects: Effects,
    sealed: Option<Position>,
}

impl Shard {
    fn new() -> Self {
        let broker = Broker::new(Config::default(), Arc::new(Everyone), Formats::default(), 7);
        let mut shard = Self {
            broker,
            effects: Effects::default(),
            sealed: None,
        };
        shard.carry_out(begin());
        shard.seal();
        shard.commit();
        shard
    }

    /// A broker that has seen messages before, and the messages to come.
    pub(crate) fn with_publishes(body_bytes: usize) -> (Self, Vec<Command>) {
        let mut shard = Self::new();
        shard.carry_out(publishes(1, body_bytes));
        shard.seal();
        shard.commit();
        let acknowledgements = shard.acknowledgements();
        shard.carry_out(acknowledgements);
        shard.seal();
        shard.commit();
        shard.effects = Effects::default();
        (shard, publishes(MESSAGES + 1, body_bytes))
    }

    /// One with messages in the open block.
    pub(crate) fn with_open_block(body_bytes: usize) -> Self {
        let (mut shard, commands) = Self::with_publishes(body_bytes);
        shard.carry_out(commands);
        shard
    }

    /// One whose messages wait for the disk.
    pub(crate) fn with_sealed_block(body_bytes: usize) -> Self {
        let mut shard = Self::with_open_block(body_bytes);
        shard.seal();
        shard
    }

    /// One whose messages are with the consumer, and their acknowledgements.
    pub(crate) fn with_deliveries(body_bytes: usize) -> (Self, Vec<Command>) {
        let mut shard = Self::with_sealed_block(body_bytes);
        shard.commit();
        let acknowledgements = shard.acknowledgements();
        (shard, acknowledgements)
    }

    /// Carries out a batch.
    pub(crate) fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.broker.apply(NOW, command, &mut self.effects);
        }
        self.broker.finish(NOW, &mut self.effects);
    }

    /// Completes the open block.
    pub(crate) fn seal(&mut self) {
        self.sealed = self.broker.seal().map(|block| block.position);
    }

    /// The sealed block is safe.
    pub(crate) fn commit(&mut self) {
        if let Some(position) = self.sealed.take() {
            let file = FileNumber(1);
            self.broker.committed(position, file, &mut self.effects);
        }
        self.broker.finish(NOW, &mut self.effects);
    }

    /// What the consumer says to the deliveries that were made; all of them have left its socket.
    fn acknowledgements(&mut self) -> Vec<Command> {
        let events = std::mem::take(&mut self.effects.events);
        let mut bytes = 0;
        let mut commands = Vec::new();
        for (_, event) in events {
            let Event::Delivery(delivery) = event else {
                continue;
            };
            bytes += delivery.cost();
            if let Some(id) = delivery.id {
                commands.push(acknowledge(id.log, id.offset));
            }
        }
        assert_eq!(
            commands.len() as u64,
            MESSAGES,
            "all messages are delivered"
        );
        let written = Command::Written {
            session: SESSION,
            bytes,
        };
        self.carry_out(vec![written]);
        commands
    }
}

fn acknowledge(log: sabir_core::id::LogId, offset: sabir_core::id::Offset) -> Command {
    Command::Settle {
        session: SESSION,
        settlement: Settlement {
            log,
            first: offset,
            last: offset,
            outcome: Outcome::Ack,
        },
    }
}

/// A namespace, a session, a queue and its consumer.
fn begin() -> Vec<Command> {
    let namespace = Name::from_static("/");
    let request = |id, request| Command::Request {
        session: SESSION,
        id: RequestId(id),
        request,
    };
    vec![
        Command::Administer {
            id: RequestId(1),
            session: SESSION,
            request: AdminRequest::CreateNamespace {
                name: namespace.clone(),
            },
        },
        Command::Open {
            session: SESSION,
            namespace,
            principal: Name::from_static("guest"),
            description: Name::from_static("bench"),
        },
        request(
            1,
            Request::DeclareQueue {
                name: Name::from_static(QUEUE),
                generated_prefix: "gen-",
                spec: QueueSpec {
                    durable: true,
                    ..QueueSpec::default()
                },
            },
        ),
        request(2, Request::Consume(consume())),
    ]
}

fn consume() -> Consume {
    Consume {
        consumer: ConsumerId(1),
        tag: Name::from_static("consumer"),
        queue: Name::from_static(QUEUE),
        settled: false,
        exclusive: false,
        priority: 0,
        unsettled_max: 500,
        window: None,
        credit: None,
        start: Start::Next,
        arguments: Table::default(),
    }
}

/// Messages to the queue with tickets from `first`.
fn publishes(first: u64, body_bytes: usize) -> Vec<Command> {
    let body = Bytes::from(vec![b'x'; body_bytes]);
    (first..first + MESSAGES)
        .map(|ticket| Command::Publish {
            session: SESSION,
            publish: Publish {
                producer: ProducerId(1),
                ticket,
                mandatory: false,
                message: message(body.clone()),
            },
        })
        .collect()
}

fn message(body: Bytes) -> Message {
    Message {
        exchange: Name::default(),
        routing_key: Subject::from_bytes(Bytes::from_static(QUEUE.as_bytes())),
        extra_keys: Vec::new(),
        persistent: true,
        priority: 0,
        ttl_ms: None,
        delay_ms: None,
        deduplication_id: None,
        format: Format(0),
        head: Bytes::from_static(&[0x10, 0x00, 0x02]),
        body,
        deaths: Vec::new(),
    }
}
