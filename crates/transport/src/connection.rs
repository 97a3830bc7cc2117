//! The loop between one socket and one session.
//!
//! A connection is a future without inner tasks: each poll takes events, deadlines and input to
//! the session, its commands to the core and its output to the socket, until nothing moves.
//! Only a session that checks a password is away for a while, on a thread for blocking work.
//!
//! Order matters in one place: commands are submitted before output is written. A goodbye that
//! the peer sees therefore means that the core knows as well.

mod input;
mod output;
mod timer;

use crate::admission::Permit;
use crate::buffers;
use crate::outbox::{ConnectionOutbox, Signals};
use crate::service::{NewConnection, TlsFacts};
use crate::shared::{Common, Registration, Shared};
use crate::stream::Stream;
use input::Input;
use output::Output;
use sabir_core::event::Event;
use sabir_core::id::Timestamp;
use sabir_core::request::Command;
use sabir_core::session::Session;
use sabir_security::Peer;
use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, mem};
use timer::Timer;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// How often a connection goes round before it lets others run.
const ROUNDS_MAX: u32 = 8;

/// One connection, to be polled until it is over.
pub(crate) struct Connection {
    stream: Stream,
    seat: Seat,
    phase: Phase,
    input: Input,
    output: Output,
    events: VecDeque<Event>,
    /// Bytes of `events` when they were taken, and of those that came since.
    events_bytes: u64,
    waiting_bytes: u64,
    signals: Signals,
    timer: Timer,
    opened: Timestamp,
    established: bool,
    told_to_stop: bool,
    blocked: bool,
    peer: SocketAddr,
    registration: Registration,
}

/// Where the session is.
enum Seat {
    Here(Box<dyn Session>),
    /// Checking a password, with the input that it was given.
    Away(AbortOnDropHandle<Returned>),
    Gone,
}

/// A session that comes back with what it has left of its input.
type Returned = Result<(Box<dyn Session>, Input), JoinError>;

/// How far along the connection is.
enum Phase {
    Serving,
    /// The session is done; what it said last is being written.
    Flushing {
        until: Timestamp,
    },
    /// Everything is written; the peer is given time to see it before the socket goes, because a
    /// socket with unread input takes unsent output along when it is closed.
    Lingering {
        until: Timestamp,
    },
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Ending {
    #[error("done")]
    Done,
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("not authenticated in time")]
    HandshakeTimeout,
    #[error("more than {0} bytes of input that the session cannot use")]
    InputTooLong(usize),
    #[error("too slow: too many events wait to be sent")]
    TooSlow,
    #[error("the peer did not take the last bytes in time")]
    CloseTimeout,
    #[error("the session failed while authenticating: {0}")]
    Crashed(#[from] JoinError),
}

impl Connection {
    pub(crate) fn open(
        shared: Arc<Shared>,
        stream: Stream,
        (peer_address, local_address): (SocketAddr, SocketAddr),
        (peer, tls): (Peer, Option<TlsFacts>),
        waited: Duration,
        permit: Permit,
    ) -> Self {
        let connection = |outbox: Arc<ConnectionOutbox>| NewConnection {
            peer_address,
            local_address,
            peer,
            tls,
            outbox,
        };
        let (registration, session) = shared.register(connection, permit);
        let id = registration.id;
        tracing::debug!(connection = %id, peer = %peer_address, "connection opened");
        let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        Self {
            input: Input::of(&stream),
            stream,
            seat: Seat::Here(session),
            phase: Phase::Serving,
            output: Output::default(),
            events: VecDeque::new(),
            events_bytes: 0,
            waiting_bytes: 0,
            signals: Signals::default(),
            timer: Timer::default(),
            opened: Timestamp(shared.common.clock.now().0.saturating_sub(waited)),
            established: false,
            told_to_stop: false,
            blocked: false,
            peer: peer_address,
            registration,
        }
    }

    /// One time through everything that can move. False when nothing did.
    fn round(&mut self, context: &mut Context<'_>) -> Result<bool, Ending> {
        let now = self.common().clock.now();
        match self.phase {
            Phase::Serving => self.serve(context, now),
            Phase::Flushing { until } => self.finish_output(context, now, until),
            Phase::Lingering { until } => self.linger(context, now, until),
        }
    }

    fn serve(&mut self, context: &mut Context<'_>, now: Timestamp) -> Result<bool, Ending> {
        let mut moved = self.poll_away(context)?;
        moved |= self.take_events(now)?;
        moved |= self.poll_input(context, now)?;
        moved |= self.check_deadlines(now)?;
        self.submit();
        self.release_input();
        moved |= self.output.poll_write(context, &mut self.stream)?;
        self.report_written();
        if self.output.closing.is_some() {
            self.leave();
            let until = self.close_deadline(now);
            self.phase = Phase::Flushing { until };
            moved = true;
        }
        Ok(moved)
    }

    /// Takes the session back when its password is checked.
    fn poll_away(&mut self, context: &mut Context<'_>) -> Result<bool, Ending> {
        let Seat::Away(handle) = &mut self.seat else {
            return Ok(false);
        };
        let Poll::Ready(returned) = Pin::new(handle).poll(context) else {
            return Ok(false);
        };
        let (session, input) = returned??;
        self.seat = Seat::Here(session);
        self.input = input;
        self.after_receive()?;
        Ok(true)
    }

    /// Gives the session its events, as long as the peer takes what comes of them.
    fn take_events(&mut self, now: Timestamp) -> Result<bool, Ending> {
        let mut moved = self.take_signals(now)?;
        if self.events.is_empty() {
            self.events_bytes = self.registration.outbox.take(&mut self.events);
        }
        let Seat::Here(session) = &mut self.seat else {
            return Ok(moved);
        };
        let output_bytes_max = self.registration.shared.common.limits.output_bytes_max;
        while self.output.len() <= output_bytes_max && self.output.closing.is_none() {
            let Some(event) = self.events.pop_front() else {
                self.events_bytes = 0;
                break;
            };
            match event {
                Event::Blocked { .. } => self.blocked = true,
                Event::Unblocked => self.blocked = false,
                _ => {}
            }
            moved = true;
            self.output.prepare(&mut **session);
            session.handle(now, event);
            self.output.collect(&mut **session);
        }
        Ok(moved)
    }

    /// What must reach the session even while the peer takes nothing.
    fn take_signals(&mut self, now: Timestamp) -> Result<bool, Ending> {
        let outbox = &self.registration.outbox;
        (self.signals, self.waiting_bytes) = outbox.signals();
        if self.signals.overflowed {
            return Err(Ending::TooSlow);
        }
        let Seat::Here(session) = &mut self.seat else {
            return Ok(false);
        };
        let mut moved = false;
        if self.signals.stopping && !self.told_to_stop {
            self.told_to_stop = true;
            session.shutdown(now);
            moved = true;
        }
        if self.signals.disconnect
            && let Some(disconnect) = outbox.take_disconnect()
        {
            self.signals.disconnect = false;
            session.handle(now, disconnect);
            moved = true;
        }
        self.output.collect(&mut **session);
        Ok(moved)
    }

    fn check_deadlines(&mut self, now: Timestamp) -> Result<bool, Ending> {
        if self
            .handshake_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            return Err(Ending::HandshakeTimeout);
        }
        let Seat::Here(session) = &mut self.seat else {
            return Ok(false);
        };
        if session.next_timeout().is_none_or(|deadline| deadline > now) {
            return Ok(false);
        }
        session.timeout(now);
        self.output.collect(&mut **session);
        Ok(true)
    }

    /// Reads until the socket has nothing left, or enough for one go.
    fn poll_input(&mut self, context: &mut Context<'_>, now: Timestamp) -> Result<bool, Ending> {
        let mut moved = false;
        self.input.begin();
        while self.may_read() {
            let bytes_max = self.input_bytes_max();
            match self.input.poll_read(context, &mut self.stream, bytes_max)? {
                Poll::Pending => break,
                Poll::Ready(bytes) => {
                    moved = true;
                    self.receive(now, bytes)?;
                }
            }
        }
        Ok(moved)
    }

    /// Gives the input's buffer back once the commands that point into it are carried out.
    fn release_input(&mut self) {
        if matches!(self.seat, Seat::Here(_)) {
            self.input.release();
        }
    }

    /// Whether input is read.
    ///
    /// A peer that does not take its deliveries is still read, so that its acknowledgements and
    /// signs of life count; one that makes work and does not take the answers is not.
    fn may_read(&self) -> bool {
        let Seat::Here(session) = &self.seat else {
            return false;
        };
        let output_bytes_max = self.common().limits.output_bytes_max;
        let answers_bytes_max = (output_bytes_max as u64).saturating_mul(4);
        let answers_wait = self.output.len() > output_bytes_max
            && self.events_bytes.saturating_add(self.waiting_bytes) > answers_bytes_max;
        self.input.wants_more()
            && self.output.closing.is_none()
            && self.output.len() <= output_bytes_max.saturating_mul(2)
            && !answers_wait
            && !(self.blocked && session.publishes())
    }

    fn input_bytes_max(&self) -> usize {
        let limits = &self.common().limits;
        if self.established {
            limits.input_bytes_max
        } else {
            limits.unauthenticated_bytes_max
        }
    }

    /// Hands input to the session: at once, or away from here while it may check a password.
    fn receive(&mut self, now: Timestamp, bytes: usize) -> Result<(), Ending> {
        let Seat::Here(session) = &mut self.seat else {
            return Ok(());
        };
        self.output.prepare(&mut **session);
        if bytes == 0 {
            session.end_of_input(now);
            return self.after_receive();
        }
        if self.established {
            session.receive(now, &mut self.input.buffer);
            return self.after_receive();
        }
        let Seat::Here(mut session) = mem::replace(&mut self.seat, Seat::Gone) else {
            return Ok(());
        };
        let mut input = mem::take(&mut self.input);
        let authentications = Arc::clone(&self.common().authentications);
        let away = tokio::spawn(async move {
            let _permit = authentications.acquire_owned().await;
            let receive = move || {
                session.receive(now, &mut input.buffer);
                (session, input)
            };
            tokio::task::spawn_blocking(receive).await
        });
        self.seat = Seat::Away(AbortOnDropHandle::new(away));
        Ok(())
    }

    fn after_receive(&mut self) -> Result<(), Ending> {
        if let Seat::Here(session) = &mut self.seat {
            self.established |= session.is_established();
            self.output.collect(&mut **session);
        }
        let bytes_max = self.input_bytes_max();
        if self.input.buffer.len() >= bytes_max && self.output.closing.is_none() {
            return Err(Ending::InputTooLong(bytes_max));
        }
        Ok(())
    }

    fn submit(&mut self) {
        if let Seat::Here(session) = &mut self.seat {
            let commands = &mut session.output().commands;
            if !commands.is_empty() {
                self.registration.door.submit(commands);
            }
        }
    }

    /// Tells the core what the socket has taken, so that it delivers more.
    fn report_written(&mut self) {
        let Seat::Here(session) = &mut self.seat else {
            return;
        };
        if let Some(bytes) = self.output.take_written() {
            let commands = &mut session.output().commands;
            commands.push(Command::Written {
                session: self.registration.id,
                bytes,
            });
            self.registration.door.submit(commands);
        }
    }

    /// The session is over for the core, though its last words are not yet written.
    fn leave(&mut self) {
        self.seat = Seat::Gone;
        self.events = VecDeque::new();
        self.registration.close();
    }

    fn finish_output(
        &mut self,
        context: &mut Context<'_>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, Ending> {
        let moved = self.output.poll_write(context, &mut self.stream)?;
        if self.output.len() == 0 && self.stream.poll_shutdown(context)?.is_ready() {
            if self.input.ended() {
                return Err(Ending::Done);
            }
            let until = self.close_deadline(now);
            self.phase = Phase::Lingering { until };
            return Ok(true);
        }
        if now >= until {
            return Err(Ending::CloseTimeout);
        }
        Ok(moved)
    }

    fn linger(
        &mut self,
        context: &mut Context<'_>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, Ending> {
        if now >= until {
            return Err(Ending::Done);
        }
        if self.stream.poll_readable(context)?.is_pending() {
            return Ok(false);
        }
        let mut buffer = buffers::borrow();
        let discarded = self.stream.poll_discard(context, &mut buffer);
        buffers::give_back(buffer);
        match discarded {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(bytes)) if bytes > 0 => Ok(true),
            Poll::Ready(_) => Err(Ending::Done),
        }
    }

    /// Gives up what an idle connection needs not hold, and asks to be woken. False when there is
    /// something to do after all.
    fn rest(&mut self, context: &mut Context<'_>) -> bool {
        if let Seat::Here(session) = &mut self.seat {
            self.output.release(&mut **session);
        }
        let outbox = &self.registration.outbox;
        if self.events.is_empty() {
            self.events = VecDeque::new();
            if !outbox.park(context.waker(), self.signals) {
                return false;
            }
        } else {
            outbox.park_for_signal(context.waker());
        }
        let deadline = self.next_deadline();
        let clock = self.common().clock;
        self.timer.poll(context, &clock, deadline).is_pending()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        match (&self.phase, &self.seat) {
            (Phase::Flushing { until } | Phase::Lingering { until }, _) => Some(*until),
            (Phase::Serving, Seat::Here(session)) => {
                [self.handshake_deadline(), session.next_timeout()]
                    .into_iter()
                    .flatten()
                    .min()
            }
            (Phase::Serving, _) => self.handshake_deadline(),
        }
    }

    fn handshake_deadline(&self) -> Option<Timestamp> {
        let timeout = self.common().limits.handshake_timeout;
        (!self.established).then(|| later(self.opened, timeout))
    }

    fn close_deadline(&self, now: Timestamp) -> Timestamp {
        later(now, self.common().limits.close_timeout)
    }

    fn common(&self) -> &Common {
        &self.registration.shared.common
    }

    fn log(&self, ending: &Ending) {
        let (connection, peer) = (self.registration.id, self.peer);
        let reason = match (&self.output.closing, ending) {
            (Some(reason), Ending::Done) => reason.clone(),
            (Some(reason), ending) => format!("{reason}; {ending}"),
            (None, ending) => ending.to_string(),
        };
        let probe = !self.input.begun() || matches!(ending, Ending::Socket(_));
        if self.established || probe {
            tracing::debug!(%connection, %peer, "connection closed: {reason}");
        } else {
            self.common().complain(|held| {
                tracing::warn!(%connection, %peer, held, "connection refused: {reason}");
            });
        }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let connection = self.get_mut();
        for _ in 0..ROUNDS_MAX {
            match connection.round(context) {
                Ok(true) => {}
                Ok(false) if connection.rest(context) => return Poll::Pending,
                Ok(false) => {}
                Err(ending) => {
                    connection.log(&ending);
                    return Poll::Ready(());
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn later(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.after(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_connection_is_small() {
        assert!(
            size_of::<Connection>() <= 640,
            "{}",
            size_of::<Connection>()
        );
    }
}
