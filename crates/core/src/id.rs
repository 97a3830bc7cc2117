//! Identifiers. All are plain numbers that mean the same on every node and after a restart.

use std::fmt;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

identifier! {
    /// One session: the protocol state of one connection. Never reused within a process.
    SessionId(u64)
}
identifier! {
    /// Chosen by a session for a request; its reply carries it back.
    RequestId(u64)
}
identifier! {
    /// A consumer, numbered by its session.
    ConsumerId(u32)
}
identifier! {
    /// An ordered sequence of confirms within a session, such as one channel.
    ProducerId(u32)
}
identifier! {
    /// Consumers of one session that share a limit of unsettled deliveries.
    WindowId(u32)
}
identifier! {
    /// The place of a record in its log; starts at 0 and never goes back.
    Offset(u64)
}
identifier! {
    /// A log. A queue's logs are its priority lanes: the low byte is the lane, the rest the queue.
    LogId(u64)
}

impl Offset {
    /// The offset after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl LogId {
    /// The log of `queue` for messages of priority `lane`.
    #[must_use]
    pub fn of_lane(queue: crate::routing::QueueId, lane: u8) -> Self {
        Self(queue.0 << 8 | u64::from(lane))
    }

    /// The queue that owns this log.
    #[must_use]
    pub fn queue(self) -> crate::routing::QueueId {
        crate::routing::QueueId(self.0 >> 8)
    }

    /// The priority lane within the queue.
    #[must_use]
    pub fn lane(self) -> u8 {
        (self.0 & 0xff) as u8
    }
}

/// Milliseconds since the Unix epoch. Time is always an argument; it never goes back within a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment and `milliseconds` more, at most the end of time.
    #[must_use]
    pub fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` until this moment; 0 when it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
