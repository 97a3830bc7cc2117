//! Opening and closing channels, flow, and frames that do not belong.

use bytes::BytesMut;
use sabir_amqp091::Config;
use sabir_amqp091::codec::method::{access, basic, channel, confirm, queue};
use sabir_amqp091::codec::{Arguments, FieldTable, Method, put_method};
use sabir_core::event::Response;
use sabir_core::refusal::{Kind, Refusal};
use sabir_core::request::Request;

use super::script::{LEAVE, Script};

fn passive(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        ticket: 0,
        queue,
        passive: true,
        durable: false,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

fn no_queue() -> Refusal {
    Refusal::NotFound {
        kind: Kind::Queue,
        name: "q".into(),
    }
}

#[test]
fn a_channel_is_opened_closed_and_opened_again() {
    let mut script = Script::with_channel();
    script.send(1, &LEAVE);
    script.expect(1, &channel::CloseOk {});
    script.open_channel(1);
}

#[test]
fn a_channel_is_opened_once() {
    let mut script = Script::with_channel();
    script.send(1, &channel::Open { out_of_band: "" });
    script.expect_close(504, "CHANNEL_ERROR - second 'channel.open' seen");
}

#[test]
fn a_channel_that_is_not_open_takes_nothing() {
    let mut script = Script::running();
    script.send(1, &confirm::Select { nowait: false });
    script.expect_close(504, "CHANNEL_ERROR - expected 'channel.open'");
}

#[test]
fn no_more_channels_than_negotiated() {
    let mut script = Script::running_with(Config {
        channels_max: 2,
        ..Config::default()
    });
    script.open_channel(1);
    script.open_channel(2);
    script.send(3, &channel::Open { out_of_band: "" });
    script.expect_close(
        530,
        "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)",
    );
}

#[test]
fn flow_is_answered_and_pausing_is_not_offered() {
    let mut script = Script::with_channel();
    script.send(1, &channel::Flow { active: true });
    script.expect(1, &channel::FlowOk { active: true });
    script.send(1, &channel::Flow { active: false });
    script.expect_close(540, "NOT_IMPLEMENTED - active=false");
}

#[test]
fn tickets_of_the_old_days_are_given() {
    let mut script = Script::with_channel();
    let request = access::Request {
        realm: "/data",
        exclusive: false,
        passive: true,
        active: true,
        write: true,
        read: true,
    };
    script.send(1, &request);
    script.expect(1, &access::RequestOk { ticket: 1 });
}

#[test]
fn answers_keep_their_order_even_when_only_some_need_the_core() {
    let mut script = Script::with_channel();
    script.send(1, &passive("q"));
    script.send(1, &confirm::Select { nowait: false });
    script.expect_silence();
    script.reply(Ok(Response::Queue {
        name: "q".into(),
        ready: 3,
        consumers: 1,
        keeps_records: false,
    }));
    script.expect(
        1,
        &queue::DeclareOk {
            queue: "q",
            message_count: 3,
            consumer_count: 1,
        },
    );
    script.expect(1, &confirm::SelectOk {});
}

#[test]
fn channels_do_not_wait_for_each_other() {
    let mut script = Script::with_channel();
    script.open_channel(2);
    script.send(1, &passive("q"));
    script.send(2, &confirm::Select { nowait: false });
    script.expect(2, &confirm::SelectOk {});
}

#[test]
fn a_refusal_closes_its_channel_and_names_the_method() {
    let mut script = Script::with_channel();
    script.send(1, &passive("q"));
    script.reply(Err(no_queue()));
    let frame = script.frame();
    let Method::Channel(channel::Method::Close(close)) = frame.method() else {
        panic!("{frame:?}")
    };
    assert_eq!(close.reply_text, "NOT_FOUND - no queue 'q' in vhost '/'");
    assert_eq!(
        (close.reply_code, close.class_id, close.method_id),
        (404, 50, 10)
    );
}

#[test]
fn after_a_refusal_later_replies_are_not_answers() {
    let mut script = Script::with_channel();
    script.send(1, &passive("q"));
    script.send(1, &passive("other"));
    script.reply(Err(no_queue()));
    script.expect_channel_close(1, "NOT_FOUND - no queue 'q' in vhost '/'");
    script.reply(Ok(Response::Queue {
        name: "other".into(),
        ready: 0,
        consumers: 0,
        keeps_records: false,
    }));
    script.expect_silence();
}

#[test]
fn a_fault_of_the_client_waits_for_earlier_answers() {
    let mut script = Script::with_channel();
    script.send(1, &passive("q"));
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 9,
            multiple: false,
        },
    );
    script.expect_silence();
    script.reply(Ok(Response::Queue {
        name: "q".into(),
        ready: 0,
        consumers: 0,
        keeps_records: false,
    }));
    script.expect(
        1,
        &queue::DeclareOk {
            queue: "q",
            message_count: 0,
            consumer_count: 0,
        },
    );
    script.expect_channel_close(1, "PRECONDITION_FAILED - unknown delivery tag 9");
}

#[test]
fn a_closing_channel_passes_everything_over_until_it_is_closed() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 9,
            multiple: false,
        },
    );
    let close = script.frame();
    assert!(matches!(
        close.method(),
        Method::Channel(channel::Method::Close(_))
    ));
    script.send(1, &passive("q"));
    script.receive(b"\x03\x00\x01\x00\x00\x00\x01x\xce");
    script.expect_silence();
    script.no_command();
    script.send(1, &LEAVE);
    script.expect(1, &channel::CloseOk {});
    script.send(1, &channel::CloseOk {});
    script.open_channel(1);
}

#[test]
fn replies_for_an_earlier_channel_of_the_number_are_dropped() {
    let mut script = Script::with_channel();
    script.send(1, &passive("q"));
    script.send(1, &LEAVE);
    script.expect_silence();
    script.reply(Ok(Response::Queue {
        name: "q".into(),
        ready: 0,
        consumers: 0,
        keeps_records: false,
    }));
    script.expect(1, &channel::CloseOk {});
    script.open_channel(1);
}

#[test]
fn content_frames_out_of_turn_are_refused() {
    let body: &[u8] = b"\x03\x00\x01\x00\x00\x00\x01x\xce";
    let mut script = Script::with_channel();
    script.receive(body);
    script.expect_close(
        505,
        "UNEXPECTED_FRAME - expected method frame, got non method frame instead",
    );

    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "q",
        mandatory: false,
        immediate: false,
    };
    let mut script = Script::with_channel();
    script.send(1, &publish);
    script.receive(body);
    script.expect_close(
        505,
        "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
    );

    let mut script = Script::with_channel();
    script.send(1, &publish);
    script.receive(
        b"\x02\x00\x01\x00\x00\x00\x0e\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\xce",
    );
    script.send(1, &confirm::Select { nowait: false });
    script.expect_close(
        505,
        "UNEXPECTED_FRAME - expected content body, got non content body frame instead",
    );
}

#[test]
fn unknown_methods_and_methods_of_the_server_are_refused() {
    let mut script = Script::with_channel();
    script.receive(b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x03\xe7\xce");
    script.expect_close(540, "NOT_IMPLEMENTED - unknown method 60.999");
    let mut script = Script::with_channel();
    script.send(1, &basic::ConsumeOk { consumer_tag: "t" });
    script.expect_close(503, "COMMAND_INVALID - unimplemented method");
}

#[test]
fn a_heartbeat_on_a_channel_and_garbage_are_refused() {
    let mut script = Script::with_channel();
    script.receive(b"\x08\x00\x01\x00\x00\x00\x00\xce");
    script.expect_close(505, "UNEXPECTED_FRAME - type 8, channel 1");
    let mut script = Script::with_channel();
    script.session_input(b"\x01\x00\x01\x00\x00\x00\x00\x00");
    script.expect_close(
        501,
        "FRAME_ERROR - type 1, channel 1: invalid_frame_end_marker, 0",
    );
    let mut script = Script::with_channel();
    script.session_input(b"garbage that is no frame at all");
    script.expect_close(501, "FRAME_ERROR - type 103: unknown_frame");
}

#[test]
fn truncated_arguments_and_deep_tables_are_refused() {
    let mut script = Script::with_channel();
    script.receive(b"\x01\x00\x01\x00\x00\x00\x06\x00\x32\x00\x0a\x00\x00\xce");
    script.expect_close(502, "SYNTAX_ERROR - fields end in the middle of a value");
    let mut deep = Vec::new();
    for _ in 0..40 {
        let mut outer = b"\x01kF".to_vec();
        outer.extend((deep.len() as u32).to_be_bytes());
        outer.extend(&deep);
        deep = outer;
    }
    let mut payload = b"\x00\x32\x00\x0a\x00\x00\x01q\x00".to_vec();
    payload.extend((deep.len() as u32).to_be_bytes());
    payload.extend(deep);
    let mut frame = b"\x01\x00\x01".to_vec();
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame.push(0xCE);
    let mut script = Script::with_channel();
    script.receive(&frame);
    script.expect_close(502, "SYNTAX_ERROR - tables nested deeper than 32");
}

#[test]
fn a_session_reads_the_same_however_the_bytes_are_split() {
    let mut stream = BytesMut::new();
    put_method(&mut stream, 1, &channel::Open { out_of_band: "" });
    put_method(&mut stream, 1, &confirm::Select { nowait: false });
    put_method(&mut stream, 1, &passive("q"));
    let mut script = Script::running();
    let mut input = BytesMut::new();
    for byte in &stream {
        input.extend_from_slice(&[*byte]);
        script.session_receive(&mut input);
    }
    script.expect(1, &channel::OpenOk { channel_id: b"" });
    script.expect(1, &confirm::SelectOk {});
    assert!(matches!(script.request(), Request::FindQueue { .. }));
    assert_eq!(queue::Declare::ID.class, 50);
}
