//! Turns failures of the disk into [`StorageError`]s that name operation and file.

use std::io;
use std::sync::Arc;

use sabir_core::storage::StorageError;

/// For `map_err` on a disk operation.
pub(crate) fn io_failure<'a>(
    operation: &'static str,
    path: &'a str,
) -> impl FnOnce(io::Error) -> StorageError + 'a {
    move |source| StorageError::Io {
        operation,
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

/// Bytes that are not what was written.
pub(crate) fn corrupt(file: &str, offset: u64, detail: impl Into<String>) -> StorageError {
    StorageError::Corrupt {
        file: file.to_owned(),
        offset,
        detail: detail.into(),
    }
}

/// Checks a size against its bound.
pub(crate) fn at_most(what: &'static str, actual: u64, limit: u64) -> Result<(), StorageError> {
    if actual > limit {
        return Err(StorageError::TooLarge {
            what,
            actual,
            limit,
        });
    }
    Ok(())
}
