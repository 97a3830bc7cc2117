//! What the core asks of a storage engine: a journal of blocks, an index of derived state, and the
//! plain types that both sides share.
//!
//! It knows no file system: a file is a number, a block body is opaque bytes. The journal is the
//! only durability point; extents and index hold what the journal has already made durable.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// Sequence number of a journal block: grows by one per block and is never used twice.
///
/// Zero is "before the first block".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The position of the block that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Number of a journal file: one generation of records. Grows by one per file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileNumber(pub u64);

impl FileNumber {
    /// The number of the file that follows this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for FileNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The fencing term of a journal's owner: every process start takes a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The term that supersedes this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// How safe something must be before it is confirmed, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// Nothing is promised; not written to the journal.
    Memory,
    /// Survives the process: handed to the operating system.
    Os,
    /// Survives a power cut: on stable storage.
    #[default]
    Fsync,
}

/// What a block may use of the disk when space runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Stores something new: refused with [`StorageError::DiskFull`] when no space is left.
    Normal,
    /// Only settles or deletes, so it frees space: may use the reserve.
    Reserve,
}

/// Where a block went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The block's sequence number.
    pub position: Position,
    /// The file that holds it.
    pub file: FileNumber,
    /// The file that this append closed, if any. It is durable as a whole and gets no more blocks.
    pub sealed: Option<FileNumber>,
}

/// What a recovered block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Entries of the core.
    Entries,
    /// A new owner took the journal, or the owner left in order; the body is empty.
    Fence,
    /// Stands for a block that salvage could not bring back; the body is empty.
    Lost,
}

/// One valid block as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Sequence number; a scan yields them without a hole.
    pub position: Position,
    /// The file that holds it.
    pub file: FileNumber,
    /// Term of the owner that wrote it; never decreases from block to block.
    pub epoch: Epoch,
    /// What it stands for.
    pub kind: BlockKind,
    /// The bytes given to [`Journal::append`].
    pub body: Bytes,
}

/// Receives blocks in order; an error ends the scan and is returned by it.
pub type BlockVisitor<'a> = &'a mut dyn FnMut(Block) -> Result<(), StorageError>;

/// The durable sequence of blocks of one shard group, with a single writer.
///
/// After the first failed write or sync every call answers [`StorageError::Poisoned`]: what the
/// device did with the unsynced blocks is unknown, so nothing later may be confirmed.
pub trait Journal: Send {
    /// The position that the next append will take.
    fn next_position(&self) -> Position;

    /// Everything up to and including this position is on stable storage.
    fn durable(&self) -> Position;

    /// Writes one block, without waiting for stable storage. On [`StorageError::DiskFull`] nothing
    /// was appended, the position is still free and the journal goes on.
    fn append(&mut self, body: &[u8], admission: Admission) -> Result<Appended, StorageError>;

    /// Brings every appended block to stable storage; returns the new durable position.
    fn sync(&mut self) -> Result<Position, StorageError>;

    /// Gives back every file before `first_needed`, which is kept. Only a prefix can go.
    fn trim(&mut self, first_needed: FileNumber) -> Result<(), StorageError>;

    /// Takes ownership with a term higher than any before and makes that durable. Writers of a
    /// lower term fail from here on. Returns the position of the fence.
    fn fence(&mut self, epoch: Epoch) -> Result<Position, StorageError>;

    /// Visits the blocks from `from` on, in order and without holes. Fails if `from` was trimmed.
    fn read_from(&self, from: Position, visitor: BlockVisitor<'_>) -> Result<(), StorageError>;
}

/// The parts of the index, each an ordered map of bytes to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyspace {
    /// Definitions: namespaces, exchanges, queues, bindings, policies.
    Catalog,
    /// Checkpoints of queue and subscription state.
    State,
    /// [`Run`]s by log and first offset.
    Runs,
    /// [`FileUsage`] by [`ExtentFile`].
    Files,
    /// The [`Mark`] and facts about the directory itself.
    Mark,
    /// Message ids seen within their window.
    Deduplication,
}

impl Keyspace {
    /// Every keyspace, in declaration order.
    pub const ALL: [Self; 6] = [
        Self::Catalog,
        Self::State,
        Self::Runs,
        Self::Files,
        Self::Mark,
        Self::Deduplication,
    ];

    /// The keyspace's name on disk and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::State => "state",
            Self::Runs => "runs",
            Self::Files => "files",
            Self::Mark => "mark",
            Self::Deduplication => "deduplication",
        }
    }
}

/// One change of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexChange {
    /// Sets a key.
    Put {
        /// Where.
        keyspace: Keyspace,
        /// At most 65,534 bytes.
        key: Vec<u8>,
        /// The new value.
        value: Vec<u8>,
    },
    /// Removes a key; not an error if it is absent.
    Remove {
        /// Where.
        keyspace: Keyspace,
        /// At most 65,534 bytes.
        key: Vec<u8>,
    },
}

/// Changes that become durable together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexBatch {
    changes: Vec<IndexChange>,
}

impl IndexBatch {
    /// Sets `key` to `value`.
    pub fn put(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push(IndexChange::Put {
            keyspace,
            key: key.into(),
            value: value.into(),
        });
    }

    /// Removes `key`.
    pub fn remove(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>) {
        self.changes.push(IndexChange::Remove {
            keyspace,
            key: key.into(),
        });
    }

    /// Adds a run of records.
    pub fn put_run(&mut self, run: &Run) {
        self.put(Keyspace::Runs, run.key(), run.value());
    }

    /// Forgets a run of records.
    pub fn remove_run(&mut self, run: &Run) {
        self.remove(Keyspace::Runs, run.key());
    }

    /// Sets what an extent file holds.
    pub fn put_file(&mut self, file: ExtentFile, usage: FileUsage) {
        self.put(Keyspace::Files, file.key(), usage.value());
    }

    /// Forgets an extent file. The file itself may be deleted once the batch is committed.
    pub fn remove_file(&mut self, file: ExtentFile) {
        self.remove(Keyspace::Files, file.key());
    }

    /// Sets the checkpoint position.
    pub fn put_mark(&mut self, mark: Mark) {
        self.put(Keyspace::Mark, Mark::KEY, mark.value());
    }

    /// The changes in the order they were made; later ones win.
    #[must_use]
    pub fn changes(&self) -> &[IndexChange] {
        &self.changes
    }

    /// The changes, by value.
    #[must_use]
    pub fn into_changes(self) -> Vec<IndexChange> {
        self.changes
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Receives key and value in key order; an error ends the scan and is returned by it.
pub type IndexVisitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), StorageError>;

/// Catalog, checkpoints and secondary indices: derived from the journal, which is kept until the
/// commit that makes it superfluous is durable.
pub trait IndexStore: Send + Sync {
    /// Applies the batch atomically and returns when it is on stable storage.
    fn commit(&self, batch: IndexBatch) -> Result<(), StorageError>;

    /// The value of a key.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Visits the keys that start with `prefix`, in order.
    fn scan(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        visitor: IndexVisitor<'_>,
    ) -> Result<(), StorageError>;
}

/// Which kind of extent: whether it outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// On stable storage before anything refers to it.
    Durable,
    /// Space for what does not fit in memory; wiped at start.
    Volatile,
}

/// Names an extent file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentFile {
    /// The directory it is in.
    pub tier: Tier,
    /// Unique within the tier.
    pub number: u64,
}

impl ExtentFile {
    /// Its key in [`Keyspace::Files`]: one byte of tier, eight of number, big-endian.
    #[must_use]
    pub fn key(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(9);
        key.push(match self.tier {
            Tier::Durable => 0,
            Tier::Volatile => 1,
        });
        key.extend_from_slice(&self.number.to_be_bytes());
        key
    }

    /// The file of a key of [`Keyspace::Files`].
    pub fn from_key(key: &[u8]) -> Result<Self, StorageError> {
        let mut fields = Fields::new(Keyspace::Files, key, key);
        let file = fields.extent_file()?;
        fields.end()?;
        Ok(file)
    }
}

impl fmt::Display for ExtentFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = match self.tier {
            Tier::Durable => "extents",
            Tier::Volatile => "volatile",
        };
        write!(formatter, "{directory}/{:016x}.ext", self.number)
    }
}

/// What the core wants to know of an extent file to decide when it can go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileUsage {
    /// Length of the file.
    pub bytes: u64,
    /// Records written.
    pub records: u64,
    /// Bytes of the records that are still wanted.
    pub live_bytes: u64,
    /// Records that are still wanted.
    pub live_records: u64,
}

impl FileUsage {
    /// Its value in [`Keyspace::Files`]: the four fields in order, big-endian.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        join(&[self.bytes, self.records, self.live_bytes, self.live_records])
    }

    /// The usage in a value of [`Keyspace::Files`].
    pub fn from_value(key: &[u8], value: &[u8]) -> Result<Self, StorageError> {
        let mut fields = Fields::new(Keyspace::Files, key, value);
        let usage = Self {
            bytes: fields.u64()?,
            records: fields.u64()?,
            live_bytes: fields.u64()?,
            live_records: fields.u64()?,
        };
        fields.end()?;
        Ok(usage)
    }
}

/// The records of one log in one extent file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where they are.
    pub file: ExtentFile,
    /// Whose they are.
    pub log: u64,
    /// Lowest offset.
    pub first: u64,
    /// Highest offset; offsets between may be missing.
    pub last: u64,
    /// How many records.
    pub count: u64,
    /// Sum of the records' bytes.
    pub bytes: u64,
    /// Earliest due time of a record that has one.
    pub due_ms_min: Option<u64>,
    /// Latest timestamp.
    pub timestamp_ms_max: u64,
}

impl Run {
    /// Its key in [`Keyspace::Runs`]: log, first offset, file; big-endian, so that a scan by
    /// [`Run::prefix`] yields a log's runs by offset.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let mut key = join(&[self.log, self.first]);
        key.extend_from_slice(&self.file.key());
        key
    }

    /// The prefix of a log's keys in [`Keyspace::Runs`].
    #[must_use]
    pub fn prefix(log: u64) -> [u8; 8] {
        log.to_be_bytes()
    }

    /// Its value in [`Keyspace::Runs`]. "No due time" is stored as the largest number.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        join(&[
            self.last,
            self.count,
            self.bytes,
            self.due_ms_min.unwrap_or(u64::MAX),
            self.timestamp_ms_max,
        ])
    }

    /// The run of an entry of [`Keyspace::Runs`].
    pub fn from_entry(key: &[u8], value: &[u8]) -> Result<Self, StorageError> {
        let mut names = Fields::new(Keyspace::Runs, key, key);
        let (log, first, file) = (names.u64()?, names.u64()?, names.extent_file()?);
        names.end()?;
        let mut fields = Fields::new(Keyspace::Runs, key, value);
        let run = Self {
            file,
            log,
            first,
            last: fields.u64()?,
            count: fields.u64()?,
            bytes: fields.u64()?,
            due_ms_min: Some(fields.u64()?).filter(|due| *due != u64::MAX),
            timestamp_ms_max: fields.u64()?,
        };
        fields.end()?;
        Ok(run)
    }
}

/// How far the index is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The first journal file that recovery must read; all before it may be recycled.
    pub first_file: FileNumber,
    /// The states in the index include every entry up to and including this position.
    pub states: Position,
}

impl Mark {
    /// Its key in [`Keyspace::Mark`].
    pub const KEY: &'static [u8] = b"mark";

    /// Its value in [`Keyspace::Mark`].
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        join(&[self.first_file.0, self.states.0])
    }

    /// The mark in a value of [`Keyspace::Mark`].
    pub fn from_value(value: &[u8]) -> Result<Self, StorageError> {
        let mut fields = Fields::new(Keyspace::Mark, Self::KEY, value);
        let mark = Self {
            first_file: FileNumber(fields.u64()?),
            states: Position(fields.u64()?),
        };
        fields.end()?;
        Ok(mark)
    }
}

/// What is stored beside a record's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordMeta {
    /// When the record was accepted, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// When the record expires or becomes visible, in milliseconds since 1970.
    pub due_ms: Option<u64>,
    /// The core's own marks.
    pub flags: u8,
}

/// A record as read from an extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place in the log.
    pub offset: u64,
    /// What was stored beside it.
    pub meta: RecordMeta,
    /// Its bytes, as given.
    pub bytes: Bytes,
}

/// Why storage failed. Cloneable, so that everyone who waits can be told.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// The operating system failed an operation.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file or directory.
        path: String,
        /// What it answered.
        source: Arc<std::io::Error>,
    },
    /// No space is left for this block; blocks of [`Admission::Reserve`] may still fit.
    #[error("disk full: no space for {bytes} more bytes")]
    DiskFull {
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// An earlier write or sync failed; nothing is accepted until the process starts anew.
    #[error("storage stopped after an earlier failure: {reason}")]
    Poisoned {
        /// The first failure.
        reason: Arc<str>,
    },
    /// Bytes on disk are not what was written.
    #[error("corrupt data in {file} at byte {offset}: {detail}")]
    Corrupt {
        /// Path below the data directory.
        file: String,
        /// Where in the file.
        offset: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// An entry of the index does not have the shape it was written with.
    #[error("corrupt index entry in {} at key {key}", keyspace.name())]
    CorruptIndex {
        /// Which part of the index.
        keyspace: Keyspace,
        /// The key in hexadecimal.
        key: String,
    },
    /// The index refers to a file that is not there.
    #[error("missing file {file}: {detail}")]
    Missing {
        /// Path below the data directory.
        file: String,
        /// What needs it.
        detail: String,
    },
    /// A newer owner has taken the journal.
    #[error("fenced: epoch {current:?} supersedes {own:?}")]
    Fenced {
        /// The term of this writer.
        own: Epoch,
        /// The term that was found.
        current: Epoch,
    },
    /// The request is beyond a bound of the engine.
    #[error("{what} of {actual} exceeds the limit of {limit}")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// Its size.
        actual: u64,
        /// The largest accepted.
        limit: u64,
    },
    /// The caller broke the order that the engine relies on.
    #[error("out of order: {0}")]
    OutOfOrder(String),
    /// The data directory cannot be used as it is.
    #[error("data directory {path}: {detail}")]
    Directory {
        /// Which directory.
        path: String,
        /// Why, and what to do about it.
        detail: String,
    },
    /// The index engine failed.
    #[error("index: {0}")]
    Index(Arc<str>),
}

/// Numbers one after another, big-endian.
fn join(numbers: &[u64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// Takes an index entry apart.
struct Fields<'a> {
    keyspace: Keyspace,
    key: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(keyspace: Keyspace, key: &'a [u8], rest: &'a [u8]) -> Self {
        Self {
            keyspace,
            key,
            rest,
        }
    }

    fn corrupt(&self) -> StorageError {
        StorageError::CorruptIndex {
            keyspace: self.keyspace,
            key: self.key.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn u64(&mut self) -> Result<u64, StorageError> {
        let (number, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*number))
    }

    fn extent_file(&mut self) -> Result<ExtentFile, StorageError> {
        let (tier, rest) = self.rest.split_first().ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        let tier = match tier {
            0 => Tier::Durable,
            1 => Tier::Volatile,
            _ => return Err(self.corrupt()),
        };
        Ok(ExtentFile {
            tier,
            number: self.u64()?,
        })
    }

    fn end(&self) -> Result<(), StorageError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.corrupt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            file: ExtentFile {
                tier: Tier::Durable,
                number: 7,
            },
            log: 258,
            first: 10,
            last: 99,
            count: 12,
            bytes: 4096,
            due_ms_min: None,
            timestamp_ms_max: 1_700_000_000_000,
        }
    }

    #[test]
    fn a_run_survives_its_entry() {
        for due_ms_min in [None, Some(5)] {
            let run = Run {
                due_ms_min,
                ..run()
            };
            assert_eq!(Run::from_entry(&run.key(), &run.value()).unwrap(), run);
        }
    }

    #[test]
    fn runs_of_a_log_sort_by_offset() {
        let low = run();
        let high = Run { first: 300, ..low };
        let other_log = Run {
            log: 259,
            first: 0,
            ..low
        };
        assert!(low.key() < high.key() && high.key() < other_log.key());
        assert!(high.key().starts_with(&Run::prefix(258)));
    }

    #[test]
    fn mark_and_usage_survive_their_values() {
        let mark = Mark {
            first_file: FileNumber(3),
            states: Position(4),
        };
        assert_eq!(Mark::from_value(&mark.value()).unwrap(), mark);
        let usage = FileUsage {
            bytes: 1,
            records: 2,
            live_bytes: 3,
            live_records: 4,
        };
        let key = run().file.key();
        assert_eq!(FileUsage::from_value(&key, &usage.value()).unwrap(), usage);
        assert_eq!(ExtentFile::from_key(&key).unwrap(), run().file);
    }

    #[test]
    fn short_long_and_unknown_entries_are_reported() {
        let run = run();
        let mut long = run.value();
        long.push(0);
        assert!(Run::from_entry(&run.key(), &long).is_err());
        assert!(Run::from_entry(&run.key()[..16], &run.value()).is_err());
        let error = ExtentFile::from_key(&[9, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "corrupt index entry in files at key 090000000000000001"
        );
    }
}
