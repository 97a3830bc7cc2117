//! What the channels of a connection share: the way out, the way to the core, and what was negotiated.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use sabir_core::id::{ConsumerId, RequestId, SessionId};
use sabir_core::name::Name;
use sabir_core::request::{Command, Outcome, Request, Settlement};
use sabir_core::session::Output;

use super::awaited::{Answer, AwaitedQueue, Due};
use super::channel::Lane;
use super::consume::Consumer;
use crate::codec::method::{Arguments, MethodId, put_method};
use crate::config::Config;
use crate::mapping::Place;

/// What the client said that it understands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) consumer_cancel_notify: bool,
    pub(super) connection_blocked: bool,
    pub(super) authentication_failure_close: bool,
}

/// Whether the connection publishes, and whether it may.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    /// It has published at least once.
    pub(super) active: bool,
    /// Why publishers are not read.
    pub(super) blocked: Option<Name>,
    /// Whether the client was told so.
    pub(super) told: bool,
}

impl Publishing {
    /// Whether the transport leaves the client's bytes where they are.
    pub(super) const fn is_unread(&self) -> bool {
        self.active && self.blocked.is_some()
    }
}

/// The part of a connection that every channel works with.
pub(super) struct Link {
    pub(super) session: SessionId,
    pub(super) config: Arc<Config>,
    pub(super) place: Place,
    pub(super) capabilities: Capabilities,
    pub(super) frame_bytes_max: u32,
    pub(super) channels_max: u16,
    pub(super) output: Output,
    pub(super) awaited: AwaitedQueue,
    pub(super) consumers: BTreeMap<ConsumerId, Consumer>,
    pub(super) publishing: Publishing,
    /// Holds rewritten properties while they are sent.
    pub(super) scratch: BytesMut,
    /// Whether something was delivered that has to be acknowledged.
    pub(super) delivered: bool,
    /// Whether the core knows the session.
    pub(super) open: bool,
    next_request: u64,
    next_consumer: u32,
    randomness: fastrand::Rng,
}

impl Link {
    pub(super) fn new(session: SessionId, config: Arc<Config>, seed: u64) -> Self {
        Self {
            session,
            frame_bytes_max: config.frame_bytes_max,
            channels_max: config.channels_max,
            config,
            place: Place::default(),
            capabilities: Capabilities::default(),
            output: Output::default(),
            awaited: AwaitedQueue::default(),
            consumers: BTreeMap::new(),
            publishing: Publishing::default(),
            scratch: BytesMut::new(),
            delivered: false,
            open: false,
            next_request: 1,
            next_consumer: 1,
            randomness: fastrand::Rng::with_seed(seed),
        }
    }

    /// Sends a method of a channel at once.
    pub(super) fn send<M: Arguments>(&mut self, channel: u16, method: &M) {
        put_method(&mut self.output.bytes, channel, method);
    }

    /// Sends a method of a channel unless its client does not want it.
    pub(super) fn send_unless<M: Arguments>(&mut self, nowait: bool, channel: u16, method: &M) {
        if !nowait {
            self.send(channel, method);
        }
    }

    /// Answers a method, behind the answers that the channel's client still waits for and behind what may still be
    /// wrong with its publishes.
    pub(super) fn answer<M: Arguments>(&mut self, lane: &mut Lane, method: &M) {
        if lane.unchecked {
            self.barrier(lane, Answer::Nothing);
        }
        if lane.awaited == 0 {
            return self.send(lane.number, method);
        }
        let mut bytes = BytesMut::new();
        put_method(&mut bytes, lane.number, method);
        self.awaited.push_ready(bytes.freeze());
    }

    /// Answers a method unless its client does not want an answer.
    pub(super) fn answer_unless<M: Arguments>(
        &mut self,
        nowait: bool,
        lane: &mut Lane,
        method: &M,
    ) {
        if !nowait {
            self.answer(lane, method);
        }
    }

    /// Asks the core for something; `answer` says what to do with the reply.
    pub(super) fn request(
        &mut self,
        lane: &mut Lane,
        method: MethodId,
        request: Request,
        answer: Answer,
    ) {
        lane.awaited += 1;
        lane.unchecked = false;
        self.ask(Some(*lane), method, request, answer);
    }

    /// Asks the core for nothing, to hear when it has done everything before.
    pub(super) fn barrier(&mut self, lane: &mut Lane, answer: Answer) {
        let nothing = Request::Cancel {
            consumer: NO_CONSUMER,
        };
        self.request(lane, MethodId::NONE, nothing, answer);
    }

    /// Asks for something whose outcome no channel waits for.
    pub(super) fn request_unawaited(&mut self, request: Request, answer: Answer) {
        self.ask(None, MethodId::NONE, request, answer);
    }

    fn ask(&mut self, lane: Option<Lane>, method: MethodId, request: Request, answer: Answer) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.awaited.push(Due {
            id,
            lane,
            method,
            answer,
        });
        self.output.commands.push(Command::Request {
            session: self.session,
            id,
            request,
        });
    }

    /// Settles deliveries. A settlement that continues the one before becomes one with it.
    pub(super) fn settle(&mut self, settlement: Settlement) {
        if let Some(Command::Settle {
            settlement: last, ..
        }) = self.output.commands.last_mut()
            && last.log == settlement.log
            && last.outcome == settlement.outcome
            && last.last.next() == settlement.first
        {
            last.last = settlement.last;
            return;
        }
        self.output.commands.push(Command::Settle {
            session: self.session,
            settlement,
        });
    }

    /// Gives settled ranges back to their queues.
    pub(super) fn release(&mut self, settlements: impl IntoIterator<Item = Settlement>) {
        for settlement in settlements {
            self.settle(Settlement {
                outcome: Outcome::Release { failed: true },
                ..settlement
            });
        }
    }

    pub(super) fn new_consumer(&mut self) -> ConsumerId {
        let consumer = ConsumerId(self.next_consumer);
        self.next_consumer = self.next_consumer.wrapping_add(1);
        consumer
    }

    /// A consumer tag that no client would make.
    pub(super) fn new_consumer_tag(&mut self) -> String {
        let random = std::iter::repeat_with(|| self.randomness.alphanumeric()).take(TAG_CHARACTERS);
        std::iter::once("amq.ctag-".to_owned())
            .chain(random.map(String::from))
            .collect()
    }
}

/// A number that no consumer gets.
const NO_CONSUMER: ConsumerId = ConsumerId(0);

/// Enough letters and digits to be unique: 131 bits.
const TAG_CHARACTERS: usize = 22;
