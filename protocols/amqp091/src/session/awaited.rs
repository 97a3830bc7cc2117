//! The answers that a connection owes its client, in the order in which they were asked for.
//!
//! The core replies in order, so one queue holds them all. An answer that needs no reply but belongs behind one that
//! does waits in the same queue, already encoded.

use std::collections::VecDeque;

use bytes::Bytes;
use sabir_core::id::{ConsumerId, RequestId};
use sabir_core::name::Name;
use sabir_core::request::Settlement;

use super::channel::Lane;
use crate::codec::MethodId;

/// What to do when the core replies.
#[derive(Debug)]
pub(super) enum Answer {
    /// The virtual host is open.
    Opened,
    /// Send the method without fields of this kind.
    Done(Done),
    /// Send nothing; a refusal closes the channel.
    Nothing,
    /// Send nothing, whatever comes.
    Ignored,
    /// The client has left the channel and nothing is wrong with what it published: `channel.close-ok`.
    Left,
    /// `queue.declare-ok`, unless `nowait`.
    Declared { nowait: bool },
    /// `queue.declare-ok` for an address of direct replies.
    Addressed { name: Name, nowait: bool },
    /// `queue.purge-ok` with the count.
    Purged { nowait: bool },
    /// `queue.delete-ok` with the count.
    Deleted { nowait: bool },
    /// `basic.consume-ok`, unless `nowait`.
    Consuming { consumer: ConsumerId, nowait: bool },
    /// The consumer is gone; `basic.cancel-ok`, unless `nowait`.
    Cancelled(Cancelled),
    /// `basic.get-ok` or `basic.get-empty`.
    Got,
    /// `tx.commit-ok`; a refusal releases what was to be settled.
    Committed { settlements: Vec<Settlement> },
}

/// A consumer that was cancelled by its client.
#[derive(Debug)]
pub(super) struct Cancelled {
    pub(super) consumer: ConsumerId,
    pub(super) tag: String,
    pub(super) nowait: bool,
}

/// The answers that have no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    ExchangeDeclared,
    ExchangeDeleted,
    ExchangeBound,
    ExchangeUnbound,
    QueueBound,
    QueueUnbound,
}

impl Done {
    /// The answer, or none when the client does not want one.
    pub(super) const fn unless(self, nowait: bool) -> Answer {
        if nowait {
            Answer::Nothing
        } else {
            Answer::Done(self)
        }
    }
}

/// A request that the core has not replied to.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) id: RequestId,
    /// The channel as it was; none for the connection itself and for a channel that is gone.
    pub(super) lane: Option<Lane>,
    /// Who is to blame when it is refused.
    pub(super) method: MethodId,
    pub(super) answer: Answer,
}

#[derive(Debug)]
enum Entry {
    Due(Due),
    Ready(Bytes),
}

/// All that is owed.
#[derive(Debug, Default)]
pub(super) struct AwaitedQueue {
    entries: VecDeque<Entry>,
}

impl AwaitedQueue {
    pub(super) fn push(&mut self, due: Due) {
        self.entries.push_back(Entry::Due(due));
    }

    /// Adds frames that are to be sent when everything before them is answered.
    pub(super) fn push_ready(&mut self, frames: Bytes) {
        self.entries.push_back(Entry::Ready(frames));
    }

    /// The request that the next reply belongs to.
    pub(super) fn pop(&mut self) -> Option<Due> {
        match self.entries.pop_front()? {
            Entry::Due(due) => Some(due),
            Entry::Ready(_) => None,
        }
    }

    /// Frames whose turn has come.
    pub(super) fn pop_ready(&mut self) -> Option<Bytes> {
        if !matches!(self.entries.front(), Some(Entry::Ready(_))) {
            return None;
        }
        match self.entries.pop_front()? {
            Entry::Ready(frames) => Some(frames),
            Entry::Due(_) => None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}
