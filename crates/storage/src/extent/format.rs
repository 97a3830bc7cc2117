//! The bytes of an extent file. All fixed numbers are little-endian.
//!
//! ```text
//! header 64   magic SABIREXT, format u32 = 1, cipher u32 = 0, number u64, tier u8, zeros, CRC-32C
//! chunks      each: magic SXC1, payload bytes u32, records u32, CRC-32C, payload
//! directory   one entry of 56 bytes per log
//! index       one entry of 36 bytes per chunk
//! trailer 64  magic SABIREXF, where and how many of both, their checksums, CRC-32C
//! ```
//!
//! Every checksum covers the file's name as well, so that a chunk is valid in its own file only.

use sabir_core::storage::{ExtentFile, Run, Tier};

use crate::checksum::Lineage;
use crate::fields::{Reader, Writer};

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const TRAILER_BYTES: usize = 64;
pub(crate) const CHUNK_HEADER_BYTES: usize = 16;
pub(crate) const DIRECTORY_ENTRY_BYTES: usize = 56;
pub(crate) const INDEX_ENTRY_BYTES: usize = 36;

/// First bytes of a chunk.
pub(crate) const CHUNK_MAGIC: [u8; 4] = *b"SXC1";

const HEADER_MAGIC: [u8; 8] = *b"SABIREXT";
const TRAILER_MAGIC: [u8; 8] = *b"SABIREXF";
const FORMAT: u32 = 1;

/// Seals the parts of one extent file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    lineage: Lineage,
    file: ExtentFile,
}

impl Seal {
    pub(crate) fn new(lineage: Lineage, file: ExtentFile) -> Self {
        Self { lineage, file }
    }

    pub(crate) fn checksum(&self, parts: &[&[u8]]) -> u32 {
        let name = (self.file.number << 1) | u64::from(tier_byte(self.file.tier));
        let seed = self.lineage.checksum(&[&name.to_le_bytes()]);
        parts
            .iter()
            .fold(seed, |sum, part| crc32c::crc32c_append(sum, part))
    }

    pub(crate) fn header(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&HEADER_MAGIC);
        writer.put(&FORMAT.to_le_bytes());
        writer.put(&[0; 4]);
        writer.put(&self.file.number.to_le_bytes());
        writer.put(&[tier_byte(self.file.tier)]);
        self.close(&mut bytes);
        bytes
    }

    /// Answers what is wrong with a header.
    pub(crate) fn check_header(&self, bytes: &[u8; HEADER_BYTES]) -> Result<(), &'static str> {
        if !bytes.starts_with(&HEADER_MAGIC) {
            return Err("not an extent file");
        }
        if *bytes == self.header() {
            return Ok(());
        }
        if self.is_closed(bytes) {
            return Err("extent format, cipher or number is not the expected one");
        }
        Err("file header fails its checksum")
    }

    /// Completes a chunk whose first bytes were left free for its header.
    pub(crate) fn close_chunk(&self, chunk: &mut [u8], records: u32) {
        let Some((head, payload)) = chunk.split_first_chunk_mut::<CHUNK_HEADER_BYTES>() else {
            return;
        };
        let mut writer = Writer(head);
        writer.put(&CHUNK_MAGIC);
        writer.put(
            &u32::try_from(payload.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        writer.put(&records.to_le_bytes());
        let (covered, checksum) = head.split_at_mut(CHUNK_HEADER_BYTES - 4);
        checksum.copy_from_slice(&self.checksum(&[covered, payload]).to_le_bytes());
    }

    /// The payload of a whole chunk and how many records it holds.
    pub(crate) fn open_chunk<'a>(&self, chunk: &'a [u8]) -> Result<(&'a [u8], u32), &'static str> {
        let (head, payload) = chunk
            .split_first_chunk::<CHUNK_HEADER_BYTES>()
            .ok_or("chunk cut short")?;
        let (bytes, records) = chunk_shape(head).ok_or("not a chunk")?;
        if payload.len() as u64 != u64::from(bytes) {
            return Err("chunk length differs from the index");
        }
        let (covered, stored) = head.split_at(CHUNK_HEADER_BYTES - 4);
        if self.checksum(&[covered, payload]).to_le_bytes() != *stored {
            return Err("chunk fails its checksum");
        }
        Ok((payload, records))
    }

    fn close(&self, bytes: &mut [u8]) {
        let (covered, checksum) = bytes.split_at_mut(bytes.len().saturating_sub(4));
        checksum.copy_from_slice(&self.checksum(&[covered]).to_le_bytes());
    }

    fn is_closed(&self, bytes: &[u8]) -> bool {
        let closed = bytes.split_last_chunk::<4>();
        closed.is_some_and(|(covered, stored)| self.checksum(&[covered]).to_le_bytes() == *stored)
    }
}

/// Payload bytes and records that the header of a chunk claims.
pub(crate) fn chunk_shape(head: &[u8; CHUNK_HEADER_BYTES]) -> Option<(u32, u32)> {
    let mut reader = Reader(head);
    let magic = reader.take::<4>()?;
    let shape = (
        u32::from_le_bytes(reader.take()?),
        u32::from_le_bytes(reader.take()?),
    );
    (magic == CHUNK_MAGIC).then_some(shape)
}

/// Where the parts behind the chunks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) directory_at: u64,
    pub(crate) logs: u64,
    pub(crate) chunks: u64,
    pub(crate) directory_checksum: u32,
    pub(crate) index_checksum: u32,
}

impl Trailer {
    pub(crate) fn encode(&self, seal: &Seal) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&TRAILER_MAGIC);
        writer.put(&self.directory_at.to_le_bytes());
        writer.put(&self.logs.to_le_bytes());
        writer.put(&self.chunks.to_le_bytes());
        writer.put(&self.directory_checksum.to_le_bytes());
        writer.put(&self.index_checksum.to_le_bytes());
        seal.close(&mut bytes);
        bytes
    }

    /// Reads the trailer of a file of `length` bytes; the places it names lie within the file.
    pub(crate) fn decode(bytes: &[u8; TRAILER_BYTES], seal: &Seal, length: u64) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.take()? != TRAILER_MAGIC || !seal.is_closed(bytes) {
            return None;
        }
        let trailer = Self {
            directory_at: u64::from_le_bytes(reader.take()?),
            logs: u64::from_le_bytes(reader.take()?),
            chunks: u64::from_le_bytes(reader.take()?),
            directory_checksum: u32::from_le_bytes(reader.take()?),
            index_checksum: u32::from_le_bytes(reader.take()?),
        };
        let end = trailer
            .index_at()?
            .checked_add(trailer.index_bytes()?)?
            .checked_add(TRAILER_BYTES as u64)?;
        (end == length && trailer.directory_at >= HEADER_BYTES as u64).then_some(trailer)
    }

    pub(crate) fn directory_bytes(&self) -> Option<u64> {
        self.logs.checked_mul(DIRECTORY_ENTRY_BYTES as u64)
    }

    pub(crate) fn index_at(&self) -> Option<u64> {
        self.directory_at.checked_add(self.directory_bytes()?)
    }

    pub(crate) fn index_bytes(&self) -> Option<u64> {
        self.chunks.checked_mul(INDEX_ENTRY_BYTES as u64)
    }
}

/// Where a chunk is and what it starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) at: u64,
    pub(crate) bytes: u32,
    /// Log and offset of the first record.
    pub(crate) first: (u64, u64),
    /// Latest timestamp of any record.
    pub(crate) timestamp_ms_max: u64,
}

impl ChunkEntry {
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.at.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        for number in [self.first.0, self.first.1, self.timestamp_ms_max] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Some(Self {
            at: u64::from_le_bytes(reader.take()?),
            bytes: u32::from_le_bytes(reader.take()?),
            first: (
                u64::from_le_bytes(reader.take()?),
                u64::from_le_bytes(reader.take()?),
            ),
            timestamp_ms_max: u64::from_le_bytes(reader.take()?),
        })
    }
}

/// Writes what the directory says of one log. "No due time" is the largest number.
pub(crate) fn encode_run(run: &Run, bytes: &mut Vec<u8>) {
    let due = run.due_ms_min.unwrap_or(u64::MAX);
    for number in [
        run.log,
        run.first,
        run.last,
        run.count,
        run.bytes,
        due,
        run.timestamp_ms_max,
    ] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

/// Reads what the directory says of one log.
pub(crate) fn decode_run(bytes: &[u8], file: ExtentFile) -> Option<Run> {
    let mut reader = Reader(bytes);
    let mut number = || reader.take().map(u64::from_le_bytes);
    Some(Run {
        file,
        log: number()?,
        first: number()?,
        last: number()?,
        count: number()?,
        bytes: number()?,
        due_ms_min: Some(number()?).filter(|due| *due != u64::MAX),
        timestamp_ms_max: number()?,
    })
}

fn tier_byte(tier: Tier) -> u8 {
    match tier {
        Tier::Durable => 0,
        Tier::Volatile => 1,
    }
}
