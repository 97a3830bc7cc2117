//! Same protocol in and out: what was published is delivered byte for byte, except where the broker has to speak.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sabir_amqp091::codec::{Content, FieldTable, FieldValue, Properties, Table, Value};
use sabir_amqp091::mapping::Place;
use sabir_amqp091::mapping::message::{FORMAT, Intake, Notes, Route, head, receive};
use sabir_amqp091::mapping::translate::Translation;
use sabir_core::id::Timestamp;
use sabir_core::message::{Death, DeathReason, Format, Message, Record, Translate, record};

/// The message that the core gets for a content.
fn taken_in(head: &[u8], body: &[u8]) -> Message {
    let route = Route {
        exchange: "x".into(),
        routing_key: Bytes::from_static(b"k"),
        mandatory: false,
    };
    let content = Content {
        method: route,
        properties: Bytes::copy_from_slice(head),
        body: Bytes::copy_from_slice(body),
    };
    let place = Place {
        virtual_host: "/".into(),
        user: "guest".into(),
        impersonates: false,
    };
    let intake = Intake {
        place: &place,
        reply_address: None,
    };
    receive(content, intake).unwrap()
}

fn stored(message: &Message) -> Record {
    let mut bytes = Vec::new();
    record::encode(&mut bytes, message, Timestamp(1));
    Record(bytes.into())
}

fn head_of(message: &Message, notes: Notes) -> Vec<u8> {
    let record = stored(message);
    let mut scratch = BytesMut::new();
    head(&record.view().unwrap(), notes, &mut scratch).to_vec()
}

fn encoded(properties: &Properties<'_>) -> BytesMut {
    let mut bytes = BytesMut::new();
    properties.put(&mut bytes);
    bytes
}

fn death(queue: &str, time: u64) -> Death {
    Death {
        queue: queue.into(),
        reason: DeathReason::Rejected,
        count: 1,
        time: Timestamp(time),
        exchange: "x".into(),
        routing_keys: vec!["k".into()],
        original_ttl_ms: None,
    }
}

proptest! {
    #[test]
    fn what_was_published_is_delivered_byte_for_byte(
        content_type in option::of(vec(any::<u8>(), 0..40)),
        correlation_id in option::of(vec(any::<u8>(), 0..255)),
        delivery_mode in option::of(any::<u8>()),
        priority in option::of(any::<u8>()),
        timestamp in option::of(any::<u64>()),
        expiration in option::of(0u64..1_000_000),
        header in option::of(("[a-z]{1,9}", any::<i64>())),
        body in vec(any::<u8>(), 0..2000),
    ) {
        let headers = header.map(|(name, value)| Table::new().with(name, value).encode());
        let expiration = expiration.map(|expiration| expiration.to_string());
        let bytes = encoded(&Properties {
            content_type: content_type.as_deref(),
            headers: headers.as_deref().map(|headers| FieldTable::parse(headers).unwrap()),
            delivery_mode,
            priority,
            correlation_id: correlation_id.as_deref(),
            expiration: expiration.as_deref().map(str::as_bytes),
            timestamp,
            ..Properties::default()
        });
        let message = taken_in(&bytes, &body);
        let record = stored(&message);
        let view = record.view().unwrap();
        prop_assert_eq!(view.body, &body[..]);
        prop_assert_eq!(view.priority, priority.unwrap_or_default());
        prop_assert_eq!(view.persistent(), delivery_mode == Some(2));
        let mut scratch = BytesMut::new();
        prop_assert_eq!(head(&view, Notes::default(), &mut scratch), &bytes[..]);
        prop_assert!(scratch.is_empty(), "nothing is copied");
    }

    #[test]
    fn what_the_broker_adds_leaves_the_senders_headers_as_they_were(
        names in vec("[a-z]{1,9}", 0..6),
        attempts in 1u32..100,
    ) {
        let table = names.iter().fold(Table::new(), |table, name| table.with(name.as_str(), Value::F32(1.5)));
        let headers = table.encode();
        let properties =
            Properties { headers: Some(FieldTable::parse(&headers).unwrap()), ..Properties::default() };
        let message = taken_in(&encoded(&properties), b"");
        let delivered = head_of(&message, Notes { attempts, stream_offset: None });
        let merged = Properties::parse(&delivered).unwrap().headers.unwrap();
        prop_assert!(merged.as_bytes().starts_with(&headers));
        let count = merged.find("x-delivery-count").and_then(|value| value.integer());
        prop_assert_eq!(count, Some(attempts.into()));
        prop_assert_eq!(merged.fields().count(), names.len() + 1);
    }
}

#[test]
fn headers_that_the_broker_writes_replace_those_of_the_sender() {
    let headers = Table::new()
        .with("x-death", "forged")
        .with("mine", 1)
        .with("x-first-death-queue", "forged")
        .encode();
    let properties = Properties {
        headers: Some(FieldTable::parse(&headers).unwrap()),
        ..Properties::default()
    };
    let mut message = taken_in(&encoded(&properties), b"");
    assert_eq!(
        head_of(&message, Notes::default()),
        encoded(&properties)[..]
    );
    message.deaths = vec![death("second", 9000), death("first", 4000)];
    let delivered = head_of(&message, Notes::default());
    let merged = Properties::parse(&delivered).unwrap().headers.unwrap();
    let text = |name| merged.find(name).and_then(|value| value.text());
    assert_eq!(text("x-first-death-queue"), Some("first"));
    assert_eq!(text("x-last-death-queue"), Some("second"));
    assert_eq!(text("x-last-death-reason"), Some("rejected"));
    assert_eq!(
        merged.find("mine").and_then(|value| value.integer()),
        Some(1)
    );
    let deaths = merged.fields().filter(|field| field.name == b"x-death");
    assert_eq!(deaths.count(), 1);
}

#[test]
fn a_dead_letter_tells_its_carbon_copies_but_not_its_blind_ones() {
    let headers = Table::new().with("CC", vec![Value::from("copy")]).encode();
    let properties = Properties {
        headers: Some(FieldTable::parse(&headers).unwrap()),
        ..Properties::default()
    };
    let mut message = taken_in(&encoded(&properties), b"");
    message.extra_keys.clear();
    message.deaths = vec![Death {
        routing_keys: vec!["own".into(), "copy".into(), "blind".into()],
        ..death("q", 1)
    }];
    let delivered = head_of(&message, Notes::default());
    let headers = Properties::parse(&delivered).unwrap().headers.unwrap();
    assert!(headers.find("CC").is_some());
    let Some(FieldValue::Array(deaths)) = headers.find("x-death") else {
        panic!("no x-death")
    };
    let Some(FieldValue::Table(entry)) = deaths.values().next() else {
        panic!("no entry")
    };
    let Some(FieldValue::Array(keys)) = entry.find("routing-keys") else {
        panic!("no keys")
    };
    let keys: Vec<_> = keys.values().filter_map(|key| key.text()).collect();
    assert_eq!(keys, ["own", "copy"]);
}

#[test]
fn a_foreign_message_tells_its_envelope() {
    let mut message = taken_in(&encoded(&Properties::default()), b"body");
    message.format = Format(200);
    message.persistent = true;
    message.priority = 4;
    let delivered = head_of(&message, Notes::default());
    let properties = Properties::parse(&delivered).unwrap();
    assert_eq!(properties.delivery_mode, Some(2));
    assert_eq!(properties.priority, Some(4));
}

#[test]
fn the_core_reads_headers_and_properties_of_our_format() {
    let headers = Table::new().with("tenant", "t1").with("n", 5).encode();
    let head = encoded(&Properties {
        headers: Some(FieldTable::parse(&headers).unwrap()),
        message_id: Some(b"m-1"),
        timestamp: Some(17),
        ..Properties::default()
    });
    assert_eq!(Translation.format(), FORMAT);
    let table = Translation.headers(&head);
    assert_eq!(table.len(), 2);
    assert_eq!(
        table
            .get("tenant")
            .and_then(|value| value.as_text())
            .map(ToString::to_string)
            .as_deref(),
        Some("t1")
    );
    assert_eq!(
        Translation.property(&head, "message_id").as_deref(),
        Some("m-1")
    );
    assert_eq!(
        Translation.property(&head, "timestamp").as_deref(),
        Some("17")
    );
    assert_eq!(Translation.property(&head, "correlation_id"), None);
    assert!(Translation.headers(b"not a head").is_empty());
}
