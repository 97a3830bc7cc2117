//! The broker's core: namespaces, exchanges, queues, logs, subscriptions and transactions as a
//! deterministic state machine.
//!
//! It knows no protocol, socket, file, thread or clock: commands and the time go in, journal
//! entries and effects come out. `docs/ARCHITECTURE.md` is the map.

pub mod admin;
pub mod authorize;
pub mod broker;
pub mod event;
pub mod id;
pub mod journal;
mod log;
pub mod message;
pub mod name;
pub mod policy;
pub mod queue;
pub mod refusal;
pub mod request;
pub mod routing;
pub mod session;
pub mod storage;
mod subscription;
pub mod wire;
