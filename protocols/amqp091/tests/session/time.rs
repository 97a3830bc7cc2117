//! What happens when time passes: heartbeats, deadlines and deliveries that nobody acknowledges.

use sabir_amqp091::Config;
use sabir_amqp091::codec::method::{basic, channel, connection};
use sabir_amqp091::codec::{FieldTable, FrameKind, Method, Properties, Table};
use sabir_core::event::{Event, Response};
use sabir_core::request::Request;
use sabir_core::session::Session;

use super::script::{Script, delivery};

#[test]
fn a_silent_server_sends_heartbeats_and_a_silent_client_is_closed() {
    let mut script = Script::running();
    script.pass(30_000);
    assert_eq!(script.frame().kind, FrameKind::Heartbeat);
    script.receive(b"\x08\x00\x00\x00\x00\x00\x00\xce");
    script.pass(90_000);
    assert!(script.closed().is_none());
    script.pass(60_000);
    assert_eq!(
        script.closed().as_deref(),
        Some("missed heartbeats from client")
    );
}

#[test]
fn a_publisher_that_is_not_read_is_not_missed() {
    let mut script = Script::running();
    script.open_channel(1);
    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "q",
        mandatory: false,
        immediate: false,
    };
    script.send_content(1, &publish, &Properties::default(), b"");
    script.event(Event::Blocked {
        reason: "low on disk".into(),
    });
    script.pass(600_000);
    assert!(script.closed().is_none());
    script.event(Event::Unblocked);
    script.pass(100_000);
    assert!(script.closed().is_none());
    script.pass(60_000);
    assert!(script.closed().is_some());
}

#[test]
fn a_handshake_has_a_deadline() {
    let mut script = Script::new();
    assert_eq!(script.session.next_timeout(), None);
    script.greet();
    script.pass(9_999);
    assert!(script.closed().is_none());
    script.pass(1);
    assert_eq!(
        script.closed().as_deref(),
        Some("the handshake took too long")
    );
}

#[test]
fn an_open_connection_has_no_deadline() {
    let mut script = Script::new();
    script.greet();
    script.log_in(&Table::new());
    script.frame();
    script.send(
        0,
        &connection::TuneOk {
            channel_max: 1,
            frame_max: 4096,
            heartbeat: 0,
        },
    );
    script.send(
        0,
        &connection::Open {
            virtual_host: "/",
            capabilities: "",
            insist: false,
        },
    );
    script.reply(Ok(Response::Done));
    assert_eq!(script.session.next_timeout(), None);
}

#[test]
fn a_close_that_is_not_answered_ends_all_the_same() {
    let mut script = Script::running();
    script.session.shutdown(script.now);
    script.collect();
    script.pass(10_000);
    assert!(script.closed().is_some());
}

#[test]
fn a_delivery_that_waits_too_long_closes_its_channel() {
    let config = Config {
        acknowledgement_ms_max: 60_000,
        heartbeat_seconds: 0,
        ..Config::default()
    };
    let mut script = Script::with(config);
    script.greet();
    script.log_in(&Table::new());
    script.frame();
    script.send(
        0,
        &connection::TuneOk {
            channel_max: 10,
            frame_max: 4096,
            heartbeat: 0,
        },
    );
    script.send(
        0,
        &connection::Open {
            virtual_host: "/",
            capabilities: "",
            insist: false,
        },
    );
    script.reply(Ok(Response::Done));
    script.frame();
    script.open_channel(1);
    let consume = basic::Consume {
        ticket: 0,
        queue: "q",
        consumer_tag: "t",
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: true,
        arguments: FieldTable::default(),
    };
    script.send(1, &consume);
    script.command();
    script.command();
    let Request::Consume(consume) = script.request() else {
        panic!("no consumer")
    };
    script.reply(Ok(Response::Done));
    script.event(Event::Delivery(delivery(consume.consumer, 0)));
    script.pass(30_000);
    script.event(Event::Delivery(delivery(consume.consumer, 1)));
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    for _frame in 0..6 {
        script.frame();
    }
    script.pass(59_999);
    script.expect_silence();
    script.pass(1);
    let frame = script.frame();
    let Method::Channel(channel::Method::Close(close)) = frame.method() else {
        panic!("{:?}", frame.method())
    };
    assert_eq!(close.reply_code, 406);
    assert!(close.reply_text.starts_with(
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 60000 ms."
    ));
}
