//! From the protocol header to an open virtual host, and every way to fail on the way.

use bytes::BytesMut;
use sabir_amqp091::Config;
use sabir_amqp091::codec::method::{channel, connection};
use sabir_amqp091::codec::{Method, Table, put_method};
use sabir_core::event::Response;
use sabir_core::refusal::{Kind, Refusal};
use sabir_core::request::Command;
use sabir_core::session::Session;

use super::script::Script;

fn failure_close() -> Table {
    Table::new().with("authentication_failure_close", true)
}

#[test]
fn a_client_is_led_to_an_open_virtual_host() {
    let mut script = Script::new();
    assert!(!script.session.is_established());
    script.shake_hands(&Table::new());
    assert!(script.session.is_established());
    script.expect_silence();
}

#[test]
fn the_server_offers_its_limits_and_extensions() {
    let mut script = Script::new();
    script.receive(b"AMQP\x00\x00\x09\x01");
    let frame = script.frame();
    let Method::Connection(connection::Method::Start(start)) = frame.method() else {
        panic!("{frame:?}")
    };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(start.mechanisms, b"AMQPLAIN PLAIN");
    let capabilities = start.server_properties.find("capabilities");
    let Some(sabir_amqp091::codec::FieldValue::Table(capabilities)) = capabilities else {
        panic!("{capabilities:?}")
    };
    assert_eq!(capabilities.fields().count(), 9);
    script.log_in(&Table::new());
    script.expect(
        0,
        &connection::Tune {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 60,
        },
    );
}

#[test]
fn the_virtual_host_and_the_user_reach_the_core() {
    let mut script = Script::new();
    script.greet();
    script.log_in(&Table::new());
    script.frame();
    script.send(
        0,
        &connection::TuneOk {
            channel_max: 10,
            frame_max: 8192,
            heartbeat: 0,
        },
    );
    script.send(
        0,
        &connection::Open {
            virtual_host: "orders",
            capabilities: "",
            insist: false,
        },
    );
    let Command::Open {
        namespace,
        principal,
        ..
    } = script.command()
    else {
        panic!("the core was not asked")
    };
    assert_eq!((&*namespace, &*principal), ("orders", "guest"));
}

#[test]
fn other_greetings_are_answered_with_our_header() {
    for greeting in [
        &b"AMQP\x03\x01\x00\x00"[..],
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x01\x01\x08\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03",
        b"CONNECT\naccept-version:1.2\n\n\0",
    ] {
        let mut script = Script::new();
        let mut input = BytesMut::from(greeting);
        script.session.receive(script.now, &mut input);
        let output = script.session.output();
        assert_eq!(&output.bytes[..], b"AMQP\x00\x00\x09\x01");
        assert!(output.close.is_some());
        assert!(output.commands.is_empty());
    }
}

#[test]
fn a_wrong_password_is_told_only_to_clients_that_ask_for_it() {
    let mut script = Script::new();
    script.greet();
    script.start("PLAIN", b"\0guest\0wrong", &failure_close());
    script.expect_close(
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.",
    );
    let mut silent = Script::new();
    silent.greet();
    silent.start("PLAIN", b"\0guest\0wrong", &Table::new());
    silent.expect_silence();
    assert!(
        silent
            .closed()
            .unwrap()
            .contains("PLAIN login refused: user 'guest'")
    );
}

#[test]
fn guest_comes_from_this_machine_only() {
    let mut script = Script::at("192.0.2.1", Config::default());
    script.greet();
    script.log_in(&failure_close());
    script.expect_close(
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.",
    );
    assert!(
        script
            .closed()
            .unwrap()
            .contains("can only connect via localhost")
    );
}

#[test]
fn an_unknown_mechanism_is_refused() {
    let mut script = Script::new();
    script.greet();
    script.start("NONE", b"", &Table::new());
    script.expect_close(
        503,
        "COMMAND_INVALID - unknown authentication mechanism 'NONE'",
    );
}

#[test]
fn limits_outside_of_what_was_proposed_are_refused() {
    let cases = [
        (
            0,
            131_072,
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
        ),
        (
            2048,
            131_072,
            "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)",
        ),
        (
            2047,
            131_073,
            "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)",
        ),
        (
            2047,
            4095,
            "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)",
        ),
        (
            2047,
            0,
            "negotiated frame_max = 0 is higher than the maximum allowed value (131072)",
        ),
    ];
    for (channel_max, frame_max, text) in cases {
        let mut script = Script::new();
        script.greet();
        script.log_in(&Table::new());
        script.frame();
        script.send(
            0,
            &connection::TuneOk {
                channel_max,
                frame_max,
                heartbeat: 0,
            },
        );
        script.expect_close(530, &format!("NOT_ALLOWED - {text}"));
    }
}

#[test]
fn a_virtual_host_that_is_missing_or_forbidden_is_refused() {
    use sabir_core::authorize::Operation;
    let refused = |refusal| {
        let mut script = Script::new();
        script.greet();
        script.log_in(&Table::new());
        script.frame();
        script.send(
            0,
            &connection::TuneOk {
                channel_max: 10,
                frame_max: 8192,
                heartbeat: 0,
            },
        );
        script.send(
            0,
            &connection::Open {
                virtual_host: "nowhere",
                capabilities: "",
                insist: false,
            },
        );
        script.reply(Err(refusal));
        script
    };
    let kind = Kind::Namespace;
    refused(Refusal::NotFound {
        kind,
        name: "nowhere".into(),
    })
    .expect_close(530, "NOT_ALLOWED - vhost nowhere not found");
    refused(Refusal::AccessDenied {
        operation: Operation::Connect,
        kind,
        name: "nowhere".into(),
    })
    .expect_close(
        530,
        "NOT_ALLOWED - access to vhost 'nowhere' refused for user 'guest'",
    );
}

#[test]
fn what_comes_before_the_virtual_host_is_open_waits() {
    let mut script = Script::new();
    script.greet();
    script.log_in(&Table::new());
    script.frame();
    let mut all = BytesMut::new();
    put_method(
        &mut all,
        0,
        &connection::TuneOk {
            channel_max: 10,
            frame_max: 8192,
            heartbeat: 0,
        },
    );
    put_method(
        &mut all,
        0,
        &connection::Open {
            virtual_host: "/",
            capabilities: "",
            insist: false,
        },
    );
    put_method(&mut all, 1, &channel::Open { out_of_band: "" });
    script.receive(&all);
    script.expect_silence();
    script.reply(Ok(Response::Done));
    script.expect(0, &connection::OpenOk { known_hosts: "" });
    script.expect(1, &channel::OpenOk { channel_id: b"" });
}

#[test]
fn early_input_is_bounded() {
    let mut script = Script::new();
    script.greet();
    script.log_in(&Table::new());
    script.frame();
    script.send(
        0,
        &connection::TuneOk {
            channel_max: 10,
            frame_max: 8192,
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
    script.session_input(&b"\x08\x00\x00\x00\x00\x00\x00\xce".repeat(40_000));
    script.expect_close(
        506,
        "RESOURCE_ERROR - too much input before the virtual host is open",
    );
}

#[test]
fn a_large_frame_before_tuning_is_refused_from_its_header() {
    let mut script = Script::new();
    script.greet();
    script.session.receive(
        script.now,
        &mut BytesMut::from(&[1, 0, 0, 0, 0, 0x20, 0][..]),
    );
    script.collect();
    script.expect_close(
        501,
        "FRAME_ERROR - type 1, channel 0: frame_too_large, 8192 octets of payload, at most 4096",
    );
}

#[test]
fn a_method_out_of_turn_is_refused() {
    let mut script = Script::new();
    script.greet();
    script.send(
        0,
        &connection::Open {
            virtual_host: "/",
            capabilities: "",
            insist: false,
        },
    );
    script.expect_close(
        504,
        "CHANNEL_ERROR - unexpected method in connection state starting",
    );
    let mut script = Script::new();
    script.greet();
    script.log_in(&Table::new());
    script.frame();
    script.log_in(&Table::new());
    script.expect_close(
        504,
        "CHANNEL_ERROR - unexpected method in connection state tuning",
    );
}

#[test]
fn a_frame_of_a_channel_during_the_handshake_is_refused() {
    let mut script = Script::new();
    script.greet();
    script.send(1, &channel::Open { out_of_band: "" });
    script.expect_close(505, "UNEXPECTED_FRAME - type 1, channel 1");
}

#[test]
fn the_client_closes_and_the_core_forgets() {
    let mut script = Script::running();
    script.send(
        0,
        &connection::Close {
            reply_code: 200,
            reply_text: "bye",
            class_id: 0,
            method_id: 0,
        },
    );
    script.expect(0, &connection::CloseOk {});
    assert!(matches!(script.command(), Command::Close { .. }));
    assert_eq!(script.closed(), None);
    script.session.end_of_input(script.now);
    assert_eq!(script.closed().as_deref(), Some("closed by the client"));
}

#[test]
fn a_client_that_has_closed_and_keeps_the_socket_loses_it() {
    let mut script = Script::running();
    let close = connection::Close {
        reply_code: 200,
        reply_text: "bye",
        class_id: 0,
        method_id: 0,
    };
    script.send(0, &close);
    script.pass(10_000);
    assert_eq!(script.closed().as_deref(), Some("closed by the client"));
}

#[test]
fn a_socket_that_ends_closes_the_session_once() {
    let mut script = Script::running();
    script.session.end_of_input(script.now);
    script.session.end_of_input(script.now);
    script.collect();
    assert!(matches!(script.command(), Command::Close { .. }));
    script.no_command();
}

#[test]
fn a_new_secret_is_accepted() {
    let mut script = Script::running();
    script.send(
        0,
        &connection::UpdateSecret {
            new_secret: b"new",
            reason: "rotation",
        },
    );
    script.expect(0, &connection::UpdateSecretOk {});
}

#[test]
fn shutdown_and_an_administrators_wish_are_told() {
    let mut script = Script::running();
    script.session.shutdown(script.now);
    script.collect();
    script.expect_close(
        320,
        "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
    );
    let mut script = Script::running();
    script.event(sabir_core::event::Event::Disconnect {
        reason: "maintenance".into(),
    });
    script.expect_close(320, "CONNECTION_FORCED - maintenance");
}

#[test]
fn while_closing_everything_but_closes_is_passed_over() {
    let mut script = Script::running();
    script.session.shutdown(script.now);
    script.collect();
    script.frame();
    script.send(1, &channel::Open { out_of_band: "" });
    script.expect_silence();
    script.send(
        0,
        &connection::Close {
            reply_code: 200,
            reply_text: "",
            class_id: 0,
            method_id: 0,
        },
    );
    script.expect(0, &connection::CloseOk {});
    script.session.end_of_input(script.now);
    assert!(script.closed().is_some());
}
