use super::*;
use crate::codec::table::{Table, Value};

fn declare(arguments: Table, durable: bool) -> Result<QueueSpec, String> {
    let encoded = arguments.encode();
    let declare = Declare {
        ticket: 0,
        queue: "q",
        passive: false,
        durable,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::parse(&encoded).unwrap(),
    };
    let place = Place {
        virtual_host: "/".into(),
        user: "guest".into(),
        impersonates: false,
    };
    spec(&declare, "q", &place).map_err(|violation| violation.to_string())
}

fn refused(name: &str, value: impl Into<Value>) -> String {
    let text = declare(Table::new().with(name, value), true).unwrap_err();
    let prefix = format!("invalid arg '{name}' for queue 'q' in vhost '/': ");
    text.strip_prefix(&prefix).unwrap_or(&text).to_owned()
}

#[test]
fn arguments_of_any_integer_type_are_read() {
    for value in [
        Value::I8(9),
        Value::U8(9),
        Value::I16(9),
        Value::U16(9),
        Value::I32(9),
        Value::U32(9),
        Value::I64(9),
    ] {
        let spec = declare(Table::new().with("x-message-ttl", value), true).unwrap();
        assert_eq!(spec.settings.message_ttl_ms, Some(9));
    }
}

#[test]
fn all_settings_are_read() {
    let arguments = Table::new()
        .with("x-expires", 60_000)
        .with("x-max-length", 5)
        .with("x-max-length-bytes", 500)
        .with("x-overflow", "reject-publish")
        .with("x-dead-letter-exchange", "")
        .with("x-dead-letter-routing-key", "dead")
        .with("x-max-priority", 10)
        .with("x-single-active-consumer", true)
        .with("x-delivery-limit", -1)
        .with("x-durability", "os");
    let settings = declare(arguments, true).unwrap().settings;
    assert_eq!(settings.expires_ms, Some(60_000));
    assert_eq!(settings.length_max, Some(5));
    assert_eq!(settings.bytes_max, Some(500));
    assert_eq!(settings.overflow, Some(Overflow::RejectPublish));
    assert_eq!(settings.dead_letter_exchange.as_deref(), Some(""));
    assert_eq!(settings.dead_letter_routing_key.as_deref(), Some("dead"));
    assert_eq!(settings.priority_max, Some(10));
    assert!(settings.single_active);
    assert_eq!(settings.delivery_limit, Some(u32::MAX));
    assert_eq!(settings.durability, Some(Durability::Os));
}

#[test]
fn wrong_values_are_refused_in_rabbitmqs_words() {
    assert_eq!(refused("x-message-ttl", -1), "{value_negative,-1}");
    assert_eq!(
        refused("x-message-ttl", "1000"),
        "\"expected integer, got longstr\""
    );
    assert_eq!(refused("x-expires", 0), "{value_zero,0}");
    assert_eq!(
        refused("x-expires", EXPIRY_MS_MAX + 1),
        "{value_too_large,315360000001}"
    );
    assert_eq!(refused("x-max-priority", 256), "{max_value_exceeded,256}");
    assert_eq!(refused("x-overflow", "nothing"), "invalid_overflow");
    assert_eq!(
        refused("x-dead-letter-routing-key", "k"),
        "routing_key_but_no_dlx_defined"
    );
    assert_eq!(
        refused("x-dead-letter-exchange", 144),
        "{unacceptable_type,signedint}"
    );
    assert_eq!(
        refused("x-single-active-consumer", "yes"),
        "{unacceptable_type,longstr}"
    );
    assert_eq!(
        refused("x-queue-type", "mirrored"),
        "\"unsupported queue type 'mirrored'\""
    );
}

#[test]
fn arguments_that_a_kind_of_queue_does_not_know_are_refused() {
    let declared = |kind: &str, name: &str, value: Value| {
        let arguments = Table::new().with("x-queue-type", kind).with(name, value);
        declare(arguments, true)
    };
    let age = || Value::from("2D");
    let stream = declared("stream", "x-max-age", age()).unwrap();
    assert_eq!(stream.settings.age_max_ms, Some(172_800_000));
    assert_eq!(
        declared("stream", "x-max-age", "2x".into()).unwrap_err(),
        "invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age"
    );
    assert_eq!(
        declared("classic", "x-max-age", age()).unwrap_err(),
        "invalid arg 'x-max-age' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"
    );
    assert_eq!(
        declared("stream", "x-message-ttl", Value::I32(1)).unwrap_err(),
        "invalid arg 'x-message-ttl' for queue 'q' in vhost '/' of queue type rabbit_stream_queue"
    );
}

#[test]
fn quorum_queues_are_durable() {
    let quorum = || Table::new().with("x-queue-type", "quorum");
    assert_eq!(declare(quorum(), true).unwrap().kind, QueueKind::Quorum);
    assert_eq!(
        declare(quorum(), false),
        Err("invalid property 'non-durable' for queue 'q' in vhost '/'".to_owned())
    );
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(duration_ms("1h"), Some(3_600_000));
    assert_eq!(duration_ms("1Y"), Some(31_536_000_000));
    assert_eq!(duration_ms("0s"), None);
    assert_eq!(duration_ms("s"), None);
    assert_eq!(duration_ms(""), None);
    assert_eq!(duration_ms("99999999999999999Y"), None);
}
