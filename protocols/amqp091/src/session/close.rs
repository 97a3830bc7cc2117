//! Ending a connection, from either side.

use sabir_core::id::Timestamp;
use sabir_core::request::Command;

use super::AmqpSession;
use super::connection::Phase;
use super::fault::Fault;
use crate::codec::frame::{Frame, FrameKind};
use crate::codec::method::{Method, connection};

/// What follows a close that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client's answer is waited for.
    Answered,
    /// The socket is closed at once.
    Immediate,
}

/// When a channel's close is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Behind the answers that the channel's client still waits for: a frame of the client was at fault.
    Behind,
    /// At once, and what was asked for later stays unanswered: the core refused something.
    Now,
}

impl AmqpSession {
    /// Closes the connection or the channel that a fault is about.
    pub(super) fn fail(&mut self, now: Timestamp, channel: u16, fault: Fault, turn: Turn) {
        let (code, _) = fault.reply(&self.link.place);
        if channel == 0 || code.closes_connection() {
            self.close_connection(now, fault, Ending::Answered);
        } else {
            self.close_channel(channel, &fault, turn);
        }
    }

    /// Sends `connection.close`. A client that has not authenticated is not waited for.
    pub(super) fn close_connection(&mut self, now: Timestamp, fault: Fault, ending: Ending) {
        if matches!(self.phase, Phase::Closing | Phase::Farewell | Phase::Closed) {
            return self.end("the client broke the protocol while closing");
        }
        let trusted = !matches!(
            self.phase,
            Phase::Greeting | Phase::Starting | Phase::Securing(_)
        );
        let (code, explanation) = fault.reply(&self.link.place);
        let text = code.text(&explanation);
        let close = connection::Close {
            reply_code: code.code(),
            reply_text: &text,
            class_id: fault.method.class,
            method_id: fault.method.method,
        };
        self.forget();
        self.link.send(0, &close);
        if ending == Ending::Answered && trusted {
            self.phase = Phase::Closing;
            self.deadline = Some(now.after(self.link.config.close_ms_max));
        } else {
            self.end(&text);
        }
    }

    /// Ends the connection because someone wants it to end.
    pub(super) fn force_close(&mut self, now: Timestamp, reason: &str) {
        match self.phase {
            Phase::Greeting | Phase::Farewell => self.end(reason),
            Phase::Closing | Phase::Closed => {}
            _ => self.close_connection(now, Fault::forced(reason), Ending::Answered),
        }
    }

    /// Answers the client's `connection.close`. Closing the socket is left to the client, which would take a socket
    /// that ends before it has read the answer for a failure.
    pub(super) fn close_for_client(&mut self, now: Timestamp) {
        self.forget();
        self.link.send(0, &connection::CloseOk {});
        self.heartbeat.stop();
        self.phase = Phase::Farewell;
        self.deadline = Some(now.after(self.link.config.close_ms_max));
    }

    /// While our close is not answered, everything but closes is passed over.
    pub(super) fn farewell(&mut self, now: Timestamp, frame: Frame<'_>) {
        if frame.channel != 0 || frame.kind != FrameKind::Method {
            return;
        }
        match Method::parse(frame.payload) {
            Ok(Method::Connection(connection::Method::Close(_))) => self.close_for_client(now),
            Ok(Method::Connection(connection::Method::CloseOk(_))) => {
                self.end("closed by the broker")
            }
            _ => {}
        }
    }

    /// Closes the socket when everything is sent.
    pub(super) fn end(&mut self, reason: &str) {
        self.forget();
        self.heartbeat.stop();
        self.deadline = None;
        self.phase = Phase::Closed;
        self.link
            .output
            .close
            .get_or_insert_with(|| reason.to_owned());
    }

    /// Gives up everything that the core holds for the session.
    fn forget(&mut self) {
        if std::mem::take(&mut self.link.open) {
            let session = self.link.session;
            self.link.output.commands.push(Command::Close { session });
        }
        self.channels.clear();
        self.link.awaited.clear();
        self.link.consumers.clear();
        self.next_search = None;
    }
}
