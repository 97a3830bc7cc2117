//! Consumers, deliveries, prefetch, get, cancel and direct replies.

use bytes::BytesMut;
use sabir_amqp091::codec::method::{basic, queue};
use sabir_amqp091::codec::{FieldTable, Method, Properties, Table};
use sabir_core::event::{Delivery, Event, Response};
use sabir_core::id::{ConsumerId, Offset, Timestamp};
use sabir_core::message::{Death, DeathReason, Message};
use sabir_core::refusal::{Kind, Refusal};
use sabir_core::request::{Command, Consume, Outcome, Request, Start};
use sabir_core::session::Session;

use super::script::{FIRST_PRODUCER, LEAVE, Script, delivery, message, stored};

fn consume(queue: &'static str, consumer_tag: &'static str) -> basic::Consume<'static> {
    basic::Consume {
        ticket: 0,
        queue,
        consumer_tag,
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

/// The start of a consumer, as the core is told it.
fn started(script: &mut Script) -> Consume {
    loop {
        match script.command() {
            Command::Window { .. } => {}
            Command::Request {
                request: Request::Consume(consume),
                ..
            } => return consume,
            other => panic!("expected a consumer, got {other:?}"),
        }
    }
}

/// A consumer with the tag `t` on channel 1.
fn consuming() -> (Script, ConsumerId) {
    let mut script = Script::with_channel();
    script.send(1, &consume("q", "t"));
    let consumer = started(&mut script).consumer;
    script.reply(Ok(Response::Done));
    script.expect(1, &basic::ConsumeOk { consumer_tag: "t" });
    (script, consumer)
}

fn deliver(tag: &'static str, delivery_tag: u64) -> basic::Deliver<'static> {
    basic::Deliver {
        consumer_tag: tag,
        delivery_tag,
        redelivered: false,
        exchange: "",
        routing_key: "q",
    }
}

#[test]
fn deliveries_are_numbered_and_keep_the_senders_bytes() {
    let (mut script, consumer) = consuming();
    for tag in 1..=2 {
        let delivery = delivery(consumer, tag);
        let cost = delivery.cost();
        script.event(Event::Delivery(delivery));
        script.expect_content(1, &deliver("t", tag), &[0x10, 0, 2], b"body");
        assert_eq!(script.session.output().delivered_bytes, tag * cost);
    }
}

#[test]
fn a_consumer_without_a_name_gets_one() {
    let mut script = Script::with_channel();
    script.send(1, &consume("q", ""));
    let tag = started(&mut script).tag;
    assert!(tag.starts_with("amq.ctag-") && tag.len() > 25);
    script.reply(Ok(Response::Done));
    script.expect(1, &basic::ConsumeOk { consumer_tag: &tag });
}

#[test]
fn what_a_consumer_asks_for_reaches_the_core() {
    let arguments = Table::new()
        .with("x-priority", 5)
        .with("x-stream-offset", "first")
        .encode();
    let mut script = Script::with_channel();
    script.send(
        1,
        &basic::Qos {
            prefetch_size: 0,
            prefetch_count: 20,
            global: false,
        },
    );
    script.expect(1, &basic::QosOk {});
    let asked = basic::Consume {
        exclusive: true,
        arguments: FieldTable::parse(&arguments).unwrap(),
        ..consume("q", "t")
    };
    script.send(1, &asked);
    let consume = started(&mut script);
    assert_eq!((&*consume.queue, &*consume.tag), ("q", "t"));
    assert_eq!(
        (consume.priority, consume.start, consume.unsettled_max),
        (5, Start::First, 20)
    );
    assert!(consume.exclusive && !consume.settled && consume.window.is_some());
}

#[test]
fn the_limit_of_a_channel_is_shared_by_its_consumers() {
    let (mut script, _) = consuming();
    script.send(
        1,
        &basic::Qos {
            prefetch_size: 0,
            prefetch_count: 3,
            global: true,
        },
    );
    assert!(matches!(
        script.command(),
        Command::Window {
            unsettled_max: 3,
            ..
        }
    ));
    script.expect(1, &basic::QosOk {});
    script.send(
        1,
        &basic::Qos {
            prefetch_size: 0,
            prefetch_count: 0,
            global: true,
        },
    );
    assert!(matches!(
        script.command(),
        Command::Window {
            unsettled_max: 1_048_576,
            ..
        }
    ));
    script.send(
        1,
        &basic::Qos {
            prefetch_size: 1,
            prefetch_count: 0,
            global: true,
        },
    );
    script.expect(1, &basic::QosOk {});
    script.expect_close(540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)");
}

#[test]
fn a_tag_is_used_once() {
    let (mut script, _) = consuming();
    script.send(1, &consume("other", "t"));
    script.expect_close(530, "NOT_ALLOWED - attempt to reuse consumer tag 't'");
}

#[test]
fn consumers_are_bounded() {
    let config = sabir_amqp091::Config {
        consumers_max: 1,
        ..Default::default()
    };
    let mut script = Script::running_with(config);
    script.open_channel(1);
    script.send(1, &consume("q", "a"));
    script.send(1, &consume("q", "b"));
    script.expect_close(
        530,
        "NOT_ALLOWED - reached maximum (1) of consumers per channel",
    );
}

#[test]
fn a_refused_consumer_leaves_its_tag_free() {
    let mut script = Script::with_channel();
    script.send(1, &consume("q", "t"));
    script.reply(Err(Refusal::ConsumedExclusively { queue: "q".into() }));
    script.forget_commands();
    script.expect_channel_close(
        1,
        "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
    );
    script.no_command();
}

#[test]
fn deliveries_come_until_the_cancel_is_answered_and_then_go_back() {
    let (mut script, consumer) = consuming();
    script.send(
        1,
        &basic::Cancel {
            consumer_tag: "t",
            nowait: false,
        },
    );
    assert!(matches!(script.request(), Request::Cancel { .. }));
    script.event(Event::Delivery(delivery(consumer, 1)));
    script.expect_content(1, &deliver("t", 1), &[0x10, 0, 2], b"body");
    script.reply(Ok(Response::Done));
    script.expect(1, &basic::CancelOk { consumer_tag: "t" });
    script.event(Event::Delivery(delivery(consumer, 2)));
    script.expect_silence();
    assert!(matches!(script.command(), Command::Written { .. }));
    assert_eq!(script.settled().outcome, Outcome::Release { failed: false });
}

#[test]
fn cancelling_what_does_not_exist_succeeds() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &basic::Cancel {
            consumer_tag: "nobody",
            nowait: false,
        },
    );
    script.expect(
        1,
        &basic::CancelOk {
            consumer_tag: "nobody",
        },
    );
}

#[test]
fn a_consumer_that_lost_its_queue_is_told_when_it_understands() {
    let mut script = Script::new();
    script.shake_hands(&Table::new().with("consumer_cancel_notify", true));
    script.open_channel(1);
    script.send(1, &consume("q", "t"));
    let consumer = started(&mut script).consumer;
    script.reply(Ok(Response::Done));
    script.frame();
    script.event(Event::Cancelled { consumer });
    script.expect(
        1,
        &basic::Cancel {
            consumer_tag: "t",
            nowait: true,
        },
    );

    let (mut script, consumer) = consuming();
    script.event(Event::Cancelled { consumer });
    script.expect_silence();
    script.send(1, &consume("q", "t"));
    assert_ne!(started(&mut script).consumer, consumer);
}

#[test]
fn one_message_is_taken_by_get() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &basic::Get {
            ticket: 0,
            queue: "q",
            no_ack: false,
        },
    );
    assert!(matches!(
        script.request(),
        Request::Get { settled: false, .. }
    ));
    let got = Some(Box::new(delivery(ConsumerId(0), 4)));
    script.reply(Ok(Response::Got {
        delivery: got,
        ready: 6,
    }));
    let ok = basic::GetOk {
        delivery_tag: 1,
        redelivered: false,
        exchange: "",
        routing_key: "q",
        message_count: 6,
    };
    script.expect_content(1, &ok, &[0x10, 0, 2], b"body");
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    assert_eq!(script.settled().first.0, 4);
    script.send(
        1,
        &basic::Get {
            ticket: 0,
            queue: "q",
            no_ack: true,
        },
    );
    script.reply(Ok(Response::Got {
        delivery: None,
        ready: 0,
    }));
    script.expect(1, &basic::GetEmpty { cluster_id: "" });
}

#[test]
fn what_was_got_for_a_channel_that_is_gone_goes_back() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &basic::Get {
            ticket: 0,
            queue: "q",
            no_ack: false,
        },
    );
    script.send(1, &LEAVE);
    script.forget_commands();
    let got = Some(Box::new(delivery(ConsumerId(0), 4)));
    script.reply(Ok(Response::Got {
        delivery: got,
        ready: 6,
    }));
    assert_eq!(script.settled().outcome, Outcome::Release { failed: false });
}

#[test]
fn failed_attempts_are_told_in_the_headers() {
    let (mut script, consumer) = consuming();
    script.event(Event::Delivery(Delivery {
        attempts: 2,
        redelivered: true,
        ..delivery(consumer, 1)
    }));
    script.expect(
        1,
        &basic::Deliver {
            redelivered: true,
            ..deliver("t", 1)
        },
    );
    let header = script.frame();
    let properties = Properties::parse(&header.payload[12..]).unwrap();
    assert_eq!(properties.delivery_mode, Some(2));
    assert_eq!(
        properties
            .headers
            .and_then(|headers| headers.find("x-delivery-count")?.integer()),
        Some(2)
    );
}

#[test]
fn the_history_of_a_dead_letter_is_told_in_the_headers() {
    let death = Death {
        queue: "q".into(),
        reason: DeathReason::Expired,
        count: 1,
        time: Timestamp(7000),
        exchange: "x".into(),
        routing_keys: vec!["k".into()],
        original_ttl_ms: Some(100),
    };
    let mut dead = message("q", b"body");
    dead.head = bytes::Bytes::from_static(b"\x01\x00\x03100");
    dead.deaths = vec![death];
    let (mut script, consumer) = consuming();
    script.event(Event::Delivery(Delivery {
        record: stored(&dead),
        ..delivery(consumer, 1)
    }));
    script.frame();
    let header = script.frame();
    let properties = Properties::parse(&header.payload[12..]).unwrap();
    assert_eq!(properties.expiration, None);
    let headers = properties.headers.unwrap();
    assert_eq!(
        headers
            .find("x-first-death-reason")
            .and_then(|value| value.text()),
        Some("expired")
    );
    assert_eq!(
        headers
            .find("x-last-death-queue")
            .and_then(|value| value.text()),
        Some("q")
    );
    let Some(sabir_amqp091::codec::FieldValue::Array(deaths)) = headers.find("x-death") else {
        panic!("no x-death")
    };
    let Some(sabir_amqp091::codec::FieldValue::Table(entry)) = deaths.values().next() else {
        panic!("no entry")
    };
    assert_eq!(
        entry
            .find("original-expiration")
            .and_then(|value| value.text()),
        Some("100")
    );
    assert_eq!(
        entry.find("count").and_then(|value| value.integer()),
        Some(1)
    );
}

#[test]
fn streams_tell_their_offsets() {
    let mut script = Script::with_channel();
    script.send(1, &consume("s", "t"));
    let consumer = started(&mut script).consumer;
    script.reply(Ok(Response::Queue {
        name: "s".into(),
        ready: 0,
        consumers: 1,
        keeps_records: true,
    }));
    script.frame();
    script.event(Event::Delivery(delivery(consumer, 42)));
    script.frame();
    let header = script.frame();
    let headers = Properties::parse(&header.payload[12..])
        .unwrap()
        .headers
        .unwrap();
    assert_eq!(
        headers
            .find("x-stream-offset")
            .and_then(|value| value.integer()),
        Some(42)
    );
}

#[test]
fn a_stream_consumer_is_sent_only_what_passes_its_filter() {
    let mut script = Script::with_channel();
    let arguments = Table::new()
        .with("x-stream-offset", "first")
        .with("x-stream-filter", "wanted")
        .encode();
    let consume = basic::Consume {
        arguments: FieldTable::parse(&arguments).unwrap(),
        ..consume("s", "t")
    };
    script.send(1, &consume);
    let consumer = started(&mut script).consumer;
    script.reply(Ok(Response::Queue {
        name: "s".into(),
        ready: 0,
        consumers: 1,
        keeps_records: true,
    }));
    script.frame();
    script.forget_commands();
    let of_value = |value: &str, offset| {
        let headers = Table::new().with("x-stream-filter-value", value).encode();
        let mut head = BytesMut::new();
        Properties {
            headers: FieldTable::parse(&headers).ok(),
            ..Properties::default()
        }
        .put(&mut head);
        let message = Message {
            head: head.freeze(),
            ..message("s", b"body")
        };
        Delivery {
            record: stored(&message),
            ..delivery(consumer, offset)
        }
    };
    script.event(Event::Delivery(of_value("other", 1)));
    script.event(Event::Delivery(delivery(consumer, 2)));
    script.expect_silence();
    assert!(matches!(script.command(), Command::Written { .. }));
    let passed_over = script.settled();
    assert_eq!(
        (passed_over.first, passed_over.outcome),
        (Offset(1), Outcome::Ack)
    );
    script.event(Event::Delivery(of_value("wanted", 3)));
    let frame = script.frame();
    let Method::Basic(basic::Method::Deliver(deliver)) = frame.method() else {
        panic!("no delivery")
    };
    assert_eq!(deliver.delivery_tag, 1);
}

#[test]
fn a_request_is_answered_through_the_channels_mailbox() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &basic::Consume {
            no_ack: true,
            ..consume("amq.rabbitmq.reply-to", "")
        },
    );
    let Request::OpenMailbox {
        consumer,
        address_prefix,
    } = script.request()
    else {
        panic!("no mailbox")
    };
    assert_eq!(address_prefix, "amq.rabbitmq.reply-to.");
    script.reply(Ok(Response::Mailbox {
        address: "amq.rabbitmq.reply-to.1".into(),
    }));
    let frame = script.frame();
    assert!(matches!(
        frame.method(),
        Method::Basic(basic::Method::ConsumeOk(_))
    ));

    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "rpc",
        mandatory: false,
        immediate: false,
    };
    let head = Properties {
        reply_to: Some(b"amq.rabbitmq.reply-to"),
        correlation_id: Some(b"7"),
        ..Properties::default()
    };
    script.send_content(1, &publish, &head, b"question");
    let published = script.published().message;
    let sent = Properties::parse(&published.head).unwrap();
    assert_eq!(sent.reply_to, Some(&b"amq.rabbitmq.reply-to.1"[..]));
    assert_eq!(sent.correlation_id, Some(&b"7"[..]));

    script.event(Event::Delivery(Delivery {
        id: None,
        settled: true,
        ..delivery(consumer, 0)
    }));
    let frame = script.frame();
    assert!(matches!(
        frame.method(),
        Method::Basic(basic::Method::Deliver(_))
    ));
}

#[test]
fn direct_replies_have_their_own_rules() {
    let replies = || consume("amq.rabbitmq.reply-to", "");
    let mut script = Script::with_channel();
    script.send(1, &replies());
    script.expect_channel_close(1, "PRECONDITION_FAILED - reply consumer cannot acknowledge");
    script.open_channel(1);
    script.send(
        1,
        &basic::Consume {
            no_ack: true,
            ..replies()
        },
    );
    script.send(
        1,
        &basic::Consume {
            no_ack: true,
            ..replies()
        },
    );
    script.reply(Ok(Response::Mailbox {
        address: "amq.rabbitmq.reply-to.1".into(),
    }));
    script.reply(Ok(Response::Done));
    script.expect_channel_close(1, "PRECONDITION_FAILED - reply consumer already set");
    script.open_channel(1);
    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "rpc",
        mandatory: false,
        immediate: false,
    };
    let head = Properties {
        reply_to: Some(b"amq.rabbitmq.reply-to"),
        ..Properties::default()
    };
    script.send_content(1, &publish, &head, b"");
    script.expect_channel_close(
        1,
        "PRECONDITION_FAILED - fast reply consumer does not exist",
    );
}

#[test]
fn a_consumer_that_is_cancelled_gets_what_its_channel_has_published_before() {
    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "q",
        mandatory: false,
        immediate: false,
    };
    let cancel = basic::Cancel {
        consumer_tag: "t",
        nowait: false,
    };
    for closes in [false, true] {
        let (mut script, consumer) = consuming();
        script.send_content(1, &publish, &Properties::default(), b"body");
        script.published();
        script.send(1, &cancel);
        script.no_command();
        if closes {
            script.send(1, &LEAVE);
        }
        script.event(Event::Confirmed {
            producer: FIRST_PRODUCER,
            first: 1,
            last: 1,
        });
        script.event(Event::Delivery(delivery(consumer, 1)));
        assert!(
            matches!(script.request(), Request::Cancel { consumer: asked } if asked == consumer)
        );
    }
}

#[test]
fn a_channel_that_fails_cancels_the_consumer_whose_cancellation_waits() {
    let publish = basic::Publish {
        ticket: 0,
        exchange: "x",
        routing_key: "q",
        mandatory: false,
        immediate: false,
    };
    let (mut script, consumer) = consuming();
    script.send_content(1, &publish, &Properties::default(), b"body");
    script.published();
    let cancel = basic::Cancel {
        consumer_tag: "t",
        nowait: false,
    };
    script.send(1, &cancel);
    script.no_command();
    script.event(Event::Refused {
        producer: FIRST_PRODUCER,
        ticket: 1,
        refusal: Refusal::NotFound {
            kind: Kind::Exchange,
            name: "x".into(),
        },
    });
    assert!(matches!(script.request(), Request::Cancel { consumer: asked } if asked == consumer));
    script.expect_channel_close(1, "NOT_FOUND - no exchange 'x' in vhost '/'");
}

#[test]
fn deleting_a_queue_that_is_consumed_is_answered_after_its_consumers_are_told() {
    let (mut script, consumer) = consuming();
    script.send(
        1,
        &queue::Delete {
            ticket: 0,
            queue: "q",
            if_unused: false,
            if_empty: false,
            nowait: false,
        },
    );
    script.event(Event::Cancelled { consumer });
    script.reply(Ok(Response::Removed { messages: 0 }));
    script.expect(1, &queue::DeleteOk { message_count: 0 });
    script.send(
        1,
        &basic::Cancel {
            consumer_tag: "t",
            nowait: false,
        },
    );
    script.expect(1, &basic::CancelOk { consumer_tag: "t" });
}

#[test]
fn a_missing_queue_is_told() {
    let mut script = Script::with_channel();
    script.send(1, &consume("q", "t"));
    script.reply(Err(Refusal::NotFound {
        kind: Kind::Queue,
        name: "q".into(),
    }));
    script.expect_channel_close(1, "NOT_FOUND - no queue 'q' in vhost '/'");
}
