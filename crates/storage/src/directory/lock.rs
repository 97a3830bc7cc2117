//! One process per data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use sabir_core::storage::StorageError;

use crate::fail::io_failure;

const FILE: &str = "LOCK";

/// Holds a data directory until it is dropped or the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory if needed, private to its owner, and locks it.
    pub fn acquire(root: &Path) -> Result<Self, StorageError> {
        let path = root.display().to_string();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(io_failure("create directory", &path))?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options
            .open(root.join(FILE))
            .map_err(io_failure("open lock of", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&mut file, path)),
            Err(TryLockError::Error(error)) => return Err(io_failure("lock", &path)(error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(io_failure("write lock of", &path))?;
        Ok(Self { _file: file })
    }
}

fn in_use(file: &mut File, path: String) -> StorageError {
    let mut owner = String::new();
    let read = file.take(32).read_to_string(&mut owner);
    let detail = match read {
        Ok(_) if !owner.trim().is_empty() => format!("is in use by process {}", owner.trim()),
        _ => "is in use by another process".to_owned(),
    };
    StorageError::Directory { path, detail }
}
