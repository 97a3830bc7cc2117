//! What a listener's owner brings: sessions for connections.

use sabir_core::id::SessionId;
use sabir_core::session::{Door, Outbox, Session};
use sabir_security::Peer;
use std::net::SocketAddr;
use std::sync::Arc;

/// Makes the sessions of one listener.
pub trait Service: Send + Sync + 'static {
    /// A connection is there: make its session.
    ///
    /// Events for the session go to [`NewConnection::outbox`] from the moment this returns.
    fn open(&self, connection: NewConnection) -> Opened;

    /// The connection is over; `Command::Close` for the session has been submitted.
    fn closed(&self, session: SessionId);
}

/// A connection before it has a session.
pub struct NewConnection {
    /// The other end.
    pub peer_address: SocketAddr,
    /// This end.
    pub local_address: SocketAddr,
    /// What is known about the other end, for authentication.
    pub peer: Peer,
    /// How the connection is encrypted, if it is.
    pub tls: Option<TlsFacts>,
    /// Where the session's events go.
    pub outbox: Arc<dyn Outbox>,
}

/// How a connection is encrypted, to show people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// The version, such as `TLSv1_3`.
    pub version: String,
    /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
}

/// A session ready to be driven.
pub struct Opened {
    /// Its identity in commands; the transport submits `Command::Written` and, at the end,
    /// `Command::Close` for it.
    pub id: SessionId,
    /// Its protocol state.
    pub session: Box<dyn Session>,
    /// Where its commands go.
    pub door: Arc<dyn Door>,
}
