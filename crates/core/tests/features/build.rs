//! Messages, queues and exchanges for tests.

use bytes::Bytes;
use sabir_core::event::Response;
use sabir_core::id::SessionId;
use sabir_core::message::value::Table;
use sabir_core::message::{Format, Message};
use sabir_core::name::Name;
use sabir_core::queue::{QueueKind, QueueSettings, QueueSpec};
use sabir_core::request::{Binding, Destination, Request};
use sabir_core::routing::{ExchangeSpec, Kind, Subject};

use crate::node::{Node, Reply};

/// A message and what is said about it.
pub(crate) struct Fields {
    pub(crate) message: Message,
    pub(crate) mandatory: bool,
}

impl Fields {
    /// Changes the message.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Message)) -> Self {
        change(&mut self.message);
        self
    }

    pub(crate) fn via(self, exchange: &str) -> Self {
        self.with(|message| message.exchange = Name::from(exchange))
    }

    pub(crate) fn priority(self, priority: u8) -> Self {
        self.with(|message| message.priority = priority)
    }

    pub(crate) fn ttl(self, ttl_ms: u64) -> Self {
        self.with(|message| message.ttl_ms = Some(ttl_ms))
    }

    pub(crate) fn delay(self, delay_ms: u64) -> Self {
        self.with(|message| message.delay_ms = Some(delay_ms))
    }

    pub(crate) fn deduplicated(self, id: &str) -> Self {
        let id = Bytes::copy_from_slice(id.as_bytes());
        self.with(|message| message.deduplication_id = Some(id))
    }
}

/// A persistent message for the default exchange.
pub(crate) fn message(key: &str, body: &str) -> Fields {
    Fields {
        message: Message {
            exchange: Name::default(),
            routing_key: Subject::from_bytes(Bytes::copy_from_slice(key.as_bytes())),
            extra_keys: Vec::new(),
            persistent: true,
            priority: 0,
            ttl_ms: None,
            delay_ms: None,
            deduplication_id: None,
            format: Format(0),
            head: Bytes::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            deaths: Vec::new(),
        },
        mandatory: false,
    }
}

/// A durable queue with settings.
pub(crate) fn durable(settings: QueueSettings) -> QueueSpec {
    QueueSpec {
        durable: true,
        settings,
        ..QueueSpec::default()
    }
}

/// A queue that does not survive a restart.
pub(crate) fn transient(settings: QueueSettings) -> QueueSpec {
    QueueSpec {
        settings,
        ..QueueSpec::default()
    }
}

/// A durable queue that keeps its records.
pub(crate) fn stream(settings: QueueSettings) -> QueueSpec {
    QueueSpec {
        kind: QueueKind::Stream,
        durable: true,
        settings,
        ..QueueSpec::default()
    }
}

/// A plain durable queue, or one that keeps its records.
pub(crate) fn queue_or_stream(keeps_records: bool) -> QueueSpec {
    let settings = QueueSettings::default();
    if keeps_records {
        stream(settings)
    } else {
        durable(settings)
    }
}

impl Node {
    pub(crate) fn declare(&mut self, session: SessionId, name: &str, spec: QueueSpec) {
        let reply = self.try_declare(session, name, spec);
        assert!(matches!(reply, Ok(Response::Queue { .. })), "{reply:?}");
    }

    pub(crate) fn try_declare(&mut self, session: SessionId, name: &str, spec: QueueSpec) -> Reply {
        self.request(
            session,
            Request::DeclareQueue {
                name: Name::from(name),
                generated_prefix: "gen-",
                spec,
            },
        )
    }

    pub(crate) fn exchange(&mut self, session: SessionId, name: &str, kind: Kind) {
        let request = Request::DeclareExchange {
            name: Name::from(name),
            spec: ExchangeSpec::durable(kind),
        };
        self.request(session, request).unwrap();
    }

    pub(crate) fn bind(&mut self, session: SessionId, source: &str, key: &str, queue: &str) {
        let binding = binding(source, key, queue);
        self.request(session, Request::Bind(binding)).unwrap();
    }
}

/// A binding of an exchange to a queue.
pub(crate) fn binding(source: &str, key: &str, queue: &str) -> Binding {
    Binding {
        source: Name::from(source),
        destination: Destination::Queue(Name::from(queue)),
        routing_key: Subject::from_bytes(Bytes::copy_from_slice(key.as_bytes())),
        arguments: Table::new(),
    }
}
