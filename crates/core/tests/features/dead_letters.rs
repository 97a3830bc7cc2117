//! Where messages go that nobody took.

use sabir_core::message::{DeathReason, Record};
use sabir_core::queue::{QueueKind, QueueSettings};
use sabir_core::request::Outcome;

use crate::build::{durable, message};
use crate::node::{Node, body};

fn to(key: &str) -> QueueSettings {
    QueueSettings {
        dead_letter_exchange: Some("".into()),
        dead_letter_routing_key: Some(key.into()),
        ..QueueSettings::default()
    }
}

fn history(record: &Record) -> Vec<(String, DeathReason, u64)> {
    let deaths = record.view().unwrap().deaths().unwrap();
    deaths
        .into_iter()
        .map(|death| (death.queue.to_string(), death.reason, death.count))
        .collect()
}

#[test]
fn a_refused_message_carries_its_history() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(to("dead")));
    node.declare(session, "dead", durable(to("q")));
    node.publish(session, 1, message("q", "a"));
    for round in 1..=2 {
        let delivery = node.get(session, "q").unwrap();
        node.settle(session, &delivery, Outcome::Reject);
        let delivery = node.get(session, "dead").unwrap();
        let deaths = history(&delivery.record);
        assert_eq!(deaths[0], ("q".to_owned(), DeathReason::Rejected, round));
        node.settle(session, &delivery, Outcome::Reject);
    }
}

#[test]
fn a_message_that_goes_in_circles_by_itself_is_dropped() {
    let mut node = Node::new();
    let session = node.connect();
    let expiring = |key| QueueSettings {
        message_ttl_ms: Some(10),
        ..to(key)
    };
    node.declare(session, "a", durable(expiring("b")));
    node.declare(session, "b", durable(expiring("a")));
    node.publish(session, 1, message("a", "x"));
    node.pass(1_000);
    assert_eq!((node.counts("a"), node.counts("b")), ((0, 0), (0, 0)));
    assert_eq!(node.row("b").counters.dropped, 1);
}

#[test]
fn a_message_is_in_one_place_whenever_the_power_fails() {
    for written in [false, true] {
        let mut node = Node::new();
        let session = node.connect();
        node.declare(session, "q", durable(to("dead")));
        node.declare(session, "dead", durable(QueueSettings::default()));
        node.publish(session, 1, message("q", "a"));
        let delivery = node.get(session, "q").unwrap();
        node.hold_journal = !written;
        node.settle(session, &delivery, Outcome::Reject);
        node.crash();
        let places = [node.counts("q").0, node.counts("dead").0];
        assert_eq!(places, if written { [0, 1] } else { [1, 0] });
    }
}

#[test]
fn too_many_attempts_end_in_a_dead_letter() {
    let mut node = Node::new();
    let session = node.connect();
    let settings = QueueSettings {
        delivery_limit: Some(2),
        ..to("dead")
    };
    let mut spec = durable(settings);
    spec.kind = QueueKind::Quorum;
    node.declare(session, "q", spec);
    node.declare(session, "dead", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    for attempt in 0..3 {
        if attempt == 1 {
            node.crash();
        }
        let session = node.connect();
        let delivery = node.get(session, "q").unwrap();
        assert_eq!(delivery.attempts, attempt);
        node.settle(session, &delivery, Outcome::Release { failed: true });
    }
    let session = node.connect();
    let dead = node.get(session, "dead").unwrap();
    assert_eq!(body(&dead), "a");
    assert_eq!(
        history(&dead.record),
        [("q".to_owned(), DeathReason::DeliveryLimit, 1)]
    );
}

#[test]
fn the_dead_have_no_time_of_their_own_any_more() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(to("dead")));
    node.declare(session, "dead", durable(QueueSettings::default()));
    let mut sent = message("q", "a");
    sent.message.ttl_ms = Some(1_000);
    node.publish(session, 1, sent);
    let delivery = node.get(session, "q").unwrap();
    node.settle(session, &delivery, Outcome::Reject);
    node.pass(2_000);
    let dead = node.get(session, "dead").unwrap();
    let view = dead.record.view().unwrap();
    assert_eq!(view.ttl_ms, None);
    assert_eq!(view.deaths().unwrap()[0].original_ttl_ms, Some(1_000));
}

#[test]
fn only_bodies_count_towards_the_size_of_a_queue() {
    let mut node = Node::new();
    let session = node.connect();
    let settings = QueueSettings {
        bytes_max: Some(10),
        ..QueueSettings::default()
    };
    node.declare(session, "q", durable(settings));
    for (ticket, body) in (1..).zip(["1111", "2222", "3333"]) {
        node.publish(session, ticket, message("q", body));
    }
    assert_eq!((node.row("q").ready, node.row("q").bytes), (2, 8));
    node.crash();
    assert_eq!(node.row("q").bytes, 8);
    let session = node.connect();
    let delivery = node.get(session, "q").unwrap();
    node.settle(session, &delivery, Outcome::Ack);
    assert_eq!(node.row("q").bytes, 4);
    assert_eq!(node.drain("q"), ["3333"]);
    assert_eq!(node.row("q").bytes, 0);
}

#[test]
fn without_an_exchange_for_them_the_dead_are_dropped_and_counted() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    let delivery = node.get(session, "q").unwrap();
    node.settle(session, &delivery, Outcome::Reject);
    let row = node.row("q");
    assert_eq!((row.ready, row.unsettled, row.bytes), (0, 0, 0));
    assert_eq!(row.counters.dropped, 1);
}
