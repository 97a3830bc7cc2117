//! Finds the end of a journal and tells a torn tail from damage.
//!
//! A file gets its name only after everything before it was durable, so only the last file can end
//! in a torn block. There, a block that does not continue the chain is the end unless a valid block
//! behind it says that it was already durable: then acknowledged data is damaged and nothing is
//! served. What is not proven durable is written and synced again, because what a cache shows may
//! never have reached the device.

use sabir_core::storage::{BlockVisitor, FileNumber, Mark, Position, StorageError};

use super::file::{self, DIRECTORY, FileHeader};
use super::scan::{Chain, Scan};
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile};
use crate::fail::{corrupt, io_failure};

/// What recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How many blocks were handed out.
    pub blocks: u64,
    /// Position of the last of them.
    pub last: Position,
    /// The last file, and the byte in it behind the last block.
    pub end: (FileNumber, u64),
    /// How many blocks were written again because nothing proved them durable.
    pub rewritten: u64,
}

/// A journal file that is not spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) number: FileNumber,
    pub(super) first_position: Position,
}

/// A recovered journal, ready to be continued.
pub(super) struct Tail<F> {
    pub(super) file: F,
    pub(super) header: FileHeader,
    pub(super) offset: u64,
    pub(super) chain: Chain,
    pub(super) live: Vec<Live>,
    pub(super) report: Recovery,
}

/// The numbers of all journal files, in order.
pub(crate) fn numbers<D: Disk>(disk: &D) -> Result<Vec<FileNumber>, StorageError> {
    let names = disk
        .list(DIRECTORY)
        .map_err(io_failure("list", DIRECTORY))?;
    let numbers = names
        .iter()
        .filter_map(|name| file::number_of(name, ".jnl"));
    Ok(numbers.map(FileNumber).collect())
}

/// Visits every block from the mark's first file on and makes the tail durable.
pub(super) fn recover<D: Disk>(
    disk: &D,
    lineage: Lineage,
    mark: Mark,
    visitor: BlockVisitor<'_>,
) -> Result<Tail<D::File>, StorageError> {
    sync_names(disk)?;
    let first_file = mark.first_file;
    let files: Vec<FileNumber> = numbers(disk)?
        .into_iter()
        .filter(|number| *number >= first_file)
        .collect();
    ensure_contiguous(&files, first_file)?;
    let mut walk = Walk {
        chain: None,
        live: Vec::new(),
        blocks: 0,
    };
    let Some((last, before)) = files.split_last() else {
        return Err(missing(first_file));
    };
    for number in before {
        let scan = walk.file(disk, *number, lineage, &mut *visitor)?;
        ensure_complete(disk, &scan, lineage)?;
    }
    let scan = walk.file(disk, *last, lineage, visitor)?;
    scan.ensure_torn()?;
    ensure_reaches(&scan, mark.states)?;
    walk.finish(scan, lineage, disk)
}

/// An earlier life may have died between giving a file its name and making that durable.
pub(super) fn sync_names<D: Disk>(disk: &D) -> Result<(), StorageError> {
    disk.sync_directory(DIRECTORY)
        .map_err(io_failure("sync directory", DIRECTORY))
}

struct Walk {
    chain: Option<Chain>,
    live: Vec<Live>,
    blocks: u64,
}

impl Walk {
    /// Visits the blocks of one file up to where the chain ends or breaks.
    fn file<D: Disk>(
        &mut self,
        disk: &D,
        number: FileNumber,
        lineage: Lineage,
        visitor: BlockVisitor<'_>,
    ) -> Result<Scan<D::File>, StorageError> {
        let mut scan = Scan::open(disk, number, lineage)?;
        scan.bypass_cache()?;
        let header = *scan.header();
        if let Some(chain) = self.chain {
            ensure_continues(&header, chain)?;
        }
        self.live.push(Live {
            number,
            first_position: header.first_position,
        });
        while let Some(found) = scan.next()? {
            self.blocks += 1;
            visitor(found.block)?;
        }
        self.chain = Some(scan.chain());
        Ok(scan)
    }

    fn finish<D: Disk>(
        self,
        scan: Scan<D::File>,
        lineage: Lineage,
        disk: &D,
    ) -> Result<Tail<D::File>, StorageError> {
        let (header, offset, chain) = (*scan.header(), scan.offset(), scan.chain());
        let rewritten = rewrite_unproven(disk, header.number, lineage, chain)?;
        let report = Recovery {
            blocks: self.blocks,
            last: Position(chain.next.0.saturating_sub(1)),
            end: (header.number, offset),
            rewritten,
        };
        Ok(Tail {
            file: scan.into_file(),
            header,
            offset,
            chain,
            live: self.live,
            report,
        })
    }
}

/// Writes the blocks that may exist in a cache only once more and syncs.
fn rewrite_unproven<D: Disk>(
    disk: &D,
    number: FileNumber,
    lineage: Lineage,
    end: Chain,
) -> Result<u64, StorageError> {
    let path = file::path(number);
    let target = disk.open(&path).map_err(io_failure("open", &path))?;
    let mut scan = Scan::open(disk, number, lineage)?;
    let mut rewritten = 0;
    while scan.chain().next < end.next {
        let Some(found) = scan.next()? else { break };
        if found.block.position > end.durable_upto {
            target
                .write_at(&[&found.raw], found.offset)
                .map_err(io_failure("write", &path))?;
            rewritten += 1;
        }
    }
    target.sync_data().map_err(io_failure("sync", &path))?;
    Ok(rewritten)
}

/// The states in the index were durable in the journal before they were committed.
fn ensure_reaches<F: DiskFile>(scan: &Scan<F>, states: Position) -> Result<(), StorageError> {
    if scan.chain().next > states {
        return Ok(());
    }
    let detail = format!(
        "the journal ends before block {}, but the index includes block {states}",
        scan.chain().next
    );
    Err(corrupt(&scan.path(), scan.offset(), detail))
}

fn ensure_contiguous(files: &[FileNumber], first: FileNumber) -> Result<(), StorageError> {
    let mut expected = first;
    for number in files {
        if *number != expected {
            return Err(missing(expected));
        }
        expected = expected.next();
    }
    Ok(())
}

fn missing(number: FileNumber) -> StorageError {
    StorageError::Missing {
        file: file::path(number),
        detail: "recovery needs it to bring back acknowledged data".to_owned(),
    }
}

/// The header of a file must continue what the file before it ended with.
pub(crate) fn ensure_continues(header: &FileHeader, chain: Chain) -> Result<(), StorageError> {
    if header.first_position == chain.next
        && header.previous_checksum == chain.checksum
        && header.epoch >= chain.epoch
    {
        return Ok(());
    }
    let detail = format!(
        "the file starts with block {} where block {} is expected",
        header.first_position, chain.next
    );
    Err(corrupt(&file::path(header.number), 0, detail))
}

/// A file that is not the last was durable up to its end, so a break in it is damage.
pub(crate) fn ensure_complete<D: Disk>(
    disk: &D,
    scan: &Scan<D::File>,
    lineage: Lineage,
) -> Result<(), StorageError> {
    let next = Scan::open(disk, scan.header().number.next(), lineage)?;
    let missing = scan.chain().next;
    if next.header().first_position <= missing {
        return Ok(());
    }
    let detail = format!(
        "block {missing} is damaged; the next file starts with block {} and shows that it was durable",
        next.header().first_position
    );
    Err(corrupt(&scan.path(), scan.offset(), detail))
}
