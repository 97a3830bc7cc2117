//! The few operations on files that this crate needs, as a trait.
//!
//! Paths are relative to the data directory and use `/`. [`RealDisk`] is the operating system's
//! file system, [`SimDisk`] a model of one that loses power. Nothing here knows what files mean.

mod real;
mod sim;

use std::io;

pub use real::RealDisk;
pub use sim::{Fault, SimDisk};

/// A place for files.
pub trait Disk: Send + Sync + 'static {
    /// An open file. Clones and later renames refer to the same bytes.
    type File: DiskFile;

    /// Makes a new, empty file; fails if the name is taken.
    fn create(&self, path: &str) -> io::Result<Self::File>;

    /// Opens an existing file for reading and writing.
    fn open(&self, path: &str) -> io::Result<Self::File>;

    /// Renames a file within the data directory, replacing the target.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// The names of the files in a directory, sorted; a missing directory is empty.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes a directory and its parents, unless they exist.
    fn create_directory(&self, directory: &str) -> io::Result<()>;

    /// Makes creations, renames and deletions in a directory durable. `""` is the data directory.
    fn sync_directory(&self, directory: &str) -> io::Result<()>;

    /// Space that is left for new files.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Makes a new file of `length` zero bytes that are allocated and durable, so that writing
    /// them later changes no metadata. Leaves no file behind when it fails.
    fn create_zero_filled(&self, path: &str, length: u64) -> io::Result<Self::File> {
        let file = self.create(path)?;
        // Cached in large pieces, each small write would count as a write of a whole piece.
        let filled = fill_with_zeros(&file, length)
            .and_then(|()| file.sync_data())
            .and_then(|()| file.forget_cached());
        match filled {
            Ok(()) => Ok(file),
            Err(error) => {
                // The first failure is the one to report; the next start removes the remains.
                let _: io::Result<()> = self.remove(path);
                Err(error)
            }
        }
    }
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Writes the parts one after another from `offset` on, extending the file if needed. On
    /// error any subset of the bytes may have been written.
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()>;

    /// Fills the buffer from `offset` on; an end of file before that is an error.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Returns when everything written, and the length, is on stable storage.
    fn sync_data(&self) -> io::Result<()>;

    /// Asks for later reads to come from the device and not from a cache. Only advice.
    fn forget_cached(&self) -> io::Result<()>;
}

/// Zeros that are written at once.
const ZEROS: &[u8] = &[0; 256 * 1024];

fn fill_with_zeros(file: &impl DiskFile, length: u64) -> io::Result<()> {
    let step = ZEROS.len() as u64;
    let mut offset = 0;
    while offset < length {
        let part = usize::try_from((length - offset).min(step)).unwrap_or(ZEROS.len());
        file.write_at(&[ZEROS.get(..part).unwrap_or(ZEROS)], offset)?;
        offset += part as u64;
    }
    Ok(())
}

/// Whether an error says that space ran out, which writing less or later can cure.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
