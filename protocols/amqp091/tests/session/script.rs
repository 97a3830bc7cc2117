//! A client and a core on both sides of one session.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sabir_amqp091::codec::method::{channel, connection};
use sabir_amqp091::codec::{
    Arguments, FieldTable, Frame, FrameKind, FrameReader, Frames, Method, Properties, Table,
    put_content, put_method,
};
use sabir_amqp091::{AmqpSession, Config, Setup};
use sabir_core::event::{Delivery, Event, Response};
use sabir_core::id::{ConsumerId, LogId, Offset, ProducerId, RequestId, SessionId, Timestamp};
use sabir_core::message::{Message, Record, record};
use sabir_core::refusal::Refusal;
use sabir_core::request::{Command, DeliveryId, Publish, Request, Settlement};
use sabir_core::session::Session;
use sabir_security::sasl::{Mechanisms, MechanismsConfig};
use sabir_security::{Peer, StoreConfig, SystemEntropy, UserStore};

/// How a client ends a channel.
pub(crate) const LEAVE: channel::Close<'static> = channel::Close {
    reply_code: 200,
    reply_text: "",
    class_id: 0,
    method_id: 0,
};

/// One connection whose client and core are played by a test.
pub(crate) struct Script {
    pub(crate) session: AmqpSession,
    pub(crate) now: Timestamp,
    /// What the session has sent and the test has not looked at.
    sent: BytesMut,
    /// What the core was told and the test has not looked at.
    commands: VecDeque<Command>,
    /// Requests that were not replied to.
    open: VecDeque<RequestId>,
}

/// A frame that the session sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) kind: FrameKind,
    pub(crate) channel: u16,
    pub(crate) payload: Bytes,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::at("127.0.0.1", config)
    }

    /// A client at an address.
    pub(crate) fn at(address: &str, config: Config) -> Self {
        let store = UserStore::new(StoreConfig::default(), Arc::new(SystemEntropy)).unwrap();
        let guest = store.bootstrap("/").unwrap();
        store.apply(&guest).unwrap();
        let mechanisms = Mechanisms::new(Arc::new(store), MechanismsConfig::default());
        let session = AmqpSession::new(Setup {
            session: SessionId(1),
            config: Arc::new(config),
            mechanisms,
            peer: Peer::at(address.parse().unwrap()),
            name: "test".to_owned(),
            seed: 7,
        });
        Self {
            session,
            now: Timestamp(1_000_000),
            sent: BytesMut::new(),
            commands: VecDeque::new(),
            open: VecDeque::new(),
        }
    }

    /// A connection with an open virtual host.
    pub(crate) fn running() -> Self {
        Self::running_with(Config::default())
    }

    pub(crate) fn running_with(config: Config) -> Self {
        let mut script = Self::with(config);
        script.shake_hands(&Table::new());
        script
    }

    /// A connection with an open virtual host and channel 1.
    pub(crate) fn with_channel() -> Self {
        let mut script = Self::running();
        script.open_channel(1);
        script
    }

    /// From the greeting to an open virtual host.
    pub(crate) fn shake_hands(&mut self, capabilities: &Table) {
        self.greet();
        self.log_in(capabilities);
        let tune: connection::Tune = self.tuned();
        self.send(
            0,
            &connection::TuneOk {
                channel_max: tune.channel_max,
                frame_max: tune.frame_max,
                heartbeat: 60,
            },
        );
        self.send(
            0,
            &connection::Open {
                virtual_host: "/",
                capabilities: "",
                insist: false,
            },
        );
        assert!(matches!(self.command(), Command::Open { .. }));
        self.reply(Ok(Response::Done));
        self.expect(0, &connection::OpenOk { known_hosts: "" });
    }

    pub(crate) fn greet(&mut self) {
        self.receive(b"AMQP\x00\x00\x09\x01");
        let start = self.frame();
        assert!(matches!(
            start.method(),
            Method::Connection(connection::Method::Start(_))
        ));
    }

    pub(crate) fn log_in(&mut self, capabilities: &Table) {
        self.start("PLAIN", b"\0guest\0guest", capabilities);
    }

    pub(crate) fn start(&mut self, mechanism: &str, response: &[u8], capabilities: &Table) {
        let properties = Table::new()
            .with("capabilities", capabilities.clone())
            .encode();
        let client_properties = FieldTable::parse(&properties).unwrap();
        self.send(
            0,
            &connection::StartOk {
                client_properties,
                mechanism,
                response,
                locale: "en_US",
            },
        );
    }

    fn tuned(&mut self) -> connection::Tune {
        let frame = self.frame();
        let Method::Connection(connection::Method::Tune(tune)) = frame.method() else {
            panic!("expected tune, got {frame:?}");
        };
        tune
    }

    pub(crate) fn open_channel(&mut self, number: u16) {
        self.send(number, &channel::Open { out_of_band: "" });
        self.expect(number, &channel::OpenOk { channel_id: b"" });
    }

    /// The client sends bytes.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let mut input = BytesMut::from(bytes);
        self.session.receive(self.now, &mut input);
        assert!(input.is_empty(), "whole frames are consumed");
        self.collect();
    }

    /// The client sends bytes that end the connection.
    pub(crate) fn session_input(&mut self, bytes: &[u8]) {
        self.session_receive(&mut BytesMut::from(bytes));
    }

    /// The client's bytes so far; what is no whole frame stays.
    pub(crate) fn session_receive(&mut self, input: &mut BytesMut) {
        self.session.receive(self.now, input);
        self.collect();
    }

    /// The client sends a method.
    pub(crate) fn send(&mut self, channel: u16, method: &impl Arguments) {
        let mut bytes = BytesMut::new();
        put_method(&mut bytes, channel, method);
        self.receive(&bytes);
    }

    /// The client sends a method with a content.
    pub(crate) fn send_content(
        &mut self,
        channel: u16,
        method: &impl Arguments,
        head: &Properties<'_>,
        body: &[u8],
    ) {
        let mut properties = BytesMut::new();
        head.put(&mut properties);
        let mut bytes = BytesMut::new();
        put_content(&mut bytes, channel, method, &properties, body, 131_072);
        self.receive(&bytes);
    }

    /// The core replies to the oldest request.
    pub(crate) fn reply(&mut self, result: Result<Response, Refusal>) {
        let id = self.open.pop_front().expect("a request to reply to");
        self.event(Event::Reply { id, result });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.session.handle(self.now, event);
        self.collect();
    }

    /// Time passes, with the timeouts that it brings.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let until = self.now.after(milliseconds);
        while let Some(next) = self.session.next_timeout().filter(|next| *next <= until) {
            self.now = next;
            self.session.timeout(next);
            self.collect();
        }
        self.now = until;
    }

    pub(crate) fn collect(&mut self) {
        let output = self.session.output();
        self.sent.unsplit(output.bytes.split());
        for command in output.commands.drain(..) {
            match &command {
                Command::Open { .. } => self.open.push_back(RequestId(0)),
                Command::Request { id, .. } => self.open.push_back(*id),
                _ => {}
            }
            self.commands.push_back(command);
        }
    }

    /// The next frame that the session sent.
    pub(crate) fn frame(&mut self) -> Sent {
        self.try_frame().expect("a frame was sent")
    }

    fn try_frame(&mut self) -> Option<Sent> {
        let reader = FrameReader::new(u32::MAX - 8);
        let chunk = reader.take(&mut self.sent).unwrap()?;
        let Frame {
            kind,
            channel,
            payload,
        } = Frames::new(&chunk).next()?;
        Some(Sent {
            kind,
            channel,
            payload: chunk.slice_ref(payload),
        })
    }

    /// Checks that the next frame is this method.
    pub(crate) fn expect(&mut self, channel: u16, method: &impl Arguments) {
        let mut expected = BytesMut::new();
        put_method(&mut expected, channel, method);
        let frame = self.frame();
        let payload = &expected[7..expected.len() - 1];
        assert!(
            frame.channel == channel && frame.payload == payload,
            "expected {:?}, got {:?} on channel {}",
            Method::parse(payload),
            Method::parse(&frame.payload),
            frame.channel
        );
    }

    /// Checks that the next frames are a method with its content.
    pub(crate) fn expect_content(
        &mut self,
        channel: u16,
        method: &impl Arguments,
        head: &[u8],
        body: &[u8],
    ) {
        self.expect(channel, method);
        let header = self.frame();
        assert_eq!(
            (header.kind, &header.payload[12..]),
            (FrameKind::Header, head)
        );
        if !body.is_empty() {
            let frame = self.frame();
            assert_eq!((frame.kind, &frame.payload[..]), (FrameKind::Body, body));
        }
    }

    /// Checks that the channel was closed, and answers.
    pub(crate) fn expect_channel_close(&mut self, number: u16, text: &str) {
        let frame = self.frame();
        let Method::Channel(channel::Method::Close(close)) = frame.method() else {
            panic!("expected channel.close, got {:?}", frame.method());
        };
        assert_eq!((frame.channel, close.reply_text), (number, text));
        self.send(number, &channel::CloseOk {});
    }

    /// Checks that the connection was closed, and answers.
    pub(crate) fn expect_close(&mut self, code: u16, text: &str) {
        let frame = self.frame();
        let Method::Connection(connection::Method::Close(close)) = frame.method() else {
            panic!("expected connection.close, got {:?}", frame.method());
        };
        assert_eq!((close.reply_code, close.reply_text), (code, text));
        if self.closed().is_none() {
            self.send(0, &connection::CloseOk {});
        }
        assert!(self.closed().is_some());
    }

    /// Checks that nothing was sent that was not looked at.
    pub(crate) fn expect_silence(&mut self) {
        if let Some(frame) = self.try_frame() {
            panic!("unexpected {frame:?}: {:?}", Method::parse(&frame.payload));
        }
    }

    /// Why the socket is to be closed.
    pub(crate) fn closed(&mut self) -> Option<String> {
        self.session.output().close.clone()
    }

    pub(crate) fn command(&mut self) -> Command {
        self.commands
            .pop_front()
            .expect("the core was told something")
    }

    pub(crate) fn no_command(&self) {
        assert!(self.commands.is_empty(), "unexpected {:?}", self.commands);
    }

    pub(crate) fn forget_commands(&mut self) {
        self.commands.clear();
    }

    pub(crate) fn request(&mut self) -> Request {
        match self.command() {
            Command::Request { request, .. } => request,
            other => panic!("expected a request, got {other:?}"),
        }
    }

    pub(crate) fn published(&mut self) -> Publish {
        match self.command() {
            Command::Publish { publish, .. } => publish,
            other => panic!("expected a publish, got {other:?}"),
        }
    }

    pub(crate) fn settled(&mut self) -> Settlement {
        match self.command() {
            Command::Settle { settlement, .. } => settlement,
            other => panic!("expected a settlement, got {other:?}"),
        }
    }
}

impl Sent {
    pub(crate) fn method(&self) -> Method<'_> {
        Method::parse(&self.payload).unwrap()
    }
}

/// A message as another session would have published it.
pub(crate) fn message(routing_key: &'static str, body: &'static [u8]) -> Message {
    Message {
        exchange: "".into(),
        routing_key: sabir_core::routing::Subject::from_bytes(Bytes::from_static(
            routing_key.as_bytes(),
        )),
        extra_keys: Vec::new(),
        persistent: true,
        priority: 0,
        ttl_ms: None,
        delay_ms: None,
        deduplication_id: None,
        format: sabir_amqp091::mapping::message::FORMAT,
        head: Bytes::from_static(&[0x10, 0, 2]),
        body: Bytes::from_static(body),
        deaths: Vec::new(),
    }
}

pub(crate) fn stored(message: &Message) -> Record {
    let mut bytes = Vec::new();
    record::encode(&mut bytes, message, Timestamp(5000));
    Record(bytes.into())
}

/// A delivery of log 256 that has to be acknowledged.
pub(crate) fn delivery(consumer: ConsumerId, offset: u64) -> Delivery {
    Delivery {
        consumer,
        id: Some(DeliveryId {
            log: LogId(256),
            offset: Offset(offset),
        }),
        settled: false,
        redelivered: false,
        attempts: 0,
        record: stored(&message("q", b"body")),
    }
}

/// The producer of the first channel that a connection opens.
pub(crate) const FIRST_PRODUCER: ProducerId = ProducerId(1 << 16 | 1);
