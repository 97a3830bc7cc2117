//! What the broker tells a receiver of a message's past, merged into the sender's headers.

use bytes::{BufMut, BytesMut};
use sabir_core::message::{Death, DeathReason, RecordView};

use super::{Notes, of_envelope, own_properties};
use crate::codec::table::{FieldTable, FieldValue, Table, Value};

/// Appends the property bytes of `record` with everything that is to be said added to its headers.
pub(super) fn rewrite(record: &RecordView<'_>, notes: Notes, out: &mut BytesMut) {
    let mut properties = own_properties(record).unwrap_or_else(|| of_envelope(record));
    let deaths = record.deaths().unwrap_or_default();
    let added = added(&deaths, &copies(properties.headers), notes);
    let mut fields = BytesMut::new();
    merge(properties.headers, &added, &mut fields);
    if let Ok(headers) = FieldTable::parse(&fields)
        && !headers.is_empty()
    {
        properties.headers = Some(headers);
    }
    if record.ttl_ms.is_none() && deaths.iter().any(|death| death.original_ttl_ms.is_some()) {
        properties.expiration = None;
    }
    properties.put(out);
}

/// The routing keys that the sender asked for openly. Those of a BCC header are in no header any more.
fn copies(headers: Option<FieldTable<'_>>) -> Vec<Vec<u8>> {
    let Some(FieldValue::Array(keys)) = headers.and_then(|headers| headers.find("CC")) else {
        return Vec::new();
    };
    keys.values()
        .filter_map(|key| match key {
            FieldValue::LongString(key) => Some(key.to_vec()),
            _ => None,
        })
        .collect()
}

/// The sender's fields without those that the broker writes, then the broker's.
fn merge(headers: Option<FieldTable<'_>>, added: &[(&'static str, Value)], out: &mut BytesMut) {
    let replaced = |name: &[u8]| added.iter().any(|(added, _)| added.as_bytes() == name);
    for field in headers
        .iter()
        .flat_map(FieldTable::fields)
        .filter(|field| !replaced(field.name))
    {
        out.put_slice(field.raw);
    }
    for (name, value) in added {
        let mut table = Table::new();
        table.push(*name, value.clone());
        table.put_fields(out);
    }
}

fn added(deaths: &[Death], copies: &[Vec<u8>], notes: Notes) -> Vec<(&'static str, Value)> {
    let mut added = Vec::new();
    if notes.attempts > 0 {
        added.push(("x-delivery-count", Value::I64(notes.attempts.into())));
    }
    if let Some(offset) = notes.stream_offset {
        added.push(("x-stream-offset", Value::I64(offset.cast_signed())));
    }
    let first = deaths.iter().min_by_key(|death| death.time);
    if let (Some(first), Some(last)) = (first, deaths.first()) {
        added.push((
            "x-death",
            Value::Array(
                deaths
                    .iter()
                    .map(|death| Value::Table(entry(death, copies)))
                    .collect(),
            ),
        ));
        added.push(("x-first-death-exchange", text(&first.exchange)));
        added.push(("x-first-death-queue", text(&first.queue)));
        added.push(("x-first-death-reason", text(reason(first.reason))));
        added.push(("x-last-death-exchange", text(&last.exchange)));
        added.push(("x-last-death-queue", text(&last.queue)));
        added.push(("x-last-death-reason", text(reason(last.reason))));
    }
    added
}

/// One entry of `x-death`. Of the further routing keys only those are told that the receiver may see.
fn entry(death: &Death, copies: &[Vec<u8>]) -> Table {
    let (own, further) = death.routing_keys.split_at(death.routing_keys.len().min(1));
    let seen = further
        .iter()
        .filter(|key| copies.iter().any(|copy| copy == key.as_bytes()));
    let keys = own.iter().chain(seen).map(|key| text(key)).collect();
    let mut table = Table::new();
    if let Some(ttl_ms) = death.original_ttl_ms {
        table.push("original-expiration", ttl_ms.to_string());
    }
    table
        .with("count", Value::I64(death.count.cast_signed()))
        .with("reason", reason(death.reason))
        .with("queue", text(&death.queue))
        .with("time", Value::Timestamp(death.time.0 / 1000))
        .with("exchange", text(&death.exchange))
        .with("routing-keys", Value::Array(keys))
}

fn text(text: &str) -> Value {
    Value::from(text)
}

/// RabbitMQ's word for why a message died.
const fn reason(reason: DeathReason) -> &'static str {
    match reason {
        DeathReason::Rejected => "rejected",
        DeathReason::Expired => "expired",
        DeathReason::LengthExceeded => "maxlen",
        DeathReason::DeliveryLimit => "delivery_limit",
    }
}
