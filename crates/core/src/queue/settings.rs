//! What a queue is declared with, and what policies add to it.

use crate::{
    message::value::Table,
    name::Name,
    storage::Durability,
    wire::{Malformed, Reader, Writer},
};
use std::fmt;

/// The sort of queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueKind {
    /// Messages go when they are settled; no delivery limit unless one is set.
    #[default]
    Classic,
    /// Messages go when they are settled; poisonous ones are stopped by a delivery limit.
    Quorum,
    /// Records stay until retention removes them and can be read from any offset.
    Stream,
}

/// What to do with a message when a queue is at its length limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest message makes room.
    #[default]
    DropHead,
    /// The new message is refused.
    RejectPublish,
    /// The new message is refused to its publisher and dead-lettered.
    RejectPublishDeadLetter,
}

/// The properties a queue is declared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueSpec {
    /// The sort of queue.
    pub kind: QueueKind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether only its session may use it, and it goes with the session.
    pub exclusive: bool,
    /// Whether it goes when its last consumer does.
    pub auto_delete: bool,
    /// The arguments that the core acts upon.
    pub settings: QueueSettings,
    /// All arguments as the client gave them, to be shown.
    pub arguments: Table,
}

/// Limits and rules of a queue. `None` leaves a rule out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a message may wait, in milliseconds.
    pub message_ttl_ms: Option<u64>,
    /// How long the queue may be unused before it is deleted, in milliseconds.
    pub expires_ms: Option<u64>,
    /// Most ready messages.
    pub length_max: Option<u64>,
    /// Most bytes of ready messages.
    pub bytes_max: Option<u64>,
    /// What happens at these limits.
    pub overflow: Option<Overflow>,
    /// Where dead letters are published.
    pub dead_letter_exchange: Option<Name>,
    /// With which routing key; none keeps their own.
    pub dead_letter_routing_key: Option<Name>,
    /// Priorities from 0 to this are kept apart.
    pub priority_max: Option<u8>,
    /// Whether only one consumer at a time is served.
    pub single_active: bool,
    /// Failed attempts after which a message is dead-lettered.
    pub delivery_limit: Option<u32>,
    /// How long a kept record stays, in milliseconds.
    pub age_max_ms: Option<u64>,
    /// When its confirms may leave.
    pub durability: Option<Durability>,
    /// A message whose deduplication id was seen within so many milliseconds is dropped.
    pub deduplication_ms: Option<u64>,
}

/// Failed attempts that a quorum queue allows unless told otherwise.
const QUORUM_DELIVERY_LIMIT: u32 = 20;

/// A property in which an existing thing and a declaration differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which property, in the core's words.
    pub property: &'static str,
    /// What was asked for.
    pub received: String,
    /// What there is.
    pub current: String,
}

impl QueueSpec {
    /// The first property in which `received` differs from this existing queue.
    #[must_use]
    pub fn difference(&self, received: &Self) -> Option<Difference> {
        let mine = self.compared();
        received
            .compared()
            .into_iter()
            .zip(mine)
            .find(|(received, current)| received.1 != current.1)
            .map(|((property, received), (_, current))| Difference {
                property,
                received,
                current,
            })
    }

    fn compared(&self) -> Vec<(&'static str, String)> {
        let mut compared = vec![
            ("exclusive", self.exclusive.to_string()),
            ("durable", self.durable.to_string()),
            ("auto_delete", self.auto_delete.to_string()),
            ("queue-type", self.kind.to_string()),
        ];
        compared.extend(self.settings.shown());
        compared
    }
}

impl QueueSettings {
    /// The settings in force: these, completed by a policy and bounded by an operator's policy.
    #[must_use]
    pub fn in_force(&self, kind: QueueKind, policies: [Option<&Self>; 2]) -> Self {
        let mut merged = self.clone();
        for policy in policies.into_iter().flatten() {
            merged.complete(policy);
        }
        if kind == QueueKind::Quorum && merged.delivery_limit.is_none() {
            merged.delivery_limit = Some(QUORUM_DELIVERY_LIMIT);
        }
        merged
    }

    fn complete(&mut self, other: &Self) {
        fn stricter<T: Ord + Copy>(mine: &mut Option<T>, other: Option<T>) {
            *mine = match (*mine, other) {
                (Some(mine), Some(other)) => Some(mine.min(other)),
                (mine, other) => mine.or(other),
            };
        }
        stricter(&mut self.message_ttl_ms, other.message_ttl_ms);
        stricter(&mut self.expires_ms, other.expires_ms);
        stricter(&mut self.length_max, other.length_max);
        stricter(&mut self.bytes_max, other.bytes_max);
        stricter(&mut self.delivery_limit, other.delivery_limit);
        stricter(&mut self.age_max_ms, other.age_max_ms);
        self.overflow = self.overflow.or(other.overflow);
        self.durability = self.durability.or(other.durability);
        self.deduplication_ms = self.deduplication_ms.or(other.deduplication_ms);
        for (mine, other) in [
            (&mut self.dead_letter_exchange, &other.dead_letter_exchange),
            (
                &mut self.dead_letter_routing_key,
                &other.dead_letter_routing_key,
            ),
        ] {
            if mine.is_none() {
                mine.clone_from(other);
            }
        }
    }

    /// Each setting by name with its value as text; `none` for one that is left out.
    #[must_use]
    pub fn shown(&self) -> Vec<(&'static str, String)> {
        fn show<T: ToString>(value: Option<T>) -> String {
            value.map_or_else(|| "none".to_owned(), |value| value.to_string())
        }
        vec![
            ("message-ttl", show(self.message_ttl_ms)),
            ("expires", show(self.expires_ms)),
            ("max-length", show(self.length_max)),
            ("max-length-bytes", show(self.bytes_max)),
            ("overflow", show(self.overflow)),
            (
                "dead-letter-exchange",
                show(self.dead_letter_exchange.as_ref()),
            ),
            (
                "dead-letter-routing-key",
                show(self.dead_letter_routing_key.as_ref()),
            ),
            ("max-priority", show(self.priority_max)),
            (
                "single-active-consumer",
                show(self.single_active.then_some(true)),
            ),
            ("delivery-limit", show(self.delivery_limit)),
            ("max-age", show(self.age_max_ms)),
            ("durability", show(self.durability.map(durability_name))),
            ("message-deduplication", show(self.deduplication_ms)),
        ]
    }
}

fn durability_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Memory => "memory",
        Durability::Os => "os",
        Durability::Fsync => "fsync",
    }
}

impl fmt::Display for QueueKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        })
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DropHead => "drop-head",
            Self::RejectPublish => "reject-publish",
            Self::RejectPublishDeadLetter => "reject-publish-dlx",
        })
    }
}

pub(crate) fn write_settings(writer: &mut Writer<'_>, settings: &QueueSettings) {
    for value in [
        settings.message_ttl_ms,
        settings.expires_ms,
        settings.length_max,
        settings.bytes_max,
        settings.overflow.map(|overflow| overflow as u64),
        settings.priority_max.map(u64::from),
        settings.delivery_limit.map(u64::from),
        settings.age_max_ms,
        settings.durability.map(|durability| durability as u64),
        settings.deduplication_ms,
        settings.single_active.then_some(1),
    ] {
        writer.optional_varint(value);
    }
    writer.optional_text(settings.dead_letter_exchange.as_deref());
    writer.optional_text(settings.dead_letter_routing_key.as_deref());
}

pub(crate) fn read_settings(reader: &mut Reader<'_>) -> Result<QueueSettings, Malformed> {
    let overflows = [
        Overflow::DropHead,
        Overflow::RejectPublish,
        Overflow::RejectPublishDeadLetter,
    ];
    let durabilities = [Durability::Memory, Durability::Os, Durability::Fsync];
    Ok(QueueSettings {
        message_ttl_ms: reader.optional_varint()?,
        expires_ms: reader.optional_varint()?,
        length_max: reader.optional_varint()?,
        bytes_max: reader.optional_varint()?,
        overflow: reader.optional_of(&overflows)?,
        priority_max: narrow(reader.optional_varint()?)?,
        delivery_limit: narrow(reader.optional_varint()?)?,
        age_max_ms: reader.optional_varint()?,
        durability: reader.optional_of(&durabilities)?,
        deduplication_ms: reader.optional_varint()?,
        single_active: reader.optional_varint()?.is_some(),
        dead_letter_exchange: reader.optional_name()?,
        dead_letter_routing_key: reader.optional_name()?,
    })
}

fn narrow<T: TryFrom<u64>>(value: Option<u64>) -> Result<Option<T>, Malformed> {
    value
        .map(|value| T::try_from(value).map_err(|_| Malformed))
        .transpose()
}
