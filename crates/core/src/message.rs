//! What travels: an envelope that the core reads, and the sender's own bytes with their format.

pub mod death;
pub mod record;
pub mod translate;
pub mod value;

use crate::{name::Name, routing::Subject};
use bytes::Bytes;
pub use death::{Death, DeathReason};
pub use record::{Record, RecordView};
pub use translate::{Formats, Translate};

/// Names the protocol and version whose encoding a message's head and body have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format(pub u8);

/// A message on its way in.
#[derive(Clone, Debug)]
pub struct Message {
    /// The exchange it is published to; empty for the default exchange.
    pub exchange: Name,
    /// The routing key.
    pub routing_key: Subject,
    /// Further routing keys; the message goes where any of them leads, once per queue.
    pub extra_keys: Vec<Bytes>,
    /// Whether it has to survive a restart in queues that do.
    pub persistent: bool,
    /// 0 (lowest) to 255.
    pub priority: u8,
    /// How long it is worth delivering, in milliseconds from its arrival.
    pub ttl_ms: Option<u64>,
    /// How long it is to be held back by an exchange that delays, in milliseconds.
    pub delay_ms: Option<u64>,
    /// What makes it the same message to a queue that drops repetitions.
    pub deduplication_id: Option<Bytes>,
    /// Encoding of `head` and `body`.
    pub format: Format,
    /// Properties and headers as the sender encoded them.
    pub head: Bytes,
    /// The payload.
    pub body: Bytes,
    /// Where it died before, latest first; empty for a message that comes from a client.
    pub deaths: Vec<Death>,
}

impl Message {
    /// The same message in memory of its own, so that it does not keep a larger buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            exchange: self.exchange.detached(),
            routing_key: Subject::from_bytes(Bytes::copy_from_slice(self.routing_key.as_bytes())),
            extra_keys: self
                .extra_keys
                .iter()
                .map(|key| Bytes::copy_from_slice(key))
                .collect(),
            head: Bytes::copy_from_slice(&self.head),
            body: Bytes::copy_from_slice(&self.body),
            ..self.clone()
        }
    }
}
