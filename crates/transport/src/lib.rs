//! The only sockets of the broker: listeners, TLS, and the loop that moves bytes between a socket
//! and a session.
//!
//! It knows no protocol and no queue. Whoever listens brings a [`Service`] that makes a
//! [`Session`](sabir_core::session::Session) for each connection; from there on
//! bytes, events and the time go in, and bytes, commands and deadlines come out.
//!
//! - [`Transport`] is what all listeners share: the clock and the limits on connections.
//! - [`Listener`] is a bound address; [`Listener::serve`] starts accepting and [`Serving::drain`]
//!   ends it.
//! - One task drives one connection. An idle one holds no buffer.

mod admission;
mod buffers;
mod clock;
mod connection;
mod limits;
mod listener;
mod outbox;
mod rate;
mod service;
mod shared;
mod stream;
mod tls;

pub use clock::Clock;
pub use limits::Limits;
pub use listener::{BindError, Listener, Serving, Transport};
pub use service::{NewConnection, Opened, Service, TlsFacts};
pub use tls::{ClientAuthentication, TlsError, TlsFiles};
