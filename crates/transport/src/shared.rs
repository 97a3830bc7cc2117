//! What connections share, and the place that each has there.

use crate::admission::{Admission, Permit};
use crate::outbox::ConnectionOutbox;
use crate::rate::RateLimit;
use crate::service::{NewConnection, Service};
use crate::{Clock, Limits};
use sabir_core::id::SessionId;
use sabir_core::request::Command;
use sabir_core::session::{Door, Session};
use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Semaphore;

/// What all connections of a broker share.
pub(crate) struct Common {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) admission: Arc<Admission>,
    pub(crate) authentications: Arc<Semaphore>,
    pub(crate) noise: RateLimit,
}

impl Common {
    /// Writes a log line about a peer, unless there were many lately; it is told how many were
    /// held back.
    pub(crate) fn complain(&self, write: impl FnOnce(u64)) {
        if let Some(held) = self.noise.pass() {
            write(held);
        }
    }
}

/// What all connections of a listener share.
pub(crate) struct Shared {
    pub(crate) common: Arc<Common>,
    service: Arc<dyn Service>,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    stopping: bool,
    outboxes: HashMap<SessionId, Weak<ConnectionOutbox>>,
}

impl Shared {
    pub(crate) fn new(common: Arc<Common>, service: Arc<dyn Service>) -> Self {
        Self {
            common,
            service,
            live: Mutex::default(),
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.live().outboxes.len()
    }

    /// Tells all sessions, and those that are still to come, that the broker stops.
    pub(crate) fn stop(&self) {
        let mut live = self.live();
        live.stopping = true;
        for outbox in live.outboxes.values().filter_map(Weak::upgrade) {
            outbox.stop();
        }
    }

    /// Makes a session for a connection and gives it its place.
    pub(crate) fn register(
        self: &Arc<Self>,
        connection: impl FnOnce(Arc<ConnectionOutbox>) -> NewConnection,
        permit: Permit,
    ) -> (Registration, Box<dyn Session>) {
        let outbox = Arc::new(ConnectionOutbox::new(self.common.limits.events_bytes_max));
        let opened = self.service.open(connection(Arc::clone(&outbox)));
        let mut live = self.live();
        live.outboxes.insert(opened.id, Arc::downgrade(&outbox));
        if live.stopping {
            outbox.stop();
        }
        drop(live);
        let registration = Registration {
            shared: Arc::clone(self),
            outbox,
            id: opened.id,
            door: opened.door,
            closed: false,
            _permit: permit,
        };
        (registration, opened.session)
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session's place with the core and the listener; given up when dropped, however the
/// connection ends.
pub(crate) struct Registration {
    pub(crate) shared: Arc<Shared>,
    pub(crate) outbox: Arc<ConnectionOutbox>,
    pub(crate) id: SessionId,
    pub(crate) door: Arc<dyn Door>,
    closed: bool,
    _permit: Permit,
}

impl Registration {
    /// Ends the session for the core.
    pub(crate) fn close(&mut self) {
        if mem::replace(&mut self.closed, true) {
            return;
        }
        self.outbox.close();
        let session = self.id;
        self.door.submit(&mut vec![Command::Close { session }]);
        self.shared.live().outboxes.remove(&session);
        self.shared.service.closed(session);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.close();
    }
}
