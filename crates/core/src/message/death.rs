//! The history of a message that was dead-lettered.

use crate::{
    id::Timestamp,
    name::Name,
    wire::{Malformed, Reader, Writer},
};

/// Why a message left its queue without being acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathReason {
    /// A consumer refused it.
    Rejected,
    /// Its time to live, or the queue's, ran out.
    Expired,
    /// The queue's length limit pushed it out.
    LengthExceeded,
    /// It was delivered too often.
    DeliveryLimit,
}

/// One entry of a message's death history: one (queue, reason), with how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The queue it left.
    pub queue: Name,
    /// Why.
    pub reason: DeathReason,
    /// How often it left that queue for that reason.
    pub count: u64,
    /// When it did so first.
    pub time: Timestamp,
    /// The exchange it had been published to.
    pub exchange: Name,
    /// The routing keys it had been published with.
    pub routing_keys: Vec<Name>,
    /// The time to live that was taken off it so that it does not expire again.
    pub original_ttl_ms: Option<u64>,
}

/// Most entries that are read back from a record; more cannot be written.
const DEATHS_MAX: usize = 256;

impl DeathReason {
    const ALL: [Self; 4] = [
        Self::Rejected,
        Self::Expired,
        Self::LengthExceeded,
        Self::DeliveryLimit,
    ];
}

/// Adds one death to a history: counts up the entry of the same queue and reason and moves it to
/// the front, or adds a new one there.
pub fn record_death(deaths: &mut Vec<Death>, death: Death) {
    let known = deaths
        .iter()
        .position(|known| known.queue == death.queue && known.reason == death.reason);
    let latest = match known {
        Some(index) => {
            let mut known = deaths.remove(index);
            known.count += 1;
            known
        }
        None => death,
    };
    deaths.insert(0, latest);
    deaths.truncate(DEATHS_MAX);
}

pub(crate) fn write_deaths(writer: &mut Writer<'_>, deaths: &[Death]) {
    writer.varint(deaths.len() as u64);
    for death in deaths {
        writer.text(&death.queue);
        writer.byte(death.reason as u8);
        writer.varint(death.count);
        writer.varint(death.time.0);
        writer.text(&death.exchange);
        writer.varint(death.routing_keys.len() as u64);
        for key in &death.routing_keys {
            writer.text(key);
        }
        writer.optional_varint(death.original_ttl_ms);
    }
}

pub(crate) fn read_deaths(reader: &mut Reader<'_>) -> Result<Vec<Death>, Malformed> {
    let count = reader.count(DEATHS_MAX)?;
    (0..count).map(|_| read_death(reader)).collect()
}

fn read_death(reader: &mut Reader<'_>) -> Result<Death, Malformed> {
    let queue = reader.name()?;
    let reason = *DeathReason::ALL
        .get(usize::from(reader.byte()?))
        .ok_or(Malformed)?;
    let count = reader.varint()?;
    let time = Timestamp(reader.varint()?);
    let exchange = reader.name()?;
    let keys = reader.count(DEATHS_MAX)?;
    Ok(Death {
        queue,
        reason,
        count,
        time,
        exchange,
        routing_keys: (0..keys).map(|_| reader.name()).collect::<Result<_, _>>()?,
        original_ttl_ms: reader.optional_varint()?,
    })
}
