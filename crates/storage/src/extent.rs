//! Extents: sorted, immutable, checksummed files of records that left the journal.
//!
//! They know logs and offsets, not what a record means or who wants it. What an extent holds is
//! found through the index's runs; the file's own directory serves checks and salvage.

pub(crate) mod format;
mod open;
pub(crate) mod reader;
pub(crate) mod record;
mod settle;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sabir_core::storage::{
    ExtentFile, IndexStore, Keyspace, Run, StorageError, StoredRecord, Tier,
};

pub use self::settle::{OWN_FILE_BYTES, SettleWriter, Settled, rewrite};
pub use self::writer::{ExtentWriter, Finished};

use self::open::OpenFiles;
use self::reader::ExtentReader;
use crate::checksum::Lineage;
use crate::disk::Disk;
use crate::fail::io_failure;
use crate::journal::file::number_of;

/// A chunk is closed when it reaches this size; a larger record has a chunk of its own.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// Largest record.
pub(crate) const RECORD_BYTES_MAX: u64 = 1 << 30;

const UNFINISHED: &str = ".new";

/// All extent files of a data directory.
pub struct Extents<D: Disk> {
    disk: Arc<D>,
    lineage: Lineage,
    next_durable: AtomicU64,
    next_volatile: AtomicU64,
    open: OpenFiles<D::File>,
}

impl<D: Disk> Extents<D> {
    /// Opens the directories, wipes the volatile one and removes files that were never finished.
    pub fn open(disk: Arc<D>, lineage: Lineage) -> Result<Self, StorageError> {
        let mut next = [0; 2];
        for (tier, next) in [Tier::Durable, Tier::Volatile].into_iter().zip(&mut next) {
            let directory = directory_of(tier);
            disk.create_directory(directory)
                .map_err(io_failure("create directory", directory))?;
            for name in disk
                .list(directory)
                .map_err(io_failure("list", directory))?
            {
                let number = number_of(&name, ".ext");
                if tier == Tier::Volatile || name.ends_with(UNFINISHED) {
                    let path = format!("{directory}/{name}");
                    disk.remove(&path).map_err(io_failure("remove", &path))?;
                } else if let Some(number) = number {
                    *next = number.max(*next);
                }
            }
        }
        let [next_durable, next_volatile] = next.map(AtomicU64::new);
        Ok(Self {
            disk,
            lineage,
            next_durable,
            next_volatile,
            open: OpenFiles::new(),
        })
    }

    /// Starts a new file.
    pub fn create(&self, tier: Tier) -> Result<ExtentWriter<D>, StorageError> {
        let next = match tier {
            Tier::Durable => &self.next_durable,
            Tier::Volatile => &self.next_volatile,
        };
        let number = next.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.create_named(ExtentFile { tier, number })
    }

    /// Starts a file with a given name, as salvage does.
    pub(crate) fn create_named(&self, file: ExtentFile) -> Result<ExtentWriter<D>, StorageError> {
        ExtentWriter::create(Arc::clone(&self.disk), file, self.lineage)
    }

    /// Records of a log in a file from an offset on, in order: at least one if there is one, and
    /// no more once their bytes reach `bytes_max`.
    pub fn read(
        &self,
        file: ExtentFile,
        log: u64,
        from_offset: u64,
        bytes_max: u64,
    ) -> Result<Vec<StoredRecord>, StorageError> {
        self.reader(file)?.read(log, from_offset, bytes_max)
    }

    /// The lowest offset of a log in a file whose timestamp is not before `timestamp_ms`.
    pub fn seek_timestamp(
        &self,
        file: ExtentFile,
        log: u64,
        timestamp_ms: u64,
    ) -> Result<Option<u64>, StorageError> {
        self.reader(file)?.seek_timestamp(log, timestamp_ms)
    }

    /// The runs that a file's own directory names.
    pub fn directory(&self, file: ExtentFile) -> Result<Vec<Run>, StorageError> {
        self.reader(file)?.directory()
    }

    /// The complete files of a tier, by number.
    pub fn files(&self, tier: Tier) -> Result<Vec<ExtentFile>, StorageError> {
        files_of(&*self.disk, tier)
    }

    /// Deletes a file. The index must not refer to it any more.
    pub fn remove(&self, file: ExtentFile) -> Result<(), StorageError> {
        self.open.forget(file);
        let path = file.to_string();
        self.disk.remove(&path).map_err(io_failure("remove", &path))
    }

    /// Deletes the durable files that no run of the index refers to: settled before a crash, but
    /// not committed. Must run before anything is settled.
    pub fn remove_unreferenced(
        &self,
        index: &dyn IndexStore,
    ) -> Result<Vec<ExtentFile>, StorageError> {
        let mut wanted = BTreeSet::new();
        visit_runs(index, &mut |run| {
            wanted.insert(run.file);
        })?;
        let mut files = self.files(Tier::Durable)?;
        files.retain(|file| !wanted.contains(file));
        files.iter().try_for_each(|file| self.remove(*file))?;
        Ok(files)
    }

    fn reader(&self, file: ExtentFile) -> Result<Arc<ExtentReader<D::File>>, StorageError> {
        self.open
            .reader(file, || ExtentReader::open(&*self.disk, file, self.lineage))
    }
}

/// The directory of a tier.
pub(crate) const fn directory_of(tier: Tier) -> &'static str {
    match tier {
        Tier::Durable => "extents",
        Tier::Volatile => "volatile",
    }
}

/// The complete files of a tier, by number.
pub(crate) fn files_of<D: Disk>(disk: &D, tier: Tier) -> Result<Vec<ExtentFile>, StorageError> {
    let directory = directory_of(tier);
    let names = disk
        .list(directory)
        .map_err(io_failure("list", directory))?;
    let numbers = names.iter().filter_map(|name| number_of(name, ".ext"));
    Ok(numbers.map(|number| ExtentFile { tier, number }).collect())
}

/// Visits every run of the index.
pub(crate) fn visit_runs(
    index: &dyn IndexStore,
    visitor: &mut dyn FnMut(Run),
) -> Result<(), StorageError> {
    index.scan(Keyspace::Runs, &[], &mut |key, value| {
        visitor(Run::from_entry(key, value)?);
        Ok(())
    })
}
