//! One connection as a value: bytes, events and the time go in; bytes, commands and the next deadline come out.
//!
//! A connection is greeted and authenticated ([`handshake`]), then its channels work side by side ([`channel`]).
//! Requests to the core are answered in order, so what a channel owes its client waits in one queue ([`awaited`]).
//! Nothing here formats bytes or translates names: that is the work of `codec` and `mapping`.

mod acknowledge;
mod answer;
mod awaited;
mod channel;
mod close;
mod confirm;
mod connection;
mod consume;
mod deliver;
mod exchange;
mod fault;
mod handshake;
mod heartbeat;
mod link;
mod publish;
mod queue;
mod suspend;
mod transaction;
mod unsettled;

use std::sync::Arc;

use bytes::BytesMut;
use sabir_core::event::Event;
use sabir_core::id::{SessionId, Timestamp};
use sabir_core::session::{Output, Session};
use sabir_security::{Peer, sasl::Mechanisms};

use crate::codec::frame::{FrameReader, Frames};
use crate::config::Config;
use crate::violation::Violation;
use channel::Channels;
use close::Ending;
use connection::Phase;
use fault::Fault;
use heartbeat::Heartbeat;
use link::Link;

/// What a new session is told.
pub struct Setup {
    /// The session's number in the core.
    pub session: SessionId,
    /// The limits of the listener.
    pub config: Arc<Config>,
    /// Who can log in, and how.
    pub mechanisms: Mechanisms,
    /// What the transport knows of the client.
    pub peer: Peer,
    /// The connection's name for people, such as `127.0.0.1:50000 -> 127.0.0.1:5672`.
    pub name: String,
    /// Seeds the names of consumers that the client does not name.
    pub seed: u64,
}

/// The state of one AMQP 0-9-1 connection.
pub struct AmqpSession {
    mechanisms: Mechanisms,
    peer: Peer,
    name: String,
    phase: Phase,
    frames: FrameReader,
    heartbeat: Heartbeat,
    channels: Channels,
    link: Link,
    /// When the phase must have ended.
    deadline: Option<Timestamp>,
    /// When the channels are next searched for deliveries that waited too long.
    next_search: Option<Timestamp>,
}

impl AmqpSession {
    /// A connection of which nothing has been read.
    pub fn new(setup: Setup) -> Self {
        let Setup {
            session,
            config,
            mechanisms,
            peer,
            name,
            seed,
        } = setup;
        Self {
            mechanisms,
            peer,
            name,
            phase: Phase::Greeting,
            frames: FrameReader::new(config.handshake_frame_bytes_max),
            heartbeat: Heartbeat::default(),
            channels: Channels::default(),
            link: Link::new(session, config, seed),
            deadline: None,
            next_search: None,
        }
    }

    fn read(&mut self, now: Timestamp, input: &mut BytesMut) {
        loop {
            match self.phase {
                Phase::Greeting => {
                    if !self.greet(input) {
                        return;
                    }
                }
                Phase::Opened { .. } => return self.hold(now, input),
                Phase::Farewell | Phase::Closed => return input.clear(),
                _ => {
                    if !self.read_frames(now, input) {
                        return;
                    }
                }
            }
        }
    }

    /// Processes the complete frames at the front of the input. Whether there may be more.
    fn read_frames(&mut self, now: Timestamp, input: &mut BytesMut) -> bool {
        match self.frames.take(input) {
            Ok(None) => false,
            Ok(Some(chunk)) => {
                for frame in Frames::new(&chunk) {
                    self.frame(now, &chunk, frame);
                    if matches!(self.phase, Phase::Farewell | Phase::Closed) {
                        break;
                    }
                }
                true
            }
            Err(violation) => {
                // Where the next frame begins is unknown, so there is nothing to wait for.
                self.close_connection(now, Fault::from(violation), Ending::Immediate);
                false
            }
        }
    }

    /// Keeps frames that came before the core has opened the namespace.
    fn hold(&mut self, now: Timestamp, input: &mut BytesMut) {
        let Phase::Opened { held } = &mut self.phase else {
            return;
        };
        let fault = loop {
            match self.frames.take(input) {
                Ok(None) => return,
                Ok(Some(frame)) => held.extend_from_slice(&frame),
                Err(violation) => break Fault::from(violation),
            }
            if held.len() > EARLY_INPUT_BYTES_MAX {
                break Fault::from(Violation::EarlyInput);
            }
        };
        self.close_connection(now, fault, Ending::Immediate);
    }
}

/// How a connection ends that its client has ended in order.
const CLOSED_BY_CLIENT: &str = "closed by the client";

/// What a client may send between `connection.open` and its answer.
const EARLY_INPUT_BYTES_MAX: usize = 256 * 1024;

impl Session for AmqpSession {
    fn receive(&mut self, now: Timestamp, input: &mut BytesMut) {
        if input.is_empty() {
            return;
        }
        if matches!(self.phase, Phase::Greeting) && self.deadline.is_none() {
            self.deadline = Some(now.after(self.link.config.handshake_ms_max));
        }
        self.heartbeat.received(now);
        self.read(now, input);
        self.settle_accounts(now);
    }

    fn end_of_input(&mut self, _now: Timestamp) {
        let why = match self.phase {
            Phase::Farewell => CLOSED_BY_CLIENT,
            _ => "the client closed the socket",
        };
        self.end(why);
    }

    fn handle(&mut self, now: Timestamp, event: Event) {
        self.event(now, event);
        self.settle_accounts(now);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        let times = [self.deadline, self.heartbeat.next(), self.next_search];
        times.into_iter().flatten().min()
    }

    fn timeout(&mut self, now: Timestamp) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            let why = match self.phase {
                Phase::Closing => "the client did not answer the close",
                Phase::Farewell => CLOSED_BY_CLIENT,
                _ => "the handshake took too long",
            };
            return self.end(why);
        }
        self.search_overdue(now);
        self.beat(now);
        self.settle_accounts(now);
    }

    fn shutdown(&mut self, now: Timestamp) {
        self.force_close(
            now,
            "broker forced connection closure with reason 'shutdown'",
        );
    }

    fn output(&mut self) -> &mut Output {
        &mut self.link.output
    }

    fn is_established(&self) -> bool {
        !matches!(
            self.phase,
            Phase::Greeting | Phase::Starting | Phase::Securing(_)
        ) && !self.link.place.user.is_empty()
    }

    fn publishes(&self) -> bool {
        self.link.publishing.active
    }
}

impl AmqpSession {
    /// After anything that may have written: notes it for the heartbeat and for the search of overdue deliveries.
    fn settle_accounts(&mut self, now: Timestamp) {
        if !self.link.output.bytes.is_empty() {
            self.heartbeat.sent(now);
        }
        let timeout_ms = self.link.config.acknowledgement_ms_max;
        if self.next_search.is_none() && timeout_ms > 0 && self.link.delivered {
            self.next_search = Some(now.after(timeout_ms));
        }
    }
}
