//! Extents, on a simulated disk.

use std::sync::Arc;

use bytes::Bytes;
use sabir_core::storage::{
    ExtentFile, IndexBatch, IndexStore, RecordMeta, Run, StorageError, StoredRecord, Tier,
};

use super::{Extents, SettleWriter, rewrite};
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile, Fault, SimDisk};
use crate::index::SimIndex;

fn open(disk: &SimDisk) -> Extents<SimDisk> {
    Extents::open(Arc::new(disk.clone()), Lineage::of(b"tests")).unwrap()
}

fn meta(timestamp_ms: u64, due_ms: Option<u64>) -> RecordMeta {
    RecordMeta {
        timestamp_ms,
        due_ms,
        flags: 3,
    }
}

/// Three logs, the middle one over several chunks with a record larger than a chunk.
fn write(extents: &Extents<SimDisk>, tier: Tier) -> (ExtentFile, Vec<Run>) {
    let mut writer = extents.create(tier).unwrap();
    writer.add(1, 7, meta(100, None), b"first").unwrap();
    for offset in 0..60_u64 {
        let size = if offset == 30 { 200_000 } else { 4000 };
        let byte = u8::try_from(offset).unwrap();
        let due = (offset % 7 == 3).then_some(10_000 - offset);
        writer
            .add(2, offset * 2, meta(1000 + offset, due), &vec![byte; size])
            .unwrap();
    }
    writer.add(9, u64::MAX, meta(50, None), b"").unwrap();
    let finished = writer.finish().unwrap();
    (finished.file, finished.runs)
}

fn offsets(records: &[StoredRecord]) -> Vec<u64> {
    records.iter().map(|record| record.offset).collect()
}

#[test]
fn records_are_read_back_by_log_and_offset() {
    let disk = SimDisk::new();
    let extents = open(&disk);
    let (file, runs) = write(&extents, Tier::Durable);
    assert_eq!(
        runs.iter()
            .map(|run| (run.log, run.count))
            .collect::<Vec<_>>(),
        [(1, 1), (2, 60), (9, 1)]
    );
    assert_eq!(
        (runs[1].first, runs[1].last, runs[1].bytes),
        (0, 118, 59 * 4000 + 200_000)
    );
    assert_eq!(
        (runs[1].due_ms_min, runs[1].timestamp_ms_max),
        (Some(10_000 - 59), 1059)
    );
    assert_eq!(extents.directory(file).unwrap(), runs);
    let all = extents.read(file, 2, 0, u64::MAX).unwrap();
    assert_eq!(
        offsets(&all),
        (0..60).map(|offset| offset * 2).collect::<Vec<_>>()
    );
    assert_eq!(all[30].bytes.len(), 200_000);
    assert_eq!((all[3].meta, all[3].bytes[0]), (meta(1003, Some(9997)), 3));
    assert_eq!(extents.read(file, 1, 0, 10).unwrap()[0].bytes, "first");
    assert_eq!(offsets(&extents.read(file, 9, 0, 10).unwrap()), [u64::MAX]);
    for absent in [0, 3, 10] {
        assert!(extents.read(file, absent, 0, 10).unwrap().is_empty());
    }
}

#[test]
fn a_read_is_bounded_but_never_empty() {
    let extents = open(&SimDisk::new());
    let (file, _) = write(&extents, Tier::Durable);
    assert_eq!(offsets(&extents.read(file, 2, 59, 1).unwrap()), [60]);
    assert_eq!(
        offsets(&extents.read(file, 2, 55, 8001).unwrap()),
        [56, 58, 60]
    );
    assert_eq!(offsets(&extents.read(file, 2, 1, 8000).unwrap()), [2, 4]);
    assert!(extents.read(file, 2, 119, 8000).unwrap().is_empty());
}

#[test]
fn a_timestamp_is_found() {
    let extents = open(&SimDisk::new());
    let (file, _) = write(&extents, Tier::Durable);
    assert_eq!(extents.seek_timestamp(file, 2, 0).unwrap(), Some(0));
    assert_eq!(extents.seek_timestamp(file, 2, 1045).unwrap(), Some(90));
    assert_eq!(extents.seek_timestamp(file, 2, 1060).unwrap(), None);
    assert_eq!(extents.seek_timestamp(file, 9, 50).unwrap(), Some(u64::MAX));
}

#[test]
fn any_damaged_byte_is_reported_with_its_place() {
    let disk = SimDisk::new();
    let (file, _) = write(&open(&disk), Tier::Durable);
    let path = file.to_string();
    let length = disk.open(&path).unwrap().length().unwrap();
    let scrub = |disk: &SimDisk| -> Result<(), StorageError> {
        let extents = open(disk);
        [1, 2, 9]
            .iter()
            .try_for_each(|log| extents.read(file, *log, 0, u64::MAX).map(drop))?;
        extents.directory(file).map(drop)
    };
    scrub(&disk).unwrap();
    let sampled = (0..length).step_by(1009);
    for at in sampled.chain(0..80).chain(length - 1000..length) {
        let damaged = disk.fork();
        assert!(damaged.flip(&path, at, 0x10));
        match scrub(&damaged) {
            Err(StorageError::Corrupt { file, offset, .. }) => {
                assert!(
                    file == path && offset <= at,
                    "byte {at} reported at {offset}"
                );
            }
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn order_and_sizes_are_enforced() {
    let disk = SimDisk::new();
    let extents = open(&disk);
    let mut writer = extents.create(Tier::Durable).unwrap();
    writer.add(5, 5, meta(0, None), b"a").unwrap();
    for (log, offset) in [(5, 5), (5, 4), (4, 9)] {
        let refused = writer.add(log, offset, meta(0, None), b"b");
        assert!(matches!(refused, Err(StorageError::OutOfOrder(_))));
    }
    drop(writer);
    assert!(
        disk.list("extents").unwrap().is_empty(),
        "nothing unfinished stays"
    );
}

#[test]
fn durable_extents_survive_a_power_cut_and_volatile_ones_are_wiped() {
    let disk = SimDisk::new();
    let extents = open(&disk);
    let (durable, runs) = write(&extents, Tier::Durable);
    let (volatile, _) = write(&extents, Tier::Volatile);
    assert_eq!(extents.read(volatile, 1, 0, 10).unwrap().len(), 1);
    for seed in 0..8 {
        let extents = open(&disk.after_power_cut(seed));
        assert_eq!(extents.directory(durable).unwrap(), runs);
        assert!(extents.files(Tier::Volatile).unwrap().is_empty());
        let missing = extents.read(volatile, 1, 0, 10);
        assert!(matches!(missing, Err(StorageError::Missing { .. })));
        assert!(write(&extents, Tier::Durable).0.number > durable.number);
    }
}

#[test]
fn a_settle_gives_large_logs_files_of_their_own() {
    let disk = SimDisk::new();
    let extents = open(&disk);
    let mut settle = SettleWriter::new(&extents, Tier::Durable, 10_000);
    for (log, records) in [(1, 2), (2, 30), (3, 1), (4, 20), (5, 1)] {
        for offset in 0..records {
            settle
                .add(log, offset, meta(1, None), Bytes::from(vec![1; 1000]))
                .unwrap();
        }
    }
    let settled = settle.finish().unwrap();
    let numbers: Vec<(u64, u64)> = settled
        .runs
        .iter()
        .map(|run| (run.log, run.file.number))
        .collect();
    assert_eq!(numbers, [(1, 1), (2, 2), (3, 1), (4, 3), (5, 1)]);
    assert_eq!(
        settled
            .files
            .iter()
            .map(|(_, usage)| usage.live_records)
            .sum::<u64>(),
        54
    );
    for run in &settled.runs {
        let records = extents
            .read(run.file, run.log, run.first, u64::MAX)
            .unwrap();
        assert_eq!(records.len() as u64, run.count);
    }
}

#[test]
fn a_rewrite_keeps_what_is_wanted() {
    let disk = SimDisk::new();
    let extents = open(&disk);
    let (file, _) = write(&extents, Tier::Durable);
    let settled = rewrite(&extents, file, |log, offset| log == 2 && offset % 10 == 0).unwrap();
    let [run] = settled.runs.as_slice() else {
        panic!("{settled:?}")
    };
    let before = extents.read(file, 2, 0, u64::MAX).unwrap();
    let after = extents.read(run.file, 2, 0, u64::MAX).unwrap();
    let wanted: Vec<_> = before
        .into_iter()
        .filter(|record| record.offset % 10 == 0)
        .collect();
    assert_eq!(after, wanted);
    assert!(disk.flip(&file.to_string(), 100, 1));
    let damaged = rewrite(&open(&disk), file, |_, _| true);
    assert!(matches!(damaged, Err(StorageError::Corrupt { .. })));
    assert_eq!(extents.files(Tier::Durable).unwrap().len(), 2);
}

#[test]
fn an_abandoned_settle_and_uncommitted_files_leave_nothing() {
    let disk = SimDisk::new();
    let extents = open(&disk);
    let mut settle = SettleWriter::new(&extents, Tier::Durable, 100);
    settle
        .add(1, 1, meta(1, None), Bytes::from_static(&[1; 200]))
        .unwrap();
    settle
        .add(2, 1, meta(1, None), Bytes::from_static(&[1; 50]))
        .unwrap();
    drop(settle);
    assert!(extents.files(Tier::Durable).unwrap().is_empty());

    let index = SimIndex::new(&disk);
    let (kept, runs) = write(&extents, Tier::Durable);
    let (orphan, _) = write(&extents, Tier::Durable);
    let mut batch = IndexBatch::default();
    runs.iter().for_each(|run| batch.put_run(run));
    index.commit(batch).unwrap();
    assert_eq!(extents.remove_unreferenced(&index).unwrap(), [orphan]);
    assert_eq!(extents.files(Tier::Durable).unwrap(), [kept]);
}

#[test]
fn a_full_disk_is_told_apart() {
    let disk = SimDisk::new();
    let extents = open(&disk);
    disk.inject(disk.operations() + 2, Fault::Full);
    let mut writer = extents.create(Tier::Durable).unwrap();
    let refused = writer.add(1, 1, meta(0, None), &[0; 100_000]);
    assert!(matches!(refused, Err(StorageError::DiskFull { .. })));
}

#[test]
fn many_files_stay_within_the_bound_of_open_ones() {
    let extents = open(&SimDisk::new());
    let files: Vec<ExtentFile> = (0..70)
        .map(|offset| {
            let mut writer = extents.create(Tier::Durable).unwrap();
            writer.add(1, offset, meta(0, None), b"x").unwrap();
            writer.finish().unwrap().file
        })
        .collect();
    for (offset, file) in (0..).zip(&files) {
        assert_eq!(offsets(&extents.read(*file, 1, 0, 1).unwrap()), [offset]);
    }
    assert_eq!(extents.open.count(), 64);
}
