//! Records within the payload of a chunk.
//!
//! Per record: log (difference to the record before), offset (difference if the log is the same),
//! flags, shape (1 = has a due time), timestamp (difference to the record before), due time
//! (difference to the timestamp), length, bytes. Numbers are variable-length. Log and offset
//! together grow from record to record.

use std::ops::Range;

use sabir_core::storage::RecordMeta;

use crate::fields::{Reader, put_near, put_varint};

const HAS_DUE: u8 = 1;

/// What the next record is written or read relative to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Base {
    log: u64,
    offset: u64,
    timestamp_ms: u64,
    started: bool,
}

/// A record of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) log: u64,
    pub(crate) offset: u64,
    pub(crate) meta: RecordMeta,
    /// Where its bytes are in the payload.
    pub(crate) range: Range<usize>,
}

impl Base {
    /// Appends everything of a record but its bytes, which must follow.
    pub(crate) fn put(
        &mut self,
        payload: &mut Vec<u8>,
        (log, offset): (u64, u64),
        meta: RecordMeta,
        length: usize,
    ) {
        put_varint(payload, log.wrapping_sub(self.log));
        let before = if log == self.log { self.offset } else { 0 };
        put_varint(payload, offset.wrapping_sub(before));
        payload.push(meta.flags);
        payload.push(if meta.due_ms.is_some() { HAS_DUE } else { 0 });
        put_near(payload, self.timestamp_ms, meta.timestamp_ms);
        if let Some(due) = meta.due_ms {
            put_near(payload, meta.timestamp_ms, due);
        }
        put_varint(payload, length as u64);
        *self = Self {
            log,
            offset,
            timestamp_ms: meta.timestamp_ms,
            started: true,
        };
    }
}

/// Reads the records of a payload in order; `None` for a record that is not well-formed.
pub(crate) struct Entries<'a> {
    payload: &'a [u8],
    at: usize,
    base: Base,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self {
            payload,
            at: 0,
            base: Base::default(),
        }
    }

    fn entry(&mut self) -> Option<Entry> {
        let rest = self.payload.get(self.at..)?;
        let mut reader = Reader(rest);
        let log_step = reader.varint()?;
        let log = self.base.log.checked_add(log_step)?;
        let before = if log_step == 0 { self.base.offset } else { 0 };
        let offset_step = reader.varint()?;
        let offset = before.checked_add(offset_step)?;
        if self.base.started && log_step == 0 && offset_step == 0 {
            return None;
        }
        let [flags, shape] = reader.take()?;
        let timestamp_ms = reader.near(self.base.timestamp_ms)?;
        let due_ms = match shape {
            0 => None,
            HAS_DUE => Some(reader.near(timestamp_ms)?),
            _ => return None,
        };
        let length = reader.varint()?;
        let bytes = reader.slice(length)?;
        let end = self.payload.len() - reader.0.len();
        let range = end - bytes.len()..end;
        self.at = end;
        self.base = Base {
            log,
            offset,
            timestamp_ms,
            started: true,
        };
        Some(Entry {
            log,
            offset,
            meta: RecordMeta {
                timestamp_ms,
                due_ms,
                flags,
            },
            range,
        })
    }
}

impl Iterator for Entries<'_> {
    type Item = Option<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.payload.len() {
            return None;
        }
        let entry = self.entry();
        if entry.is_none() {
            self.at = self.payload.len();
        }
        Some(entry)
    }
}
