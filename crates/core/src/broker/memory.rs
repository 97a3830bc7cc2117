//! What all queues share: the records in memory, the files on disk and the block being filled.

use crate::{
    id::{LogId, Offset, Timestamp},
    journal::{entry, open::OpenBlock},
    log::{
        chunk::{ChunkId, Chunks, Slot},
        files::Files,
    },
    message::{Message, record},
    storage::Position,
};
use bytes::Bytes;

/// The shared memory of a shard.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) chunks: Chunks,
    pub(crate) files: Files,
    pub(crate) open: OpenBlock,
    volatile: Vec<u8>,
    volatile_number: u64,
}

impl Memory {
    pub(crate) fn new(next: Position) -> Self {
        Self {
            chunks: Chunks::default(),
            files: Files::default(),
            open: OpenBlock::new(next),
            volatile: Vec::new(),
            volatile_number: 1,
        }
    }

    /// Writes a message for journaled logs. Returns where it is.
    pub(crate) fn write_journaled(
        &mut self,
        now: Timestamp,
        message: &Message,
        targets: &[(LogId, Offset)],
    ) -> Slot {
        let chunk = ChunkId::journal(self.open.position().0);
        let body = &mut self.open.body;
        let (start, length) =
            entry::write_publish(body, |body| record::encode(body, message, now), targets);
        slot(chunk, start, length)
    }

    /// Writes a message for logs that do not outlive the process. Returns where it is.
    pub(crate) fn write_volatile(&mut self, now: Timestamp, message: &Message) -> Slot {
        let start = self.volatile.len();
        record::encode(&mut self.volatile, message, now);
        slot(self.volatile_chunk(), start, self.volatile.len() - start)
    }

    /// The volatile chunk that is being filled.
    pub(crate) fn volatile_chunk(&self) -> ChunkId {
        ChunkId::volatile(self.volatile_number)
    }

    /// The newest volatile chunk that is sealed.
    pub(crate) fn newest_volatile(&self) -> ChunkId {
        ChunkId::volatile(self.volatile_number - 1)
    }

    /// What was written to the volatile chunk may be read from now on.
    pub(crate) fn seal_volatile(&mut self) {
        if self.volatile.is_empty() {
            return;
        }
        let chunk = self.volatile_chunk();
        let bytes = Bytes::from(std::mem::take(&mut self.volatile));
        self.chunks.seal(chunk, bytes);
        self.volatile_number += 1;
    }

    /// The bytes of a record in memory.
    pub(crate) fn read(&self, slot: Slot) -> Option<Bytes> {
        if let Some(bytes) = self.chunks.read(slot) {
            return Some(bytes);
        }
        let unsealed = if slot.chunk == self.volatile_chunk() {
            &self.volatile
        } else if slot.chunk == ChunkId::journal(self.open.position().0) {
            &self.open.body
        } else {
            return None;
        };
        let start = slot.start as usize;
        unsealed
            .get(start..start + slot.length as usize)
            .map(Bytes::copy_from_slice)
    }

    /// Closes the open block; its records can be read as slices from now on.
    pub(crate) fn close(&mut self) {
        let Self { open, chunks, .. } = self;
        if let Some((position, body)) = open.close(|| chunks.reclaim()) {
            chunks.seal(ChunkId::journal(position.0), body);
        }
    }
}

fn slot(chunk: ChunkId, start: usize, length: usize) -> Slot {
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Slot {
        chunk,
        start: narrow(start),
        length: narrow(length),
    }
}
