//! What goes in comes out, for any blocks and any records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sabir_core::storage::{
    Admission, BlockKind, FileNumber, Journal, Mark, Position, RecordMeta, Run, Tier,
};
use sabir_storage::checksum::Lineage;
use sabir_storage::disk::SimDisk;
use sabir_storage::extent::{Extents, SettleWriter, Settled};
use sabir_storage::journal::{JournalOptions, LocalJournal};

const OPTIONS: JournalOptions = JournalOptions {
    file_bytes: 32 << 10,
    first_file_bytes: 16 << 10,
    spares: 1,
    spares_kept_max: 1,
    body_bytes_max: 1 << 20,
};

const MARK: Mark = Mark {
    first_file: FileNumber(1),
    states: Position(0),
};

fn lineage() -> Lineage {
    Lineage::of(b"properties")
}

fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let small = vec(any::<u8>(), 0..300);
    let large = (any::<u8>(), 3_000..60_000_usize).prop_map(|(byte, size)| vec![byte; size]);
    vec(prop_oneof![4 => small, 1 => large], 0..40)
}

type Records = BTreeMap<(u64, u64), (RecordMeta, Bytes)>;

fn records() -> impl Strategy<Value = Records> {
    let key = (0..6_u64, prop_oneof![0..100_u64, any::<u64>()]);
    let meta = (any::<u64>(), any::<Option<u64>>(), any::<u8>()).prop_map(
        |(timestamp_ms, due_ms, flags)| RecordMeta {
            timestamp_ms,
            due_ms,
            flags,
        },
    );
    let size = prop_oneof![8 => 0..2_000_usize, 1 => 60_000..140_000_usize];
    let bytes = (any::<u8>(), size).prop_map(|(byte, size)| Bytes::from(vec![byte; size]));
    btree_map(key, (meta, bytes), 0..120)
}

fn settle(extents: &Extents<SimDisk>, records: &Records, own_file_bytes: u64) -> Settled {
    let mut settle = SettleWriter::new(extents, Tier::Durable, own_file_bytes);
    for ((log, offset), (meta, bytes)) in records {
        settle.add(*log, *offset, *meta, bytes.clone()).unwrap();
    }
    settle.finish().unwrap()
}

fn expected_run(run: &Run, records: &Records) -> Run {
    let of_log: Vec<_> = records.range((run.log, 0)..=(run.log, u64::MAX)).collect();
    Run {
        file: run.file,
        log: run.log,
        first: of_log.first().map_or(0, |record| record.0.1),
        last: of_log.last().map_or(0, |record| record.0.1),
        count: of_log.len() as u64,
        bytes: of_log.iter().map(|record| record.1.1.len() as u64).sum(),
        due_ms_min: of_log.iter().filter_map(|record| record.1.0.due_ms).min(),
        timestamp_ms_max: of_log
            .iter()
            .map(|record| record.1.0.timestamp_ms)
            .max()
            .unwrap_or(0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_journal_gives_back_its_blocks(bodies in bodies(), sync_every in 1..5_usize) {
        let disk = SimDisk::new();
        let shared = Arc::new(disk.clone());
        LocalJournal::create(&shared, lineage(), OPTIONS).unwrap();
        let open = |disk: &SimDisk, found: &mut Vec<Vec<u8>>| {
            let shared = Arc::new(disk.clone());
            LocalJournal::open(shared, lineage(), OPTIONS, MARK, &mut |block| {
                if block.kind == BlockKind::Entries {
                    found.push(block.body.to_vec());
                }
                Ok(())
            })
            .unwrap()
            .0
        };
        let mut journal = open(&disk, &mut Vec::new());
        for (count, body) in bodies.iter().enumerate() {
            let expected = journal.next_position();
            prop_assert_eq!(journal.append(body, Admission::Normal).unwrap().position, expected);
            if count % sync_every == 0 {
                prop_assert_eq!(journal.sync().unwrap(), expected);
            }
        }
        let mut read = Vec::new();
        journal.read_from(Position(2), &mut |block| { read.push(block.body.to_vec()); Ok(()) }).unwrap();
        prop_assert_eq!(&read, &bodies);
        let mut found = Vec::new();
        open(&disk.after_process_crash(), &mut found);
        prop_assert_eq!(found, bodies);
    }

    #[test]
    fn extents_give_back_their_records(
        records in records(),
        own_file_bytes in prop_oneof![Just(1), Just(5_000), Just(u64::MAX)],
        from in 0..120_u64,
        bytes_max in prop_oneof![Just(0), 0..300_000_u64, Just(u64::MAX)],
    ) {
        let extents = Extents::open(Arc::new(SimDisk::new()), lineage()).unwrap();
        let settled = settle(&extents, &records, own_file_bytes);
        let logs: std::collections::BTreeSet<u64> = records.keys().map(|key| key.0).collect();
        prop_assert!(settled.runs.iter().map(|run| run.log).eq(logs));
        for run in &settled.runs {
            prop_assert_eq!(*run, expected_run(run, &records));
            let mut room = bytes_max;
            let mut wanted = Vec::new();
            for (key, (meta, bytes)) in records.range((run.log, from)..=(run.log, u64::MAX)) {
                wanted.push((key.1, *meta, bytes.clone()));
                room = room.saturating_sub(bytes.len() as u64);
                if room == 0 {
                    break;
                }
            }
            let found = extents.read(run.file, run.log, from, bytes_max).unwrap();
            let found: Vec<_> =
                found.into_iter().map(|record| (record.offset, record.meta, record.bytes)).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn a_timestamp_finds_the_first_record_that_is_not_older(
        records in records(),
        timestamp_ms in any::<u64>(),
    ) {
        let extents = Extents::open(Arc::new(SimDisk::new()), lineage()).unwrap();
        for run in settle(&extents, &records, u64::MAX).runs {
            let expected = records
                .range((run.log, 0)..=(run.log, u64::MAX))
                .find(|(_, (meta, _))| meta.timestamp_ms >= timestamp_ms)
                .map(|(key, _)| key.1);
            let found = extents.seek_timestamp(run.file, run.log, timestamp_ms).unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
