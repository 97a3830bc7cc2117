//! The memory that holds recent records: journal blocks and, for what is never journaled, one
//! buffer a batch. A chunk goes when the last record in it is no longer wanted.

use bytes::Bytes;
use std::collections::VecDeque;

/// Names a chunk. Chunks of one family are numbered in the order in which they were filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChunkId(u64);

const VOLATILE: u64 = 1 << 63;

impl ChunkId {
    /// The block at a journal position.
    pub(crate) fn journal(position: u64) -> Self {
        Self(position & !VOLATILE)
    }

    /// A buffer that is not journaled.
    pub(crate) fn volatile(number: u64) -> Self {
        Self(number | VOLATILE)
    }

    pub(crate) fn is_volatile(self) -> bool {
        self.0 & VOLATILE != 0
    }

    fn number(self) -> u64 {
        self.0 & !VOLATILE
    }
}

/// Where a record is within a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) chunk: ChunkId,
    pub(crate) start: u32,
    pub(crate) length: u32,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Bytes,
    live: u32,
}

/// One family of chunks in order of their numbers.
#[derive(Debug, Default)]
struct Family {
    base: u64,
    chunks: VecDeque<Chunk>,
    bytes: u64,
}

impl Family {
    fn entry(&mut self, number: u64) -> Option<&mut Chunk> {
        if self.chunks.is_empty() {
            self.base = number;
        }
        let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
        if index >= self.chunks.len() {
            self.chunks.resize_with(index + 1, Chunk::default);
        }
        self.chunks.get_mut(index)
    }

    fn get(&self, number: u64) -> Option<&Chunk> {
        let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
        self.chunks.get(index)
    }

    fn seal(&mut self, number: u64, bytes: Bytes) {
        let length = bytes.len() as u64;
        let Some(chunk) = self.entry(number) else {
            return;
        };
        if chunk.live > 0 {
            chunk.bytes = bytes;
            self.bytes += length;
        }
        self.drop_front();
    }

    fn release(&mut self, number: u64) {
        let Some(chunk) = self.entry(number) else {
            return;
        };
        chunk.live = chunk.live.saturating_sub(1);
        if chunk.live == 0 {
            let freed = std::mem::take(&mut chunk.bytes).len() as u64;
            self.bytes -= freed;
            self.drop_front();
        }
    }

    /// Keeps the newest chunk: it may still be open.
    fn drop_front(&mut self) {
        while self.chunks.len() > 1 && self.chunks.front().is_some_and(|chunk| chunk.live == 0) {
            self.chunks.pop_front();
            self.base += 1;
        }
    }
}

/// All chunks in memory.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    journal: Family,
    volatile: Family,
}

impl Chunks {
    fn family(&mut self, chunk: ChunkId) -> &mut Family {
        if chunk.is_volatile() {
            &mut self.volatile
        } else {
            &mut self.journal
        }
    }

    /// One more record of `chunk` is wanted.
    pub(crate) fn retain(&mut self, chunk: ChunkId) {
        if let Some(entry) = self.family(chunk).entry(chunk.number()) {
            entry.live += 1;
        }
    }

    /// One record of `chunk` is no longer wanted.
    pub(crate) fn release(&mut self, chunk: ChunkId) {
        self.family(chunk).release(chunk.number());
    }

    /// The chunk is complete; its bytes are dropped at once when nothing in it is wanted.
    pub(crate) fn seal(&mut self, chunk: ChunkId, bytes: Bytes) {
        self.family(chunk).seal(chunk.number(), bytes);
    }

    /// The bytes of a record in a sealed chunk.
    pub(crate) fn read(&self, slot: Slot) -> Option<Bytes> {
        let family = if slot.chunk.is_volatile() {
            &self.volatile
        } else {
            &self.journal
        };
        let chunk = family.get(slot.chunk.number())?;
        let (start, length) = (slot.start as usize, slot.length as usize);
        (start + length <= chunk.bytes.len()).then(|| chunk.bytes.slice(start..start + length))
    }

    /// Bytes of sealed journal blocks that are still wanted, whole blocks counted.
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.journal.bytes
    }

    /// Bytes of volatile chunks that are still wanted, whole chunks counted.
    pub(crate) fn volatile_bytes(&self) -> u64 {
        self.volatile.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_goes_with_its_last_record() {
        let mut chunks = Chunks::default();
        let chunk = ChunkId::journal(7);
        chunks.retain(chunk);
        chunks.retain(chunk);
        chunks.seal(chunk, Bytes::from_static(b"abcdef"));
        let slot = Slot {
            chunk,
            start: 2,
            length: 3,
        };
        assert_eq!(chunks.read(slot).as_deref(), Some(&b"cde"[..]));
        chunks.release(chunk);
        assert_eq!(chunks.journal_bytes(), 6);
        chunks.release(chunk);
        assert_eq!(chunks.journal_bytes(), 0);
        assert_eq!(chunks.read(slot), None);
    }

    #[test]
    fn a_chunk_without_records_is_not_kept() {
        let mut chunks = Chunks::default();
        chunks.seal(ChunkId::volatile(1), Bytes::from_static(b"abc"));
        assert_eq!(chunks.volatile_bytes(), 0);
    }
}
