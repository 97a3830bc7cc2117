//! The configuration: one TOML file, below the environment, below flags.
//!
//! Every key is defined once, in the file of its section; its type, default, bounds, check,
//! `docs/config.md` and `packaging/sabir.toml` come from that definition. A key that is not
//! defined is refused with its path and its source.

pub(crate) mod choice;
pub(crate) mod document;
pub(crate) mod listen;
pub(crate) mod load;
pub(crate) mod protocols;
pub(crate) mod secret;
pub(crate) mod section;
pub(crate) mod sections;
pub(crate) mod security;
pub(crate) mod units;

use protocols::{Amqp091, Unavailable};
use section::section;
use sections::{Admin, Data, Limits, Log, Shutdown, Storage};
use security::Security;

section! {
    /// Everything that can be configured.
    Config {
        /// AMQP 0-9-1.
        amqp091: Amqp091 = Amqp091::default();
        /// Kafka.
        kafka: Unavailable = Unavailable::default();
        /// MQTT.
        mqtt: Unavailable = Unavailable::default();
        /// STOMP.
        stomp: Unavailable = Unavailable::default();
        /// Redis Streams and publish/subscribe.
        redis: Unavailable = Unavailable::default();
        /// NATS and JetStream.
        nats: Unavailable = Unavailable::default();
        /// AMQP 1.0.
        amqp10: Unavailable = Unavailable::default();
        /// OpenWire, the protocol of ActiveMQ's clients.
        openwire: Unavailable = Unavailable::default();
        /// ZeroMQ.
        zeromq: Unavailable = Unavailable::default();
        /// Administration.
        admin: Admin = Admin::default();
        /// Data.
        data: Data = Data::default();
        /// Storage.
        storage: Storage = Storage::default();
        /// Limits.
        limits: Limits = Limits::default();
        /// Security.
        security: Security = Security::default();
        /// Log.
        log: Log = Log::default();
        /// Shutdown.
        shutdown: Shutdown = Shutdown::default();
    }
}
