//! Writes one extent file, from records in order of log and offset.

use std::io;
use std::sync::Arc;

use sabir_core::storage::{ExtentFile, RecordMeta, Run, StorageError, Tier};

use super::format::{CHUNK_HEADER_BYTES, ChunkEntry, Seal, Trailer, encode_run};
use super::record::Base;
use super::{CHUNK_BYTES, RECORD_BYTES_MAX, directory_of};
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile, is_full};
use crate::fail::{at_most, io_failure};

/// An extent file that is not finished. Dropping it deletes the file.
pub struct ExtentWriter<D: Disk> {
    disk: Arc<D>,
    file: D::File,
    name: ExtentFile,
    /// Where it is until it is finished.
    path: String,
    seal: Seal,
    offset: u64,
    chunk: Vec<u8>,
    base: Base,
    /// Describes the open chunk.
    entry: Option<ChunkEntry>,
    records: u32,
    index: Vec<u8>,
    chunks: u64,
    runs: Vec<Run>,
    finished: bool,
}

impl<D: Disk> ExtentWriter<D> {
    pub(super) fn create(
        disk: Arc<D>,
        name: ExtentFile,
        lineage: Lineage,
    ) -> Result<Self, StorageError> {
        let path = format!("{name}{}", super::UNFINISHED);
        let seal = Seal::new(lineage, name);
        let file = disk
            .create(&path)
            .map_err(|error| failure("create", &path, error, 0))?;
        let mut writer = Self {
            disk,
            file,
            name,
            path,
            seal,
            offset: 0,
            chunk: Vec::new(),
            base: Base::default(),
            entry: None,
            records: 0,
            index: Vec::new(),
            chunks: 0,
            runs: Vec::new(),
            finished: false,
        };
        writer.write(&seal.header())?;
        Ok(writer)
    }

    /// The file's name once it is finished.
    #[must_use]
    pub fn file(&self) -> ExtentFile {
        self.name
    }

    /// Adds a record. Log and offset together must grow from call to call.
    pub fn add(
        &mut self,
        log: u64,
        offset: u64,
        meta: RecordMeta,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        at_most("record", bytes.len() as u64, RECORD_BYTES_MAX)?;
        self.ensure_order(log, offset)?;
        if !self.chunk.is_empty() && self.chunk.len().saturating_add(bytes.len()) > CHUNK_BYTES {
            self.flush()?;
        }
        if self.chunk.is_empty() {
            self.chunk.resize(CHUNK_HEADER_BYTES, 0);
        }
        let entry = self.entry.get_or_insert(ChunkEntry {
            at: self.offset,
            bytes: 0,
            first: (log, offset),
            timestamp_ms_max: 0,
        });
        entry.timestamp_ms_max = entry.timestamp_ms_max.max(meta.timestamp_ms);
        self.base
            .put(&mut self.chunk, (log, offset), meta, bytes.len());
        self.chunk.extend_from_slice(bytes);
        self.records += 1;
        note(
            &mut self.runs,
            self.name,
            (log, offset),
            meta,
            bytes.len() as u64,
        );
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Completes the file and gives it its name; returns one run per log, in order. A file of
    /// [`Tier::Durable`] is on stable storage then.
    pub fn finish(mut self) -> Result<Finished, StorageError> {
        self.flush()?;
        let mut directory = Vec::new();
        self.runs
            .iter()
            .for_each(|run| encode_run(run, &mut directory));
        let trailer = Trailer {
            directory_at: self.offset,
            logs: self.runs.len() as u64,
            chunks: self.chunks,
            directory_checksum: self.seal.checksum(&[&directory]),
            index_checksum: self.seal.checksum(&[&self.index]),
        };
        let index = std::mem::take(&mut self.index);
        self.write(&directory)?;
        self.write(&index)?;
        self.write(&trailer.encode(&self.seal))?;
        self.publish()?;
        self.finished = true;
        Ok(Finished {
            file: self.name,
            bytes: self.offset,
            runs: std::mem::take(&mut self.runs),
        })
    }

    fn publish(&self) -> Result<(), StorageError> {
        let durable = self.name.tier == Tier::Durable;
        let failed = |operation| move |error| failure(operation, &self.path, error, self.offset);
        if durable {
            self.file.sync_data().map_err(failed("sync"))?;
        }
        self.disk
            .rename(&self.path, &self.name.to_string())
            .map_err(failed("rename"))?;
        if durable {
            let directory = directory_of(self.name.tier);
            self.disk
                .sync_directory(directory)
                .map_err(io_failure("sync directory", directory))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        let Some(mut entry) = self.entry.take() else {
            return Ok(());
        };
        let mut chunk = std::mem::take(&mut self.chunk);
        self.seal.close_chunk(&mut chunk, self.records);
        entry.bytes = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        entry.encode(&mut self.index);
        self.write(&chunk)?;
        self.chunks += 1;
        self.records = 0;
        self.base = Base::default();
        chunk.clear();
        chunk.shrink_to(2 * CHUNK_BYTES);
        self.chunk = chunk;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let written = self.file.write_at(&[bytes], self.offset);
        written.map_err(|error| failure("write", &self.path, error, bytes.len() as u64))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn ensure_order(&self, log: u64, offset: u64) -> Result<(), StorageError> {
        match self.runs.last() {
            Some(run) if (run.log, run.last) >= (log, offset) => {
                Err(StorageError::OutOfOrder(format!(
                    "record {offset} of log {log} after record {} of log {}",
                    run.last, run.log
                )))
            }
            _ => Ok(()),
        }
    }
}

impl<D: Disk> Drop for ExtentWriter<D> {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing refers to the file; if it stays, the next start removes it.
            let _: io::Result<()> = self.disk.remove(&self.path);
        }
    }
}

/// A complete extent file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its name.
    pub file: ExtentFile,
    /// Its length.
    pub bytes: u64,
    /// What it holds, one run per log.
    pub runs: Vec<Run>,
}

/// Adds a record to the run of its log, which is the last one or a new one.
pub(super) fn note(
    runs: &mut Vec<Run>,
    file: ExtentFile,
    (log, offset): (u64, u64),
    meta: RecordMeta,
    bytes: u64,
) {
    if runs.last().is_none_or(|run| run.log != log) {
        runs.push(Run {
            file,
            log,
            first: offset,
            last: offset,
            count: 0,
            bytes: 0,
            due_ms_min: None,
            timestamp_ms_max: 0,
        });
    }
    if let Some(run) = runs.last_mut() {
        run.last = offset;
        run.count += 1;
        run.bytes += bytes;
        run.due_ms_min = [run.due_ms_min, meta.due_ms].into_iter().flatten().min();
        run.timestamp_ms_max = run.timestamp_ms_max.max(meta.timestamp_ms);
    }
}

fn failure(operation: &'static str, path: &str, error: io::Error, bytes: u64) -> StorageError {
    if is_full(&error) {
        return StorageError::DiskFull { bytes };
    }
    io_failure(operation, path)(error)
}
