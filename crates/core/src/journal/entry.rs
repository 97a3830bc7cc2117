//! The entries of a journal block: what happened, in order. All entries of one command are in one
//! block, so they take effect together or not at all.
//!
//! Each is `kind u8 | length u32 little-endian | fields`; numbers and texts as in [`crate::wire`].

use crate::{
    id::{LogId, Offset},
    wire::{Malformed, Reader, Writer},
};

const PUBLISH: u8 = 1;
const SETTLE: u8 = 2;
const ATTEMPTS: u8 = 3;
const CATALOG: u8 = 4;
const TRUNCATE: u8 = 5;
const DEDUPLICATE: u8 = 6;

/// Bytes of an entry before its fields.
const FRAME_BYTES: usize = 5;

/// One entry, borrowed from its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A record was added to logs.
    Publish {
        /// The stored form of the message.
        record: &'a [u8],
        /// Where `record` begins in the block body.
        record_start: usize,
        /// The logs and the offsets it took there.
        targets: Vec<(LogId, Offset)>,
    },
    /// Records are done with.
    Settle {
        /// The log.
        log: LogId,
        /// Sum of their sizes.
        bytes: u64,
        /// First and last of each range.
        ranges: Vec<(u64, u64)>,
    },
    /// A record has failed so often.
    Attempts {
        /// The log.
        log: LogId,
        /// The record.
        offset: Offset,
        /// Failed attempts.
        attempts: u32,
    },
    /// A definition was made, changed or removed.
    Catalog {
        /// Its key.
        key: &'a [u8],
        /// Its value; none when it was removed.
        value: Option<&'a [u8]>,
    },
    /// Everything before an offset is gone.
    Truncate {
        /// The log.
        log: LogId,
        /// The first offset that stays.
        head: Offset,
    },
    /// A message id was seen by a queue.
    Deduplicate {
        /// The first log of the queue.
        log: LogId,
        /// The id.
        id: &'a [u8],
        /// Until when it counts, in milliseconds since 1970.
        until_ms: u64,
    },
}

/// Appends a publish entry; `record` writes the stored form. Returns where it begins and its length.
pub(crate) fn write_publish(
    body: &mut Vec<u8>,
    record: impl FnOnce(&mut Vec<u8>),
    targets: &[(LogId, Offset)],
) -> (usize, usize) {
    let mut place = (0, 0);
    frame(body, PUBLISH, |body| {
        Writer(body).varint(targets.len() as u64);
        for (log, offset) in targets {
            Writer(body).varint(log.0);
            Writer(body).varint(offset.0);
        }
        let start = body.len();
        record(body);
        place = (start, body.len() - start);
    });
    place
}

pub(crate) fn write_settle(body: &mut Vec<u8>, log: LogId, bytes: u64, ranges: &[(u64, u64)]) {
    frame(body, SETTLE, |body| {
        let mut writer = Writer(body);
        writer.varint(log.0);
        writer.varint(bytes);
        writer.varint(ranges.len() as u64);
        let mut before = 0;
        for (first, last) in ranges {
            writer.varint(first - before);
            writer.varint(last - first);
            before = *last;
        }
    });
}

pub(crate) fn write_attempts(body: &mut Vec<u8>, log: LogId, offset: Offset, attempts: u32) {
    frame(body, ATTEMPTS, |body| {
        let mut writer = Writer(body);
        writer.varint(log.0);
        writer.varint(offset.0);
        writer.varint(u64::from(attempts));
    });
}

pub(crate) fn write_catalog(body: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    frame(body, CATALOG, |body| {
        let mut writer = Writer(body);
        writer.bytes(key);
        writer.byte(u8::from(value.is_some()));
        writer.0.extend_from_slice(value.unwrap_or_default());
    });
}

pub(crate) fn write_truncate(body: &mut Vec<u8>, log: LogId, head: Offset) {
    frame(body, TRUNCATE, |body| {
        let mut writer = Writer(body);
        writer.varint(log.0);
        writer.varint(head.0);
    });
}

pub(crate) fn write_deduplicate(body: &mut Vec<u8>, log: LogId, id: &[u8], until_ms: u64) {
    frame(body, DEDUPLICATE, |body| {
        let mut writer = Writer(body);
        writer.varint(log.0);
        writer.bytes(id);
        writer.varint(until_ms);
    });
}

fn frame(body: &mut Vec<u8>, kind: u8, fields: impl FnOnce(&mut Vec<u8>)) {
    body.push(kind);
    let length_at = body.len();
    body.extend_from_slice(&[0; 4]);
    fields(body);
    let length = body.len() - length_at - 4;
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = body.get_mut(length_at..length_at + 4) {
        place.copy_from_slice(&length);
    }
}

/// The entries of a block body, in order. After an error there are no more.
#[derive(Debug)]
pub struct Entries<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    /// The entries of `body`.
    #[must_use]
    pub fn of(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    fn read(&mut self) -> Result<Entry<'a>, Malformed> {
        let mut reader = Reader(self.body.get(self.at..).ok_or(Malformed)?);
        let kind = reader.byte()?;
        let length = reader.take(4)?.try_into().map_err(|_| Malformed)?;
        let fields = reader.take(u32::from_le_bytes(length) as usize)?;
        let start = self.at + FRAME_BYTES;
        self.at = start + fields.len();
        read_entry(kind, Reader(fields), start)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        let entry = self.read();
        if entry.is_err() {
            self.at = self.body.len();
        }
        Some(entry)
    }
}

fn read_entry(kind: u8, mut reader: Reader<'_>, start: usize) -> Result<Entry<'_>, Malformed> {
    let whole = reader.0.len();
    Ok(match kind {
        PUBLISH => {
            let count = reader.count(whole)?;
            let mut targets = Vec::with_capacity(count);
            for _ in 0..count {
                targets.push((LogId(reader.varint()?), Offset(reader.varint()?)));
            }
            Entry::Publish {
                record: reader.0,
                record_start: start + whole - reader.0.len(),
                targets,
            }
        }
        SETTLE => read_settle(reader)?,
        ATTEMPTS => Entry::Attempts {
            log: LogId(reader.varint()?),
            offset: Offset(reader.varint()?),
            attempts: u32::try_from(reader.varint()?).map_err(|_| Malformed)?,
        },
        CATALOG => Entry::Catalog {
            key: reader.bytes()?,
            value: (reader.byte()? != 0).then_some(reader.0),
        },
        TRUNCATE => Entry::Truncate {
            log: LogId(reader.varint()?),
            head: Offset(reader.varint()?),
        },
        DEDUPLICATE => Entry::Deduplicate {
            log: LogId(reader.varint()?),
            id: reader.bytes()?,
            until_ms: reader.varint()?,
        },
        _ => return Err(Malformed),
    })
}

fn read_settle(mut reader: Reader<'_>) -> Result<Entry<'_>, Malformed> {
    let log = LogId(reader.varint()?);
    let bytes = reader.varint()?;
    let count = reader.count(reader.0.len())?;
    let mut ranges = Vec::with_capacity(count);
    let mut before = 0u64;
    for _ in 0..count {
        let first = before.checked_add(reader.varint()?).ok_or(Malformed)?;
        let last = first.checked_add(reader.varint()?).ok_or(Malformed)?;
        ranges.push((first, last));
        before = last;
    }
    Ok(Entry::Settle { log, bytes, ranges })
}

#[cfg(test)]
mod tests;
