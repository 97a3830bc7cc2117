//! A session and a broker in a line, brought to where a step begins.

use std::sync::Arc;

use bytes::BytesMut;
use sabir_amqp091::codec::method::{basic, channel, confirm, connection, queue};
use sabir_amqp091::codec::{Arguments, FieldTable, Properties, put_content, put_method};
use sabir_amqp091::{AmqpSession, Config, Setup};
use sabir_core::admin::AdminRequest;
use sabir_core::authorize::{Authorizer, Operation, Resource};
use sabir_core::broker::{self, Broker, Effects};
use sabir_core::event::Event;
use sabir_core::id::{RequestId, SessionId, Timestamp};
use sabir_core::message::Formats;
use sabir_core::name::Name;
use sabir_core::request::Command;
use sabir_core::session::Session;
use sabir_core::storage::{FileNumber, Position};
use sabir_security::sasl::{Mechanisms, MechanismsConfig};
use sabir_security::{Peer, StoreConfig, SystemEntropy, UserStore};

/// How often each step is made.
const MESSAGES: u64 = 100;
const QUEUE: &str = "queue";
const CHANNEL: u16 = 1;
const SESSION: SessionId = SessionId(1);
const NOW: Timestamp = Timestamp(1_000_000);
const FRAME_BYTES: u32 = 131_072;

/// Permits everything, so that only session and core are counted.
struct Everyone;

impl Authorizer for Everyone {
    fn permits(&self, _: &str, _: &str, _: Operation, _: Resource<'_>) -> bool {
        true
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// A connection with a channel in confirm mode, a durable queue and its consumer.
pub(crate) struct Line {
    session: AmqpSession,
    broker: Broker,
    effects: Effects,
    sealed: Option<Position>,
}

impl Line {
    fn new() -> Self {
        let mut line = Self {
            session: session(),
            broker: Broker::new(
                broker::Config::default(),
                Arc::new(Everyone),
                Formats::default(),
                7,
            ),
            effects: Effects::default(),
            sealed: None,
        };
        let namespace = Command::Administer {
            id: RequestId(1),
            session: SessionId(0),
            request: AdminRequest::CreateNamespace {
                name: Name::from_static("/"),
            },
        };
        line.carry_out(vec![namespace]);
        line.settle();
        for input in begin() {
            line.receive(input);
            line.settle();
        }
        line
    }

    /// A line that has seen messages before, and the frames of those to come.
    pub(crate) fn with_publishes(body_bytes: usize) -> (Self, BytesMut) {
        let (mut line, first) = Self::with_acknowledgements(body_bytes);
        line.receive(first);
        line.settle();
        (line, publishes(body_bytes))
    }

    /// One whose messages are safe, and the news of their delivery.
    pub(crate) fn with_deliveries(body_bytes: usize) -> (Self, Vec<Event>) {
        let mut line = Self::new();
        line.receive(publishes(body_bytes));
        line.seal();
        let events = line.commit();
        let deliveries = events
            .into_iter()
            .filter(|event| matches!(event, Event::Delivery(_)))
            .collect::<Vec<_>>();
        assert_eq!(deliveries.len() as u64, MESSAGES, "all are delivered");
        (line, deliveries)
    }

    /// One whose messages are with the client, and the frames that acknowledge them.
    pub(crate) fn with_acknowledgements(body_bytes: usize) -> (Self, BytesMut) {
        let (mut line, deliveries) = Self::with_deliveries(body_bytes);
        line.handle(deliveries);
        line.written();
        let mut input = BytesMut::new();
        for delivery_tag in 1..=MESSAGES {
            let ack = basic::Ack {
                delivery_tag,
                multiple: false,
            };
            put_method(&mut input, CHANNEL, &ack);
        }
        (line, input)
    }

    /// The client's bytes come, and what they ask for is carried out.
    pub(crate) fn receive(&mut self, mut input: BytesMut) {
        self.session.receive(NOW, &mut input);
        let commands = std::mem::take(&mut self.session.output().commands);
        self.carry_out(commands);
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.broker.apply(NOW, command, &mut self.effects);
        }
        self.broker.finish(NOW, &mut self.effects);
    }

    /// The open block is handed out.
    pub(crate) fn seal(&mut self) {
        self.sealed = self.broker.seal().map(|block| block.position);
    }

    /// The block is safe; tells what there is to say to the session.
    fn commit(&mut self) -> Vec<Event> {
        if let Some(position) = self.sealed.take() {
            let file = FileNumber(1);
            self.broker.committed(position, file, &mut self.effects);
        }
        self.broker.finish(NOW, &mut self.effects);
        let events = std::mem::take(&mut self.effects.events);
        events
            .into_iter()
            .filter(|(session, _)| *session == SESSION)
            .map(|(_, event)| event)
            .collect()
    }

    /// The session hears the news.
    pub(crate) fn handle(&mut self, events: Vec<Event>) {
        for event in events {
            self.session.handle(NOW, event);
        }
    }

    /// Everything that can follow, follows.
    fn settle(&mut self) {
        self.seal();
        let events = self.commit();
        self.handle(events);
        self.written();
        let commands = std::mem::take(&mut self.session.output().commands);
        self.carry_out(commands);
        assert!(self.session.output().close.is_none(), "the session goes on");
    }

    /// The socket takes all bytes.
    fn written(&mut self) {
        let output = self.session.output();
        output.bytes.clear();
        let bytes = std::mem::take(&mut output.delivered_bytes);
        let written = Command::Written {
            session: SESSION,
            bytes,
        };
        self.carry_out(vec![written]);
    }
}

fn session() -> AmqpSession {
    let store = UserStore::new(StoreConfig::default(), Arc::new(SystemEntropy)).expect("a store");
    let guest = store.bootstrap("/").expect("a first user");
    store.apply(&guest).expect("applied");
    AmqpSession::new(Setup {
        session: SESSION,
        config: Arc::new(Config::default()),
        mechanisms: Mechanisms::new(Arc::new(store), MechanismsConfig::default()),
        peer: Peer::at("127.0.0.1".parse().expect("an address")),
        name: "bench".to_owned(),
        seed: 7,
    })
}

/// What the client says until its consumer has started, step by step.
fn begin() -> Vec<BytesMut> {
    let connected = connection::StartOk {
        client_properties: FieldTable::default(),
        mechanism: "PLAIN",
        response: b"\0guest\0guest",
        locale: "en_US",
    };
    let tuned = connection::TuneOk {
        channel_max: 2047,
        frame_max: FRAME_BYTES,
        heartbeat: 0,
    };
    let opened = connection::Open {
        virtual_host: "/",
        capabilities: "",
        insist: false,
    };
    let declared = queue::Declare {
        ticket: 0,
        queue: QUEUE,
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    let consumed = basic::Consume {
        ticket: 0,
        queue: QUEUE,
        consumer_tag: "consumer",
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    vec![
        BytesMut::from(&b"AMQP\x00\x00\x09\x01"[..]),
        frame(0, &connected),
        frame(0, &tuned),
        frame(0, &opened),
        frame(CHANNEL, &channel::Open { out_of_band: "" }),
        frame(CHANNEL, &confirm::Select { nowait: false }),
        frame(CHANNEL, &declared),
        frame(CHANNEL, &consumed),
    ]
}

fn frame(channel: u16, method: &impl Arguments) -> BytesMut {
    let mut bytes = BytesMut::new();
    put_method(&mut bytes, channel, method);
    bytes
}

/// Frames of persistent messages to the queue.
fn publishes(body_bytes: usize) -> BytesMut {
    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: QUEUE,
        mandatory: false,
        immediate: false,
    };
    let head = Properties {
        delivery_mode: Some(2),
        ..Properties::default()
    };
    let mut properties = BytesMut::new();
    head.put(&mut properties);
    let body = vec![b'x'; body_bytes];
    let mut bytes = BytesMut::new();
    for _ in 0..MESSAGES {
        put_content(
            &mut bytes,
            CHANNEL,
            &publish,
            &properties,
            &body,
            FRAME_BYTES,
        );
    }
    bytes
}
