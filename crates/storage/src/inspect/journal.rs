//! Walks the journal from the mark on.

use sabir_core::storage::{Epoch, FileNumber, Mark, Position, StorageError};

use super::{Damage, Item, ItemVisitor, Lost};
use crate::checksum::Lineage;
use crate::disk::Disk;
use crate::journal::file::{self, BLOCKS_AT};
use crate::journal::recovery;
use crate::journal::scan::{Chain, Later, Scan};

/// Hands every valid block from the mark's first file on to the visitor, and every stretch that is
/// damaged. A torn tail is the end of the journal and not damage.
pub fn journal<D: Disk>(
    disk: &D,
    lineage: Lineage,
    mark: Mark,
    visitor: ItemVisitor<'_>,
) -> Result<(), StorageError> {
    let files: Vec<FileNumber> = recovery::numbers(disk)?
        .into_iter()
        .filter(|number| *number >= mark.first_file)
        .collect();
    let last = files.last().copied().unwrap_or(mark.first_file);
    let mut walk = Walk {
        disk,
        lineage,
        mark,
        chain: None,
        visitor,
    };
    let mut number = mark.first_file;
    while number <= last {
        if files.binary_search(&number).is_ok() {
            walk.file(number, number == last)?;
        } else {
            walk.damage(number, (0, 0), "the file is missing", Lost::Nothing)?;
        }
        number = number.next();
    }
    Ok(())
}

struct Walk<'a, D: Disk> {
    disk: &'a D,
    lineage: Lineage,
    mark: Mark,
    /// How the file before ended; `None` before the first.
    chain: Option<Chain>,
    visitor: ItemVisitor<'a>,
}

impl<D: Disk> Walk<'_, D> {
    fn file(&mut self, number: FileNumber, last: bool) -> Result<(), StorageError> {
        let mut scan = match Scan::open(self.disk, number, self.lineage) {
            Ok(scan) => scan,
            Err(StorageError::Corrupt { detail, .. }) => {
                self.damage(number, (0, BLOCKS_AT), &detail, Lost::Nothing)?;
                match self.without_header(number)? {
                    Some(scan) => scan,
                    None => return Ok(()),
                }
            }
            Err(error) => return Err(error),
        };
        self.ensure_continues(&scan)?;
        let next_first = if last {
            None
        } else {
            self.first_position(number.next())
        };
        self.blocks(&mut scan, next_first)?;
        self.chain = Some(scan.chain());
        Ok(())
    }

    /// A file without a usable header, from its first valid block on.
    fn without_header(
        &mut self,
        number: FileNumber,
    ) -> Result<Option<Scan<D::File>>, StorageError> {
        let chain = self.chain.unwrap_or(Chain {
            next: Position(0),
            checksum: self.lineage.origin(),
            epoch: Epoch(0),
            durable_upto: Position(0),
        });
        let mut scan = Scan::open_damaged(self.disk, number, self.lineage, chain)?;
        let first = scan.find(BLOCKS_AT, |header| {
            header.position >= chain.next && header.epoch >= chain.epoch
        })?;
        Ok(first.map(|first| {
            scan.resume(first);
            scan
        }))
    }

    fn blocks(
        &mut self,
        scan: &mut Scan<D::File>,
        next_first: Option<Position>,
    ) -> Result<(), StorageError> {
        loop {
            while let Some(found) = scan.next()? {
                (self.visitor)(Item::Block {
                    block: found.block,
                    at: found.offset,
                })?;
            }
            let Some(lost_upto) = self.proven_upto(scan, next_first)? else {
                return Ok(());
            };
            match self.resume_at(scan)? {
                Some(later) => {
                    let upto = Position(later.header.position.0.saturating_sub(1));
                    self.lost_blocks(scan, later.offset, upto)?;
                    scan.resume(later);
                }
                None => {
                    let end = scan.header().length;
                    self.lost_blocks(scan, end, lost_upto)?;
                    scan.skip_to(lost_upto.next());
                    return Ok(());
                }
            }
        }
    }

    /// The highest position that is known to have been durable, if blocks are missing up to it.
    fn proven_upto(
        &self,
        scan: &Scan<D::File>,
        next_first: Option<Position>,
    ) -> Result<Option<Position>, StorageError> {
        let missing = scan.chain().next;
        let before_next = next_first.map(|first| Position(first.0.saturating_sub(1)));
        let states = next_first.is_none().then_some(self.mark.states);
        let later = scan.later(|header| header.durable_upto >= missing)?;
        let later = later.map(|later| later.header.durable_upto);
        Ok([before_next, states, later]
            .into_iter()
            .flatten()
            .max()
            .filter(|upto| *upto >= missing))
    }

    fn resume_at(&self, scan: &Scan<D::File>) -> Result<Option<Later>, StorageError> {
        let chain = scan.chain();
        scan.later(|header| header.position >= chain.next && header.epoch >= chain.epoch)
    }

    fn first_position(&self, number: FileNumber) -> Option<Position> {
        let scan = Scan::open(self.disk, number, self.lineage).ok()?;
        Some(scan.header().first_position)
    }

    /// Reports blocks that are missing before the first one of a file. Where no file before tells
    /// what comes next, everything that the index does not include is missing.
    fn ensure_continues(&mut self, scan: &Scan<D::File>) -> Result<(), StorageError> {
        let (number, found) = (scan.header().number, scan.chain().next);
        let is_first = number == self.mark.first_file && scan.offset() == BLOCKS_AT;
        let expected = match self.chain {
            Some(chain) => chain.next,
            None if is_first => found,
            None => self.mark.states.next(),
        };
        if found <= expected {
            return Ok(());
        }
        let lost = Lost::Blocks(expected, Position(found.0.saturating_sub(1)));
        self.damage(
            number,
            (0, scan.offset()),
            "blocks before the first one are missing",
            lost,
        )
    }

    fn lost_blocks(
        &mut self,
        scan: &Scan<D::File>,
        until: u64,
        upto: Position,
    ) -> Result<(), StorageError> {
        let first = scan.chain().next;
        let lost = if upto >= first {
            Lost::Blocks(first, upto)
        } else {
            Lost::Nothing
        };
        let place = (scan.offset(), until);
        self.damage(
            scan.header().number,
            place,
            "blocks that were durable are damaged",
            lost,
        )
    }

    fn damage(
        &mut self,
        number: FileNumber,
        (from, until): (u64, u64),
        detail: &str,
        lost: Lost,
    ) -> Result<(), StorageError> {
        let file = file::path(number);
        (self.visitor)(Item::Damage(Damage {
            file,
            from,
            until,
            detail: detail.to_owned(),
            lost,
        }))
    }
}
