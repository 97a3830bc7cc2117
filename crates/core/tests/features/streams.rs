//! Queues that keep their records.

use sabir_core::id::Offset;
use sabir_core::queue::QueueSettings;
use sabir_core::request::{Request, Start};

use crate::build::{message, stream};
use crate::node::Node;

fn filled(settings: QueueSettings, count: u64) -> (Node, sabir_core::id::SessionId) {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "s", stream(settings));
    for number in 0..count {
        node.publish(session, number + 1, message("s", &number.to_string()));
    }
    (node, session)
}

fn read_from(node: &mut Node, start: Start) -> Vec<String> {
    let session = node.connect();
    node.consume_with(session, 1, "s", |consume| consume.start = start)
        .unwrap();
    let bodies = node.bodies(session);
    node.close(session);
    bodies
}

#[test]
fn every_consumer_begins_where_it_likes() {
    let (mut node, session) = filled(QueueSettings::default(), 5);
    node.rotate();
    for number in 5..8 {
        node.publish(session, number + 1, message("s", &number.to_string()));
    }
    assert_eq!(read_from(&mut node, Start::First).len(), 8);
    assert_eq!(read_from(&mut node, Start::Offset(Offset(3)))[0], "3");
    assert_eq!(read_from(&mut node, Start::Last), ["7"]);
    assert_eq!(read_from(&mut node, Start::Next), Vec::<String>::new());
    node.crash();
    assert_eq!(read_from(&mut node, Start::First).len(), 8);
}

#[test]
fn a_time_to_live_does_not_remove_kept_records() {
    let settings = QueueSettings {
        message_ttl_ms: Some(10),
        ..QueueSettings::default()
    };
    let (mut node, session) = filled(settings, 2);
    node.publish(session, 3, message("s", "2").ttl(10));
    node.pass(100);
    assert_eq!(read_from(&mut node, Start::First), ["0", "1", "2"]);
    node.crash();
    node.pass(100);
    assert_eq!(read_from(&mut node, Start::First), ["0", "1", "2"]);
}

#[test]
fn kept_records_on_disk_outlive_their_time_after_a_restart() {
    let (mut node, session) = filled(QueueSettings::default(), 1);
    node.publish(session, 2, message("s", "1").ttl(10));
    node.rotate();
    node.crash();
    let session = node.connect();
    node.publish(session, 1, message("s", "2"));
    node.rotate();
    node.pass(100);
    assert_eq!(node.counts("s"), (3, 0));
    assert_eq!(read_from(&mut node, Start::First), ["0", "1", "2"]);
}

#[test]
fn retention_counts_right_after_a_crash() {
    let settings = QueueSettings {
        bytes_max: Some(1_000),
        ..QueueSettings::default()
    };
    let (mut node, session) = filled(settings, 0);
    for round in 0..10 {
        for _ in 0..10 {
            node.publish(session, 0, message("s", &round.to_string()));
        }
        node.rotate();
    }
    node.publish(session, 0, message("s", "end"));
    let before = node.row("s");
    assert!(before.bytes < 2_000, "{before:?}");
    node.crash();
    let after = node.row("s");
    assert_eq!((after.bytes, after.ready), (before.bytes, before.ready));
}

#[test]
fn a_cancelled_consumer_leaves_nothing_behind() {
    let (mut node, session) = filled(QueueSettings::default(), 5);
    for consumer in 1..=20 {
        node.consume_with(session, consumer, "s", |consume| {
            consume.start = Start::First
        })
        .unwrap();
        assert_eq!(node.deliveries(session).len(), 5);
        let consumer = sabir_core::id::ConsumerId(consumer);
        node.request(session, Request::Cancel { consumer }).unwrap();
    }
    assert_eq!(node.broker.footprint().consumers, 0);
}

#[test]
fn age_removes_what_is_on_disk() {
    let settings = QueueSettings {
        age_max_ms: Some(60_000),
        ..QueueSettings::default()
    };
    let (mut node, session) = filled(settings, 3);
    node.rotate();
    node.publish(session, 0, message("s", "new"));
    node.pass(120_000);
    assert_eq!(read_from(&mut node, Start::First), ["new"]);
}
