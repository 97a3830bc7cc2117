//! Queues: a log for each priority in use, with one subscription that settles record by record.

pub mod settings;

pub use settings::{Overflow, QueueKind, QueueSettings, QueueSpec};

/// What has happened to a queue, in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Taken in.
    pub published: u64,
    /// Delivered to consumers or taken by them, each attempt counted.
    pub delivered: u64,
    /// Of these, delivered again.
    pub redelivered: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// Dead-lettered.
    pub dead_lettered: u64,
    /// Dropped: expired, pushed out or refused by a consumer without a place for dead letters.
    pub dropped: u64,
    /// Refused to publishers because the queue was full.
    pub refused: u64,
}
