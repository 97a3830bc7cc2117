//! The block that is being filled, and what waits until it is written.

use super::entry;
use crate::{
    event::Event,
    id::{ConsumerId, LogId, Offset, ProducerId, SessionId, Timestamp},
    storage::{Admission, Durability, Position},
};
use bytes::Bytes;
use std::collections::VecDeque;

/// A block that is complete and has to be written.
#[derive(Clone, Debug)]
pub struct SealedBlock {
    /// The position it must get.
    pub position: Position,
    /// Its entries.
    pub body: Bytes,
    /// How safe it must be before [`crate::broker::Broker::committed`] is called.
    pub durability: Durability,
    /// Whether it may use the disk's reserve.
    pub admission: Admission,
    /// How many publishes wait for it to be confirmed.
    pub publishes: u64,
}

/// Consecutive confirms of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirms {
    pub(crate) session: SessionId,
    pub(crate) producer: ProducerId,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What becomes due when a block is safe.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) position: Position,
    pub(crate) confirms: Vec<Confirms>,
    /// How many publishes `confirms` are about.
    pub(crate) publishes: u64,
    pub(crate) events: Vec<(SessionId, Event)>,
    /// Consumers whose start is answered among `events`.
    pub(crate) announced: Vec<(SessionId, ConsumerId)>,
    /// Logs that grew, and their tails.
    pub(crate) tails: Vec<(LogId, Offset)>,
}

impl Waiting {
    /// Adds a confirm, joined with the one before it if they follow each other.
    pub(crate) fn confirm(&mut self, confirms: Confirms) {
        self.publishes += confirms.last - confirms.first + 1;
        if let Some(known) = self.confirms.last_mut()
            && known.session == confirms.session
            && known.producer == confirms.producer
            && known.last + 1 == confirms.first
        {
            known.last = confirms.last;
            return;
        }
        self.confirms.push(confirms);
    }
}

/// The open block.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    pub(crate) body: Vec<u8>,
    pub(crate) durability: Durability,
    pub(crate) admission: Admission,
    /// When the first entry came that can wait a little for others.
    pub(crate) since: Option<Timestamp>,
    pub(crate) waiting: Waiting,
    /// Logs with settlements that are not yet among the entries.
    pub(crate) settled: Vec<LogId>,
    /// What waits for blocks that are closed and not yet safe.
    pub(crate) sealed: VecDeque<Waiting>,
    /// Blocks that are closed and not yet handed out.
    pub(crate) closed: VecDeque<SealedBlock>,
}

impl OpenBlock {
    pub(crate) fn new(position: Position) -> Self {
        Self {
            body: Vec::new(),
            durability: Durability::Memory,
            admission: Admission::Reserve,
            since: None,
            waiting: Waiting {
                position,
                ..Waiting::default()
            },
            settled: Vec::new(),
            sealed: VecDeque::new(),
            closed: VecDeque::new(),
        }
    }

    /// The position that the open block will have.
    pub(crate) fn position(&self) -> Position {
        self.waiting.position
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.body.is_empty() && self.settled.is_empty()
    }

    /// Something in the block must be this safe before it is answered.
    pub(crate) fn require(&mut self, durability: Durability) {
        self.durability = self.durability.max(durability);
    }

    /// An entry was added that nobody waits for.
    pub(crate) fn can_wait(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// The position of the newest block that has anything in it.
    pub(crate) fn newest(&self) -> Position {
        let open = self.position();
        if self.is_empty() {
            Position(open.0.saturating_sub(1))
        } else {
            open
        }
    }

    /// What waits for the block at `position`, or for the one after it that is not safe yet.
    pub(crate) fn waiting_at(&mut self, position: Position) -> &mut Waiting {
        self.sealed
            .iter_mut()
            .find(|waiting| waiting.position >= position)
            .unwrap_or(&mut self.waiting)
    }

    pub(crate) fn catalog(&mut self, key: &[u8], value: Option<&[u8]>) {
        entry::write_catalog(&mut self.body, key, value);
    }

    /// Closes the block, if there is anything in it, and opens the next, in `memory` if there is
    /// some. Returns where it is and what it holds; it is handed out by [`OpenBlock::hand_out`].
    pub(crate) fn close(
        &mut self,
        memory: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<(Position, Bytes)> {
        if self.body.is_empty() {
            return None;
        }
        let position = self.waiting.position;
        let publishes = self.waiting.publishes;
        let next = Waiting {
            position: position.next(),
            ..Waiting::default()
        };
        self.sealed
            .push_back(std::mem::replace(&mut self.waiting, next));
        self.since = None;
        let capacity = self.body.len().min(BODY_KEPT_BYTES);
        let next = memory().unwrap_or_else(|| Vec::with_capacity(capacity));
        let body = std::mem::replace(&mut self.body, next);
        let body = Bytes::from(body);
        self.closed.push_back(SealedBlock {
            position,
            body: body.clone(),
            durability: std::mem::replace(&mut self.durability, Durability::Memory),
            admission: std::mem::replace(&mut self.admission, Admission::Reserve),
            publishes,
        });
        Some((position, body))
    }

    /// The oldest block that is closed and was not handed out.
    pub(crate) fn hand_out(&mut self) -> Option<SealedBlock> {
        self.closed.pop_front()
    }
}

/// The next body begins with at most this much room.
const BODY_KEPT_BYTES: usize = 1 << 20;
