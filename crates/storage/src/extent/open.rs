//! The extent files that are open, most recently used last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sabir_core::storage::{ExtentFile, StorageError};

use super::reader::ExtentReader;

const FILES_MAX: usize = 64;
const INDEX_BYTES_MAX: usize = 8 << 20;

/// Bounded by number and by the memory of the files' indices.
pub(super) struct OpenFiles<F> {
    readers: Mutex<Vec<Entry<F>>>,
}

struct Entry<F> {
    file: ExtentFile,
    reader: Arc<ExtentReader<F>>,
}

impl<F: crate::disk::DiskFile> OpenFiles<F> {
    pub(super) fn new() -> Self {
        Self {
            readers: Mutex::new(Vec::new()),
        }
    }

    /// An open file, opened by `open` if it is not.
    pub(super) fn reader(
        &self,
        file: ExtentFile,
        open: impl FnOnce() -> Result<ExtentReader<F>, StorageError>,
    ) -> Result<Arc<ExtentReader<F>>, StorageError> {
        if let Some(reader) = self.touch(file) {
            return Ok(reader);
        }
        let reader = Arc::new(open()?);
        let mut readers = self.readers();
        readers.push(Entry {
            file,
            reader: Arc::clone(&reader),
        });
        let mut bytes: usize = readers.iter().map(|entry| entry.reader.index_bytes()).sum();
        while readers.len() > FILES_MAX || bytes > INDEX_BYTES_MAX {
            bytes -= readers.remove(0).reader.index_bytes();
        }
        Ok(reader)
    }

    /// Closes a file once nobody reads it.
    pub(super) fn forget(&self, file: ExtentFile) {
        self.readers().retain(|entry| entry.file != file);
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.readers().len()
    }

    fn touch(&self, file: ExtentFile) -> Option<Arc<ExtentReader<F>>> {
        let mut readers = self.readers();
        let at = readers.iter().position(|entry| entry.file == file)?;
        let entry = readers.remove(at);
        let reader = Arc::clone(&entry.reader);
        readers.push(entry);
        Some(reader)
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Entry<F>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
