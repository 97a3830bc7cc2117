//! AMQP 0-9-1 with RabbitMQ's extensions, without input or output of its own.
//!
//! - [`codec`] turns bytes into frames, methods and properties and back; it keeps no state and decides nothing.
//! - [`session`] is one connection as a value: frames, events and the time go in, frames and commands come out.
//! - [`mapping`] translates between AMQP's words and the core's.
//! - [`violation`] and [`reply`] say how a peer can break the protocol and which reply code answers it.

pub mod codec;
pub mod config;
pub mod mapping;
pub mod reply;
pub mod session;
pub mod violation;

pub use config::Config;
pub use session::{AmqpSession, Setup};

/// The port that IANA assigned to AMQP.
pub const DEFAULT_PORT: u16 = 5672;
