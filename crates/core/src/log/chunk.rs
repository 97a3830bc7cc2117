//! The memory that holds recent records: journal blocks and, for what is never journaled, one
//! buffer a batch. A chunk goes when the last record in it is no longer wanted.

use bytes::Bytes;
use std::{collections::BTreeMap, ops::RangeInclusive};

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
    /// The chunk that is being filled, or was last.
    newest: (u64, Chunk),
    /// Older ones with something in them that is wanted.
    older: BTreeMap<u64, Chunk>,
    bytes: u64,
}

impl Family {
    fn retain(&mut self, number: u64) {
        if number > self.newest.0 {
            self.turn_to(number);
        }
        if let Some(chunk) = self.get_mut(number) {
            chunk.live += 1;
        }
    }

    /// Begins a chunk; the one before it is kept if something in it is wanted.
    fn turn_to(&mut self, number: u64) {
        let (before, chunk) = std::mem::replace(&mut self.newest, (number, Chunk::default()));
        if chunk.live > 0 {
            self.older.insert(before, chunk);
        }
    }

    fn get(&self, number: u64) -> Option<&Chunk> {
        if number == self.newest.0 {
            Some(&self.newest.1)
        } else {
            self.older.get(&number)
        }
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Chunk> {
        if number == self.newest.0 {
            Some(&mut self.newest.1)
        } else {
            self.older.get_mut(&number)
        }
    }

    fn seal(&mut self, number: u64, bytes: Bytes) {
        let length = bytes.len() as u64;
        if let Some(chunk) = self.get_mut(number)
            && chunk.live > 0
        {
            chunk.bytes = bytes;
            self.bytes += length;
        }
    }

    /// One record less is wanted. The chunk's bytes, if it was the last.
    fn release(&mut self, number: u64) -> Option<Bytes> {
        let chunk = self.get_mut(number)?;
        chunk.live = chunk.live.saturating_sub(1);
        if chunk.live > 0 {
            return None;
        }
        let freed = std::mem::take(&mut chunk.bytes);
        self.bytes -= freed.len() as u64;
        self.older.remove(&number);
        Some(freed)
    }

    fn len(&self) -> usize {
        self.older.len() + usize::from(self.newest.1.live > 0)
    }
}

/// All chunks in memory.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    journal: Family,
    volatile: Family,
    /// Journal blocks that nobody wants any more, whose memory may serve again.
    spent: Vec<Bytes>,
}

/// How many blocks' memory is kept, and how large they are: smaller ones cost little to allocate,
/// larger ones are rare.
const SPENT_MAX: usize = 4;
const SPENT_BYTES: RangeInclusive<usize> = (32 << 10)..=(1 << 20);

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
        self.family(chunk).retain(chunk.number());
    }

    /// One record of `chunk` is no longer wanted.
    pub(crate) fn release(&mut self, chunk: ChunkId) {
        let freed = self.family(chunk).release(chunk.number());
        if let Some(bytes) = freed
            && !chunk.is_volatile()
            && SPENT_BYTES.contains(&bytes.len())
            && self.spent.len() < SPENT_MAX
        {
            self.spent.push(bytes);
        }
    }

    /// Memory of a block that nobody reads any more, emptied.
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        let index = self.spent.iter().position(Bytes::is_unique)?;
        let mut memory = Vec::from(self.spent.swap_remove(index).try_into_mut().ok()?);
        memory.clear();
        Some(memory)
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

    /// How many chunks have something in them that is wanted.
    pub(crate) fn len(&self) -> usize {
        self.journal.len() + self.volatile.len()
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
    fn one_old_record_keeps_only_its_own_chunk() {
        let mut chunks = Chunks::default();
        for number in 1..1_000 {
            let chunk = ChunkId::volatile(number);
            chunks.retain(chunk);
            chunks.seal(chunk, Bytes::from_static(b"abc"));
            if number > 1 {
                chunks.release(chunk);
            }
        }
        assert_eq!((chunks.len(), chunks.volatile_bytes()), (1, 3));
        chunks.release(ChunkId::volatile(1));
        assert_eq!((chunks.len(), chunks.volatile_bytes()), (0, 0));
    }

    #[test]
    fn the_memory_of_a_block_serves_again_once_nobody_reads_it() {
        let mut chunks = Chunks::default();
        let chunk = ChunkId::journal(1);
        let block = vec![7; *SPENT_BYTES.start()];
        let place = block.as_ptr();
        chunks.retain(chunk);
        chunks.seal(chunk, Bytes::from(block));
        let record = chunks.read(Slot {
            chunk,
            start: 0,
            length: 10,
        });
        chunks.release(chunk);
        assert_eq!(chunks.reclaim(), None);
        drop(record);
        let memory = chunks.reclaim().unwrap();
        assert!(memory.is_empty() && memory.as_ptr() == place);
        assert_eq!(chunks.reclaim(), None);
    }

    #[test]
    fn a_chunk_without_records_is_not_kept() {
        let mut chunks = Chunks::default();
        chunks.seal(ChunkId::volatile(1), Bytes::from_static(b"abc"));
        assert_eq!(chunks.volatile_bytes(), 0);
    }
}
