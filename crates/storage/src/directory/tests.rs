//! First start, restart, and parts that were taken away.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use sabir_core::storage::{Admission, FileNumber, Journal, Mark, Position, StorageError};

use super::{DirectoryLock, Identity, Store, open};
use crate::disk::{Disk, Fault, SimDisk};
use crate::index::SimIndex;
use crate::journal::JournalOptions;

const OPTIONS: JournalOptions = JournalOptions {
    file_bytes: 16 << 10,
    first_file_bytes: 16 << 10,
    spares: 1,
    spares_kept_max: 1,
    body_bytes_max: 1 << 20,
};

const IDENTITY: Identity = Identity {
    cluster: 1 << 100,
    node: 7,
};

fn start(disk: &SimDisk, index: &SimIndex) -> Result<Vec<Vec<u8>>, StorageError> {
    let (disk, index) = (Arc::new(disk.clone()), Arc::new(index.clone()));
    let store = Store::open(disk, index, || IDENTITY, OPTIONS)?;
    let mut bodies = Vec::new();
    let mut recovered = store.recover(OPTIONS, &mut |block| {
        bodies.push(block.body.to_vec());
        Ok(())
    })?;
    recovered.journal.append(b"body", Admission::Normal)?;
    recovered.journal.sync()?;
    Ok(bodies)
}

fn refused(result: Result<Vec<Vec<u8>>, StorageError>) -> String {
    match result {
        Err(StorageError::Directory { path, .. }) => path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interrupted_first_start_is_completed_by_the_next() {
    let clean = SimDisk::new();
    assert!(start(&clean, &SimIndex::new(&clean)).unwrap().is_empty());
    for operation in 0..clean.operations() {
        for seed in 0..16 {
            let disk = SimDisk::new();
            let index = SimIndex::new(&disk);
            disk.inject(operation, Fault::PowerOff);
            assert!(start(&disk, &index).is_err());
            let restarted = disk.after_power_cut(seed);
            let index = index.after_power_cut(&restarted, seed);
            let bodies = start(&restarted, &index).unwrap();
            assert!(bodies.iter().filter(|body| !body.is_empty()).count() <= 1);
        }
    }
}

#[test]
fn a_part_that_was_taken_away_is_noticed() {
    let disk = SimDisk::new();
    let index = SimIndex::new(&disk);
    start(&disk, &index).unwrap();
    assert_eq!(start(&disk, &index).unwrap().len(), 2, "a fence and a body");

    assert_eq!(refused(start(&disk, &SimIndex::new(&disk))), "index");
    let without = disk.fork();
    without.remove("IDENTITY").unwrap();
    assert_eq!(
        refused(start(&without, &index.after_power_cut(&without, 0))),
        "IDENTITY"
    );
    let without = disk.fork();
    without.remove("journal/0000000000000001.jnl").unwrap();
    let missing = start(&without, &index.after_power_cut(&without, 0));
    assert!(matches!(missing, Err(StorageError::Missing { .. })));
}

#[test]
fn an_index_ahead_of_the_journal_is_refused() {
    use sabir_core::storage::{IndexBatch, IndexStore};
    let disk = SimDisk::new();
    let index = SimIndex::new(&disk);
    start(&disk, &index).unwrap();
    let mut batch = IndexBatch::default();
    batch.put_mark(Mark {
        first_file: FileNumber(1),
        states: Position(99),
    });
    index.commit(batch).unwrap();
    assert!(matches!(
        start(&disk, &index),
        Err(StorageError::Corrupt { .. })
    ));
}

#[test]
fn another_directorys_index_is_refused() {
    let (disk, other) = (SimDisk::new(), SimDisk::new());
    let index = SimIndex::new(&disk);
    start(&disk, &index).unwrap();
    Identity {
        cluster: 2,
        node: 2,
    }
    .write(&other)
    .unwrap();
    assert_eq!(
        refused(start(&other, &index.after_power_cut(&other, 0))),
        "index"
    );
}

#[test]
fn an_identity_that_changed_or_is_newer_is_refused() {
    let disk = SimDisk::new();
    let index = SimIndex::new(&disk);
    start(&disk, &index).unwrap();
    assert_eq!(Identity::read(&disk).unwrap(), Some(IDENTITY));
    let damaged = disk.fork();
    assert!(damaged.flip("IDENTITY", 20, 1));
    assert!(matches!(
        start(&damaged, &index),
        Err(StorageError::Corrupt { .. })
    ));
    assert!(disk.flip("IDENTITY", 7, 8), "format 1 becomes 9");
    assert_eq!(refused(start(&disk, &index)), "IDENTITY");
}

#[test]
fn a_real_directory_is_private_and_locked() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("data");
    let (lock, store) = open(&root, || IDENTITY, OPTIONS).unwrap();
    assert_eq!(store.identity(), IDENTITY);
    assert_eq!(
        std::fs::metadata(&root).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let second = DirectoryLock::acquire(&root).unwrap_err().to_string();
    assert!(
        second.ends_with(&format!("is in use by process {}", std::process::id())),
        "{second}"
    );
    let mut recovered = store.recover(OPTIONS, &mut |_| Ok(())).unwrap();
    recovered
        .journal
        .append(b"kept", Admission::Normal)
        .unwrap();
    recovered.journal.close().unwrap();
    drop((lock, recovered.extents));
    let (_lock, store) = open(
        &root,
        || Identity {
            cluster: 0,
            node: 0,
        },
        OPTIONS,
    )
    .unwrap();
    assert_eq!(store.identity(), IDENTITY);
    let mut bodies = Vec::new();
    let recovered = store.recover(OPTIONS, &mut |block| {
        bodies.push(block.body);
        Ok(())
    });
    assert_eq!(recovered.unwrap().report.blocks, 3);
    assert!(bodies.iter().any(|body| body == "kept"));
}
