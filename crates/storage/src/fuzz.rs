//! Any bytes, through every decoder of this crate. Plain `cargo test` replays the committed corpus
//! and runs briefly beyond it.

use std::sync::Arc;

use bytes::Bytes;
use sabir_core::storage::{
    Epoch, ExtentFile, FileNumber, FileUsage, Mark, Position, Run, StorageError, Tier,
};

use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile, SimDisk};
use crate::extent::format::{CHUNK_HEADER_BYTES, ChunkEntry, Seal, Trailer};
use crate::extent::reader::{ExtentReader, decode_chunk};
use crate::extent::record::{Base, Entries};
use crate::inspect::{self, Item};
use crate::journal::block::{self, HEADER_BYTES, UNIT};
use crate::journal::file::{self, FileHeader};
use crate::journal::{JournalOptions, LocalJournal};

const OPTIONS: JournalOptions = JournalOptions {
    file_bytes: 16 << 10,
    first_file_bytes: 16 << 10,
    spares: 0,
    spares_kept_max: 0,
    body_bytes_max: 1 << 20,
};

const MARK: Mark = Mark {
    first_file: FileNumber(1),
    states: Position(0),
};

const EXTENT: ExtentFile = ExtentFile {
    tier: Tier::Durable,
    number: 1,
};

fn lineage() -> Lineage {
    Lineage::of(b"fuzz")
}

/// A disk with one file, the bytes of which are durable.
fn disk_with(path: &str, parts: &[&[u8]]) -> SimDisk {
    let disk = SimDisk::new();
    let file = disk.create(path).unwrap();
    file.write_at(parts, 0).unwrap();
    file.sync_data().unwrap();
    disk
}

#[test]
fn blocks() {
    bolero::check!(name = "block")
        .with_iterations(2_000)
        .for_each(|bytes: &[u8]| {
            let _: Option<_> = block::decode(bytes, lineage());
            let _: Result<_, _> = FileHeader::decode(bytes, lineage());
            if let Some(header) = bytes
                .first_chunk::<HEADER_BYTES>()
                .and_then(block::Header::decode)
            {
                let (head, _) = header.seal(lineage(), &[]);
                assert_eq!(block::Header::decode(&head), Some(header));
            }
            journal_file(bytes);
        });
}

/// Takes the bytes for the blocks of a journal file whose header is valid; claims every block to be
/// sealed correctly, so that what is behind the checksum is reached.
fn journal_file(bytes: &[u8]) {
    let mut blocks = bytes.to_vec();
    blocks.resize(bytes.len().next_multiple_of(UNIT as usize), 0);
    for unit in blocks.chunks_mut(UNIT as usize) {
        reseal(unit);
    }
    let header = FileHeader {
        number: FileNumber(1),
        epoch: Epoch(0),
        first_position: Position(1),
        length: UNIT + blocks.len() as u64,
        previous_checksum: lineage().origin(),
    };
    let disk = disk_with(
        &file::path(FileNumber(1)),
        &[&header.encode(lineage()), &blocks],
    );
    let mut walked = 0;
    inspect::journal(&disk, lineage(), MARK, &mut |item| {
        walked += u64::from(matches!(item, Item::Block { .. }));
        Ok(())
    })
    .unwrap();
    match LocalJournal::open(Arc::new(disk), lineage(), OPTIONS, MARK, &mut |_| Ok(())) {
        Ok((_, report)) => assert!(report.blocks <= walked),
        Err(error) => assert!(matches!(error, StorageError::Corrupt { .. }), "{error}"),
    }
}

/// Gives a block that fits its unit the right checksum and zeros behind it.
fn reseal(unit: &mut [u8]) {
    let Some(header) = unit
        .first_chunk::<HEADER_BYTES>()
        .and_then(block::Header::decode)
    else {
        return;
    };
    let end = HEADER_BYTES + header.body_bytes as usize;
    if header.span() != UNIT || end > unit.len() {
        return;
    }
    let (head, _) = header.seal(lineage(), &unit[HEADER_BYTES..end]);
    unit[..HEADER_BYTES].copy_from_slice(&head);
    unit[end..].fill(0);
}

#[test]
fn extents() {
    bolero::check!(name = "extent")
        .with_iterations(2_000)
        .for_each(|bytes: &[u8]| {
            chunk(bytes);
            trailer(bytes);
            let _: Option<_> = ChunkEntry::decode(bytes);
            let disk = disk_with(&EXTENT.to_string(), &[bytes]);
            let opened = ExtentReader::open(&disk, EXTENT, lineage()).map(drop);
            assert!(matches!(opened, Err(StorageError::Corrupt { .. })));
            inspect::extent(&disk, lineage(), EXTENT, &mut |_| Ok(())).unwrap();
        });
}

/// Takes the bytes for the payload of a valid chunk; what is read from it can be written again.
fn chunk(bytes: &[u8]) {
    let seal = Seal::new(lineage(), EXTENT);
    for claimed in 0..3 {
        let mut chunk = vec![0; CHUNK_HEADER_BYTES];
        chunk.extend_from_slice(bytes);
        seal.close_chunk(&mut chunk, claimed);
        let Ok(records) = decode_chunk(&seal, &Bytes::from(chunk)) else {
            continue;
        };
        assert_eq!(records.len(), claimed as usize);
        let (mut again, mut base) = (vec![0; CHUNK_HEADER_BYTES], Base::default());
        for (log, record) in &records {
            let key = (*log, record.offset);
            base.put(&mut again, key, record.meta, record.bytes.len());
            again.extend_from_slice(&record.bytes);
        }
        seal.close_chunk(&mut again, claimed);
        assert_eq!(decode_chunk(&seal, &Bytes::from(again)), Ok(records));
    }
}

/// Takes the bytes for a trailer with the right checksum.
fn trailer(bytes: &[u8]) {
    let seal = Seal::new(lineage(), EXTENT);
    let number = |at: usize| {
        let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).copied();
        u64::from_le_bytes(field.unwrap_or_default())
    };
    let trailer = Trailer {
        directory_at: number(0),
        logs: number(8),
        chunks: number(16),
        directory_checksum: seal.checksum(&[]),
        index_checksum: seal.checksum(&[]),
    };
    let disk = disk_with(
        &EXTENT.to_string(),
        &[&seal.header(), bytes, &trailer.encode(&seal)],
    );
    let opened = ExtentReader::open(&disk, EXTENT, lineage());
    if let Ok(reader) = opened {
        let _: Result<_, StorageError> = reader.read(0, 0, 1).and(reader.directory().map(drop));
    }
}

#[test]
fn index_entries() {
    bolero::check!(name = "index")
        .with_iterations(2_000)
        .for_each(|bytes: &[u8]| {
            let (key, value) = bytes.split_at(bytes.len().min(25));
            if let Ok(run) = Run::from_entry(key, value) {
                assert_eq!((run.key().as_slice(), run.value().as_slice()), (key, value));
            }
            let _: Result<_, StorageError> = Mark::from_value(bytes);
            let _: Result<_, StorageError> = FileUsage::from_value(key, bytes);
            let _: Result<_, StorageError> = ExtentFile::from_key(bytes);
        });
}

#[test]
fn the_corpus_reaches_behind_the_checksums() {
    let mut blocks = *include_bytes!("__fuzz__/block/corpus/two-blocks");
    blocks.chunks_mut(UNIT as usize).for_each(reseal);
    assert!(block::decode(&blocks[..UNIT as usize], lineage()).is_some());
    let payload = include_bytes!("__fuzz__/extent/corpus/two-records");
    assert_eq!(Entries::new(payload).flatten().count(), 2);
    let run = include_bytes!("__fuzz__/index/corpus/run");
    assert!(Run::from_entry(&run[..25], &run[25..]).is_ok());
}
