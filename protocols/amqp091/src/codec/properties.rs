//! The properties of class basic: flags for those present, then their values (section 4.2.6.1).
//!
//! The broker stores the sender's bytes; this view reads them without copying. Short strings stay bytes, because
//! neither the specification's peers nor RabbitMQ check them.

use bytes::{BufMut, BytesMut};

use super::table::FieldTable;
use super::wire::{Reader, put_long_bytes};
use crate::violation::Violation;

/// The fourteen properties of a basic content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> {
    /// MIME type of the body.
    pub content_type: Option<&'a [u8]>,
    /// MIME encoding of the body.
    pub content_encoding: Option<&'a [u8]>,
    /// The application's headers.
    pub headers: Option<FieldTable<'a>>,
    /// 2 asks for persistence, everything else does not.
    pub delivery_mode: Option<u8>,
    /// Higher goes first in queues that have priorities.
    pub priority: Option<u8>,
    /// Relates a reply to its request.
    pub correlation_id: Option<&'a [u8]>,
    /// Where to reply to.
    pub reply_to: Option<&'a [u8]>,
    /// Milliseconds to live, as decimal text.
    pub expiration: Option<&'a [u8]>,
    /// The application's name for the message.
    pub message_id: Option<&'a [u8]>,
    /// Seconds since the epoch.
    pub timestamp: Option<u64>,
    /// The application's type of the message.
    pub kind: Option<&'a [u8]>,
    /// Who claims to have sent it; checked against the connection's user.
    pub user_id: Option<&'a [u8]>,
    /// The sending application.
    pub app_id: Option<&'a [u8]>,
    /// Deprecated, carried along.
    pub cluster_id: Option<&'a [u8]>,
}

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const KIND: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;
const UNDEFINED: u16 = 0b11;

impl<'a> Properties<'a> {
    /// Reads flags and values, headers checked to their last field. `bytes` holds nothing else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(bytes);
        let flags = u16::from_be_bytes(reader.array()?);
        if flags & UNDEFINED != 0 {
            return Err(Violation::PropertyFlags { flags });
        }
        let properties = Self {
            content_type: short(&mut reader, flags, CONTENT_TYPE)?,
            content_encoding: short(&mut reader, flags, CONTENT_ENCODING)?,
            headers: when(flags, HEADERS, || FieldTable::parse(reader.long_bytes()?))?,
            delivery_mode: when(flags, DELIVERY_MODE, || reader.octet())?,
            priority: when(flags, PRIORITY, || reader.octet())?,
            correlation_id: short(&mut reader, flags, CORRELATION_ID)?,
            reply_to: short(&mut reader, flags, REPLY_TO)?,
            expiration: short(&mut reader, flags, EXPIRATION)?,
            message_id: short(&mut reader, flags, MESSAGE_ID)?,
            timestamp: when(flags, TIMESTAMP, || reader.array().map(u64::from_be_bytes))?,
            kind: short(&mut reader, flags, KIND)?,
            user_id: short(&mut reader, flags, USER_ID)?,
            app_id: short(&mut reader, flags, APP_ID)?,
            cluster_id: short(&mut reader, flags, CLUSTER_ID)?,
        };
        reader.finish()?;
        Ok(properties)
    }

    /// Appends flags and values. What [`Properties::parse`] read comes out as it was, octet for octet.
    pub fn put(&self, out: &mut BytesMut) {
        out.put_u16(self.flags());
        put_short(out, self.content_type);
        put_short(out, self.content_encoding);
        if let Some(headers) = self.headers {
            put_long_bytes(out, headers.as_bytes());
        }
        out.extend(self.delivery_mode);
        out.extend(self.priority);
        put_short(out, self.correlation_id);
        put_short(out, self.reply_to);
        put_short(out, self.expiration);
        put_short(out, self.message_id);
        if let Some(timestamp) = self.timestamp {
            out.put_u64(timestamp);
        }
        put_short(out, self.kind);
        put_short(out, self.user_id);
        put_short(out, self.app_id);
        put_short(out, self.cluster_id);
    }

    fn flags(&self) -> u16 {
        let present = [
            (self.content_type.is_some(), CONTENT_TYPE),
            (self.content_encoding.is_some(), CONTENT_ENCODING),
            (self.headers.is_some(), HEADERS),
            (self.delivery_mode.is_some(), DELIVERY_MODE),
            (self.priority.is_some(), PRIORITY),
            (self.correlation_id.is_some(), CORRELATION_ID),
            (self.reply_to.is_some(), REPLY_TO),
            (self.expiration.is_some(), EXPIRATION),
            (self.message_id.is_some(), MESSAGE_ID),
            (self.timestamp.is_some(), TIMESTAMP),
            (self.kind.is_some(), KIND),
            (self.user_id.is_some(), USER_ID),
            (self.app_id.is_some(), APP_ID),
            (self.cluster_id.is_some(), CLUSTER_ID),
        ];
        present
            .iter()
            .filter(|(present, _flag)| *present)
            .map(|(_present, flag)| flag)
            .sum()
    }
}

fn when<T>(
    flags: u16,
    flag: u16,
    read: impl FnOnce() -> Result<T, Violation>,
) -> Result<Option<T>, Violation> {
    if flags & flag == 0 {
        Ok(None)
    } else {
        read().map(Some)
    }
}

fn short<'a>(
    reader: &mut Reader<'a>,
    flags: u16,
    flag: u16,
) -> Result<Option<&'a [u8]>, Violation> {
    when(flags, flag, || reader.short_bytes())
}

/// Appends a short string; one of more than 255 octets is cut there.
fn put_short(out: &mut BytesMut, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else { return };
    let kept = bytes.get(..usize::from(u8::MAX)).unwrap_or(bytes);
    out.put_u8(u8::try_from(kept.len()).unwrap_or(u8::MAX));
    out.put_slice(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_flags_are_refused() {
        assert_eq!(
            Properties::parse(&[0, 1]),
            Err(Violation::PropertyFlags { flags: 1 })
        );
        assert_eq!(
            Properties::parse(&[0, 2]),
            Err(Violation::PropertyFlags { flags: 2 })
        );
    }

    #[test]
    fn the_list_must_end_where_the_frame_ends() {
        assert_eq!(Properties::parse(&[0x10, 0]), Err(Violation::Truncated));
        assert_eq!(
            Properties::parse(&[0x10, 0, 2, 9]),
            Err(Violation::TrailingBytes { count: 1 })
        );
        assert_eq!(
            Properties::parse(&[0x10, 0, 2]).unwrap().delivery_mode,
            Some(2)
        );
    }

    #[test]
    fn strings_need_not_be_text() {
        let bytes = [0x04, 0, 2, 0xFF, 0xFE];
        let properties = Properties::parse(&bytes).unwrap();
        assert_eq!(properties.correlation_id, Some(&[0xFF, 0xFE][..]));
        let mut out = BytesMut::new();
        properties.put(&mut out);
        assert_eq!(&out[..], &bytes);
    }
}
