//! Records that are in extents.

use sabir_core::queue::QueueSettings;
use sabir_core::request::{Command, Outcome, Request};

use crate::build::{durable, message, transient};
use crate::node::{Node, body};

fn filled(count: u64) -> (Node, sabir_core::id::SessionId) {
    let mut node = Node::new();
    let session = node.connect();
    let settings = QueueSettings {
        dead_letter_exchange: Some("".into()),
        dead_letter_routing_key: Some("dead".into()),
        ..QueueSettings::default()
    };
    node.declare(session, "q", durable(settings));
    node.declare(session, "dead", durable(QueueSettings::default()));
    for number in 0..count {
        node.publish(session, number + 1, message("q", &number.to_string()));
    }
    (node, session)
}

#[test]
fn a_purge_leaves_what_is_held_on_disk_alone() {
    let (mut node, session) = filled(10);
    node.rotate();
    let held = node.get(session, "q").unwrap();
    for _ in 0..5 {
        let delivery = node.get(session, "q").unwrap();
        node.ack(session, &delivery);
    }
    node.request(session, Request::Purge { queue: "q".into() })
        .unwrap();
    assert_eq!(node.counts("q"), (0, 1));
    node.settle(session, &held, Outcome::Release { failed: false });
    assert_eq!(node.drain("q"), ["0"]);
    assert_eq!(node.broker.lost_records(), 0);
    assert_eq!(node.row("q").bytes, 0);
}

#[test]
fn a_refused_record_on_disk_dies_once_even_if_its_session_goes() {
    let (mut node, session) = filled(2);
    node.rotate();
    let delivery = node.get(session, "q").unwrap();
    node.hold_fetches = true;
    node.settle(session, &delivery, Outcome::Reject);
    node.close(session);
    node.hold_fetches = false;
    node.run();
    assert_eq!(node.counts("q"), (1, 0));
    assert_eq!(node.drain("dead"), ["0"]);
    assert_eq!(node.drain("q"), ["1"]);
}

#[test]
fn a_refused_record_whose_read_fails_is_read_again_later() {
    let (mut node, session) = filled(2);
    node.rotate();
    let delivery = node.get(session, "q").unwrap();
    node.fail_fetches = true;
    node.settle(session, &delivery, Outcome::Reject);
    assert_eq!(node.counts("q"), (1, 1));
    node.fail_fetches = false;
    node.pass(5_000);
    assert_eq!(node.counts("q"), (1, 0));
    assert_eq!(node.drain("dead"), ["0"]);
}

#[test]
fn reads_that_fail_are_tried_again_but_not_at_once() {
    let (mut node, session) = filled(2);
    node.rotate();
    node.fail_fetches = true;
    node.consume(session, 1, "q");
    node.pass(10_000);
    assert!(node.fetched <= 15, "{} reads", node.fetched);
    assert_eq!(node.bodies(session), Vec::<String>::new());
    node.fail_fetches = false;
    node.pass(60_000);
    assert_eq!(node.bodies(session), ["0", "1"]);
}

#[test]
fn a_session_that_closes_while_it_waits_for_a_record_has_published_what_it_sent() {
    let (mut node, session) = filled(1);
    node.rotate();
    node.hold_fetches = true;
    node.ask(
        session,
        Request::Get {
            queue: "q".into(),
            settled: false,
        },
    );
    node.publish_quietly(session, 0, message("dead", "last words"));
    node.apply(Command::Close { session });
    node.hold_fetches = false;
    node.run();
    assert_eq!(node.drain("dead"), ["last words"]);
    assert_eq!(node.counts("q"), (1, 0));
}

#[test]
fn volatile_records_move_to_disk_and_come_back_in_order() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", transient(QueueSettings::default()));
    for number in 0..10 {
        node.publish(session, number + 1, message("q", &number.to_string()));
    }
    node.move_volatile();
    node.publish(session, 11, message("q", "10"));
    let all: Vec<_> = (0..=10).map(|number: u32| number.to_string()).collect();
    assert_eq!(node.drain("q"), all);
    node.checkpoint();
    assert_eq!(node.broker.disk_bytes(), 0);
    assert_eq!(node.broker.memory_bytes().1, 0);
}

#[test]
fn a_restart_knows_how_much_is_on_disk() {
    let (mut node, _) = filled(10);
    node.rotate();
    let before = node.broker.disk_bytes();
    assert!(before > 0);
    node.crash();
    assert_eq!(node.broker.disk_bytes(), before);
    assert_eq!(node.drain("q").len(), 10);
    node.rotate();
    assert_eq!(node.broker.disk_bytes(), 0);
}

#[test]
fn a_record_that_is_given_back_is_read_again() {
    let (mut node, session) = filled(3);
    node.rotate();
    let delivery = node.get(session, "q").unwrap();
    node.settle(session, &delivery, Outcome::Release { failed: true });
    let again = node.get(session, "q").unwrap();
    assert_eq!((body(&again).as_str(), again.redelivered), ("0", true));
}

#[test]
fn a_file_of_which_little_is_wanted_is_written_anew() {
    let (mut node, session) = filled(100);
    node.rotate();
    assert!(!node.rewrite(), "all of it is wanted");
    let held: Vec<_> = (0..100).filter_map(|_| node.get(session, "q")).collect();
    for (index, delivery) in held.iter().enumerate() {
        if index % 10 != 0 {
            node.ack(session, delivery);
        }
    }
    let before = node.broker.disk_bytes();
    assert!(node.rewrite());
    node.ack(session, &held[0]);
    node.checkpoint();
    assert!(node.broker.disk_bytes() * 5 < before);
    node.crash();
    let expected: Vec<_> = (1..10)
        .map(|number: u32| (number * 10).to_string())
        .collect();
    assert_eq!(node.drain("q"), expected);
    node.rotate();
    assert_eq!(node.broker.disk_bytes(), 0);
    assert_eq!(node.broker.footprint().files, 0);
}

#[test]
fn a_read_from_a_file_that_was_replaced_is_repeated_at_once() {
    let (mut node, session) = filled(100);
    node.rotate();
    for number in 0..100 {
        let delivery = node.get(session, "q").unwrap();
        if number < 90 {
            node.ack(session, &delivery);
        } else {
            node.settle(session, &delivery, Outcome::Release { failed: false });
            break;
        }
    }
    node.hold_fetches = true;
    node.consume(session, 1, "q");
    assert!(node.rewrite());
    node.checkpoint();
    node.hold_fetches = false;
    node.run();
    assert_eq!(node.bodies(session).len(), 10);
}

#[test]
fn the_times_of_a_run_that_is_gone_are_forgotten() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a").ttl(60_000));
    node.rotate();
    let delivery = node.get(session, "q").unwrap();
    node.ack(session, &delivery);
    node.pass(100_000);
    assert_eq!(node.counts("q"), (0, 0));
    assert_eq!(node.broker.footprint().timers, 0);
}

#[test]
fn a_settlement_that_is_replayed_frees_its_part_of_a_run() {
    let (mut node, session) = filled(3);
    node.rotate();
    let delivery = node.get(session, "q").unwrap();
    node.ack(session, &delivery);
    node.crash();
    assert_eq!(node.drain("q"), ["1", "2"]);
    node.rotate();
    assert_eq!(node.broker.footprint().files, 0);
}
