//! Publishing, confirms, returns and blocked publishers.

use sabir_amqp091::codec::method::{basic, channel, confirm, connection, queue};
use sabir_amqp091::codec::{FieldTable, Method, Properties, Table, Value};
use sabir_amqp091::{Config, codec};
use sabir_core::event::{Event, Response};
use sabir_core::id::ProducerId;
use sabir_core::refusal::{Kind, Refusal};
use sabir_core::request::Request;
use sabir_core::session::Session;

use super::script::{FIRST_PRODUCER, LEAVE, Script, message};

fn publish<'a>(exchange: &'a str, routing_key: &'a str) -> basic::Publish<'a> {
    basic::Publish {
        ticket: 0,
        exchange,
        routing_key,
        mandatory: false,
        immediate: false,
    }
}

fn confirming() -> Script {
    let mut script = Script::with_channel();
    script.send(1, &confirm::Select { nowait: false });
    script.expect(1, &confirm::SelectOk {});
    script
}

fn confirmed(first: u64, last: u64) -> Event {
    Event::Confirmed {
        producer: FIRST_PRODUCER,
        first,
        last,
    }
}

fn refused(ticket: u64, refusal: Refusal) -> Event {
    Event::Refused {
        producer: FIRST_PRODUCER,
        ticket,
        refusal,
    }
}

fn full() -> Refusal {
    Refusal::Full { queue: "q".into() }
}

#[test]
fn a_message_reaches_the_core_with_the_senders_bytes() {
    let mut script = Script::with_channel();
    let headers = Table::new().with("n", 5).encode();
    let head = Properties {
        headers: Some(FieldTable::parse(&headers).unwrap()),
        delivery_mode: Some(2),
        priority: Some(7),
        expiration: Some(b"60000"),
        ..Properties::default()
    };
    assert!(!script.session.publishes());
    script.send_content(
        1,
        &basic::Publish {
            mandatory: true,
            ..publish("x", "a.b")
        },
        &head,
        b"hello",
    );
    assert!(script.session.publishes());
    let published = script.published();
    assert_eq!((published.ticket, published.mandatory), (1, true));
    let message = published.message;
    assert_eq!(
        (&*message.exchange, message.routing_key.as_bytes()),
        ("x", &b"a.b"[..])
    );
    assert_eq!(
        (message.persistent, message.priority, message.ttl_ms),
        (true, 7, Some(60_000))
    );
    assert_eq!(&message.body[..], b"hello");
    assert_eq!(Properties::parse(&message.head), Ok(head));
}

#[test]
fn a_body_of_many_frames_is_put_together() {
    let mut script = Script::with_channel();
    let body: Vec<u8> = (0..400_000).map(|index| index as u8).collect();
    script.send_content(1, &publish("", "q"), &Properties::default(), &body);
    assert_eq!(script.published().message.body, body);
}

#[test]
fn a_body_over_the_limit_closes_its_channel() {
    let mut script = Script::running_with(Config {
        message_bytes_max: 1000,
        ..Config::default()
    });
    script.open_channel(1);
    script.send_content(1, &publish("", "q"), &Properties::default(), &[0; 1000]);
    script.published();
    script.send_content(1, &publish("", "q"), &Properties::default(), &[0; 1001]);
    script.expect_channel_close(
        1,
        "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000",
    );
    script.no_command();
    script.open_channel(1);
}

#[test]
fn immediate_is_not_offered() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &basic::Publish {
            immediate: true,
            ..publish("", "q")
        },
    );
    script.expect_close(540, "NOT_IMPLEMENTED - immediate=true");
}

#[test]
fn confirms_are_counted_from_one_and_told_in_one_frame() {
    let mut script = confirming();
    for ticket in 1..=3 {
        script.send_content(1, &publish("", "q"), &Properties::default(), b"x");
        assert_eq!(script.published().ticket, ticket);
    }
    script.event(confirmed(1, 2));
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 2,
            multiple: true,
        },
    );
    script.event(confirmed(3, 3));
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 3,
            multiple: false,
        },
    );
}

#[test]
fn a_confirm_ahead_of_others_is_told_alone() {
    let mut script = confirming();
    script.event(confirmed(2, 3));
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 2,
            multiple: false,
        },
    );
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 3,
            multiple: false,
        },
    );
    script.event(confirmed(1, 1));
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    script.event(confirmed(4, 9));
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 9,
            multiple: true,
        },
    );
}

#[test]
fn a_full_queue_is_a_nack_to_those_who_ask() {
    let mut script = confirming();
    script.event(refused(1, full()));
    script.expect(
        1,
        &basic::Nack {
            delivery_tag: 1,
            multiple: false,
            requeue: false,
        },
    );
    script.event(confirmed(2, 4));
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 4,
            multiple: true,
        },
    );
    let mut script = Script::with_channel();
    script.event(refused(0, full()));
    script.expect_silence();
}

#[test]
fn storage_that_fails_is_never_silent() {
    let unavailable = || Refusal::Unavailable {
        reason: "the disk is full".to_owned(),
    };
    let mut script = confirming();
    script.event(refused(1, unavailable()));
    script.expect(
        1,
        &basic::Nack {
            delivery_tag: 1,
            multiple: false,
            requeue: false,
        },
    );
    let mut script = Script::with_channel();
    script.event(refused(0, unavailable()));
    script.expect_close(506, "RESOURCE_ERROR - the disk is full");
}

#[test]
fn a_publish_that_was_wrong_closes_its_channel() {
    let cases = [
        (
            Refusal::NotFound {
                kind: Kind::Exchange,
                name: "x".into(),
            },
            "NOT_FOUND - no exchange 'x' in vhost '/'",
        ),
        (
            Refusal::Internal {
                exchange: "x".into(),
            },
            "ACCESS_REFUSED - cannot publish to internal exchange 'x' in vhost '/'",
        ),
    ];
    for (refusal, text) in cases {
        let mut script = Script::with_channel();
        script.event(refused(0, refusal));
        script.expect_channel_close(1, text);
    }
}

#[test]
fn an_answer_waits_until_it_is_known_that_nothing_was_wrong_with_publishes() {
    let missing = || Refusal::NotFound {
        kind: Kind::Exchange,
        name: "x".into(),
    };
    let qos = basic::Qos {
        prefetch_size: 0,
        prefetch_count: 1,
        global: false,
    };
    let mut script = Script::with_channel();
    script.send_content(1, &publish("x", "k"), &Properties::default(), b"");
    script.send(1, &qos);
    script.expect_silence();
    script.reply(Ok(Response::Done));
    script.expect(1, &basic::QosOk {});
    script.send(1, &qos);
    script.expect(1, &basic::QosOk {});

    script.send_content(1, &publish("x", "k"), &Properties::default(), b"");
    script.send(1, &qos);
    script.event(refused(0, missing()));
    script.expect_channel_close(1, "NOT_FOUND - no exchange 'x' in vhost '/'");
}

#[test]
fn what_looks_at_queues_waits_until_earlier_publishes_are_in_them() {
    let get = basic::Get {
        ticket: 0,
        queue: "q",
        no_ack: true,
    };
    let mut script = Script::with_channel();
    script.send_content(1, &publish("", "q"), &Properties::default(), b"one");
    script.published();
    script.send(1, &get);
    script.send_content(1, &publish("", "q"), &Properties::default(), b"two");
    script.no_command();
    script.event(confirmed(1, 1));
    script.expect_silence();
    assert!(matches!(script.request(), Request::Get { .. }));
    assert_eq!(&script.published().message.body[..], b"two");
    script.reply(Ok(Response::Got {
        delivery: None,
        ready: 0,
    }));
    script.expect(1, &basic::GetEmpty { cluster_id: "" });
}

#[test]
fn frames_behind_a_method_that_waits_keep_their_order_and_are_bounded() {
    let purge = queue::Purge {
        ticket: 0,
        queue: "q",
        nowait: true,
    };
    let mut script = Script::running_with(Config {
        message_bytes_max: 1000,
        ..Config::default()
    });
    script.open_channel(1);
    script.send_content(1, &publish("", "q"), &Properties::default(), b"one");
    script.published();
    script.send(1, &purge);
    script.send_content(1, &publish("", "q"), &Properties::default(), b"two");
    script.send(1, &purge);
    script.event(confirmed(1, 1));
    assert!(matches!(script.request(), Request::Purge { .. }));
    script.published();
    script.no_command();
    script.event(confirmed(2, 2));
    assert!(matches!(script.request(), Request::Purge { .. }));
    script.reply(Ok(Response::Removed { messages: 1 }));
    script.reply(Ok(Response::Removed { messages: 1 }));

    script.send_content(1, &publish("", "q"), &Properties::default(), b"three");
    script.send(1, &purge);
    for _ in 0..1100 {
        if script.closed().is_some() {
            break;
        }
        script.send_content(1, &publish("", "q"), &Properties::default(), &[0; 1000]);
    }
    script.expect_close(
        506,
        "RESOURCE_ERROR - too much input behind a method that waits for what was published before",
    );
}

#[test]
fn a_channel_that_fails_while_it_waits_answers_the_close_that_waits_with_it() {
    let mut script = Script::with_channel();
    script.send_content(1, &publish("x", "k"), &Properties::default(), b"");
    script.send(
        1,
        &basic::Get {
            ticket: 0,
            queue: "q",
            no_ack: true,
        },
    );
    script.send(1, &LEAVE);
    script.event(refused(
        1,
        Refusal::NotFound {
            kind: Kind::Exchange,
            name: "x".into(),
        },
    ));
    script.expect_channel_close(1, "NOT_FOUND - no exchange 'x' in vhost '/'");
    script.expect(1, &channel::CloseOk {});
    script.open_channel(1);
}

#[test]
fn numbers_of_confirms_begin_when_they_are_asked_for() {
    let mut script = Script::with_channel();
    script.send_content(1, &publish("", "q"), &Properties::default(), b"before");
    script.send(1, &confirm::Select { nowait: true });
    script.send_content(1, &publish("", "q"), &Properties::default(), b"first");
    script.event(confirmed(1, 2));
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    script.event(refused(3, full()));
    script.expect(
        1,
        &basic::Nack {
            delivery_tag: 2,
            multiple: false,
            requeue: false,
        },
    );
}

#[test]
fn a_client_that_leaves_hears_what_was_wrong_with_its_publishes() {
    let mut script = Script::with_channel();
    script.send_content(1, &publish("x", "k"), &Properties::default(), b"");
    script.send(1, &LEAVE);
    script.expect_silence();
    script.reply(Ok(Response::Done));
    script.expect(1, &channel::CloseOk {});
    script.open_channel(1);

    let mut script = Script::with_channel();
    script.send_content(1, &publish("x", "k"), &Properties::default(), b"");
    script.send(1, &LEAVE);
    script.event(refused(
        0,
        Refusal::Internal {
            exchange: "x".into(),
        },
    ));
    script.expect_channel_close(
        1,
        "ACCESS_REFUSED - cannot publish to internal exchange 'x' in vhost '/'",
    );
    script.reply(Ok(Response::Done));
    script.expect(1, &channel::CloseOk {});
    script.open_channel(1);
}

#[test]
fn news_for_an_earlier_channel_of_the_number_are_dropped() {
    let mut script = confirming();
    script.event(Event::Confirmed {
        producer: ProducerId(9 << 16 | 1),
        first: 1,
        last: 1,
    });
    script.expect_silence();
}

#[test]
fn a_message_without_a_queue_is_returned_before_its_confirm() {
    let mut script = confirming();
    let message = Box::new(message("nowhere", b"body"));
    script.event(Event::Returned {
        producer: FIRST_PRODUCER,
        message,
    });
    script.event(confirmed(1, 1));
    let method = basic::Return {
        reply_code: 312,
        reply_text: "NO_ROUTE",
        exchange: "",
        routing_key: "nowhere",
    };
    script.expect_content(1, &method, &[0x10, 0, 2], b"body");
    script.expect(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
}

#[test]
fn wrong_properties_close_the_channel() {
    let cases: [(Properties<'_>, &str); 2] = [
        (
            Properties {
                expiration: Some(b"soon"),
                ..Properties::default()
            },
            "PRECONDITION_FAILED - invalid expiration 'soon': no_integer",
        ),
        (
            Properties {
                user_id: Some(b"root"),
                ..Properties::default()
            },
            "PRECONDITION_FAILED - user_id property set to 'root' but authenticated user was 'guest'",
        ),
    ];
    for (head, text) in cases {
        let mut script = Script::with_channel();
        script.send_content(1, &publish("", "q"), &head, b"");
        script.expect_channel_close(1, text);
        script.no_command();
    }
    let mut script = Script::with_channel();
    script.send_content(
        1,
        &publish("", "q"),
        &Properties {
            user_id: Some(b"guest"),
            ..Properties::default()
        },
        b"",
    );
    script.published();
}

#[test]
fn properties_that_cannot_be_read_close_the_connection() {
    let mut script = Script::with_channel();
    script.send(1, &publish("", "q"));
    script.receive(b"\x02\x00\x01\x00\x00\x00\x0f\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\xce");
    script.expect_close(502, "SYNTAX_ERROR - undefined property flags 0x0001");
}

#[test]
fn carbon_copies_add_routing_keys_and_blind_ones_disappear() {
    let keys = |keys: &[&str]| keys.iter().map(|key| Value::from(*key)).collect::<Vec<_>>();
    let headers = Table::new()
        .with("CC", keys(&["c1", "c2"]))
        .with("BCC", keys(&["b"]))
        .with("other", 1)
        .encode();
    let head = Properties {
        headers: Some(FieldTable::parse(&headers).unwrap()),
        ..Properties::default()
    };
    let mut script = Script::with_channel();
    script.send_content(1, &publish("", "q"), &head, b"");
    let message = script.published().message;
    let extra: Vec<&[u8]> = message.extra_keys.iter().map(|key| &key[..]).collect();
    assert_eq!(extra, [&b"c1"[..], b"c2", b"b"]);
    let kept = Properties::parse(&message.head).unwrap().headers.unwrap();
    assert!(
        kept.find("CC").is_some() && kept.find("BCC").is_none() && kept.find("other").is_some()
    );

    let headers = Table::new().with("CC", "not a list").encode();
    let head = Properties {
        headers: Some(FieldTable::parse(&headers).unwrap()),
        ..Properties::default()
    };
    script.send_content(1, &publish("", "q"), &head, b"");
    script.expect_channel_close(
        1,
        "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}",
    );
}

#[test]
fn delay_and_deduplication_headers_are_read() {
    let headers = Table::new()
        .with("x-delay", 1500)
        .with("x-deduplication-header", "id-1")
        .encode();
    let head = Properties {
        headers: Some(FieldTable::parse(&headers).unwrap()),
        ..Properties::default()
    };
    let mut script = Script::with_channel();
    script.send_content(1, &publish("delayed", "q"), &head, b"");
    let message = script.published().message;
    assert_eq!(message.delay_ms, Some(1500));
    assert_eq!(message.deduplication_id.as_deref(), Some(&b"id-1"[..]));
}

#[test]
fn a_publisher_is_told_that_it_is_not_read() {
    let capabilities = codec::Table::new().with("connection.blocked", true);
    let mut script = Script::new();
    script.shake_hands(&capabilities);
    script.open_channel(1);
    script.event(Event::Blocked {
        reason: "low on disk".into(),
    });
    script.expect_silence();
    script.send_content(1, &publish("", "q"), &Properties::default(), b"");
    script.expect(
        0,
        &connection::Blocked {
            reason: "low on disk",
        },
    );
    script.event(Event::Unblocked);
    script.expect(0, &connection::Unblocked {});
    script.event(Event::Blocked {
        reason: "low on memory".into(),
    });
    let frame = script.frame();
    assert!(matches!(
        frame.method(),
        Method::Connection(connection::Method::Blocked(_))
    ));
}

#[test]
fn a_client_that_does_not_understand_blocking_is_not_told() {
    let mut script = Script::with_channel();
    script.send_content(1, &publish("", "q"), &Properties::default(), b"");
    script.event(Event::Blocked {
        reason: "low on disk".into(),
    });
    script.event(Event::Unblocked);
    script.expect_silence();
}
