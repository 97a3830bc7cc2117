//! The journal in local files: one writer, commit blocks, files of equal size that are reused.
//!
//! It does not know what a body means, when to sync or who waits for it.

pub(crate) mod block;
pub(crate) mod file;
pub(crate) mod recovery;
pub(crate) mod scan;
mod spare;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sabir_core::storage::{
    Admission, Appended, Block, BlockKind, BlockVisitor, Epoch, FileNumber, Journal, Mark,
    Position, StorageError,
};

pub use self::recovery::Recovery;
pub use self::spare::Spares;

use self::block::{Header, UNIT, ZEROS};
use self::file::{BLOCKS_AT, DIRECTORY, FileHeader};
use self::recovery::{Live, Tail};
use self::scan::{Chain, Scan};
use self::spare::Taken;
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile, is_full};
use crate::fail::{at_most, io_failure};

/// Sizes of a local journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// Length of a file, header included. A multiple of 4 KiB, at least 8 KiB. Default 16 MiB.
    pub file_bytes: u64,
    /// Length of the very first file, so that an empty node starts at once. Default 1 MiB.
    pub first_file_bytes: u64,
    /// How many zero-filled files are made ahead, beside the one that is kept as reserve. Default 1.
    pub spares: usize,
    /// How many used files are kept to be used again, beside the reserve. Default 4: when records
    /// leave memory more slowly than they come, more files go round.
    pub spares_kept_max: usize,
    /// Largest body of a block. Default 512 MiB.
    pub body_bytes_max: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            file_bytes: 16 << 20,
            first_file_bytes: 1 << 20,
            spares: 1,
            spares_kept_max: 4,
            body_bytes_max: 512 << 20,
        }
    }
}

/// A journal in the `journal` directory of a [`Disk`].
pub struct LocalJournal<D: Disk> {
    disk: Arc<D>,
    lineage: Lineage,
    options: JournalOptions,
    spares: Arc<Spares<D>>,
    /// All files that are not spare, oldest first; the last is the current one.
    live: Vec<Live>,
    current: Current<D::File>,
    chain: Chain,
    epoch: Epoch,
    poisoned: Option<Arc<str>>,
}

/// The file that is written.
struct Current<F> {
    number: FileNumber,
    file: F,
    length: u64,
    offset: u64,
    /// It holds blocks that were not synced.
    dirty: bool,
    /// It was the reserve, so only blocks that free space may use it until there is another.
    reserve: bool,
}

impl<D: Disk> LocalJournal<D> {
    /// Makes the first file of a new journal, unless it exists. Nothing is written to it.
    pub fn create(
        disk: &Arc<D>,
        lineage: Lineage,
        options: JournalOptions,
    ) -> Result<(), StorageError> {
        disk.create_directory(DIRECTORY)
            .map_err(io_failure("create directory", DIRECTORY))?;
        if !recovery::numbers(&**disk)?.is_empty() {
            return recovery::sync_names(&**disk);
        }
        let length = options.first_file_bytes.min(options.file_bytes);
        let spares = Spares::open(Arc::clone(disk), options)?;
        let header = first_header(FileNumber(1), Position(1), length, lineage);
        install(&**disk, &spares.create(length)?, &header, lineage).map(drop)
    }

    /// Opens the journal, hands every block from the mark's first file on to the visitor, makes
    /// the tail durable and fences with a new epoch. Files before the mark's become spares.
    ///
    /// Does the same again after a crash at any point.
    pub fn open(
        disk: Arc<D>,
        lineage: Lineage,
        options: JournalOptions,
        mark: Mark,
        visitor: BlockVisitor<'_>,
    ) -> Result<(Self, Recovery), StorageError> {
        let spares = Spares::open(Arc::clone(&disk), options)?;
        let tail = recovery::recover(&*disk, lineage, mark, visitor)?;
        for number in recovery::numbers(&*disk)? {
            if number < mark.first_file {
                spares.retire(number)?;
            }
        }
        let report = tail.report.clone();
        let mut journal = Self::assemble(disk, lineage, options, spares, tail);
        journal.fence(journal.epoch.next())?;
        Ok((journal, report))
    }

    /// Starts a copy of another journal in an empty directory, with the numbers of the original.
    pub(crate) fn start_copy(
        disk: Arc<D>,
        lineage: Lineage,
        options: JournalOptions,
        number: FileNumber,
        first_position: Position,
    ) -> Result<Self, StorageError> {
        disk.create_directory(DIRECTORY)
            .map_err(io_failure("create directory", DIRECTORY))?;
        let spares = Spares::open(Arc::clone(&disk), options)?;
        let header = first_header(number, first_position, options.file_bytes, lineage);
        let file = install(&*disk, &spares.create(header.length)?, &header, lineage)?;
        let before = Position(first_position.0.saturating_sub(1));
        let tail = Tail {
            file,
            header,
            offset: BLOCKS_AT,
            chain: Chain {
                next: first_position,
                checksum: header.previous_checksum,
                epoch: header.epoch,
                durable_upto: before,
            },
            live: vec![Live {
                number,
                first_position,
            }],
            report: Recovery {
                blocks: 0,
                last: before,
                end: (number, BLOCKS_AT),
                rewritten: 0,
            },
        };
        Ok(Self::assemble(disk, lineage, options, spares, tail))
    }

    fn assemble(
        disk: Arc<D>,
        lineage: Lineage,
        options: JournalOptions,
        spares: Spares<D>,
        tail: Tail<D::File>,
    ) -> Self {
        let Tail {
            file,
            header,
            offset,
            chain,
            live,
            report,
        } = tail;
        Self {
            disk,
            lineage,
            options,
            spares: Arc::new(spares),
            live,
            current: Current {
                number: header.number,
                file,
                length: header.length,
                offset,
                dirty: false,
                reserve: false,
            },
            chain: Chain {
                durable_upto: report.last,
                ..chain
            },
            epoch: chain.epoch,
            poisoned: None,
        }
    }

    /// The spare files, which another thread should keep replenished.
    #[must_use]
    pub fn spares(&self) -> Arc<Spares<D>> {
        Arc::clone(&self.spares)
    }

    /// The term of this owner.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The file that blocks go to.
    #[must_use]
    pub fn current_file(&self) -> FileNumber {
        self.current.number
    }

    /// Syncs and appends an empty block that proves everything before it durable, so that damage
    /// to the last real block is told from a torn tail.
    pub fn close(mut self) -> Result<(), StorageError> {
        self.sync()?;
        self.append_block(BlockKind::Fence, &[], Admission::Reserve)?;
        self.sync().map(drop)
    }

    /// Stands in for lost blocks up to a position.
    pub(crate) fn reach(&mut self, last: Position) -> Result<(), StorageError> {
        while self.chain.next <= last {
            self.append_block(BlockKind::Lost, &[], Admission::Normal)?;
        }
        Ok(())
    }

    /// Appends a block of another journal at the same position.
    pub(crate) fn append_copy(&mut self, block: &Block) -> Result<(), StorageError> {
        self.reach(Position(block.position.0.saturating_sub(1)))?;
        if block.position < self.chain.next {
            return Err(StorageError::OutOfOrder(format!(
                "block {} after block {}",
                block.position, self.chain.next
            )));
        }
        self.epoch = self.epoch.max(block.epoch);
        self.append_block(block.kind, &block.body, Admission::Normal)
            .map(drop)
    }

    fn append_block(
        &mut self,
        kind: BlockKind,
        body: &[u8],
        admission: Admission,
    ) -> Result<Appended, StorageError> {
        self.ensure_sound()?;
        let limit = self
            .options
            .body_bytes_max
            .min(u64::from(u32::MAX) - 2 * UNIT);
        at_most("journal block", body.len() as u64, limit)?;
        let span = block::span(body.len() as u64);
        self.ensure_admitted(admission, span)?;
        let sealed = if self.current.offset.saturating_add(span) > self.current.length {
            Some(self.rotate(span, admission)?)
        } else {
            None
        };
        let position = self.chain.next;
        self.write(kind, body, span)?;
        Ok(Appended {
            position,
            file: self.current.number,
            sealed,
        })
    }

    fn write(&mut self, kind: BlockKind, body: &[u8], span: u64) -> Result<(), StorageError> {
        let header = Header {
            kind,
            file: self.current.number,
            position: self.chain.next,
            durable_upto: self.chain.durable_upto,
            epoch: self.epoch,
            previous_checksum: self.chain.checksum,
            body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
        };
        let (head, checksum) = header.seal(self.lineage, body);
        let used = block::HEADER_BYTES + body.len();
        let padding = usize::try_from(span).unwrap_or(used).saturating_sub(used);
        let padding = ZEROS.get(..padding).unwrap_or(&ZEROS);
        let written = self
            .current
            .file
            .write_at(&[&head, body, padding], self.current.offset);
        match written {
            Ok(()) => {}
            Err(error) if is_full(&error) => return Err(StorageError::DiskFull { bytes: span }),
            Err(error) => {
                let path = file::path(self.current.number);
                return Err(self.poison(io_failure("write", &path)(error)));
            }
        }
        self.current.offset += span;
        self.current.dirty = true;
        self.chain.next = header.position.next();
        self.chain.checksum = checksum;
        self.chain.epoch = self.epoch;
        Ok(())
    }

    /// Closes the current file, which is durable then, and goes on in another one.
    fn rotate(&mut self, span: u64, admission: Admission) -> Result<FileNumber, StorageError> {
        self.sync()?;
        let length = self.options.file_bytes.max(BLOCKS_AT.saturating_add(span));
        let taken = match self.spares.take(length, admission) {
            Ok(taken) => taken,
            Err(full @ StorageError::DiskFull { .. }) => return Err(full),
            Err(error) => return Err(self.poison(error)),
        };
        let header = FileHeader {
            number: self.current.number.next(),
            epoch: self.epoch,
            first_position: self.chain.next,
            length: taken.length,
            previous_checksum: self.chain.checksum,
        };
        let file = match install(&*self.disk, &taken, &header, self.lineage) {
            Ok(file) => file,
            Err(full @ StorageError::DiskFull { .. }) => return Err(full),
            Err(error) => return Err(self.poison(error)),
        };
        let current = Current {
            number: header.number,
            file,
            length: taken.length,
            offset: BLOCKS_AT,
            dirty: false,
            reserve: taken.reserve,
        };
        let sealed = std::mem::replace(&mut self.current, current);
        self.live.push(Live {
            number: header.number,
            first_position: header.first_position,
        });
        Ok(sealed.number)
    }

    fn ensure_sound(&self) -> Result<(), StorageError> {
        match &self.poisoned {
            None => Ok(()),
            Some(reason) => Err(StorageError::Poisoned {
                reason: Arc::clone(reason),
            }),
        }
    }

    fn ensure_admitted(&mut self, admission: Admission, span: u64) -> Result<(), StorageError> {
        if !self.current.reserve || admission == Admission::Reserve {
            return Ok(());
        }
        // Whoever keeps spares ready may himself wait for this block.
        if !self.spares.has_reserve() {
            self.spares.replenish()?;
        }
        self.current.reserve = !self.spares.has_reserve();
        if self.current.reserve {
            return Err(StorageError::DiskFull { bytes: span });
        }
        Ok(())
    }

    fn poison(&mut self, error: StorageError) -> StorageError {
        self.poisoned = Some(error.to_string().into());
        error
    }
}

/// The header of the first file of a journal.
fn first_header(
    number: FileNumber,
    first_position: Position,
    length: u64,
    lineage: Lineage,
) -> FileHeader {
    FileHeader {
        number,
        epoch: Epoch(0),
        first_position,
        length,
        previous_checksum: lineage.origin(),
    }
}

/// Gives a file without a name of its own its header and then its name, both durable.
fn install<D: Disk>(
    disk: &D,
    taken: &Taken,
    header: &FileHeader,
    lineage: Lineage,
) -> Result<D::File, StorageError> {
    let path = file::path(header.number);
    let file = disk
        .open(&taken.path)
        .map_err(io_failure("open", &taken.path))?;
    let prepared = file.write_at(&[&header.encode(lineage)], 0);
    if let Err(error) = prepared {
        if is_full(&error) {
            disk.remove(&taken.path)
                .map_err(io_failure("remove", &taken.path))?;
            return Err(StorageError::DiskFull { bytes: UNIT });
        }
        return Err(io_failure("write", &taken.path)(error));
    }
    file.sync_data().map_err(io_failure("sync", &taken.path))?;
    disk.rename(&taken.path, &path)
        .map_err(io_failure("rename", &taken.path))?;
    disk.sync_directory(DIRECTORY)
        .map_err(io_failure("sync directory", DIRECTORY))?;
    Ok(file)
}

impl<D: Disk> Journal for LocalJournal<D> {
    fn next_position(&self) -> Position {
        self.chain.next
    }

    fn durable(&self) -> Position {
        self.chain.durable_upto
    }

    fn append(&mut self, body: &[u8], admission: Admission) -> Result<Appended, StorageError> {
        self.append_block(BlockKind::Entries, body, admission)
    }

    fn sync(&mut self) -> Result<Position, StorageError> {
        self.ensure_sound()?;
        if self.current.dirty {
            if let Err(error) = self.current.file.sync_data() {
                let path = file::path(self.current.number);
                return Err(self.poison(io_failure("sync", &path)(error)));
            }
            self.current.dirty = false;
        }
        self.chain.durable_upto = Position(self.chain.next.0.saturating_sub(1));
        Ok(self.chain.durable_upto)
    }

    fn trim(&mut self, first_needed: FileNumber) -> Result<(), StorageError> {
        self.ensure_sound()?;
        if first_needed > self.current.number {
            return Err(StorageError::OutOfOrder(format!(
                "cannot trim journal file {}, which is written",
                self.current.number
            )));
        }
        let keep = self.live.partition_point(|live| live.number < first_needed);
        for live in self.live.drain(..keep) {
            self.spares.retire(live.number)?;
        }
        Ok(())
    }

    fn fence(&mut self, epoch: Epoch) -> Result<Position, StorageError> {
        self.ensure_sound()?;
        if epoch <= self.epoch {
            return Err(StorageError::Fenced {
                own: epoch,
                current: self.epoch,
            });
        }
        let before = std::mem::replace(&mut self.epoch, epoch);
        let appended = self.append_block(BlockKind::Fence, &[], Admission::Reserve);
        let position = appended.inspect_err(|_| self.epoch = before)?.position;
        self.sync()?;
        Ok(position)
    }

    fn read_from(&self, from: Position, visitor: BlockVisitor<'_>) -> Result<(), StorageError> {
        let start = self
            .live
            .partition_point(|live| live.first_position <= from);
        let Some(start) = start.checked_sub(1) else {
            return Err(StorageError::OutOfOrder(format!(
                "block {from} was trimmed"
            )));
        };
        for live in self.live.get(start..).unwrap_or_default() {
            let mut scan = Scan::open(&*self.disk, live.number, self.lineage)?;
            while scan.chain().next < self.chain.next {
                let Some(found) = scan.next()? else { break };
                if found.block.position >= from {
                    visitor(found.block)?;
                }
            }
            let last = live.number == self.current.number;
            if last && scan.chain().next < self.chain.next {
                scan.ensure_torn()?;
                let detail = format!("block {} is damaged", scan.chain().next);
                return Err(crate::fail::corrupt(&scan.path(), scan.offset(), detail));
            }
            if !last {
                recovery::ensure_complete(&*self.disk, &scan, self.lineage)?;
            }
        }
        Ok(())
    }
}
