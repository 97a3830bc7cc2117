//! Where the events of one connection wait until its task takes them.

use sabir_core::event::Event;
use sabir_core::session::Outbox;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

/// Counted for an event that carries no message.
const EVENT_BYTES: u64 = 128;

/// Events of one session, bounded by bytes.
pub(crate) struct ConnectionOutbox {
    bytes_max: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    events: VecDeque<Event>,
    bytes: u64,
    /// The wish that the session ends; it overtakes all other events.
    disconnect: Option<Event>,
    overflowed: bool,
    stopping: bool,
    closed: bool,
    waker: Option<Waker>,
}

/// What an outbox says besides events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Signals {
    /// More events arrived than may wait; they were dropped and the connection must end.
    pub(crate) overflowed: bool,
    /// The listener is being drained.
    pub(crate) stopping: bool,
    /// Somebody wants the session to end.
    pub(crate) disconnect: bool,
}

impl ConnectionOutbox {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            inner: Mutex::default(),
        }
    }

    /// Moves all waiting events into `events`, which must be empty, and tells their bytes. From
    /// now until [`ConnectionOutbox::park`], new events wake nobody.
    pub(crate) fn take(&self, events: &mut VecDeque<Event>) -> u64 {
        let mut inner = self.lock();
        inner.waker = None;
        std::mem::swap(events, &mut inner.events);
        std::mem::take(&mut inner.bytes)
    }

    /// What there is besides events, and the bytes of events that wait.
    pub(crate) fn signals(&self) -> (Signals, u64) {
        let inner = self.lock();
        (inner.signals(), inner.bytes)
    }

    /// The wish that the session ends, once.
    pub(crate) fn take_disconnect(&self) -> Option<Event> {
        self.lock().disconnect.take()
    }

    /// Asks to be woken by the next event or signal. False when there are events already: take
    /// them instead.
    pub(crate) fn park(&self, waker: &Waker, seen: Signals) -> bool {
        let mut inner = self.lock();
        if !inner.events.is_empty() || inner.signals() != seen {
            return false;
        }
        inner.events = VecDeque::new();
        inner.waker = Some(waker.clone());
        true
    }

    /// Asks to be woken by the next signal or event, whatever is waiting.
    pub(crate) fn park_for_signal(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Tells the connection that its listener is being drained.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopping = true;
        wake(inner);
    }

    /// Forgets what is waiting and whatever is still to come: the session is over.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.events = VecDeque::new();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    const fn signals(&self) -> Signals {
        Signals {
            overflowed: self.overflowed,
            stopping: self.stopping,
            disconnect: self.disconnect.is_some(),
        }
    }
}

impl Outbox for ConnectionOutbox {
    fn deliver(&self, events: &mut Vec<Event>) {
        let mut inner = self.lock();
        if inner.closed {
            events.clear();
            return;
        }
        let bytes: u64 = events.iter().map(cost).sum();
        inner.bytes = inner.bytes.saturating_add(bytes);
        if inner.bytes > self.bytes_max || inner.overflowed {
            inner.overflowed = true;
            inner.events = VecDeque::new();
            events.clear();
        } else {
            for event in events.drain(..) {
                match event {
                    Event::Disconnect { .. } => inner.disconnect = Some(event),
                    _ => inner.events.push_back(event),
                }
            }
        }
        wake(inner);
    }
}

/// Wakes the connection after the lock is released.
fn wake(mut inner: std::sync::MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn cost(event: &Event) -> u64 {
    match event {
        Event::Delivery(delivery) => delivery.cost(),
        Event::Returned { message, .. } => {
            EVENT_BYTES + (message.head.len() + message.body.len()) as u64
        }
        _ => EVENT_BYTES,
    }
}
