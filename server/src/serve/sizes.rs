//! How large the parts of the storage are on this machine.

use super::{ServeError, machine};
use crate::config::sections::Storage;
use crate::config::units::ByteSize;

/// A journal file takes at most this part of the memory: eight of them wait in it.
const MEMORY_PARTS: u64 = 32;

const FILE_MIN: ByteSize = ByteSize::mib(4);
const FILE_MAX: ByteSize = ByteSize::mib(16);

/// A journal file is made of blocks of this size.
const FILE_UNIT_BYTES: u64 = 4096;

const FILES_IN_MEMORY: u64 = 8;

/// Records leave memory when their file is full: with less than this, one file being filled, one
/// being moved and some room, memory could be full for ever.
const FILES_IN_MEMORY_MIN: u64 = 3;

/// Sizes in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// One journal file.
    pub(crate) journal_file: ByteSize,
    /// Records in memory.
    pub(crate) memtable: ByteSize,
}

impl Sizes {
    /// What is configured, the rest derived from this machine.
    pub(crate) fn on_this_machine(config: &Storage) -> Self {
        Self::derive(config, machine::memory_bytes())
    }

    /// What is configured, the rest derived from the memory that the process may use.
    fn derive(config: &Storage, memory_bytes: Option<u64>) -> Self {
        let memtable = config.memtable_bytes_max.exactly();
        let journal_file = config.journal_file_bytes.exactly().unwrap_or_else(|| {
            let of_memory = memory_bytes.map_or(FILE_MAX.bytes(), |bytes| bytes / MEMORY_PARTS);
            let of_memtable = memtable.map_or(u64::MAX, |size| size.bytes() / FILES_IN_MEMORY);
            let bytes = of_memory
                .clamp(FILE_MIN.bytes(), FILE_MAX.bytes())
                .min(of_memtable);
            ByteSize::of(bytes)
        });
        let journal_file = ByteSize::of(journal_file.bytes() / FILE_UNIT_BYTES * FILE_UNIT_BYTES);
        let derived = || ByteSize::of(journal_file.bytes().saturating_mul(FILES_IN_MEMORY));
        Self {
            journal_file,
            memtable: memtable.unwrap_or_else(derived),
        }
    }

    /// Refuses sizes with which records could not leave memory.
    pub(super) fn check(self) -> Result<(), ServeError> {
        let needed = self
            .journal_file
            .bytes()
            .saturating_mul(FILES_IN_MEMORY_MIN);
        if self.memtable.bytes() >= needed {
            return Ok(());
        }
        Err(ServeError::MemoryTooSmall {
            memtable: self.memtable,
            file: self.journal_file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::choice::Automatic;

    const GIB: u64 = 1 << 30;

    fn derived(memory_bytes: Option<u64>) -> (ByteSize, ByteSize) {
        let sizes = Sizes::derive(&Storage::default(), memory_bytes);
        assert!(sizes.check().is_ok());
        (sizes.journal_file, sizes.memtable)
    }

    #[test]
    fn sizes_follow_the_memory_within_bounds() {
        assert_eq!(
            derived(Some(64 * GIB)),
            (ByteSize::mib(16), ByteSize::mib(128))
        );
        assert_eq!(derived(None), (ByteSize::mib(16), ByteSize::mib(128)));
        assert_eq!(
            derived(Some(GIB / 4)),
            (ByteSize::mib(8), ByteSize::mib(64))
        );
        assert_eq!(
            derived(Some(GIB / 64)),
            (ByteSize::mib(4), ByteSize::mib(32))
        );
    }

    #[test]
    fn a_small_memtable_makes_small_files() {
        let config = Storage {
            memtable_bytes_max: Automatic::Exactly(ByteSize::mib(16)),
            ..Storage::default()
        };
        let sizes = Sizes::derive(&config, Some(64 * GIB));
        assert_eq!(sizes.journal_file, ByteSize::mib(2));
        assert!(sizes.check().is_ok());
    }

    #[test]
    fn files_that_do_not_fit_into_memory_are_refused() {
        let config = Storage {
            memtable_bytes_max: Automatic::Exactly(ByteSize::mib(100)),
            journal_file_bytes: Automatic::Exactly(ByteSize::mib(64)),
            ..Storage::default()
        };
        assert!(Sizes::derive(&config, None).check().is_err());
    }
}
