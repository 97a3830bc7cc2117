//! From the protocol header to an open virtual host (section 2.2.4).

use bytes::BytesMut;
use sabir_core::id::{RequestId, Timestamp};
use sabir_core::name::Name;
use sabir_core::request::Command;
use sabir_security::Role;
use sabir_security::sasl::Step;

use super::AmqpSession;
use super::awaited::{Answer, Due};
use super::close::Ending;
use super::connection::Phase;
use super::fault::Fault;
use super::link::Capabilities;
use crate::codec::frame::FRAME_BYTES_MIN;
use crate::codec::greeting::{Foreign, Greeting, PROTOCOL_HEADER};
use crate::codec::method::{MethodId, connection};
use crate::codec::table::{FieldTable, FieldValue, Table};
use crate::violation::Violation;

impl AmqpSession {
    /// Reads the protocol header. Whether there may be more to read.
    pub(super) fn greet(&mut self, input: &mut BytesMut) -> bool {
        let Some(greeting) = Greeting::take(input) else {
            return false;
        };
        let reason = match greeting {
            Greeting::Accepted { version_minor } => {
                self.send_start(version_minor);
                self.phase = Phase::Starting;
                return true;
            }
            Greeting::OtherVersion([a, b, c, d]) => {
                format!("the client speaks AMQP {a}-{b}-{c}-{d}, not 0-9-1")
            }
            Greeting::Foreign(Foreign::Tls) => {
                "the client speaks TLS on a plain listener".to_owned()
            }
            Greeting::Foreign(Foreign::Http) => "the client speaks HTTP".to_owned(),
            Greeting::Foreign(Foreign::Unknown) => {
                "the client did not start with an AMQP header".to_owned()
            }
        };
        self.link.output.bytes.extend_from_slice(&PROTOCOL_HEADER);
        input.clear();
        self.end(&reason);
        false
    }

    fn send_start(&mut self, version_minor: u8) {
        let offered: Vec<&str> = self
            .mechanisms
            .offered(&self.peer)
            .map(|mechanism| mechanism.name())
            .collect();
        let mechanisms = offered.join(" ");
        let properties = server_properties().encode();
        let start = connection::Start {
            version_major: 0,
            version_minor,
            server_properties: FieldTable::parse(&properties).unwrap_or_default(),
            mechanisms: mechanisms.as_bytes(),
            locales: b"en_US",
        };
        self.link.send(0, &start);
    }

    pub(super) fn start(
        &mut self,
        now: Timestamp,
        start: connection::StartOk<'_>,
    ) -> Result<(), Fault> {
        self.link.capabilities = capabilities(start.client_properties);
        let exchange = self
            .mechanisms
            .begin(start.mechanism, &self.peer)
            .ok_or_else(|| Violation::UnknownMechanism(start.mechanism.to_owned()))?;
        self.phase = Phase::Securing(Box::new(exchange));
        self.secure(now, start.response)
    }

    pub(super) fn secure(&mut self, now: Timestamp, response: &[u8]) -> Result<(), Fault> {
        let Phase::Securing(exchange) = &mut self.phase else {
            return Ok(());
        };
        match exchange.step(response) {
            Step::Challenge(challenge) => self.link.send(
                0,
                &connection::Secure {
                    challenge: &challenge,
                },
            ),
            Step::Success(principal) => {
                self.link.place.user = Name::from(&*principal.name);
                self.link.place.impersonates = principal.roles.contains(Role::Impersonator);
                self.send_tune();
            }
            Step::Failure(failure) => {
                let mechanism = exchange.mechanism().name();
                self.link.output.close = Some(format!("{mechanism} login refused: {failure}"));
                if self.link.capabilities.authentication_failure_close {
                    self.close_connection(now, Fault::login(mechanism), Ending::Immediate);
                } else {
                    self.end("login refused");
                }
            }
        }
        Ok(())
    }

    fn send_tune(&mut self) {
        let tune = connection::Tune {
            channel_max: self.link.config.channels_max,
            frame_max: self.link.config.frame_bytes_max,
            heartbeat: self.link.config.heartbeat_seconds,
        };
        self.link.send(0, &tune);
        self.phase = Phase::Tuning;
    }

    pub(super) fn tune(&mut self, now: Timestamp, tune: connection::TuneOk) -> Result<(), Fault> {
        let config = &self.link.config;
        negotiated(
            "frame_max",
            "",
            tune.frame_max,
            FRAME_BYTES_MIN,
            config.frame_bytes_max,
        )?;
        negotiated(
            "channel_max",
            " (no limit)",
            tune.channel_max.into(),
            1,
            config.channels_max.into(),
        )?;
        self.link.frame_bytes_max = tune.frame_max;
        self.link.channels_max = tune.channel_max;
        self.frames.tune(tune.frame_max);
        self.heartbeat.start(now, tune.heartbeat);
        self.phase = Phase::Opening;
        Ok(())
    }

    pub(super) fn open(&mut self, open: connection::Open<'_>) -> Result<(), Fault> {
        self.link.place.virtual_host = Name::from(open.virtual_host);
        self.link.open = true;
        self.link.output.commands.push(Command::Open {
            session: self.link.session,
            namespace: self.link.place.virtual_host.clone(),
            principal: self.link.place.user.clone(),
            description: Name::from(self.name.as_str()),
        });
        self.link.awaited.push(Due {
            id: RequestId(0),
            lane: None,
            method: OPEN,
            answer: Answer::Opened,
        });
        self.phase = Phase::Opened {
            held: BytesMut::new(),
        };
        Ok(())
    }

    /// The core has opened the namespace: answers, and reads what came early.
    pub(super) fn opened(&mut self, now: Timestamp) {
        let Phase::Opened { held } = &mut self.phase else {
            return;
        };
        let mut held = held.split();
        self.deadline = None;
        self.frames.batch();
        self.phase = Phase::Running;
        self.link.send(0, &connection::OpenOk { known_hosts: "" });
        self.read(now, &mut held);
    }
}

/// `connection.open`, which is to blame when the virtual host cannot be opened.
const OPEN: MethodId = MethodId {
    class: 10,
    method: 40,
};

fn negotiated(
    limit: &'static str,
    unlimited: &'static str,
    value: u32,
    min: u32,
    max: u32,
) -> Result<(), Violation> {
    let fault = |relation, bound| {
        let detail = if value == 0 { unlimited } else { "" };
        Err(Violation::Negotiation {
            limit,
            value,
            detail,
            relation,
            bound,
        })
    };
    match value {
        0 => fault("higher than the maximum", max),
        _ if value < min => fault("lower than the minimum", min),
        _ if value > max => fault("higher than the maximum", max),
        _ => Ok(()),
    }
}

fn capabilities(properties: FieldTable<'_>) -> Capabilities {
    let Some(FieldValue::Table(table)) = properties.find("capabilities") else {
        return Capabilities::default();
    };
    let has = |name: &str| table.find(name) == Some(FieldValue::Bool(true));
    Capabilities {
        consumer_cancel_notify: has("consumer_cancel_notify"),
        connection_blocked: has("connection.blocked"),
        authentication_failure_close: has("authentication_failure_close"),
    }
}

/// What the broker says of itself and of the extensions that it offers.
fn server_properties() -> Table {
    let capabilities = [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ];
    let capabilities = capabilities
        .into_iter()
        .fold(Table::new(), |table, name| table.with(name, true));
    Table::new()
        .with("capabilities", capabilities)
        .with("product", "Sabir")
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("platform", "Rust")
        .with("information", "Licensed under the Apache License 2.0")
}
