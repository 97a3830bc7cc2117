//! A small model of the core: it numbers records, packs them into blocks, settles closed files and
//! knows at any time what it was told to be durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use sabir_core::storage::{
    Admission, Block, BlockKind, FileNumber, IndexBatch, IndexStore, Journal, Keyspace, Mark,
    Position, RecordMeta, Run, StorageError, Tier,
};
use sabir_storage::directory::{Identity, Store};
use sabir_storage::disk::SimDisk;
use sabir_storage::extent::{Extents, SettleWriter};
use sabir_storage::index::SimIndex;
use sabir_storage::journal::{JournalOptions, LocalJournal};

pub(crate) const OPTIONS: JournalOptions = JournalOptions {
    file_bytes: 16 << 10,
    first_file_bytes: 12 << 10,
    spares: 1,
    spares_kept_max: 1,
    body_bytes_max: 1 << 20,
};

const IDENTITY: Identity = Identity {
    cluster: 3,
    node: 4,
};

const OWN_FILE_BYTES: u64 = 6000;

/// Log and offset.
pub(crate) type Key = (u64, u64);

/// What a client remembers of what it asked for, across restarts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// Everything that was ever appended, by block.
    pub(crate) appended: Vec<BTreeMap<Key, Bytes>>,
    /// Everything that was durable according to a sync.
    pub(crate) confirmed: BTreeSet<Key>,
    next_offset: BTreeMap<u64, u64>,
}

/// A node: what a restart gives.
pub(crate) struct Node {
    pub(crate) journal: LocalJournal<SimDisk>,
    pub(crate) extents: Extents<SimDisk>,
    pub(crate) index: Arc<SimIndex>,
    /// Records by journal file and where they are: what the core holds in memory.
    files: BTreeMap<FileNumber, BTreeMap<Key, Bytes>>,
    last_position: BTreeMap<FileNumber, Position>,
    unconfirmed: Vec<Key>,
}

impl Node {
    pub(crate) fn start(disk: &SimDisk, index: &SimIndex) -> Result<Self, StorageError> {
        let index = Arc::new(index.clone());
        let store = Store::open(
            Arc::new(disk.clone()),
            Arc::clone(&index),
            || IDENTITY,
            OPTIONS,
        )?;
        let mut files: BTreeMap<FileNumber, BTreeMap<Key, Bytes>> = BTreeMap::new();
        let mut last_position = BTreeMap::new();
        let recovered = store.recover(OPTIONS, &mut |block: Block| {
            last_position.insert(block.file, block.position);
            if block.kind == BlockKind::Entries {
                files
                    .entry(block.file)
                    .or_default()
                    .extend(unpack(&block.body));
            }
            Ok(())
        })?;
        Ok(Self {
            journal: recovered.journal,
            extents: recovered.extents,
            index,
            files,
            last_position,
            unconfirmed: Vec::new(),
        })
    }

    /// Appends one block with a record of `size` bytes for each log.
    pub(crate) fn append(
        &mut self,
        model: &mut Model,
        logs: &[u64],
        size: usize,
    ) -> Result<(), StorageError> {
        let mut records = BTreeMap::new();
        for log in logs {
            let next = model.next_offset.entry(*log).or_insert(0);
            let payload = Bytes::from(vec![u8::try_from(*next % 251).unwrap(); size]);
            records.insert((*log, *next), payload);
            *next += 1;
        }
        model.appended.push(records.clone());
        let appended = self.journal.append(&pack(&records), Admission::Normal)?;
        self.last_position.insert(appended.file, appended.position);
        self.unconfirmed.extend(records.keys());
        self.files.entry(appended.file).or_default().extend(records);
        match appended.sealed {
            Some(sealed) => self.settle(sealed),
            None => Ok(()),
        }
    }

    pub(crate) fn sync(&mut self, model: &mut Model) -> Result<(), StorageError> {
        let durable = self.journal.sync()?;
        assert_eq!(durable.next(), self.journal.next_position());
        model.confirmed.extend(self.unconfirmed.drain(..));
        Ok(())
    }

    /// Moves the records of all files up to a closed one into extents.
    fn settle(&mut self, sealed: FileNumber) -> Result<(), StorageError> {
        let rest = self.files.split_off(&sealed.next());
        let closed = std::mem::replace(&mut self.files, rest);
        let records: BTreeMap<Key, Bytes> = closed.into_values().flatten().collect();
        let mut settle = SettleWriter::new(&self.extents, Tier::Durable, OWN_FILE_BYTES);
        for ((log, offset), bytes) in records {
            settle.add(log, offset, RecordMeta::default(), bytes)?;
        }
        let settled = settle.finish()?;
        let mut batch = IndexBatch::default();
        settled.add_to(&mut batch);
        let states = self.last_position.range(..=sealed).next_back();
        batch.put_mark(Mark {
            first_file: sealed.next(),
            states: states.map_or(Position(0), |(_, position)| *position),
        });
        self.index.commit(batch)?;
        self.journal.trim(sealed.next())?;
        self.journal.spares().replenish().map(drop)
    }

    /// Every record that a consumer of this node could get, with how often it is there.
    pub(crate) fn records(&self) -> Result<BTreeMap<Key, Vec<Bytes>>, StorageError> {
        let mut found: BTreeMap<Key, Vec<Bytes>> = BTreeMap::new();
        for (key, bytes) in self.files.values().flatten() {
            found.entry(*key).or_default().push(bytes.clone());
        }
        let mut runs = Vec::new();
        self.index.scan(Keyspace::Runs, &[], &mut |key, value| {
            runs.push(Run::from_entry(key, value)?);
            Ok(())
        })?;
        let mut files: BTreeSet<_> = self.extents.files(Tier::Durable)?.into_iter().collect();
        for run in runs {
            files.remove(&run.file);
            for record in self.extents.read(run.file, run.log, run.first, u64::MAX)? {
                found
                    .entry((run.log, record.offset))
                    .or_default()
                    .push(record.bytes);
            }
        }
        assert!(files.is_empty(), "nothing refers to {files:?}");
        Ok(found)
    }
}

impl Model {
    /// Checks what a node brought back, and forgets what it lost by right.
    pub(crate) fn check(&mut self, node: &Node) {
        let found = node.records().unwrap();
        for key in &self.confirmed {
            assert_eq!(
                found.get(key).map(Vec::len),
                Some(1),
                "confirmed record {key:?}"
            );
        }
        let mut whole = 0;
        for block in &self.appended {
            let present = block.keys().filter(|key| found.contains_key(key)).count();
            assert!(
                present == 0 || present == block.len(),
                "half a block: {block:?}"
            );
            for (key, bytes) in block {
                assert!(
                    found
                        .get(key)
                        .is_none_or(|copies| copies == std::slice::from_ref(bytes))
                );
            }
            whole += present;
        }
        assert_eq!(whole, found.len(), "something was invented");
        let first_lost = self
            .appended
            .iter()
            .position(|block| block.keys().any(|key| !found.contains_key(key)));
        if let Some(first_lost) = first_lost {
            let lost = self.appended.split_off(first_lost);
            for key in lost.iter().flat_map(BTreeMap::keys) {
                assert!(
                    !found.contains_key(key),
                    "a later block outlived an earlier one"
                );
                let next = self.next_offset.entry(key.0).or_insert(key.1);
                *next = key.1.min(*next);
            }
        }
    }
}

fn pack(records: &BTreeMap<Key, Bytes>) -> Vec<u8> {
    let mut body = Vec::new();
    for ((log, offset), bytes) in records {
        body.extend_from_slice(&log.to_be_bytes());
        body.extend_from_slice(&offset.to_be_bytes());
        body.extend_from_slice(&u64::try_from(bytes.len()).unwrap().to_be_bytes());
        body.extend_from_slice(bytes);
    }
    body
}

fn unpack(mut body: &[u8]) -> BTreeMap<Key, Bytes> {
    let mut records = BTreeMap::new();
    let number = |body: &mut &[u8]| {
        let (number, rest) = body.split_first_chunk().unwrap();
        *body = rest;
        u64::from_be_bytes(*number)
    };
    while !body.is_empty() {
        let (log, offset) = (number(&mut body), number(&mut body));
        let length = usize::try_from(number(&mut body)).unwrap();
        let (bytes, rest) = body.split_at(length);
        records.insert((log, offset), Bytes::copy_from_slice(bytes));
        body = rest;
    }
    records
}
