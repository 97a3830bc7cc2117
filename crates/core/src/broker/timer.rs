//! What is to happen when its time comes.

use crate::{
    id::{LogId, Timestamp},
    routing::QueueId,
};
use std::collections::BTreeSet;

/// Something that waits for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The oldest messages of a queue may have outlived the queue's time to live.
    Head(QueueId),
    /// A queue may have been unused for too long.
    Idle(QueueId),
    /// Records of a log are due.
    Due(LogId),
    /// Reads from disk that have failed may be tried again.
    Retry(QueueId),
    /// Kept records may be too old.
    Retention(QueueId),
}

/// All timers, soonest first.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Timers {
    pub(crate) fn set(&mut self, due: Timestamp, timer: Timer) {
        self.0.insert((due, timer));
    }

    pub(crate) fn clear(&mut self, due: Timestamp, timer: Timer) {
        self.0.remove(&(due, timer));
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the soonest is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(due, _)| *due)
    }

    /// Takes the soonest that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first()
    }
}
