//! What a restart brings back.

use sabir_core::broker::Effects;
use sabir_core::queue::{Overflow, QueueSettings};
use sabir_core::request::Outcome;
use sabir_core::routing::Kind;

use crate::build::{durable, message, transient};
use crate::node::{Node, body};

#[test]
fn a_confirmed_message_survives_a_crash_and_is_flagged() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    assert_eq!(node.confirms(session), [1]);
    node.crash();
    let session = node.connect();
    let delivery = node.get(session, "q").unwrap();
    assert_eq!(
        (body(&delivery).as_str(), delivery.redelivered),
        ("a", true)
    );
}

#[test]
fn what_happens_between_a_checkpoint_and_its_block_is_not_forgotten() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    node.publish_quietly(session, 2, message("q", "b"));
    let checkpoint = node.broker.checkpoint();
    node.publish_quietly(session, 3, message("q", "c"));
    node.run();
    assert_eq!(node.confirms(session), [1, 2, 3]);
    node.commit_checkpoint(checkpoint);
    node.crash();
    assert_eq!(node.drain("q"), ["a", "b", "c"]);
}

#[test]
fn an_acknowledgement_between_a_checkpoint_and_its_block_is_not_forgotten() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    node.publish(session, 2, message("q", "b"));
    let delivery = node.get(session, "q").unwrap();
    node.publish_quietly(session, 3, message("q", "c"));
    let checkpoint = node.broker.checkpoint();
    node.settle_quietly(session, &delivery, Outcome::Ack);
    node.run();
    node.commit_checkpoint(checkpoint);
    node.crash();
    assert_eq!(node.drain("q"), ["b", "c"]);
}

#[test]
fn a_fan_out_with_a_dead_letter_to_one_of_its_targets_is_written_down_as_it_happened() {
    for overflow in [Overflow::DropHead, Overflow::RejectPublishDeadLetter] {
        let mut node = Node::new();
        let session = node.connect();
        node.exchange(session, "f", Kind::Fanout);
        node.declare(session, "dead", durable(QueueSettings::default()));
        let short = QueueSettings {
            length_max: Some(1),
            overflow: Some(overflow),
            dead_letter_exchange: Some("".into()),
            dead_letter_routing_key: Some("dead".into()),
            ..QueueSettings::default()
        };
        node.declare(session, "short", durable(short));
        node.bind(session, "f", "", "short");
        node.bind(session, "f", "", "dead");
        node.declare(session, "other", durable(QueueSettings::default()));
        node.bind(session, "f", "", "other");
        for (ticket, text) in [(1, "a"), (2, "b"), (3, "c")] {
            node.publish(session, ticket, message("", text).via("f"));
        }
        let before = node.counts("dead");
        node.crash();
        assert_eq!(node.counts("dead"), before);
        assert_eq!(before, (5, 0));
        assert_eq!(node.drain("other"), ["a", "b", "c"]);
        assert_eq!(node.counts("short"), (1, 0));
    }
}

#[test]
fn a_settle_that_failed_can_be_done_again() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    for ticket in 1..=3 {
        node.publish(session, ticket, message("q", &ticket.to_string()));
    }
    assert!(node.broker.begin_settle(sabir_core::storage::FileNumber(1)));
    assert!(matches!(
        node.broker.settle_next(1),
        sabir_core::broker::SettleStep::Records(_)
    ));
    node.rotate();
    node.crash();
    assert_eq!(node.drain("q"), ["1", "2", "3"]);
}

#[test]
fn records_of_blocks_that_are_not_reported_yet_are_settled_too() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    node.publish_quietly(session, 2, message("q", "b"));
    let (position, file) = node.write_unreported();
    node.rotate();
    let mut effects = Effects::default();
    node.broker.committed(position, file, &mut effects);
    assert_eq!(node.drain("q"), ["a", "b"]);
    assert_eq!(node.fetched, 1, "both are in one extent");
}

#[test]
fn an_orderly_stop_remembers_what_was_delivered() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    node.publish(session, 2, message("q", "b"));
    node.checkpoint();
    let delivery = node.get(session, "q").unwrap();
    node.settle(session, &delivery, Outcome::Release { failed: false });
    node.close(session);
    node.stop_and_start();
    let session = node.connect();
    let again: Vec<_> = (0..2)
        .filter_map(|_| node.get(session, "q"))
        .map(|delivery| (body(&delivery), delivery.redelivered))
        .collect();
    assert_eq!(again, [("a".to_owned(), true), ("b".to_owned(), false)]);
}

#[test]
fn an_orderly_stop_after_a_crash_does_not_forget_the_crash() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "a"));
    node.checkpoint();
    assert!(node.get(session, "q").is_some());
    node.crash();
    node.stop_and_start();
    let session = node.connect();
    assert!(node.get(session, "q").unwrap().redelivered);
}

#[test]
fn only_durable_things_come_back() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "durable", durable(QueueSettings::default()));
    node.declare(session, "transient", transient(QueueSettings::default()));
    node.exchange(session, "x", Kind::Topic);
    node.bind(session, "x", "a.#", "durable");
    node.bind(session, "x", "a.#", "transient");
    node.publish(session, 1, message("a.b", "one").via("x"));
    node.crash();
    assert!(node.find_row("transient").is_none());
    let session = node.connect();
    node.publish(session, 1, message("a.c", "two").via("x"));
    assert_eq!(node.drain("durable"), ["one", "two"]);
}

#[test]
fn a_restart_with_a_stuck_record_and_a_long_past_is_cheap() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.publish(session, 1, message("q", "stuck"));
    let stuck = node.get(session, "q").unwrap();
    for round in 0..20 {
        for _ in 0..50 {
            node.publish(session, 0, message("q", "x"));
            let delivery = node.get(session, "q").unwrap();
            node.ack(session, &delivery);
        }
        assert_eq!(node.counts("q"), (0, 1), "round {round}");
        node.rotate();
    }
    node.crash();
    assert_eq!(body(&stuck), "stuck");
    assert_eq!(node.drain("q"), ["stuck"]);
}
