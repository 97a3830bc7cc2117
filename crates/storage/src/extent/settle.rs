//! Splits a sorted stream of records over files: a log with much to store gets a file of its own,
//! all others share one.

use bytes::Bytes;
use sabir_core::storage::{
    ExtentFile, FileUsage, IndexBatch, RecordMeta, Run, StorageError, StoredRecord, Tier,
};

use super::{ExtentWriter, Extents, Finished};
use crate::disk::Disk;

/// A log with at least this many bytes in one settle gets a file of its own.
pub const OWN_FILE_BYTES: u64 = 8 << 20;

/// What a settle wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// One run per log, by log.
    pub runs: Vec<Run>,
    /// The files and what they hold; all of it is wanted.
    pub files: Vec<(ExtentFile, FileUsage)>,
}

impl Settled {
    /// Puts runs and files into a batch.
    pub fn add_to(&self, batch: &mut IndexBatch) {
        self.runs.iter().for_each(|run| batch.put_run(run));
        self.files
            .iter()
            .for_each(|(file, usage)| batch.put_file(*file, *usage));
    }
}

/// Writes the records of a settle. Dropping it deletes the files that it wrote.
pub struct SettleWriter<'a, D: Disk> {
    extents: &'a Extents<D>,
    tier: Tier,
    own_file_bytes: u64,
    log: u64,
    /// Records of the current log until it is known which file they go to.
    waiting: Vec<(u64, RecordMeta, Bytes)>,
    waiting_bytes: u64,
    /// The file of all small logs.
    shared: Option<ExtentWriter<D>>,
    /// The file of the current log, once it is known to be large.
    own: Option<ExtentWriter<D>>,
    finished: Vec<Finished>,
}

impl<'a, D: Disk> SettleWriter<'a, D> {
    /// Starts a settle into a tier. Give [`OWN_FILE_BYTES`] unless it is a test.
    #[must_use]
    pub fn new(extents: &'a Extents<D>, tier: Tier, own_file_bytes: u64) -> Self {
        Self {
            extents,
            tier,
            own_file_bytes,
            log: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
            shared: None,
            own: None,
            finished: Vec::new(),
        }
    }

    /// Adds a record. Log and offset together must grow from call to call.
    pub fn add(
        &mut self,
        log: u64,
        offset: u64,
        meta: RecordMeta,
        bytes: Bytes,
    ) -> Result<(), StorageError> {
        if log != self.log {
            self.end_log()?;
            self.log = log;
        }
        if let Some(own) = &mut self.own {
            return own.add(log, offset, meta, &bytes);
        }
        self.waiting_bytes += bytes.len() as u64;
        self.waiting.push((offset, meta, bytes));
        if self.waiting_bytes >= self.own_file_bytes {
            let mut own = self.extents.create(self.tier)?;
            self.drain_into(&mut own)?;
            self.own = Some(own);
        }
        Ok(())
    }

    /// Completes all files. Their contents are on stable storage then, if the tier is durable;
    /// nothing refers to them until the index says so.
    pub fn finish(mut self) -> Result<Settled, StorageError> {
        self.end_log()?;
        if let Some(shared) = self.shared.take() {
            self.finished.push(shared.finish()?);
        }
        let mut settled = Settled::default();
        for file in std::mem::take(&mut self.finished) {
            let bytes = file.runs.iter().map(|run| run.bytes).sum();
            let records = file.runs.iter().map(|run| run.count).sum();
            let usage = FileUsage {
                bytes: file.bytes,
                records,
                live_bytes: bytes,
                live_records: records,
            };
            settled.files.push((file.file, usage));
            settled.runs.extend(file.runs);
        }
        settled.runs.sort_by_key(|run| (run.log, run.first));
        Ok(settled)
    }

    fn end_log(&mut self) -> Result<(), StorageError> {
        if let Some(own) = self.own.take() {
            self.finished.push(own.finish()?);
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut shared = match self.shared.take() {
            Some(shared) => shared,
            None => self.extents.create(self.tier)?,
        };
        self.drain_into(&mut shared)?;
        self.shared = Some(shared);
        Ok(())
    }

    fn drain_into(&mut self, writer: &mut ExtentWriter<D>) -> Result<(), StorageError> {
        self.waiting_bytes = 0;
        let log = self.log;
        self.waiting
            .drain(..)
            .try_for_each(|(offset, meta, bytes)| writer.add(log, offset, meta, &bytes))
    }
}

/// Copies the records of a file that `wanted` accepts, by log and offset, into new files of the same
/// tier. The old file can go once the index refers to the new ones only.
///
/// # Errors
/// When a chunk is damaged or the disk is full; nothing new is left behind then.
pub fn rewrite<D: Disk>(
    extents: &Extents<D>,
    file: ExtentFile,
    mut wanted: impl FnMut(u64, u64) -> bool,
) -> Result<Settled, StorageError> {
    let reader = extents.reader(file)?;
    let mut settle = SettleWriter::new(extents, file.tier, OWN_FILE_BYTES);
    for chunk in reader.chunks() {
        for (
            log,
            StoredRecord {
                offset,
                meta,
                bytes,
            },
        ) in reader.records(chunk)?
        {
            if wanted(log, offset) {
                settle.add(log, offset, meta, bytes)?;
            }
        }
    }
    settle.finish()
}

impl<D: Disk> Drop for SettleWriter<'_, D> {
    fn drop(&mut self) {
        for file in &self.finished {
            // Nothing refers to the file; if it stays, the next start removes it.
            let _: Result<(), StorageError> = self.extents.remove(file.file);
        }
    }
}
