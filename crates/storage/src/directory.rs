//! A node's data directory: identity, lock, and the order in which its parts are made and opened.
//!
//! ```text
//! IDENTITY    who the data belongs to, written once
//! LOCK        held by the process that uses the directory; holds its number
//! journal/    blocks, and zero-filled files that wait
//! extents/    settled records
//! volatile/   records that do not outlive the process
//! index/      catalog, checkpoints, runs
//! ```
//!
//! A new directory gets identity, journal and index in this order, each durable before the next,
//! so a part that is missing later was taken away.

mod identity;
mod lock;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use sabir_core::storage::{
    BlockVisitor, FileNumber, IndexBatch, IndexStore, Keyspace, Mark, Position, StorageError, Tier,
};

pub use self::identity::Identity;
pub use self::lock::DirectoryLock;

use crate::disk::{Disk, RealDisk};
use crate::extent::{self, Extents};
use crate::fail::io_failure;
use crate::index::FjallIndex;
use crate::journal::scan::Scan;
use crate::journal::{JournalOptions, LocalJournal, Recovery, recovery};

const INDEX_DIRECTORY: &str = "index";
const IDENTITY_KEY: &[u8] = b"identity";
const FIRST_MARK: Mark = Mark {
    first_file: FileNumber(1),
    states: Position(0),
};

/// An opened data directory whose journal has not been read yet.
pub struct Store<D: Disk, I: IndexStore> {
    disk: Arc<D>,
    index: Arc<I>,
    identity: Identity,
    mark: Mark,
}

/// The parts of a recovered data directory.
pub struct Recovered<D: Disk> {
    /// Ready for appends, fenced with a new epoch.
    pub journal: LocalJournal<D>,
    /// Settled records; files that nothing refers to are gone.
    pub extents: Extents<D>,
    /// What recovery found in the journal.
    pub report: Recovery,
}

/// Opens the data directory of this node, making what is missing of a new one. `new_identity` is
/// asked only if the directory is new. The lock must be kept while anything of the store is used.
pub fn open(
    root: &Path,
    new_identity: impl FnOnce() -> Identity,
    options: JournalOptions,
) -> Result<(DirectoryLock, Store<RealDisk, FjallIndex>), StorageError> {
    let lock = DirectoryLock::acquire(root)?;
    let disk = RealDisk::new(root);
    disk.create_directory(INDEX_DIRECTORY)
        .map_err(io_failure("create directory", INDEX_DIRECTORY))?;
    let index = FjallIndex::open(&root.join(INDEX_DIRECTORY))?;
    let store = Store::open(Arc::new(disk), Arc::new(index), new_identity, options)?;
    Ok((lock, store))
}

impl<D: Disk, I: IndexStore> Store<D, I> {
    /// Checks that the parts of a directory belong together, and makes those of a new one.
    pub fn open(
        disk: Arc<D>,
        index: Arc<I>,
        new_identity: impl FnOnce() -> Identity,
        options: JournalOptions,
    ) -> Result<Self, StorageError> {
        let stored = index.get(Keyspace::Mark, Mark::KEY)?;
        let identity = match Identity::read(&*disk)? {
            Some(identity) => {
                // An earlier start may have died between the rename and its sync.
                identity::sync_name(&*disk)?;
                identity
            }
            None => {
                ensure_nothing_written(&*disk, stored.is_some(), Identity::FILE, None)?;
                let identity = new_identity();
                identity.write(&*disk)?;
                identity
            }
        };
        let mark = match stored {
            Some(value) => {
                ensure_same(&*index, &identity)?;
                Mark::from_value(&value)?
            }
            None => {
                ensure_nothing_written(&*disk, false, INDEX_DIRECTORY, Some(&identity))?;
                LocalJournal::create(&disk, identity.lineage(), options)?;
                initialise(&*index, &identity, FIRST_MARK)?;
                FIRST_MARK
            }
        };
        Ok(Self {
            disk,
            index,
            identity,
            mark,
        })
    }

    /// Who the data belongs to.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// How far the index is complete.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> Arc<I> {
        Arc::clone(&self.index)
    }

    /// The disk.
    #[must_use]
    pub fn disk(&self) -> Arc<D> {
        Arc::clone(&self.disk)
    }

    /// Reads the journal from the mark on, handing every block to the visitor, and opens the rest.
    pub fn recover(
        self,
        options: JournalOptions,
        visitor: BlockVisitor<'_>,
    ) -> Result<Recovered<D>, StorageError> {
        let lineage = self.identity.lineage();
        let (journal, report) =
            LocalJournal::open(Arc::clone(&self.disk), lineage, options, self.mark, visitor)?;
        let extents = Extents::open(self.disk, lineage)?;
        extents.remove_unreferenced(&*self.index)?;
        Ok(Recovered {
            journal,
            extents,
            report,
        })
    }
}

/// Makes an index that belongs to the directory.
pub(crate) fn initialise(
    index: &dyn IndexStore,
    identity: &Identity,
    mark: Mark,
) -> Result<(), StorageError> {
    let mut batch = IndexBatch::default();
    batch.put_mark(mark);
    batch.put(Keyspace::Mark, IDENTITY_KEY, identity.lineage_bytes());
    index.commit(batch)
}

/// Refuses a directory that holds anything.
pub(crate) fn ensure_empty<D: Disk>(disk: &D, index: &dyn IndexStore) -> Result<(), StorageError> {
    let used = Identity::read(disk)?.is_some()
        || index.get(Keyspace::Mark, Mark::KEY)?.is_some()
        || !recovery::numbers(disk)?.is_empty()
        || !extent::files_of(disk, Tier::Durable)?.is_empty();
    if used {
        Err(refusal("target", "is not empty"))
    } else {
        Ok(())
    }
}

fn ensure_same(index: &impl IndexStore, identity: &Identity) -> Result<(), StorageError> {
    let stored = index.get(Keyspace::Mark, IDENTITY_KEY)?;
    if stored.is_some_and(|stored| stored == identity.lineage_bytes()) {
        return Ok(());
    }
    Err(refusal(
        INDEX_DIRECTORY,
        "the index belongs to another data directory; restore its own",
    ))
}

/// A part that is not there is new only if nothing was ever written.
fn ensure_nothing_written<D: Disk>(
    disk: &D,
    index_used: bool,
    part: &str,
    identity: Option<&Identity>,
) -> Result<(), StorageError> {
    let extents = !extent::files_of(disk, Tier::Durable)?.is_empty();
    if !index_used && !extents && journal_is_unused(disk, identity)? {
        return Ok(());
    }
    let detail = "missing, while the journal, the extents or the index hold data; restore it, or \
                  rebuild the directory with salvage";
    Err(refusal(part, detail))
}

/// Whether the journal holds no block, as after an interrupted first start.
fn journal_is_unused<D: Disk>(disk: &D, identity: Option<&Identity>) -> Result<bool, StorageError> {
    match (recovery::numbers(disk)?.as_slice(), identity) {
        ([], _) => Ok(true),
        ([number], Some(identity)) if *number == FileNumber(1) => {
            let mut scan = Scan::open(disk, *number, identity.lineage())?;
            Ok(scan.next()?.is_none() && scan.later(|_| true)?.is_none())
        }
        _ => Ok(false),
    }
}

fn refusal(path: &str, detail: &str) -> StorageError {
    StorageError::Directory {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}
