//! AMQP 0-9-1 with RabbitMQ's extensions, without input or output of its own.
//!
//! [`codec`] turns bytes into frames, methods and properties and back; it keeps no state and decides nothing.
//! [`violation`] says how a peer can break the protocol and which reply code answers it.

pub mod codec;
pub mod reply;
pub mod violation;

/// The port that IANA assigned to AMQP.
pub const DEFAULT_PORT: u16 = 5672;
