//! Zero-filled files that wait to become journal files.
//!
//! Writing over allocated, durable bytes changes no metadata, which makes a commit several times
//! cheaper than appending. The last spare is a reserve that only blocks which free space may take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sabir_core::storage::{Admission, FileNumber, StorageError};

use super::JournalOptions;
use super::file::{self, DIRECTORY};
use crate::disk::{Disk, DiskFile, is_full};
use crate::fail::io_failure;

const SPARE: &str = ".spare";
const UNFINISHED: &str = ".new";

/// The spare files of a journal. May be filled from another thread than the journal's.
pub struct Spares<D: Disk> {
    disk: Arc<D>,
    file_bytes: u64,
    /// How many are made ahead, beside the reserve.
    ahead: usize,
    /// How many used files are kept, beside the reserve.
    kept_max: usize,
    state: Mutex<State>,
}

struct State {
    /// Numbers in the names of the spares; unrelated to journal files.
    ready: Vec<u64>,
    next: u64,
}

/// A file that is not yet part of the journal.
pub(super) struct Taken {
    pub(super) path: String,
    pub(super) length: u64,
    /// It was the reserve.
    pub(super) reserve: bool,
}

impl<D: Disk> Spares<D> {
    /// Finds the spares of an earlier life and removes files that were never finished.
    pub(super) fn open(disk: Arc<D>, options: JournalOptions) -> Result<Self, StorageError> {
        let JournalOptions {
            file_bytes,
            spares: ahead,
            spares_kept_max: kept_max,
            ..
        } = options;
        let mut state = State {
            ready: Vec::new(),
            next: 0,
        };
        for name in disk
            .list(DIRECTORY)
            .map_err(io_failure("list", DIRECTORY))?
        {
            let path = format!("{DIRECTORY}/{name}");
            if name.ends_with(UNFINISHED) {
                disk.remove(&path).map_err(io_failure("remove", &path))?;
            }
            let Some(number) = file::number_of(&name, SPARE) else {
                continue;
            };
            state.next = state.next.max(number.saturating_add(1));
            if length(&*disk, &path)? == file_bytes && state.ready.len() <= kept_max {
                state.ready.push(number);
            } else {
                disk.remove(&path).map_err(io_failure("remove", &path))?;
            }
        }
        Ok(Self {
            disk,
            file_bytes,
            ahead,
            kept_max,
            state: Mutex::new(state),
        })
    }

    /// Makes one spare if one is missing; answers whether another is still missing. A full disk is
    /// not an error: there is just no spare.
    pub fn replenish(&self) -> Result<bool, StorageError> {
        if self.state().ready.len() > self.ahead {
            return Ok(false);
        }
        match self.create(self.file_bytes) {
            Ok(created) => self.keep(&created)?,
            Err(StorageError::DiskFull { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(self.state().ready.len() <= self.ahead)
    }

    /// Whether blocks that free space could be written if nothing else can.
    #[must_use]
    pub fn has_reserve(&self) -> bool {
        !self.state().ready.is_empty()
    }

    /// A file for a rotation: a spare, or a new file when there is none or it would be too small.
    pub(super) fn take(&self, length: u64, admission: Admission) -> Result<Taken, StorageError> {
        if length > self.file_bytes {
            return self.create(length);
        }
        if let Some(path) = self.pop(1) {
            return Ok(Taken {
                path,
                length: self.file_bytes,
                reserve: false,
            });
        }
        let created = self.create(self.file_bytes);
        if let Err(StorageError::DiskFull { .. }) = created
            && admission == Admission::Reserve
            && let Some(path) = self.pop(0)
        {
            return Ok(Taken {
                path,
                length: self.file_bytes,
                reserve: true,
            });
        }
        created
    }

    /// Keeps a journal file that nobody needs any more as a spare, or deletes it.
    pub(super) fn retire(&self, number: FileNumber) -> Result<(), StorageError> {
        let path = file::path(number);
        let used = self.disk.open(&path).map_err(io_failure("open", &path))?;
        let length = used.length().map_err(io_failure("length of", &path))?;
        if length == self.file_bytes && self.state().ready.len() <= self.kept_max {
            used.forget_cached()
                .map_err(io_failure("forget cached", &path))?;
            return self.keep(&Taken {
                path,
                length: self.file_bytes,
                reserve: false,
            });
        }
        self.disk.remove(&path).map_err(io_failure("remove", &path))
    }

    /// A new file under a name that the next start removes. Does not try to fill a disk that has
    /// no room for it.
    pub(super) fn create(&self, length: u64) -> Result<Taken, StorageError> {
        let path = format!("{DIRECTORY}/{:016x}{UNFINISHED}", self.number());
        let free = self
            .disk
            .free_bytes()
            .map_err(io_failure("free space of", DIRECTORY))?;
        if free < length {
            return Err(StorageError::DiskFull { bytes: length });
        }
        match self.disk.create_zero_filled(&path, length) {
            Ok(_) => Ok(Taken {
                path,
                length,
                reserve: false,
            }),
            Err(error) if is_full(&error) => Err(StorageError::DiskFull { bytes: length }),
            Err(error) => Err(io_failure("create", &path)(error)),
        }
    }

    fn keep(&self, file: &Taken) -> Result<(), StorageError> {
        let number = self.number();
        let path = spare_path(number);
        self.disk
            .rename(&file.path, &path)
            .map_err(io_failure("rename", &file.path))?;
        self.state().ready.push(number);
        Ok(())
    }

    fn pop(&self, keep: usize) -> Option<String> {
        let mut state = self.state();
        if state.ready.len() > keep {
            state.ready.pop().map(spare_path)
        } else {
            None
        }
    }

    fn number(&self) -> u64 {
        let mut state = self.state();
        state.next += 1;
        state.next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spare_path(number: u64) -> String {
    format!("{DIRECTORY}/{number:016x}{SPARE}")
}

fn length<D: Disk>(disk: &D, path: &str) -> Result<u64, StorageError> {
    let file = disk.open(path).map_err(io_failure("open", path))?;
    file.length().map_err(io_failure("length of", path))
}
