//! The binary from outside: configuration, exit codes, and a broker with its command line.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod broker;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use broker::{Broker, errors, sabir};
use serde_json::json;

#[test]
fn the_effective_configuration_names_the_source_of_what_is_not_default() {
    let output = sabir()
        .args(["config", "print", "--set", "limits.handshake_timeout=20s"])
        .env("SABIR_AMQP091__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("listen = \"127.0.0.1:0\"  # environment variable SABIR_AMQP091__LISTEN")
    );
    assert!(text.contains("handshake_timeout = \"20s\"  # flag --set"));
    assert!(text.contains("channels_max = 2047\n"));
}

#[test]
fn a_configuration_that_is_wrong_is_refused_with_code_2() {
    let unknown = sabir()
        .args(["config", "check", "--set", "amqp091.lisen=x"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        errors(&unknown).contains("did you mean \"amqp091.listen\"?"),
        "{}",
        errors(&unknown)
    );

    let unavailable = sabir()
        .args(["serve", "--listen", "kafka=127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(unavailable.status.code(), Some(2));
    assert!(
        errors(&unavailable).contains("not available yet"),
        "{}",
        errors(&unavailable)
    );

    let usage = sabir().args(["queue", "explode"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn a_key_is_explained_and_an_unknown_one_is_not_found() {
    let known = sabir()
        .args(["config", "explain", "admin.listen"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&known.stdout).contains("SABIR_ADMIN__LISTEN"));
    let unknown = sabir()
        .args(["config", "explain", "admin.lisen"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(3));
}

#[test]
fn completions_and_the_man_page_know_every_noun() {
    for arguments in [["completions", "bash"].as_slice(), &["man"]] {
        let output = sabir().args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        for noun in [
            "serve",
            "queue",
            "exchange",
            "binding",
            "permission",
            "storage",
        ] {
            assert!(text.contains(noun), "{arguments:?} lacks {noun}");
        }
    }
}

#[test]
fn a_broker_that_is_not_there_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("data"));
    let mut command = broker.client(&["queue", "list"]);
    assert!(broker.stop().success());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(
        errors(&output).contains("cannot be reached"),
        "{}",
        errors(&output)
    );
}

#[test]
fn messages_go_in_and_out_by_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("data"));
    broker.run(&[
        "queue",
        "declare",
        "orders",
        "--argument",
        "x-max-length=10",
    ]);
    broker.run(&["message", "publish", "orders", "first", "--header", "n=1"]);
    broker.run(&["message", "publish", "orders", "second"]);
    let queues = broker.json(&["queue", "list"]);
    assert_eq!(queues[0]["ready"], 2);
    assert_eq!(queues[0]["arguments"], json!({"x-max-length": 10}));

    let peeked = broker.json(&["message", "get", "orders", "--count", "5"]);
    assert_eq!(peeked[0]["payload"], "first");
    assert_eq!(peeked[0]["properties"]["headers"], json!({"n": 1}));
    assert_eq!(peeked[1]["payload"], "second");
    let taken = broker.json(&["message", "get", "orders", "--take"]);
    assert_eq!(taken[0]["payload"], "first");
    assert_eq!(broker.json(&["queue", "purge", "orders"])["messages"], 1);
    broker.run(&["queue", "delete", "orders", "--if-empty"]);

    let (code, words) = broker.refused(&["message", "publish", "orders", "lost"]);
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("no queue took the message"), "{words}");
    assert_eq!(broker.refused(&["queue", "delete", "orders"]).0, 3);
}

#[test]
fn bindings_are_made_and_undone_with_what_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("data"));
    broker.run(&["queue", "declare", "q"]);
    broker.run(&["exchange", "declare", "e", "--kind", "topic"]);
    let ends = ["e", "q", "--key", "a.*", "--argument", "x=1"];
    broker.run(&[&["binding", "create"], &ends[..]].concat());
    broker.run(&["message", "publish", "a.b", "m", "--exchange", "e"]);
    assert_eq!(broker.json(&["queue", "list"])[0]["ready"], 1);
    assert_eq!(
        broker
            .refused(&["exchange", "delete", "e", "--if-unused"])
            .0,
        1
    );
    assert_eq!(
        broker
            .refused(&["binding", "delete", "e", "q", "--key", "a.*"])
            .0,
        3
    );
    broker.run(&[&["binding", "delete"], &ends[..]].concat());
    assert_eq!(
        broker
            .refused(&["message", "publish", "a.b", "m", "--exchange", "e"])
            .0,
        3
    );
    broker.run(&["exchange", "delete", "e", "--if-unused"]);
}

#[test]
fn definitions_users_and_messages_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let broker = Broker::start(&directory);
    let password = folder.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    let password = password.to_str().unwrap();
    broker.run(&[
        "user",
        "set",
        "anna",
        "--new-password-file",
        password,
        "--tag",
        "monitoring",
    ]);
    broker.run(&["permission", "set", "anna", "--read", "^kept$"]);
    broker.run(&["policy", "set", "limit", "^kept$", r#"{"max-length": 7}"#]);
    broker.run(&["namespace", "create", "other"]);
    broker.run(&["queue", "declare", "kept"]);
    broker.run(&["queue", "declare", "gone", "--transient"]);
    broker.run(&["message", "publish", "kept", "still here"]);
    assert!(broker.stop().success());

    let broker = Broker::start(&directory);
    let as_anna = ["--user", "anna", "--password-file", password];
    let queues = broker.json(&[&["queue", "list"], &as_anna[..]].concat());
    assert_eq!(queues.as_array().unwrap().len(), 1, "{queues}");
    assert_eq!(queues[0]["name"], "kept");
    assert_eq!(queues[0]["policy"], "limit");
    let message = broker.json(&["message", "get", "kept"]);
    assert_eq!(message[0]["payload"], "still here");
    let purge = [&["queue", "purge", "kept"], &as_anna[..]].concat();
    assert_eq!(broker.refused(&purge).0, 4);
    let namespaces = broker.json(&["namespace", "list"]);
    assert_eq!(namespaces[1]["name"], "other");
}

#[test]
fn configured_users_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sabir.toml");
    fs::write(
        &file,
        "[security]\nguest = false\n[security.users.root]\npassword = \"first\"\ntags = [\"administrator\"]\n",
    )
    .unwrap();
    let directory = folder.path().join("data");
    let flags = ["--config", file.to_str().unwrap()];
    let as_root = ["user", "list", "--user", "root"];
    for _ in 0..2 {
        let broker = Broker::start_with(&directory, &flags);
        let listed = broker
            .client(&as_root)
            .env("SABIR_PASSWORD", "first")
            .output()
            .unwrap();
        let rows = String::from_utf8_lossy(&listed.stdout).lines().count();
        assert_eq!(rows, 2, "a heading and root: {}", errors(&listed));
        assert_eq!(broker.refused(&["user", "list"]).0, 4, "there is a guest");
        assert!(broker.stop().success());
    }
}

#[test]
fn a_data_directory_belongs_to_one_broker() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let broker = Broker::start(&directory);
    let second = Broker::command(&directory).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(errors(&second).contains("in use"), "{}", errors(&second));
    let flag = ["--data-directory", directory.to_str().unwrap()];
    let verify = sabir()
        .args(["storage", "verify"])
        .args(flag)
        .output()
        .unwrap();
    assert_eq!(verify.status.code(), Some(1), "{}", errors(&verify));
    assert!(broker.stop().success());
}

#[test]
fn a_stopped_brokers_data_is_verified_dumped_and_salvaged() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let broker = Broker::start(&directory);
    broker.run(&["queue", "declare", "q"]);
    broker.run(&["message", "publish", "q", "precious"]);
    assert!(broker.stop().success());

    let flag = ["--data-directory", directory.to_str().unwrap()];
    let verified = sabir()
        .args(["storage", "verify", "--json"])
        .args(flag)
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(found["damaged"], 0, "{found}");
    let dumped = sabir()
        .args(["storage", "dump"])
        .args(flag)
        .output()
        .unwrap();
    let lines = String::from_utf8(dumped.stdout).unwrap();
    assert!(lines.lines().all(|line| line.starts_with('{')), "{lines}");
    assert!(lines.contains("\"routing_key\":\"q\""), "{lines}");

    let copy = folder.path().join("copy");
    let into = ["--salvage", "--into", copy.to_str().unwrap()];
    let salvaged = sabir()
        .args(["storage", "recover"])
        .args(into)
        .args(flag)
        .output()
        .unwrap();
    assert!(salvaged.status.success(), "{}", errors(&salvaged));
    let broker = Broker::start(&copy);
    let message = broker.json(&["message", "get", "q"]);
    assert_eq!(message[0]["payload"], "precious");
}

#[test]
fn a_directory_that_is_no_data_directory_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let flag = ["--data-directory", folder.path().to_str().unwrap()];
    let verify = sabir()
        .args(["storage", "verify"])
        .args(flag)
        .output()
        .unwrap();
    assert_eq!(verify.status.code(), Some(3), "{}", errors(&verify));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_open_connection_does_not_keep_the_broker_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("data"));
    let mut silent = TcpStream::connect(broker.address("amqp091")).unwrap();
    let mut greeted = TcpStream::connect(broker.address("amqp091")).unwrap();
    greeted.write_all(b"AMQP\0\0\x09\x01").unwrap();
    let mut first = [0; 1];
    greeted.read_exact(&mut first).unwrap();
    assert_eq!(first, [1], "a method frame");
    let started = Instant::now();
    assert!(broker.stop().success());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(silent.read(&mut first).unwrap_or(0), 0);
}
