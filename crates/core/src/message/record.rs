//! A message as it is stored: one run of bytes that is written once and sliced ever after.
//!
//! ```text
//! flags u8 | format u8 | timestamp varint | priority u8? | ttl varint? | delay varint?
//! exchange text | routing key bytes | extra keys? | deaths? | head bytes | body (the rest)
//! ```

use super::{Death, Format, Message, death};
use crate::{
    id::Timestamp,
    name::Name,
    routing::Subject,
    wire::{Malformed, Reader, Writer},
};
use bytes::Bytes;

const PERSISTENT: u8 = 1;
const HAS_PRIORITY: u8 = 2;
const HAS_TTL: u8 = 4;
const HAS_EXTRA_KEYS: u8 = 8;
const HAS_DEATHS: u8 = 16;
const HAS_DELAY: u8 = 32;
const EXTRA_KEYS_MAX: usize = 65_535;

/// A stored message. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(pub Bytes);

/// The parts of a stored message, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    flags: u8,
    /// Encoding of head and body.
    pub format: Format,
    /// When the broker took it in.
    pub timestamp: Timestamp,
    /// 0 (lowest) to 255.
    pub priority: u8,
    /// Its own time to live in milliseconds.
    pub ttl_ms: Option<u64>,
    /// How long an exchange holds it back, in milliseconds.
    pub delay_ms: Option<u64>,
    /// The exchange it was published to.
    pub exchange: &'a str,
    /// The routing key as canonical text.
    pub routing_key: &'a [u8],
    extra_keys: &'a [u8],
    deaths: &'a [u8],
    /// Properties and headers as the sender encoded them.
    pub head: &'a [u8],
    /// The payload.
    pub body: &'a [u8],
}

/// Appends the stored form of `message`, received at `now`, to `buffer`.
pub fn encode(buffer: &mut Vec<u8>, message: &Message, now: Timestamp) {
    buffer.reserve(message.head.len() + message.body.len() + 96);
    let mut writer = Writer(buffer);
    writer.byte(flags_of(message));
    writer.byte(message.format.0);
    writer.varint(now.0);
    if message.priority != 0 {
        writer.byte(message.priority);
    }
    if let Some(ttl_ms) = message.ttl_ms {
        writer.varint(ttl_ms);
    }
    if let Some(delay_ms) = message.delay_ms {
        writer.varint(delay_ms);
    }
    writer.text(&message.exchange);
    writer.bytes(message.routing_key.as_bytes());
    if !message.extra_keys.is_empty() {
        nested(&mut writer, |writer| {
            writer.varint(message.extra_keys.len() as u64);
            for key in &message.extra_keys {
                writer.bytes(key);
            }
        });
    }
    if !message.deaths.is_empty() {
        nested(&mut writer, |writer| {
            death::write_deaths(writer, &message.deaths);
        });
    }
    writer.bytes(&message.head);
    writer.0.extend_from_slice(&message.body);
}

fn flags_of(message: &Message) -> u8 {
    let mut flags = 0;
    for (flag, present) in [
        (PERSISTENT, message.persistent),
        (HAS_PRIORITY, message.priority != 0),
        (HAS_TTL, message.ttl_ms.is_some()),
        (HAS_EXTRA_KEYS, !message.extra_keys.is_empty()),
        (HAS_DEATHS, !message.deaths.is_empty()),
        (HAS_DELAY, message.delay_ms.is_some()),
    ] {
        if present {
            flags |= flag;
        }
    }
    flags
}

fn nested(writer: &mut Writer<'_>, fill: impl FnOnce(&mut Writer<'_>)) {
    let mut inner = Vec::new();
    fill(&mut Writer(&mut inner));
    writer.bytes(&inner);
}

impl Record {
    /// The parts of this record.
    ///
    /// # Errors
    /// When the bytes are not a record: a defect or a damaged disk.
    pub fn view(&self) -> Result<RecordView<'_>, Malformed> {
        RecordView::parse(&self.0)
    }

    /// Bytes of the body, which is what counts towards the size of a queue.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.view().map_or(0, |view| view.body.len() as u64)
    }

    /// The body as a slice that shares this record's bytes.
    #[must_use]
    pub fn body(&self, view: &RecordView<'_>) -> Bytes {
        self.0.slice_ref(view.body)
    }

    /// A message with the same content, ready to be published again.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub fn to_message(&self) -> Result<Message, Malformed> {
        let view = self.view()?;
        Ok(Message {
            exchange: Name::from(view.exchange),
            routing_key: Subject::from_bytes(self.0.slice_ref(view.routing_key)),
            extra_keys: view
                .extra_keys()?
                .into_iter()
                .map(|key| self.0.slice_ref(key))
                .collect(),
            persistent: view.persistent(),
            priority: view.priority,
            ttl_ms: view.ttl_ms,
            delay_ms: None,
            deduplication_id: None,
            format: view.format,
            head: self.0.slice_ref(view.head),
            body: self.0.slice_ref(view.body),
            deaths: view.deaths()?,
        })
    }
}

impl<'a> RecordView<'a> {
    /// The parts of an encoded record.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let flags = reader.byte()?;
        let format = Format(reader.byte()?);
        let timestamp = Timestamp(reader.varint()?);
        let has = |flag: u8| flags & flag != 0;
        Ok(Self {
            flags,
            format,
            timestamp,
            priority: if has(HAS_PRIORITY) { reader.byte()? } else { 0 },
            ttl_ms: if has(HAS_TTL) {
                Some(reader.varint()?)
            } else {
                None
            },
            delay_ms: if has(HAS_DELAY) {
                Some(reader.varint()?)
            } else {
                None
            },
            exchange: reader.text()?,
            routing_key: reader.bytes()?,
            extra_keys: if has(HAS_EXTRA_KEYS) {
                reader.bytes()?
            } else {
                &[]
            },
            deaths: if has(HAS_DEATHS) {
                reader.bytes()?
            } else {
                &[]
            },
            head: reader.bytes()?,
            body: reader.0,
        })
    }

    /// Whether the sender asked that it survive a restart.
    #[must_use]
    pub fn persistent(&self) -> bool {
        self.flags & PERSISTENT != 0
    }

    /// When its own time to live, or the time that it is held back, runs out.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.delay_ms
            .or(self.ttl_ms)
            .map(|wait_ms| self.timestamp.after(wait_ms))
    }

    /// The routing key as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn routing_key_text(&self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.routing_key)
    }

    /// Further routing keys.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub fn extra_keys(&self) -> Result<Vec<&'a [u8]>, Malformed> {
        if self.extra_keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = Reader(self.extra_keys);
        let count = reader.count(EXTRA_KEYS_MAX)?;
        (0..count).map(|_| reader.bytes()).collect()
    }

    /// Whether it was dead-lettered before.
    #[must_use]
    pub fn has_deaths(&self) -> bool {
        !self.deaths.is_empty()
    }

    /// Where it died before, latest first.
    ///
    /// # Errors
    /// When the bytes are not a record.
    pub fn deaths(&self) -> Result<Vec<Death>, Malformed> {
        if self.deaths.is_empty() {
            return Ok(Vec::new());
        }
        death::read_deaths(&mut Reader(self.deaths))
    }
}
