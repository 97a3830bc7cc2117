//! Reads records of one extent file. Every chunk is checked each time it is read.

use bytes::Bytes;
use sabir_core::storage::{ExtentFile, Run, StorageError, StoredRecord};

use super::format::{
    CHUNK_HEADER_BYTES, ChunkEntry, DIRECTORY_ENTRY_BYTES, HEADER_BYTES, INDEX_ENTRY_BYTES, Seal,
    TRAILER_BYTES, Trailer, decode_run,
};
use super::record::{Entries, Entry};
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile};
use crate::fail::{corrupt, io_failure};

/// Chunks that follow each other are read at once up to this many bytes.
const READ_AHEAD_BYTES: u64 = 1 << 20;

/// An open, complete extent file.
pub(crate) struct ExtentReader<F> {
    file: F,
    name: ExtentFile,
    seal: Seal,
    trailer: Trailer,
    chunks: Vec<ChunkEntry>,
}

impl<F: DiskFile> ExtentReader<F> {
    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        name: ExtentFile,
        lineage: Lineage,
    ) -> Result<Self, StorageError> {
        let path = name.to_string();
        let file = disk.open(&path).map_err(|error| missing(&path, error))?;
        let length = file.length().map_err(io_failure("length of", &path))?;
        let seal = Seal::new(lineage, name);
        let trailer = read_trailer(&file, &seal, &path, length)?;
        let mut reader = Self {
            file,
            name,
            seal,
            trailer,
            chunks: Vec::new(),
        };
        reader.chunks = reader.read_index()?;
        Ok(reader)
    }

    /// Memory that stays in use while the file is open.
    pub(crate) fn index_bytes(&self) -> usize {
        self.chunks.len() * size_of::<ChunkEntry>()
    }

    pub(crate) fn chunks(&self) -> &[ChunkEntry] {
        &self.chunks
    }

    /// Records of a log from an offset on, in order: at least one if there is one, and no more
    /// once their bytes reach `bytes_max`.
    pub(crate) fn read(
        &self,
        log: u64,
        from: u64,
        bytes_max: u64,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        let mut records = Records {
            found: Vec::new(),
            room: bytes_max,
        };
        let mut chunks = self.chunks_of(log, from);
        while let Some((group, rest)) = split_group(chunks, bytes_max) {
            let bytes = self.read_group(group)?;
            let wanted = |entry: &Entry| entry.log == log && entry.offset >= from;
            if self.collect(group, &bytes, wanted, &mut records)? {
                break;
            }
            chunks = rest;
        }
        Ok(records.found)
    }

    /// The lowest offset of a log whose timestamp is not before `timestamp_ms`.
    pub(crate) fn seek_timestamp(
        &self,
        log: u64,
        timestamp_ms: u64,
    ) -> Result<Option<u64>, StorageError> {
        let late = |chunk: &&ChunkEntry| chunk.timestamp_ms_max >= timestamp_ms;
        for chunk in self.chunks_of(log, 0).iter().filter(late) {
            let bytes = self.read_group(std::slice::from_ref(chunk))?;
            let mut records = Records {
                found: Vec::new(),
                room: 0,
            };
            let wanted =
                |entry: &Entry| entry.log == log && entry.meta.timestamp_ms >= timestamp_ms;
            self.collect(std::slice::from_ref(chunk), &bytes, wanted, &mut records)?;
            if let Some(record) = records.found.first() {
                return Ok(Some(record.offset));
            }
        }
        Ok(None)
    }

    /// What the file's own directory says that it holds.
    pub(crate) fn directory(&self) -> Result<Vec<Run>, StorageError> {
        let at = self.trailer.directory_at;
        let bytes = self.read_part(at, self.trailer.directory_bytes())?;
        if self.seal.checksum(&[&bytes]) != self.trailer.directory_checksum {
            return Err(corrupt(
                &self.name.to_string(),
                at,
                "directory fails its checksum",
            ));
        }
        let runs = bytes.chunks_exact(DIRECTORY_ENTRY_BYTES);
        Ok(runs
            .filter_map(|entry| decode_run(entry, self.name))
            .collect())
    }

    /// All records of one chunk with their logs.
    pub(crate) fn records(
        &self,
        chunk: &ChunkEntry,
    ) -> Result<Vec<(u64, StoredRecord)>, StorageError> {
        let bytes = self.read_group(std::slice::from_ref(chunk))?;
        let damaged = |detail| corrupt(&self.name.to_string(), chunk.at, detail);
        decode_chunk(&self.seal, &bytes).map_err(damaged)
    }

    /// The chunks that can hold records of a log from an offset on.
    fn chunks_of(&self, log: u64, from: u64) -> &[ChunkEntry] {
        let start = self
            .chunks
            .partition_point(|chunk| chunk.first <= (log, from));
        let end = self
            .chunks
            .partition_point(|chunk| chunk.first <= (log, u64::MAX));
        self.chunks
            .get(start.saturating_sub(1)..end)
            .unwrap_or_default()
    }

    fn read_group(&self, group: &[ChunkEntry]) -> Result<Bytes, StorageError> {
        let at = group.first().map_or(0, |chunk| chunk.at);
        let length = group.iter().map(|chunk| u64::from(chunk.bytes)).sum();
        self.read_part(at, Some(length)).map(Bytes::from)
    }

    /// Adds the wanted records of a group; answers whether there is room for no more.
    fn collect(
        &self,
        group: &[ChunkEntry],
        bytes: &Bytes,
        wanted: impl Fn(&Entry) -> bool,
        records: &mut Records,
    ) -> Result<bool, StorageError> {
        let (already, mut at, mut full) = (records.found.len(), 0_usize, false);
        for chunk in group {
            let end = at.saturating_add(chunk.bytes as usize).min(bytes.len());
            let part = bytes.slice(at..end);
            let payload = payload_of(&part);
            let damaged = |detail| corrupt(&self.name.to_string(), chunk.at, detail);
            for entry in entries(&self.seal, &part)
                .map_err(damaged)?
                .iter()
                .filter(|entry| wanted(entry))
            {
                full = records.push(stored(entry, &payload));
                if full {
                    break;
                }
            }
            if full {
                break;
            }
            at = end;
        }
        records.unpin(already, bytes.len());
        Ok(full)
    }

    fn read_index(&self) -> Result<Vec<ChunkEntry>, StorageError> {
        let at = self.trailer.index_at().unwrap_or(u64::MAX);
        let damaged = |detail: &str| corrupt(&self.name.to_string(), at, detail);
        let bytes = self.read_part(at, self.trailer.index_bytes())?;
        if self.seal.checksum(&[&bytes]) != self.trailer.index_checksum {
            return Err(damaged("index fails its checksum"));
        }
        let entries = bytes
            .chunks_exact(INDEX_ENTRY_BYTES)
            .map(ChunkEntry::decode);
        let chunks: Vec<ChunkEntry> = entries.flatten().collect();
        let mut expected = HEADER_BYTES as u64;
        for chunk in &chunks {
            if chunk.at != expected {
                return Err(damaged("index names chunks that do not follow each other"));
            }
            expected = expected.saturating_add(u64::from(chunk.bytes));
        }
        if expected != self.trailer.directory_at {
            return Err(damaged("index does not name all chunks"));
        }
        Ok(chunks)
    }

    fn read_part(&self, at: u64, length: Option<u64>) -> Result<Vec<u8>, StorageError> {
        let path = self.name.to_string();
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| corrupt(&path, at, "length is out of range"))?;
        let mut bytes = vec![0; length];
        self.file
            .read_at(&mut bytes, at)
            .map_err(io_failure("read", &path))?;
        Ok(bytes)
    }
}

/// All records of a whole chunk with their logs; the error says what is wrong with it.
pub(crate) fn decode_chunk(
    seal: &Seal,
    chunk: &Bytes,
) -> Result<Vec<(u64, StoredRecord)>, &'static str> {
    let payload = payload_of(chunk);
    let entries = entries(seal, chunk)?;
    Ok(entries
        .iter()
        .map(|entry| (entry.log, stored(entry, &payload)))
        .collect())
}

fn entries(seal: &Seal, chunk: &[u8]) -> Result<Vec<Entry>, &'static str> {
    let (payload, count) = seal.open_chunk(chunk)?;
    let entries: Option<Vec<Entry>> = Entries::new(payload).collect();
    let entries = entries.ok_or("chunk holds a record that is not one")?;
    if entries.len() as u64 != u64::from(count) {
        return Err("chunk holds another number of records than it says");
    }
    Ok(entries)
}

/// Records found so far.
struct Records {
    found: Vec<StoredRecord>,
    room: u64,
}

impl Records {
    /// Answers whether there is room for no more.
    fn push(&mut self, record: StoredRecord) -> bool {
        self.room = self.room.saturating_sub(record.bytes.len() as u64);
        self.found.push(record);
        self.room == 0
    }

    /// Copies the records from `start` on if they would keep a much larger buffer alive.
    fn unpin(&mut self, start: usize, buffer: usize) {
        let Some(records) = self.found.get_mut(start..) else {
            return;
        };
        let used: usize = records.iter().map(|record| record.bytes.len()).sum();
        if used.saturating_mul(2) >= buffer {
            return;
        }
        let mut copy = Vec::with_capacity(used);
        records
            .iter()
            .for_each(|record| copy.extend_from_slice(&record.bytes));
        let mut copy = Bytes::from(copy);
        for record in records {
            record.bytes = copy.split_to(record.bytes.len());
        }
    }
}

fn stored(entry: &Entry, payload: &Bytes) -> StoredRecord {
    StoredRecord {
        offset: entry.offset,
        meta: entry.meta,
        bytes: payload.slice(entry.range.clone()),
    }
}

fn payload_of(chunk: &Bytes) -> Bytes {
    chunk.slice(CHUNK_HEADER_BYTES.min(chunk.len())..)
}

/// The chunks to read at once and those behind them.
fn split_group(chunks: &[ChunkEntry], bytes_max: u64) -> Option<(&[ChunkEntry], &[ChunkEntry])> {
    let limit = bytes_max.min(READ_AHEAD_BYTES);
    let mut bytes = 0_u64;
    let fits = chunks.iter().take_while(|chunk| {
        bytes = bytes.saturating_add(u64::from(chunk.bytes));
        bytes <= limit
    });
    let count = fits.count().max(1);
    chunks.split_at_checked(count)
}

fn read_trailer<F: DiskFile>(
    file: &F,
    seal: &Seal,
    path: &str,
    length: u64,
) -> Result<Trailer, StorageError> {
    let at = length.saturating_sub(TRAILER_BYTES as u64);
    if at < HEADER_BYTES as u64 {
        return Err(corrupt(path, 0, "extent file cut short"));
    }
    let (mut header, mut trailer) = ([0; HEADER_BYTES], [0; TRAILER_BYTES]);
    file.read_at(&mut header, 0)
        .map_err(io_failure("read", path))?;
    seal.check_header(&header)
        .map_err(|detail| corrupt(path, 0, detail))?;
    file.read_at(&mut trailer, at)
        .map_err(io_failure("read", path))?;
    Trailer::decode(&trailer, seal, length)
        .ok_or_else(|| corrupt(path, at, "trailer fails its checksum"))
}

fn missing(path: &str, error: std::io::Error) -> StorageError {
    if error.kind() == std::io::ErrorKind::NotFound {
        return StorageError::Missing {
            file: path.to_owned(),
            detail: "records that are still wanted are in it".to_owned(),
        };
    }
    io_failure("open", path)(error)
}
