//! The index on disk: one `fjall` tree, in which the first byte of a key names the [`Keyspace`].
//!
//! One tree, because making one costs a dozen syncs, which an empty node would wait for. Caches are
//! small: the index is read at start and when something cold is touched.

use std::path::Path;

use fjall::{Database, Keyspace as Tree, KeyspaceCreateOptions, PersistMode};
use sabir_core::storage::{
    IndexBatch, IndexChange, IndexStore, IndexVisitor, Keyspace, StorageError,
};

use super::ensure_bounded;

const TREE: &str = "index";
const CACHE_BYTES: u64 = 4 << 20;
const MEMTABLE_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;
const OPEN_FILES: usize = 64;

/// The index in a directory of its own.
pub struct FjallIndex {
    database: Database,
    tree: Tree,
}

impl FjallIndex {
    /// Opens or makes the index in `directory`.
    pub fn open(directory: &Path) -> Result<Self, StorageError> {
        let database = Database::builder(directory)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(OPEN_FILES))
            .worker_threads(1)
            .open()
            .map_err(failure)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let tree = database.keyspace(TREE, options).map_err(failure)?;
        Ok(Self { database, tree })
    }
}

impl IndexStore for FjallIndex {
    fn commit(&self, batch: IndexBatch) -> Result<(), StorageError> {
        ensure_bounded(&batch)?;
        let mut write = self.database.batch().durability(Some(PersistMode::SyncAll));
        for change in batch.into_changes() {
            match change {
                IndexChange::Put {
                    keyspace,
                    key,
                    value,
                } => {
                    write.insert(&self.tree, within(keyspace, &key), value);
                }
                IndexChange::Remove { keyspace, key } => {
                    write.remove(&self.tree, within(keyspace, &key));
                }
            }
        }
        write.commit().map_err(failure)
    }

    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let value = self.tree.get(within(keyspace, key)).map_err(failure)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        visitor: IndexVisitor<'_>,
    ) -> Result<(), StorageError> {
        for entry in self.tree.prefix(within(keyspace, prefix)) {
            let (key, value) = entry.into_inner().map_err(failure)?;
            visitor(key.get(1..).unwrap_or_default(), &value)?;
        }
        Ok(())
    }
}

/// The key in the tree.
fn within(keyspace: Keyspace, key: &[u8]) -> Vec<u8> {
    let tag = match keyspace {
        Keyspace::Catalog => b'c',
        Keyspace::State => b's',
        Keyspace::Runs => b'r',
        Keyspace::Files => b'f',
        Keyspace::Mark => b'm',
        Keyspace::Deduplication => b'd',
    };
    let mut bytes = Vec::with_capacity(key.len() + 1);
    bytes.push(tag);
    bytes.extend_from_slice(key);
    bytes
}

fn failure(error: fjall::Error) -> StorageError {
    use std::error::Error as _;
    let text = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    StorageError::Index(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sabir_core::storage::{FileNumber, Mark, Position};

    fn keys(index: &FjallIndex, prefix: &[u8]) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let scan = index.scan(Keyspace::Catalog, prefix, &mut |key, _| {
            keys.push(key.to_vec());
            Ok(())
        });
        scan.unwrap();
        keys
    }

    #[test]
    fn batches_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mark = Mark {
            first_file: FileNumber(2),
            states: Position(3),
        };
        {
            let index = FjallIndex::open(directory.path()).unwrap();
            let mut batch = IndexBatch::default();
            for key in ["b2", "a", "b1"] {
                batch.put(Keyspace::Catalog, key, "value");
            }
            batch.put_mark(mark);
            index.commit(batch).unwrap();
            let mut batch = IndexBatch::default();
            batch.remove(Keyspace::Catalog, "a");
            index.commit(batch).unwrap();
        }
        let index = FjallIndex::open(directory.path()).unwrap();
        assert_eq!(keys(&index, b""), [b"b1", b"b2"]);
        assert_eq!(keys(&index, b"b2"), [b"b2"]);
        let stored = index.get(Keyspace::Mark, Mark::KEY).unwrap().unwrap();
        assert_eq!(Mark::from_value(&stored).unwrap(), mark);
        assert_eq!(index.get(Keyspace::State, b"a").unwrap(), None);
    }

    #[test]
    fn keys_are_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let index = FjallIndex::open(directory.path()).unwrap();
        let mut batch = IndexBatch::default();
        batch.put(Keyspace::State, vec![0; 65_535], "");
        let refused = index.commit(batch);
        assert!(matches!(
            refused,
            Err(StorageError::TooLarge { limit: 65_534, .. })
        ));
    }
}
