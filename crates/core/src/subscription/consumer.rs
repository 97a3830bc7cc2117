//! A consumer: who reads a queue, and how much more it may be sent.

use crate::{
    id::{ConsumerId, Offset, SessionId, WindowId},
    message::value::Table,
    name::Name,
    routing::QueueId,
};
use std::collections::VecDeque;

/// What kind of reader a table entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// It is sent what it has capacity for.
    Attached,
    /// It was cancelled and still holds deliveries; or it takes messages one by one.
    Detached,
}

/// One reader of a queue.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) session: SessionId,
    pub(crate) id: ConsumerId,
    pub(crate) queue: QueueId,
    pub(crate) tag: Name,
    pub(crate) reader: Reader,
    pub(crate) settled: bool,
    pub(crate) exclusive: bool,
    pub(crate) priority: i32,
    pub(crate) unsettled: u32,
    pub(crate) unsettled_max: u32,
    pub(crate) window: Option<WindowId>,
    pub(crate) credit: Option<u64>,
    /// Its start has not been answered yet: deliveries must not overtake the answer.
    pub(crate) announced: bool,
    /// It stands outside the ring of its queue because it had no capacity.
    pub(crate) parked: bool,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) arguments: Table,
}

/// Where a consumer of kept records is.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) next: Offset,
    pub(crate) ahead: VecDeque<(Offset, bytes::Bytes)>,
    /// Where the read begins that is under way.
    pub(crate) asked: Option<Offset>,
}

impl Cursor {
    /// The record at `offset`, if it was read ahead; older ones are forgotten.
    pub(crate) fn take(&mut self, offset: Offset) -> Option<bytes::Bytes> {
        while let Some((ahead, _)) = self.ahead.front() {
            if *ahead > offset {
                return None;
            }
            let (ahead, bytes) = self.ahead.pop_front()?;
            if ahead == offset {
                return Some(bytes);
            }
        }
        None
    }
}

impl Consumer {
    /// Whether it may be sent one more, as far as it alone is concerned.
    pub(crate) fn has_capacity(&self) -> bool {
        self.reader == Reader::Attached
            && self.announced
            && self.credit != Some(0)
            && (self.unsettled_max == 0 || self.unsettled < self.unsettled_max)
    }
}

/// All readers, by slot.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    slots: Vec<Option<Consumer>>,
    free: Vec<u32>,
    count: u64,
}

impl Consumers {
    /// Adds a reader and returns its slot.
    pub(crate) fn insert(&mut self, consumer: Consumer) -> u32 {
        self.count += 1;
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = Some(consumer);
            }
            return slot;
        }
        self.slots.push(Some(consumer));
        u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
    }

    /// Removes a reader. Nothing may be leased to it.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Consumer> {
        let consumer = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.count -= 1;
        Some(consumer)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Consumer> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Consumer> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }
}
