//! The broker's core: namespaces, exchanges, queues, logs, subscriptions and transactions as a
//! deterministic state machine.
//!
//! It knows no protocol, socket, file, thread or clock: commands and the time go in, journal
//! entries and effects come out. `docs/ARCHITECTURE.md` is the map.

pub mod authorize;
pub mod message;
pub mod name;
pub mod routing;
pub mod storage;
