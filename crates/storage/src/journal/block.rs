//! The bytes of a commit block.
//!
//! A block starts on a 4 KiB boundary: header, body, zeros up to the next boundary. All numbers
//! are little-endian.
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `SJB1` |
//! | 4 | 2 | length of the header: 56 |
//! | 6 | 2 | flags: 1 = fence, 2 = lost |
//! | 8 | 8 | number of the file |
//! | 16 | 8 | position |
//! | 24 | 8 | highest position known durable when this block was written; below its own |
//! | 32 | 8 | epoch |
//! | 40 | 4 | checksum of the block before |
//! | 44 | 4 | length of the body |
//! | 48 | 4 | zero |
//! | 52 | 4 | CRC-32C of header up to here and body, seeded with the lineage |

use sabir_core::storage::{BlockKind, Epoch, FileNumber, Position};

use crate::checksum::Lineage;
use crate::fields::{Reader, Writer};

/// Blocks start on multiples of this many bytes.
pub(crate) const UNIT: u64 = 4096;

/// Length of a block's header.
pub(crate) const HEADER_BYTES: usize = 56;

/// What fills the rest of the last unit of a block.
pub(crate) const ZEROS: [u8; UNIT as usize] = [0; UNIT as usize];

const MAGIC: [u8; 4] = *b"SJB1";
const CHECKSUM_AT: usize = HEADER_BYTES - 4;
const FLAG_FENCE: u16 = 1;
const FLAG_LOST: u16 = 2;

/// What the header of a block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: BlockKind,
    pub(crate) file: FileNumber,
    pub(crate) position: Position,
    pub(crate) durable_upto: Position,
    pub(crate) epoch: Epoch,
    pub(crate) previous_checksum: u32,
    pub(crate) body_bytes: u32,
}

impl Header {
    /// The header's bytes and the block's checksum.
    pub(crate) fn seal(&self, lineage: Lineage, body: &[u8]) -> ([u8; HEADER_BYTES], u32) {
        let mut bytes = [0; HEADER_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&MAGIC);
        writer.put(
            &u16::try_from(HEADER_BYTES)
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        writer.put(&flags(self.kind).to_le_bytes());
        writer.put(&self.file.0.to_le_bytes());
        writer.put(&self.position.0.to_le_bytes());
        writer.put(&self.durable_upto.0.to_le_bytes());
        writer.put(&self.epoch.0.to_le_bytes());
        writer.put(&self.previous_checksum.to_le_bytes());
        writer.put(&self.body_bytes.to_le_bytes());
        let (covered, tail) = bytes.split_at_mut(CHECKSUM_AT);
        let checksum = lineage.checksum(&[covered, body]);
        tail.copy_from_slice(&checksum.to_le_bytes());
        (bytes, checksum)
    }

    /// Reads a header without checking the checksum. `None` if it cannot be one.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let magic = reader.take::<4>()?;
        let length = u16::from_le_bytes(reader.take()?);
        let kind = kind(u16::from_le_bytes(reader.take()?))?;
        let header = Self {
            kind,
            file: FileNumber(u64::from_le_bytes(reader.take()?)),
            position: Position(u64::from_le_bytes(reader.take()?)),
            durable_upto: Position(u64::from_le_bytes(reader.take()?)),
            epoch: Epoch(u64::from_le_bytes(reader.take()?)),
            previous_checksum: u32::from_le_bytes(reader.take()?),
            body_bytes: u32::from_le_bytes(reader.take()?),
        };
        let shape = magic == MAGIC
            && usize::from(length) == HEADER_BYTES
            && reader.take()? == [0; 4]
            && header.durable_upto < header.position
            && (header.kind == BlockKind::Entries || header.body_bytes == 0);
        shape.then_some(header)
    }

    /// The stretch of file that the block takes, padding included.
    pub(crate) fn span(&self) -> u64 {
        span(u64::from(self.body_bytes))
    }
}

/// Reads a whole block, which fills `bytes` with its padding.
pub(crate) fn decode(bytes: &[u8], lineage: Lineage) -> Option<(Header, u32)> {
    let (head, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let header = Header::decode(head)?;
    let (body, padding) = rest.split_at_checked(usize::try_from(header.body_bytes).ok()?)?;
    if bytes.len() as u64 != header.span() || !ZEROS.starts_with(padding) {
        return None;
    }
    let (covered, stored) = head.split_last_chunk::<4>()?;
    let checksum = lineage.checksum(&[covered, body]);
    (checksum.to_le_bytes() == *stored).then_some((header, checksum))
}

/// The stretch of file that a block with such a body takes, padding included.
pub(crate) const fn span(body_bytes: u64) -> u64 {
    (HEADER_BYTES as u64 + body_bytes).next_multiple_of(UNIT)
}

fn flags(kind: BlockKind) -> u16 {
    match kind {
        BlockKind::Entries => 0,
        BlockKind::Fence => FLAG_FENCE,
        BlockKind::Lost => FLAG_LOST,
    }
}

fn kind(flags: u16) -> Option<BlockKind> {
    match flags {
        0 => Some(BlockKind::Entries),
        FLAG_FENCE => Some(BlockKind::Fence),
        FLAG_LOST => Some(BlockKind::Lost),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body: &[u8]) -> Header {
        Header {
            kind: BlockKind::Entries,
            file: FileNumber(3),
            position: Position(11),
            durable_upto: Position(9),
            epoch: Epoch(2),
            previous_checksum: 0xdead_beef,
            body_bytes: u32::try_from(body.len()).unwrap(),
        }
    }

    fn block() -> (Vec<u8>, u32) {
        let (bytes, checksum) = header(b"body").seal(Lineage::of(b"one"), b"body");
        let mut block = [&bytes[..], b"body"].concat();
        block.resize(UNIT as usize, 0);
        (block, checksum)
    }

    #[test]
    fn a_block_survives() {
        let lineage = Lineage::of(b"one");
        let (block, checksum) = block();
        assert_eq!(decode(&block, lineage), Some((header(b"body"), checksum)));
        assert_eq!(decode(&block, Lineage::of(b"two")), None);
        assert_eq!(decode(&block[..HEADER_BYTES + 3], lineage), None);
    }

    #[test]
    fn any_inverted_bit_is_seen() {
        let lineage = Lineage::of(b"one");
        let (block, _) = block();
        for bit in 0..block.len() * 8 {
            let mut changed = block.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&changed, lineage), None, "bit {bit}");
        }
    }

    #[test]
    fn spans_are_whole_units() {
        assert_eq!(span(0), UNIT);
        assert_eq!(span(UNIT - 56), UNIT);
        assert_eq!(span(UNIT - 55), 2 * UNIT);
    }
}
