//! A channel that waits until what it has published is in the queues.
//!
//! A message is ready when it is committed. What looks at a queue, such as `basic.get` or the counts of a declaration,
//! has to see what the channel has published before, and a consumer that starts or ends does so behind it, so the core
//! is asked only then. Until it is, the frames behind it wait too, for they may depend on it.

use bytes::Bytes;
use sabir_core::id::Timestamp;
use sabir_core::request::Request;

use super::AmqpSession;
use super::awaited::Answer;
use super::channel::Channel;
use super::connection::Phase;
use super::fault::Fault;
use super::link::Link;
use crate::codec::frame::{Frame, FrameKind};
use crate::codec::method::{Arguments, Method, MethodId, channel};
use crate::violation::Violation;

/// What a channel waits to ask, and the frames behind it.
pub(super) struct Suspended {
    method: MethodId,
    request: Request,
    answer: Answer,
    frames: Vec<Held>,
    bytes: u64,
}

struct Held {
    kind: FrameKind,
    payload: Bytes,
}

/// Held bytes beyond the largest message.
const HELD_BYTES: u64 = 1024 * 1024;

/// Counted for each held frame besides its payload.
const FRAME_OVERHEAD_BYTES: u64 = 64;

impl Suspended {
    /// Keeps a frame for later.
    pub(super) fn hold(
        &mut self,
        chunk: &Bytes,
        frame: Frame<'_>,
        message_bytes_max: u64,
    ) -> Result<(), Fault> {
        self.bytes += FRAME_OVERHEAD_BYTES + frame.payload.len() as u64;
        if self.bytes > message_bytes_max.saturating_add(HELD_BYTES) {
            return Err(Violation::UnansweredInput.into());
        }
        self.frames.push(Held {
            kind: frame.kind,
            payload: chunk.slice_ref(frame.payload),
        });
        Ok(())
    }

    /// The channel ends before the question is asked: a consumer that was to be cancelled still is.
    pub(super) fn abandon(self, link: &mut Link) {
        if let Request::Cancel { consumer } = self.request {
            link.request_unawaited(Request::Cancel { consumer }, Answer::Ignored);
            link.consumers.remove(&consumer);
        }
    }

    /// Whether the client has closed the channel meanwhile.
    pub(super) fn holds_close(&self) -> bool {
        self.frames.iter().any(|held| {
            held.kind == FrameKind::Method
                && Method::id_of(&held.payload) == Some(channel::Close::ID)
        })
    }
}

impl Channel {
    /// Asks the core for something that has to see what the channel has published.
    pub(super) fn ask_after_publishes(
        &mut self,
        link: &mut Link,
        method: MethodId,
        request: Request,
        answer: Answer,
    ) {
        if self.published.all_settled() {
            return link.request(&mut self.lane, method, request, answer);
        }
        self.suspended = Some(Suspended {
            method,
            request,
            answer,
            frames: Vec::new(),
            bytes: 0,
        });
    }
}

impl AmqpSession {
    /// Asks what a channel has waited to ask, if nothing of what it has published is open, and goes on with the
    /// frames behind it.
    pub(super) fn resume(&mut self, now: Timestamp, number: u16) {
        let Some(channel) = self.channels.get_mut(number) else {
            return;
        };
        if !channel.published.all_settled() {
            return;
        }
        let Some(suspended) = channel.suspended.take() else {
            return;
        };
        let Suspended {
            method,
            request,
            answer,
            frames,
            ..
        } = suspended;
        self.link
            .request(&mut channel.lane, method, request, answer);
        for Held { kind, payload } in frames {
            if !matches!(self.phase, Phase::Running) {
                return;
            }
            let frame = Frame {
                kind,
                channel: number,
                payload: &payload,
            };
            self.frame(now, &payload, frame);
        }
    }
}
