//! Reads the blocks of one journal file in order and finds out why there are no more.

use bytes::{Bytes, BytesMut};
use sabir_core::storage::{Block, Epoch, FileNumber, Position, StorageError};

use super::block::{self, HEADER_BYTES, Header, UNIT};
use super::file::{self, BLOCKS_AT, FileHeader};
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile};
use crate::fail::{corrupt, io_failure};

/// What the next block of a journal must continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The position that comes next.
    pub(crate) next: Position,
    /// Checksum of the block before.
    pub(crate) checksum: u32,
    /// Term of the block before.
    pub(crate) epoch: Epoch,
    /// Everything up to here was durable when the block before was written.
    pub(crate) durable_upto: Position,
}

/// A valid block and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) block: Block,
    pub(crate) offset: u64,
    /// Header, body and padding as they are on disk.
    pub(crate) raw: Bytes,
}

/// A valid block behind a place where the chain breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Later {
    pub(crate) offset: u64,
    pub(crate) header: Header,
}

/// Walks one file.
pub(crate) struct Scan<F> {
    file: F,
    number: FileNumber,
    lineage: Lineage,
    header: FileHeader,
    offset: u64,
    chain: Chain,
}

impl<F: DiskFile> Scan<F> {
    /// Opens a file by number; its header is checked.
    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        number: FileNumber,
        lineage: Lineage,
    ) -> Result<Self, StorageError> {
        let path = file::path(number);
        let file = disk.open(&path).map_err(io_failure("open", &path))?;
        let header = FileHeader::read(&file, number, lineage)?;
        let chain = Chain {
            next: header.first_position,
            checksum: header.previous_checksum,
            epoch: header.epoch,
            durable_upto: Position(header.first_position.0.saturating_sub(1)),
        };
        Ok(Self {
            file,
            number,
            lineage,
            header,
            offset: BLOCKS_AT,
            chain,
        })
    }

    /// Opens a file whose header is damaged; nothing continues until [`Scan::resume`].
    pub(crate) fn open_damaged<D: Disk<File = F>>(
        disk: &D,
        number: FileNumber,
        lineage: Lineage,
        chain: Chain,
    ) -> Result<Self, StorageError> {
        let path = file::path(number);
        let file = disk.open(&path).map_err(io_failure("open", &path))?;
        let header = FileHeader {
            number,
            epoch: chain.epoch,
            first_position: chain.next,
            length: file.length().map_err(io_failure("length of", &path))?,
            previous_checksum: chain.checksum,
        };
        Ok(Self {
            file,
            number,
            lineage,
            header,
            offset: BLOCKS_AT,
            chain,
        })
    }

    /// Lets the blocks be read from the device, where a cache could hide what was not written.
    pub(crate) fn bypass_cache(&self) -> Result<(), StorageError> {
        self.file
            .forget_cached()
            .map_err(io_failure("advise", &self.path()))
    }

    pub(crate) fn header(&self) -> &FileHeader {
        &self.header
    }

    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    /// Where the next block starts, or would.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn path(&self) -> String {
        file::path(self.number)
    }

    pub(crate) fn into_file(self) -> F {
        self.file
    }

    /// Goes on from a block that was found by [`Scan::later`], past the break.
    pub(crate) fn resume(&mut self, later: Later) {
        self.offset = later.offset;
        self.chain = Chain {
            next: later.header.position,
            checksum: later.header.previous_checksum,
            epoch: later.header.epoch,
            durable_upto: later.header.durable_upto,
        };
    }

    /// Goes on at a position, as if everything before it had been there.
    pub(crate) fn skip_to(&mut self, next: Position) {
        self.chain.next = next;
    }

    /// The next block, or `None` where the chain ends or breaks.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, StorageError> {
        let Some((header, checksum, raw)) = self.block_at(self.offset)? else {
            return Ok(None);
        };
        if header.position != self.chain.next
            || header.previous_checksum != self.chain.checksum
            || header.epoch < self.chain.epoch
        {
            return Ok(None);
        }
        let found = self.found(&header, raw);
        self.offset = self.offset.saturating_add(header.span());
        self.chain = Chain {
            next: header.position.next(),
            checksum,
            epoch: header.epoch,
            durable_upto: self.chain.durable_upto.max(header.durable_upto),
        };
        Ok(Some(found))
    }

    /// Searches behind the current offset for a valid block that `wanted` accepts.
    pub(crate) fn later(
        &self,
        wanted: impl Fn(&Header) -> bool,
    ) -> Result<Option<Later>, StorageError> {
        self.find(self.offset.saturating_add(UNIT), wanted)
    }

    /// Searches from an offset on for a valid block that `wanted` accepts.
    pub(crate) fn find(
        &self,
        mut offset: u64,
        wanted: impl Fn(&Header) -> bool,
    ) -> Result<Option<Later>, StorageError> {
        let mut window = Window::default();
        while offset.saturating_add(UNIT) <= self.header.length {
            let head = window.head(&self.file, offset, self.header.length);
            let head = head.map_err(io_failure("read", &self.path()))?;
            if let Some(header) = head.as_ref().and_then(Header::decode)
                && header.file == self.number
                && wanted(&header)
                && self.block_at(offset)?.is_some()
            {
                return Ok(Some(Later { offset, header }));
            }
            offset = offset.saturating_add(UNIT);
        }
        Ok(None)
    }

    /// Refuses to take the current offset for the end if anything shows that a block was durable
    /// there, which only damage explains.
    pub(crate) fn ensure_torn(&self) -> Result<(), StorageError> {
        let missing = self.chain.next;
        match self.later(|header| header.durable_upto >= missing)? {
            None => Ok(()),
            Some(later) => Err(corrupt(
                &self.path(),
                self.offset,
                format!(
                    "block {missing} is damaged; block {} at byte {} shows that it was durable",
                    later.header.position, later.offset
                ),
            )),
        }
    }

    /// A valid block of this file at an offset, whatever its place in the chain.
    fn block_at(&self, offset: u64) -> Result<Option<(Header, u32, Bytes)>, StorageError> {
        let room = self.header.length.saturating_sub(offset);
        if room < UNIT {
            return Ok(None);
        }
        let failed = |error| io_failure("read", &self.path())(error);
        let mut raw = BytesMut::zeroed(UNIT as usize);
        self.file.read_at(&mut raw, offset).map_err(failed)?;
        let header = raw.first_chunk::<HEADER_BYTES>().and_then(Header::decode);
        let Some(header) = header.filter(|header| header.file == self.number) else {
            return Ok(None);
        };
        let Some(span) = usize::try_from(header.span())
            .ok()
            .filter(|_| header.span() <= room)
        else {
            return Ok(None);
        };
        raw.resize(span, 0);
        if let Some(rest) = raw.get_mut(UNIT as usize..).filter(|rest| !rest.is_empty()) {
            self.file.read_at(rest, offset + UNIT).map_err(failed)?;
        }
        let raw = raw.freeze();
        let valid = block::decode(&raw, self.lineage);
        Ok(valid.map(|(header, checksum)| (header, checksum, raw)))
    }

    fn found(&self, header: &Header, raw: Bytes) -> Found {
        let end = HEADER_BYTES
            .saturating_add(header.body_bytes as usize)
            .min(raw.len());
        let block = Block {
            position: header.position,
            file: self.number,
            epoch: header.epoch,
            kind: header.kind,
            body: raw.slice(HEADER_BYTES.min(end)..end),
        };
        Found {
            block,
            offset: self.offset,
            raw,
        }
    }
}

/// Bytes read ahead, so that looking at every unit does not read each by itself.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    const BYTES: u64 = 256 * UNIT;

    fn head<F: DiskFile>(
        &mut self,
        file: &F,
        offset: u64,
        length: u64,
    ) -> std::io::Result<Option<[u8; HEADER_BYTES]>> {
        let end = self.start.saturating_add(self.bytes.len() as u64);
        if offset < self.start || offset.saturating_add(UNIT) > end {
            let bytes = length.saturating_sub(offset).min(Self::BYTES);
            self.bytes.resize(usize::try_from(bytes).unwrap_or(0), 0);
            self.start = offset;
            file.read_at(&mut self.bytes, offset)?;
        }
        let at = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self
            .bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .copied())
    }
}
