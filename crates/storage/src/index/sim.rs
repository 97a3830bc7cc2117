//! An index in memory that keeps whole commits across a simulated power cut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sabir_core::storage::{
    IndexBatch, IndexChange, IndexStore, IndexVisitor, Keyspace, StorageError,
};

use super::ensure_bounded;
use crate::disk::SimDisk;
use crate::fail::io_failure;

type Entries = BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>;

/// A simulated index. A commit is one operation of the disk it stands beside, and suffers the
/// faults that are injected there: a power cut during a commit keeps all of it or nothing.
#[derive(Clone, Debug)]
pub struct SimIndex {
    disk: SimDisk,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    entries: Arc<Entries>,
    /// What a commit that met a fault would have made of them.
    undecided: Option<Arc<Entries>>,
}

impl SimIndex {
    /// An empty index beside `disk`.
    #[must_use]
    pub fn new(disk: &SimDisk) -> Self {
        Self {
            disk: disk.clone(),
            state: Arc::default(),
        }
    }

    /// The index as the next start finds it beside `disk`, which is the disk after the same power
    /// cut: an even seed drops an interrupted commit, an odd one keeps it.
    #[must_use]
    pub fn after_power_cut(&self, disk: &SimDisk, seed: u64) -> Self {
        let state = self.state();
        let kept = state
            .undecided
            .as_ref()
            .filter(|_| seed % 2 == 1)
            .unwrap_or(&state.entries);
        let state = State {
            entries: Arc::clone(kept),
            undecided: None,
        };
        Self {
            disk: disk.clone(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// All entries, in order of keyspace and key.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<(Keyspace, Vec<u8>), Vec<u8>> {
        self.state().entries.as_ref().clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IndexStore for SimIndex {
    fn commit(&self, batch: IndexBatch) -> Result<(), StorageError> {
        ensure_bounded(&batch)?;
        let mut state = self.state();
        if state.undecided.is_some() {
            return Err(StorageError::Index("an earlier commit failed".into()));
        }
        let mut entries = state.entries.as_ref().clone();
        for change in batch.into_changes() {
            match change {
                IndexChange::Put {
                    keyspace,
                    key,
                    value,
                } => {
                    entries.insert((keyspace, key), value);
                }
                IndexChange::Remove { keyspace, key } => {
                    entries.remove(&(keyspace, key));
                }
            }
        }
        let entries = Arc::new(entries);
        let failed = io_failure("commit", "index");
        match self.disk.begin_operation() {
            Ok(None) => {
                state.entries = entries;
                Ok(())
            }
            Ok(Some(fault)) => {
                state.undecided = Some(entries);
                Err(failed(fault.error()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.state().entries.get(&(keyspace, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        visitor: IndexVisitor<'_>,
    ) -> Result<(), StorageError> {
        let entries = Arc::clone(&self.state().entries);
        for ((found, key), value) in entries.range((keyspace, prefix.to_vec())..) {
            if *found != keyspace || !key.starts_with(prefix) {
                break;
            }
            visitor(key, value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Fault;

    #[test]
    fn an_interrupted_commit_is_kept_whole_or_not_at_all() {
        let disk = SimDisk::new();
        let index = SimIndex::new(&disk);
        let commit = |keys: [&str; 2]| {
            let mut batch = IndexBatch::default();
            for key in keys {
                batch.put(Keyspace::State, key, "");
            }
            index.commit(batch)
        };
        commit(["a", "b"]).unwrap();
        disk.inject(disk.operations(), Fault::PowerOff);
        assert!(commit(["c", "d"]).is_err());
        let sizes = [0, 1].map(|seed| {
            index
                .after_power_cut(&disk.after_power_cut(seed), seed)
                .entries()
                .len()
        });
        assert_eq!(sizes, [2, 4]);
    }
}
