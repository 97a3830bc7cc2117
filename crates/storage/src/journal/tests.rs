//! The journal's rules, one by one, on a simulated disk.

use std::sync::Arc;

use sabir_core::storage::{
    Admission, BlockKind, Epoch, FileNumber, Journal, Mark, Position, StorageError,
};

use super::{JournalOptions, LocalJournal, Recovery};
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile, Fault, SimDisk};

const OPTIONS: JournalOptions = JournalOptions {
    file_bytes: 20 << 10,
    first_file_bytes: 20 << 10,
    spares: 1,
    spares_kept_max: 1,
    body_bytes_max: 1 << 20,
};

const FIRST: FileNumber = FileNumber(1);

fn lineage() -> Lineage {
    Lineage::of(b"tests")
}

fn mark(first_file: FileNumber) -> Mark {
    Mark {
        first_file,
        states: Position(0),
    }
}

type Bodies = Vec<(u64, Vec<u8>)>;

fn reopen(
    disk: &SimDisk,
    first: FileNumber,
) -> Result<(LocalJournal<SimDisk>, Recovery, Bodies), StorageError> {
    let mut bodies = Vec::new();
    let (journal, report) = LocalJournal::open(
        Arc::new(disk.clone()),
        lineage(),
        OPTIONS,
        mark(first),
        &mut |block| {
            if block.kind == BlockKind::Entries {
                bodies.push((block.position.0, block.body.to_vec()));
            }
            Ok(())
        },
    )?;
    Ok((journal, report, bodies))
}

fn fresh() -> (SimDisk, LocalJournal<SimDisk>) {
    let disk = SimDisk::new();
    LocalJournal::create(&Arc::new(disk.clone()), lineage(), OPTIONS).unwrap();
    let (journal, ..) = reopen(&disk, FIRST).unwrap();
    (disk, journal)
}

fn append(journal: &mut LocalJournal<SimDisk>, body: &[u8]) -> u64 {
    journal.append(body, Admission::Normal).unwrap().position.0
}

#[test]
fn what_was_synced_is_found_again() {
    let (disk, mut journal) = fresh();
    assert_eq!(
        journal.next_position(),
        Position(2),
        "the fence took the first"
    );
    append(&mut journal, b"one");
    append(&mut journal, &[7; 5000]);
    assert_eq!(journal.durable(), Position(1));
    assert_eq!(journal.sync().unwrap(), Position(3));
    let (_, report, bodies) = reopen(&disk.after_power_cut(1), FIRST).unwrap();
    assert_eq!(bodies, [(2, b"one".to_vec()), (3, vec![7; 5000])]);
    assert_eq!((report.blocks, report.last), (3, Position(3)));
}

#[test]
fn an_unsynced_tail_is_written_again() {
    let (disk, mut journal) = fresh();
    append(&mut journal, b"one");
    let restarted = disk.after_process_crash();
    let (_, report, bodies) = reopen(&restarted, FIRST).unwrap();
    assert_eq!((report.rewritten, bodies.len()), (1, 1));
    for seed in 0..20 {
        let (.., bodies) = reopen(&restarted.after_power_cut(seed), FIRST).unwrap();
        assert_eq!(bodies.len(), 1, "recovery made it durable");
    }
}

#[test]
fn a_full_file_is_sealed_and_its_space_used_again() {
    let (disk, mut journal) = fresh();
    let mut sealed = Vec::new();
    for _ in 0..8 {
        sealed.extend(
            journal
                .append(&[1; 4000], Admission::Normal)
                .unwrap()
                .sealed,
        );
    }
    assert_eq!(sealed, [FileNumber(1), FileNumber(2)]);
    assert_eq!(journal.durable(), Position(8), "sealed files are durable");
    journal.trim(FileNumber(3)).unwrap();
    assert_eq!(disk.list("journal").unwrap().len(), 3);
    while journal.spares().replenish().unwrap() {}
    for _ in 0..4 {
        append(&mut journal, &[2; 4000]);
    }
    journal.sync().unwrap();
    assert_eq!(
        disk.list("journal").unwrap().len(),
        3,
        "no new file was made"
    );
    let (.., bodies) = reopen(&disk, FileNumber(3)).unwrap();
    assert_eq!(bodies.len(), 5);
}

#[test]
fn a_large_block_gets_a_file_of_its_own() {
    let (disk, mut journal) = fresh();
    append(&mut journal, b"small");
    let appended = journal.append(&[3; 100_000], Admission::Normal).unwrap();
    assert_eq!(
        (appended.file, appended.sealed),
        (FileNumber(2), Some(FileNumber(1)))
    );
    assert_eq!(
        journal.append(b"next", Admission::Normal).unwrap().file,
        FileNumber(3)
    );
    journal.sync().unwrap();
    let (mut journal, _, bodies) = reopen(&disk, FIRST).unwrap();
    assert_eq!(
        bodies.iter().map(|body| body.1.len()).collect::<Vec<_>>(),
        [5, 100_000, 4]
    );
    journal.trim(FileNumber(3)).unwrap();
    assert!(
        disk.list("journal")
            .unwrap()
            .iter()
            .all(|name| !name.starts_with("0000000000000002"))
    );
    let error = journal
        .append(&vec![0; (1 << 20) + 1], Admission::Normal)
        .unwrap_err();
    assert!(matches!(
        error,
        StorageError::TooLarge {
            limit: 1_048_576,
            ..
        }
    ));
}

#[test]
fn damage_before_durable_blocks_is_reported_with_its_place() {
    let (disk, mut journal) = fresh();
    for body in [b"one", b"two", b"tre"] {
        append(&mut journal, body);
        journal.sync().unwrap();
    }
    let file = "journal/0000000000000001.jnl";
    for offset in [4096, 8192, 8192 + 60] {
        let damaged = disk.fork();
        assert!(damaged.flip(file, offset, 1));
        let error = reopen(&damaged, FIRST).err().unwrap();
        let StorageError::Corrupt {
            file: found,
            offset: at,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((found.as_str(), at), (file, offset / 4096 * 4096));
    }
    let torn = disk.fork();
    assert!(
        torn.flip(file, 16384 + 60, 1),
        "nothing proves the last block durable"
    );
    assert_eq!(reopen(&torn, FIRST).unwrap().2.len(), 2);
}

#[test]
fn a_block_of_another_history_does_not_continue_this_one() {
    let (other, mut elsewhere) = fresh();
    append(&mut elsewhere, b"one");
    append(&mut elsewhere, b"two");
    let (disk, mut journal) = fresh();
    append(&mut journal, b"eno");
    let path = "journal/0000000000000001.jnl";
    let mut stale = [0; 4096];
    other
        .open(path)
        .unwrap()
        .read_at(&mut stale, 12288)
        .unwrap();
    disk.open(path).unwrap().write_at(&[&stale], 12288).unwrap();
    let (.., bodies) = reopen(&disk, FIRST).unwrap();
    assert_eq!(bodies, [(2, b"eno".to_vec())]);
}

#[test]
fn closing_proves_the_last_block() {
    let (disk, mut journal) = fresh();
    append(&mut journal, b"one");
    journal.close().unwrap();
    assert!(disk.flip("journal/0000000000000001.jnl", 8192 + 57, 4));
    assert!(matches!(
        reopen(&disk, FIRST),
        Err(StorageError::Corrupt { offset: 8192, .. })
    ));
}

#[test]
fn damage_in_a_sealed_file_is_reported() {
    let (disk, mut journal) = fresh();
    for _ in 0..8 {
        append(&mut journal, &[1; 4000]);
        journal.sync().unwrap();
    }
    for (file, offset) in [(1, 0), (1, 12288), (2, 100), (2, 4096)] {
        let damaged = disk.fork();
        assert!(damaged.flip(&format!("journal/{file:016x}.jnl"), offset, 0x80));
        let error = reopen(&damaged, FIRST).err().unwrap();
        assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    }
    let gap = disk.fork();
    gap.remove("journal/0000000000000002.jnl").unwrap();
    assert!(matches!(
        reopen(&gap, FIRST),
        Err(StorageError::Missing { .. })
    ));
    assert!(matches!(
        reopen(&disk, FileNumber(9)),
        Err(StorageError::Missing { .. })
    ));
}

#[test]
fn a_failed_write_or_sync_ends_everything() {
    for (fault_after, appends) in [(0, 0), (1, 1)] {
        let (disk, mut journal) = fresh();
        disk.inject(disk.operations() + fault_after, Fault::InputOutput);
        if appends == 0 {
            assert!(journal.append(b"one", Admission::Normal).is_err());
        } else {
            append(&mut journal, b"one");
            assert!(matches!(
                journal.sync(),
                Err(StorageError::Io {
                    operation: "sync",
                    ..
                })
            ));
        }
        assert!(matches!(journal.sync(), Err(StorageError::Poisoned { .. })));
        let later = journal.append(b"two", Admission::Reserve);
        assert!(matches!(later, Err(StorageError::Poisoned { .. })));
        assert_eq!(journal.durable(), Position(1));
    }
}

#[test]
fn a_full_disk_refuses_new_data_and_lets_settlements_pass() {
    let (disk, mut journal) = fresh();
    while journal.spares().replenish().unwrap() {}
    disk.limit(Some(3 * OPTIONS.file_bytes));
    append(&mut journal, &[1; 16000]);
    let full = journal.append(&[2; 16000], Admission::Normal);
    assert!(matches!(full, Err(StorageError::DiskFull { .. })));
    let operations = disk.operations();
    assert!(!journal.spares().replenish().unwrap());
    assert_eq!(
        disk.operations(),
        operations,
        "a full disk is not filled further"
    );
    let next = journal.next_position();
    let settled = journal.append(&[3; 8000], Admission::Reserve).unwrap();
    assert_eq!((settled.position, settled.file), (next, FileNumber(3)));
    let full = journal.append(b"fits but is new", Admission::Normal);
    assert!(matches!(full, Err(StorageError::DiskFull { .. })));
    journal.sync().unwrap();
    journal.trim(FileNumber(3)).unwrap();
    append(&mut journal, b"space again");
    journal.sync().unwrap();
    let (.., bodies) = reopen(&disk.after_power_cut(3), FileNumber(3)).unwrap();
    assert_eq!(bodies.len(), 2);
}

#[test]
fn new_data_passes_once_there_is_room_again() {
    let (disk, mut journal) = fresh();
    while journal.spares().replenish().unwrap() {}
    disk.limit(Some(3 * OPTIONS.file_bytes));
    append(&mut journal, &[1; 16000]);
    journal.append(&[2; 16000], Admission::Reserve).unwrap();
    let full = journal.append(b"new", Admission::Normal);
    assert!(matches!(full, Err(StorageError::DiskFull { .. })));
    disk.limit(None);
    append(&mut journal, b"new");
    assert!(journal.spares().has_reserve());
}

#[test]
fn a_write_that_finds_no_space_leaves_the_position_free() {
    let (disk, mut journal) = fresh();
    disk.inject(disk.operations(), Fault::Full);
    let full = journal.append(&[1; 6000], Admission::Normal);
    assert!(matches!(full, Err(StorageError::DiskFull { bytes: 8192 })));
    assert_eq!(append(&mut journal, b"small"), 2);
    journal.sync().unwrap();
    let (.., bodies) = reopen(&disk, FIRST).unwrap();
    assert_eq!(bodies, [(2, b"small".to_vec())]);
}

#[test]
fn a_journal_is_read_from_a_position() {
    let (_, mut journal) = fresh();
    for byte in 0..9 {
        append(&mut journal, &[byte; 4000]);
    }
    let mut seen = Vec::new();
    let read = journal.read_from(Position(5), &mut |block| {
        seen.push(block.position.0);
        Ok(())
    });
    read.unwrap();
    assert_eq!(seen, (5..=10).collect::<Vec<_>>());
    journal.trim(FileNumber(2)).unwrap();
    let early = journal.read_from(Position(1), &mut |_| Ok(()));
    assert!(matches!(early, Err(StorageError::OutOfOrder(_))));
}

#[test]
fn every_start_takes_a_higher_epoch() {
    let (disk, mut journal) = fresh();
    assert_eq!(journal.epoch(), Epoch(1));
    assert!(matches!(
        journal.fence(Epoch(1)),
        Err(StorageError::Fenced { .. })
    ));
    journal.fence(Epoch(7)).unwrap();
    let (journal, ..) = reopen(&disk, FIRST).unwrap();
    assert_eq!(journal.epoch(), Epoch(8));
}

#[test]
fn a_file_of_another_directory_is_refused() {
    let (disk, _) = fresh();
    let opened = LocalJournal::open(
        Arc::new(disk),
        Lineage::of(b"other"),
        OPTIONS,
        mark(FIRST),
        &mut |_| Ok(()),
    );
    assert!(matches!(
        opened,
        Err(StorageError::Corrupt { offset: 0, .. })
    ));
}

#[test]
fn one_commit_is_one_write_and_one_sync() {
    let (disk, mut journal) = fresh();
    let (operations, syncs) = (disk.operations(), disk.syncs());
    append(&mut journal, &[1; 3000]);
    journal.sync().unwrap();
    journal.sync().unwrap();
    assert_eq!(
        (disk.operations() - operations, disk.syncs() - syncs),
        (2, 1)
    );
    assert_eq!(
        disk.open("journal/0000000000000001.jnl")
            .unwrap()
            .length()
            .unwrap(),
        20 << 10
    );
}
