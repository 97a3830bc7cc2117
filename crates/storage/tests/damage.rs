//! Damage anywhere in a used directory: found with file and byte, never served, and salvage brings
//! over everything else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sabir_core::storage::{
    Admission, BlockKind, FileNumber, IndexBatch, IndexStore, Journal, Keyspace, Mark, Position,
    RecordMeta, Run, StorageError, Tier,
};
use sabir_storage::directory::{Identity, Store};
use sabir_storage::disk::{Disk, DiskFile, SimDisk};
use sabir_storage::extent::SettleWriter;
use sabir_storage::index::SimIndex;
use sabir_storage::inspect::{Damage, Lost};
use sabir_storage::journal::JournalOptions;
use sabir_storage::salvage::{Salvage, salvage};
use sabir_storage::verify::{Verification, verify};

const OPTIONS: JournalOptions = JournalOptions {
    file_bytes: 20 << 10,
    first_file_bytes: 20 << 10,
    spares: 1,
    spares_kept_max: 1,
    body_bytes_max: 1 << 20,
};

/// Blocks by position and records by log and offset.
type Content = (BTreeMap<u64, Bytes>, BTreeMap<(u64, u64), Bytes>);

/// A directory with settled records of five logs, of which one is large, and nine blocks in the
/// files 2 to 4, the first file having been settled.
fn used() -> (SimDisk, SimIndex) {
    let disk = SimDisk::new();
    let index = SimIndex::new(&disk);
    let store = open(&disk, &index).unwrap();
    let mut recovered = store.recover(OPTIONS, &mut |_| Ok(())).unwrap();
    for byte in 0..12_u8 {
        recovered
            .journal
            .append(&[byte; 4000], Admission::Normal)
            .unwrap();
        recovered.journal.sync().unwrap();
    }
    let mut settle = SettleWriter::new(&recovered.extents, Tier::Durable, 100_000);
    for log in 1..=5_u64 {
        for offset in 0..if log == 3 { 150 } else { 20 } {
            let bytes = Bytes::from(format!("{log}/{offset}/").repeat(200));
            settle
                .add(log, offset, RecordMeta::default(), bytes)
                .unwrap();
        }
    }
    let mut batch = IndexBatch::default();
    settle.finish().unwrap().add_to(&mut batch);
    batch.put(Keyspace::Catalog, "queue", "definition");
    batch.put_mark(Mark {
        first_file: FileNumber(2),
        states: Position(4),
    });
    index.commit(batch).unwrap();
    recovered.journal.close().unwrap();
    (disk, index)
}

fn open(disk: &SimDisk, index: &SimIndex) -> Result<Store<SimDisk, SimIndex>, StorageError> {
    let identity = || Identity {
        cluster: 5,
        node: 6,
    };
    Store::open(
        Arc::new(disk.clone()),
        Arc::new(index.clone()),
        identity,
        OPTIONS,
    )
}

/// Everything that the directory serves.
fn content(disk: &SimDisk, index: &SimIndex) -> Result<Content, StorageError> {
    let mut blocks = BTreeMap::new();
    let recovered = open(disk, index)?.recover(OPTIONS, &mut |block| {
        if block.kind == BlockKind::Entries {
            blocks.insert(block.position.0, block.body);
        }
        Ok(())
    })?;
    let mut records = BTreeMap::new();
    index.scan(Keyspace::Runs, &[], &mut |key, value| {
        let run = Run::from_entry(key, value)?;
        for record in recovered
            .extents
            .read(run.file, run.log, run.first, u64::MAX)?
        {
            records.insert((run.log, record.offset), record.bytes);
        }
        Ok(())
    })?;
    Ok((blocks, records))
}

fn beside(disk: &SimDisk, index: &SimIndex) -> SimIndex {
    index.after_power_cut(disk, 0)
}

fn rescue(disk: &SimDisk, index: Option<&SimIndex>) -> (SimDisk, SimIndex, Salvage) {
    let target = SimDisk::new();
    let target_index = SimIndex::new(&target);
    let source_index = index.map(|index| index as &dyn IndexStore);
    let report = salvage(
        disk,
        source_index,
        &Arc::new(target.clone()),
        &target_index,
        OPTIONS,
    )
    .unwrap();
    (target, target_index, report)
}

/// Every file that counts, with the bytes of it that do: all of an extent, the used part of a
/// journal file.
fn used_bytes(disk: &SimDisk) -> Vec<(String, u64)> {
    let mut files = vec![
        ("journal/0000000000000002.jnl".to_owned(), 20 << 10),
        ("journal/0000000000000003.jnl".to_owned(), 20 << 10),
        ("journal/0000000000000004.jnl".to_owned(), 8 << 10),
    ];
    for name in disk.list("extents").unwrap() {
        let path = format!("extents/{name}");
        let length = disk.open(&path).unwrap().length().unwrap();
        files.push((path, length));
    }
    files
}

fn place(error: &StorageError) -> (&str, u64) {
    match error {
        StorageError::Corrupt { file, offset, .. } => (file, *offset),
        other => panic!("{other}"),
    }
}

fn sound(found: &Verification) -> &[Damage] {
    assert_eq!(found.damaged, found.damage.len() as u64);
    &found.damage
}

#[test]
fn an_intact_directory_is_sound_and_salvage_copies_all_of_it() {
    let (disk, index) = used();
    let found = verify(&disk, &index).unwrap();
    assert!(found.is_sound(), "{:?}", found.damage);
    assert_eq!(
        (found.blocks, found.extents, found.records, found.runs),
        (10, 2, 230, 5)
    );
    let before = content(&disk.fork(), &beside(&disk, &index)).unwrap();
    assert_eq!((before.0.len(), before.1.len()), (9, 230));
    let (target, target_index, report) = rescue(&disk, Some(&index));
    assert_eq!(
        (report.blocks, report.records, report.entries),
        (10, 230, 1)
    );
    assert!(report.damage.is_empty());
    assert_eq!(content(&target, &target_index).unwrap(), before);
    assert!(verify(&target, &target_index).unwrap().is_sound());
}

#[test]
fn a_flipped_byte_anywhere_is_found_and_never_served() {
    let (disk, index) = used();
    let before = content(&disk.fork(), &beside(&disk, &index)).unwrap();
    for (file, length) in used_bytes(&disk) {
        for at in (0..length).step_by(1531).chain([length - 1]) {
            let damaged = disk.fork();
            assert!(damaged.flip(&file, at, 0x20));
            let index = beside(&damaged, &index);
            let found = verify(&damaged, &index).unwrap();
            let damage = sound(&found)
                .first()
                .unwrap_or_else(|| panic!("{file} byte {at}"));
            assert!(
                damage.file == file && damage.from <= at,
                "{file} byte {at}: {damage}"
            );
            match content(&damaged, &index) {
                Ok(served) => assert!(served == before && file.starts_with("extents")),
                Err(error) => {
                    let (found, from) = place(&error);
                    assert!(found == file && from <= at, "{file} byte {at}: {error}");
                }
            }
        }
    }
}

#[test]
fn salvage_brings_over_all_but_the_damaged_stretch() {
    let (disk, index) = used();
    let before = content(&disk.fork(), &beside(&disk, &index)).unwrap();
    for (file, length) in used_bytes(&disk) {
        for at in (0..length).step_by(4093) {
            let damaged = disk.fork();
            assert!(damaged.flip(&file, at, 0x20));
            let (target, target_index, report) = rescue(&damaged, Some(&beside(&damaged, &index)));
            let after = content(&target, &target_index).unwrap();
            assert!(
                after
                    .0
                    .iter()
                    .all(|(position, body)| before.0.get(position) == Some(body))
            );
            assert!(
                after
                    .1
                    .iter()
                    .all(|(key, bytes)| before.1.get(key) == Some(bytes))
            );
            let lost_blocks = before.0.keys().filter(|key| !after.0.contains_key(key));
            for position in lost_blocks {
                assert!(is_reported(
                    &report,
                    |lost| matches!(lost, Lost::Blocks(first, last)
                    if (first.0..=last.0).contains(position))
                ));
            }
            for key in before.1.keys().filter(|key| !after.1.contains_key(key)) {
                assert!(is_reported(
                    &report,
                    |lost| matches!(lost, Lost::Records { after, before }
                    if after.is_none_or(|after| after < *key)
                    && before.is_none_or(|before| *key < before))
                ));
            }
            assert!(
                after.0.len() + 1 >= before.0.len(),
                "one flip costs one block at most"
            );
            assert!(
                after.1.len() + 90 > before.1.len(),
                "one flip costs one chunk at most"
            );
        }
    }
}

fn is_reported(report: &Salvage, wanted: impl Fn(Lost) -> bool) -> bool {
    report.damage.iter().any(|damage| wanted(damage.lost))
}

#[test]
fn a_missing_file_is_found_and_what_it_held_is_reported() {
    let (disk, index) = used();
    disk.remove("journal/0000000000000003.jnl").unwrap();
    let index = beside(&disk, &index);
    assert!(matches!(
        content(&disk, &index),
        Err(StorageError::Missing { .. })
    ));
    let (target, target_index, report) = rescue(&disk, Some(&index));
    let lost = Lost::Blocks(Position(9), Position(12));
    assert!(
        is_reported(&report, |found| found == lost),
        "{:?}",
        report.damage
    );
    assert_eq!(content(&target, &target_index).unwrap().0.len(), 5);

    disk.remove("extents/0000000000000002.ext").unwrap();
    let found = verify(&disk, &index).unwrap();
    assert!(
        found
            .damage
            .iter()
            .any(|damage| damage.file == "extents/0000000000000002.ext")
    );
    let (target, target_index, report) = rescue(&disk, Some(&index));
    assert!(
        report
            .damage
            .iter()
            .any(|damage| damage.detail.contains("log 3 offset 0"))
    );
    assert_eq!(content(&target, &target_index).unwrap().1.len(), 80);
}

#[test]
fn without_the_index_journal_and_extents_are_brought_over() {
    let (disk, _) = used();
    let (target, target_index, report) = rescue(&disk, None);
    assert_eq!(
        report
            .damage
            .iter()
            .map(|damage| damage.file.as_str())
            .collect::<Vec<_>>(),
        ["index"]
    );
    let (blocks, records) = content(&target, &target_index).unwrap();
    assert_eq!((blocks.len(), records.len()), (12, 230));
}

#[test]
fn salvage_refuses_a_directory_in_use() {
    let (disk, index) = used();
    let refused = salvage(
        &disk,
        Some(&index),
        &Arc::new(disk.clone()),
        &index,
        OPTIONS,
    );
    assert!(matches!(refused, Err(StorageError::Directory { .. })));
}
