//! Messages that were published before.

use sabir_core::queue::QueueSettings;

use crate::build::{durable, message};
use crate::node::Node;

fn node() -> (Node, sabir_core::id::SessionId) {
    let mut node = Node::new();
    let session = node.connect();
    let settings = QueueSettings {
        deduplication_ms: Some(1_000),
        ..QueueSettings::default()
    };
    node.declare(session, "q", durable(settings));
    (node, session)
}

#[test]
fn a_repetition_is_confirmed_and_dropped() {
    let (mut node, session) = node();
    node.publish(session, 1, message("q", "a").deduplicated("1"));
    node.publish(session, 2, message("q", "again").deduplicated("1"));
    node.publish(session, 3, message("q", "b").deduplicated("2"));
    node.publish(session, 4, message("q", "c"));
    assert_eq!(node.confirms(session), [1, 2, 3, 4]);
    assert_eq!(node.drain("q"), ["a", "b", "c"]);
}

#[test]
fn a_repetition_is_not_confirmed_before_what_it_repeats() {
    let (mut node, session) = node();
    node.hold_journal = true;
    node.publish(session, 1, message("q", "a").deduplicated("1"));
    node.publish(session, 2, message("q", "a").deduplicated("1"));
    assert!(node.confirms(session).is_empty());
    node.hold_journal = false;
    node.run();
    assert_eq!(node.confirms(session), [1, 2]);
}

#[test]
fn the_window_ends() {
    let (mut node, session) = node();
    node.publish(session, 1, message("q", "a").deduplicated("1"));
    node.pass(999);
    node.publish(session, 2, message("q", "b").deduplicated("1"));
    node.pass(1);
    node.publish(session, 3, message("q", "c").deduplicated("1"));
    assert_eq!(node.drain("q"), ["a", "c"]);
}

#[test]
fn a_restart_remembers_what_was_seen() {
    let (mut node, session) = node();
    node.publish(session, 1, message("q", "a").deduplicated("1"));
    node.checkpoint();
    node.publish(session, 2, message("q", "b").deduplicated("2"));
    node.crash();
    let session = node.connect();
    for id in ["1", "2", "3"] {
        node.publish(session, 0, message("q", id).deduplicated(id));
    }
    assert_eq!(node.drain("q"), ["a", "b", "3"]);
}
