//! A published content as the core's message, and a record of the core as a content to deliver.
//!
//! The sender's property bytes travel as they are. They are rewritten only where RabbitMQ changes a message too: a
//! BCC header is taken out, the address of direct replies is filled in, and what the broker has to say of the
//! message's past is merged into the headers when it is delivered.

mod history;
mod intake;

use bytes::{Bytes, BytesMut};
use sabir_core::message::{Format, RecordView};
use sabir_core::name::Name;

use crate::codec::properties::Properties;

pub use intake::{Intake, REPLY_TO, receive};

/// The tag of messages whose head is the property flags and list of a basic content.
pub const FORMAT: Format = Format(1);

/// What a publish says besides its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// The exchange.
    pub exchange: Name,
    /// The routing key.
    pub routing_key: Bytes,
    /// Whether it is to be returned when no queue takes it.
    pub mandatory: bool,
}

/// What the broker adds to the headers of one delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes {
    /// Failed attempts before this one; 0 adds nothing.
    pub attempts: u32,
    /// The offset in a queue that keeps its records.
    pub stream_offset: Option<u64>,
}

/// The property bytes to deliver a record with: the sender's own, or a copy in `scratch` when there is something to
/// add. A head of another format than ours is not read: its envelope alone is told.
pub fn head<'a>(record: &RecordView<'a>, notes: Notes, scratch: &'a mut BytesMut) -> &'a [u8] {
    let untouched = notes == Notes::default() && !record.has_deaths();
    if record.format == FORMAT && untouched {
        return record.head;
    }
    scratch.clear();
    history::rewrite(record, notes, scratch);
    scratch
}

/// The properties that the sender has set, unless the head is of another format than ours.
pub(super) fn own_properties<'a>(record: &RecordView<'a>) -> Option<Properties<'a>> {
    (record.format == FORMAT)
        .then(|| Properties::parse(record.head).ok())
        .flatten()
}

/// Properties that tell what the envelope of a foreign message tells.
fn of_envelope<'a>(record: &RecordView<'_>) -> Properties<'a> {
    Properties {
        delivery_mode: Some(if record.persistent() {
            PERSISTENT
        } else {
            TRANSIENT
        }),
        priority: (record.priority > 0).then_some(record.priority),
        ..Properties::default()
    }
}

/// Delivery mode of a message that survives a restart.
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;
