//! The 4 KiB at the front of a journal file, and the files' names.
//!
//! The header is durable before the file gets its name, so a file with a journal name and a bad
//! header is damaged. It says how the journal went on: a file exists only after everything before
//! `first_position` was durable.
//!
//! | at | size | field (little-endian) |
//! |---|---|---|
//! | 0 | 8 | magic `SABIRJNL` |
//! | 8 | 4 | format: 1 |
//! | 12 | 4 | cipher: 0 = none |
//! | 16 | 8 | number of the file |
//! | 24 | 8 | epoch of the writer |
//! | 32 | 8 | position of the first block |
//! | 40 | 8 | length of the file |
//! | 48 | 4 | checksum of the block before the first |
//! | 52 | 4 | CRC-32C of all before, seeded with the lineage |
//!
//! The rest of the 4 KiB is zero.

use sabir_core::storage::{Epoch, FileNumber, Position, StorageError};

use super::block::{UNIT, ZEROS};
use crate::checksum::Lineage;
use crate::disk::DiskFile;
use crate::fail::{corrupt, io_failure};
use crate::fields::{Reader, Writer};

/// The directory of journal and spare files.
pub(crate) const DIRECTORY: &str = "journal";

/// Where the first block of a file starts.
pub(crate) const BLOCKS_AT: u64 = UNIT;

const MAGIC: [u8; 8] = *b"SABIRJNL";
const FORMAT: u32 = 1;
const FIELDS_BYTES: usize = 56;

/// What the header of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) number: FileNumber,
    pub(crate) epoch: Epoch,
    pub(crate) first_position: Position,
    pub(crate) length: u64,
    pub(crate) previous_checksum: u32,
}

impl FileHeader {
    pub(crate) fn encode(&self, lineage: Lineage) -> [u8; UNIT as usize] {
        let mut bytes = [0; UNIT as usize];
        let mut writer = Writer(&mut bytes);
        writer.put(&MAGIC);
        writer.put(&FORMAT.to_le_bytes());
        writer.put(&[0; 4]);
        writer.put(&self.number.0.to_le_bytes());
        writer.put(&self.epoch.0.to_le_bytes());
        writer.put(&self.first_position.0.to_le_bytes());
        writer.put(&self.length.to_le_bytes());
        writer.put(&self.previous_checksum.to_le_bytes());
        let (covered, rest) = bytes.split_at_mut(FIELDS_BYTES - 4);
        Writer(rest).put(&lineage.checksum(&[covered]).to_le_bytes());
        bytes
    }

    /// Reads a header; the error says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8], lineage: Lineage) -> Result<Self, &'static str> {
        let fields = bytes
            .first_chunk::<FIELDS_BYTES>()
            .ok_or("file header cut short")?;
        if !bytes
            .get(FIELDS_BYTES..)
            .is_some_and(|rest| ZEROS.starts_with(rest))
        {
            return Err("file header is followed by bytes that are not zero");
        }
        Self::decode_fields(fields, lineage).unwrap_or(Err("file header cut short"))
    }

    fn decode_fields(
        bytes: &[u8; FIELDS_BYTES],
        lineage: Lineage,
    ) -> Option<Result<Self, &'static str>> {
        let (covered, stored) = bytes.split_last_chunk::<4>()?;
        let mut reader = Reader(covered);
        if reader.take()? != MAGIC {
            return Some(Err("not a journal file"));
        }
        if lineage.checksum(&[covered]).to_le_bytes() != *stored {
            return Some(Err("file header fails its checksum"));
        }
        if u32::from_le_bytes(reader.take()?) != FORMAT || reader.take()? != [0; 4] {
            return Some(Err("journal format or cipher is not known to this version"));
        }
        Some(Ok(Self {
            number: FileNumber(u64::from_le_bytes(reader.take()?)),
            epoch: Epoch(u64::from_le_bytes(reader.take()?)),
            first_position: Position(u64::from_le_bytes(reader.take()?)),
            length: u64::from_le_bytes(reader.take()?),
            previous_checksum: u32::from_le_bytes(reader.take()?),
        }))
    }

    /// Reads and checks the header of the open file that is named after `number`.
    pub(crate) fn read<F: DiskFile>(
        file: &F,
        number: FileNumber,
        lineage: Lineage,
    ) -> Result<Self, StorageError> {
        let path = path(number);
        let length = file.length().map_err(io_failure("length of", &path))?;
        if length < BLOCKS_AT {
            return Err(corrupt(&path, 0, "file header cut short"));
        }
        let mut bytes = [0; UNIT as usize];
        file.read_at(&mut bytes, 0)
            .map_err(io_failure("read", &path))?;
        let header = Self::decode(&bytes, lineage).map_err(|detail| corrupt(&path, 0, detail))?;
        if header.number != number {
            let detail = format!("the header says that this is file {}", header.number);
            return Err(corrupt(&path, 0, detail));
        }
        if header.length != length {
            let detail = format!("the file has {length} bytes instead of {}", header.length);
            return Err(corrupt(&path, length.min(header.length), detail));
        }
        Ok(header)
    }
}

/// The path of a journal file.
pub(crate) fn path(number: FileNumber) -> String {
    format!("{DIRECTORY}/{number}.jnl")
}

/// The number of a file name such as `0000000000000001.jnl`.
pub(crate) fn number_of(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_and_any_inverted_bit_is_seen() {
        let lineage = Lineage::of(b"one");
        let header = FileHeader {
            number: FileNumber(4),
            epoch: Epoch(2),
            first_position: Position(77),
            length: 65_536,
            previous_checksum: 5,
        };
        let bytes = header.encode(lineage);
        assert_eq!(FileHeader::decode(&bytes, lineage), Ok(header));
        assert!(FileHeader::decode(&bytes, Lineage::of(b"two")).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHeader::decode(&changed, lineage).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn names_carry_numbers() {
        assert_eq!(path(FileNumber(255)), "journal/00000000000000ff.jnl");
        assert_eq!(number_of("00000000000000ff.jnl", ".jnl"), Some(255));
        assert_eq!(number_of("ff.jnl", ".jnl"), None);
        assert_eq!(number_of("00000000000000ff.spare", ".jnl"), None);
    }
}
