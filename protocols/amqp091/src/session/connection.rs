//! Class connection: the phases from the greeting to the end, and which frame is for whom.

use bytes::{Bytes, BytesMut};
use sabir_core::event::Event;
use sabir_core::id::Timestamp;
use sabir_security::sasl::Exchange;

use super::AmqpSession;
use super::close::{Ending, Turn};
use super::fault::Fault;
use super::heartbeat::Beat;
use crate::codec::frame::{Frame, FrameKind, put_heartbeat};
use crate::codec::method::{Method, connection};
use crate::violation::Violation;

/// How far the connection is.
pub(super) enum Phase {
    /// The protocol header has not come.
    Greeting,
    /// `start` was sent.
    Starting,
    /// The mechanism has begun.
    Securing(Box<Exchange>),
    /// `tune` was sent.
    Tuning,
    /// The limits are settled; a virtual host is to be chosen.
    Opening,
    /// The core was asked for the namespace. What came early waits.
    Opened {
        /// Input that came before the answer.
        held: BytesMut,
    },
    /// Channels may work.
    Running,
    /// We sent `close`; its answer is waited for.
    Closing,
    /// The client's `close` is answered; it is to close the socket.
    Farewell,
    /// Nothing more is read.
    Closed,
}

impl Phase {
    /// RabbitMQ's word for it, which its error texts show.
    const fn name(&self) -> &'static str {
        match self {
            Self::Greeting | Self::Starting => "starting",
            Self::Securing(_) => "securing",
            Self::Tuning => "tuning",
            Self::Opening | Self::Opened { .. } => "opening",
            Self::Running => "running",
            Self::Closing | Self::Farewell => "closing",
            Self::Closed => "closed",
        }
    }
}

impl AmqpSession {
    /// Takes one frame.
    pub(super) fn frame(&mut self, now: Timestamp, chunk: &Bytes, frame: Frame<'_>) {
        if frame.channel != 0 && matches!(self.phase, Phase::Running) {
            if let Err(fault) = self.channel_frame(now, chunk, frame) {
                self.fail(now, frame.channel, fault, Turn::Behind);
            }
            return;
        }
        if let Err(fault) = self.connection_frame(now, frame) {
            let method = Method::id_of(frame.payload).unwrap_or_default();
            self.close_connection(now, fault.at(method), Ending::Answered);
        }
    }

    fn connection_frame(&mut self, now: Timestamp, frame: Frame<'_>) -> Result<(), Fault> {
        if matches!(self.phase, Phase::Closing) {
            self.farewell(now, frame);
            return Ok(());
        }
        match (frame.channel, frame.kind) {
            (0, FrameKind::Heartbeat) => Ok(()),
            (0, FrameKind::Method) => match Method::parse(frame.payload)? {
                Method::Connection(method) => self.connection_method(now, method),
                _ => Err(Violation::ConnectionState {
                    state: self.phase.name(),
                }
                .into()),
            },
            (channel, kind) => Err(Violation::UnexpectedFrame {
                kind: kind.octet(),
                channel,
            }
            .into()),
        }
    }

    fn connection_method(
        &mut self,
        now: Timestamp,
        method: connection::Method<'_>,
    ) -> Result<(), Fault> {
        use connection::Method as Request;
        match (&self.phase, method) {
            (Phase::Starting, Request::StartOk(start)) => self.start(now, start),
            (Phase::Securing(_), Request::SecureOk(secure)) => self.secure(now, secure.response),
            (Phase::Tuning, Request::TuneOk(tune)) => self.tune(now, tune),
            (Phase::Opening, Request::Open(open)) => self.open(open),
            (Phase::Running, Request::UpdateSecret(_)) => {
                // Passwords do not expire, so a new secret leaves everything as it is, as in RabbitMQ.
                self.link.send(0, &connection::UpdateSecretOk {});
                Ok(())
            }
            (Phase::Tuning | Phase::Opening | Phase::Running, Request::Close(_)) => {
                self.close_for_client(now);
                Ok(())
            }
            _ => Err(Violation::ConnectionState {
                state: self.phase.name(),
            }
            .into()),
        }
    }

    /// Takes news of the core.
    pub(super) fn event(&mut self, now: Timestamp, event: Event) {
        match (&self.phase, event) {
            (Phase::Closing | Phase::Farewell | Phase::Closed, _) => {}
            (_, Event::Reply { id, result }) => self.reply(now, id, result),
            (_, Event::Delivery(delivery)) => self.deliver(now, delivery),
            (
                _,
                Event::Confirmed {
                    producer,
                    first,
                    last,
                },
            ) => self.confirmed(now, producer, first, last),
            (
                _,
                Event::Refused {
                    producer,
                    ticket,
                    refusal,
                },
            ) => self.refused(now, producer, ticket, refusal),
            (_, Event::Returned { producer, message }) => self.returned(producer, &message),
            (_, Event::Cancelled { consumer }) => self.cancelled(consumer),
            (_, Event::Violated { refusal }) => self.violated(now, refusal),
            (_, Event::Blocked { reason }) => {
                self.link.publishing.blocked = Some(reason);
                self.link.tell_blocked();
            }
            (_, Event::Unblocked) => {
                self.heartbeat.received(now);
                self.link.tell_unblocked();
            }
            (_, Event::Disconnect { reason }) => self.force_close(now, &reason),
        }
    }

    /// Sends a heartbeat when one is due, and ends the connection when the client's did not come. Those of a publisher
    /// that is not read cannot have come.
    pub(super) fn beat(&mut self, now: Timestamp) {
        if self.link.publishing.is_unread() {
            self.heartbeat.received(now);
        }
        match self.heartbeat.beat(now) {
            Beat::Rest => {}
            Beat::Send => put_heartbeat(&mut self.link.output.bytes),
            Beat::Dead => self.end("missed heartbeats from client"),
        }
    }
}
