//! What waits for a block, and what must not wait for one that never comes.

use sabir_core::event::Event;
use sabir_core::id::{ConsumerId, WindowId};
use sabir_core::queue::QueueSettings;
use sabir_core::request::{Command, Request};

use crate::build::{durable, message, queue_or_stream, transient};
use crate::node::{Node, consumption};

#[test]
fn a_consumer_that_starts_right_after_a_declaration_is_served() {
    let mut node = Node::new();
    let publisher = node.connect();
    node.declare(publisher, "q", durable(QueueSettings::default()));
    node.publish(publisher, 1, message("q", "a"));
    let session = node.connect();
    node.hold_journal = true;
    node.ask(
        session,
        Request::DeclareQueue {
            name: "other".into(),
            generated_prefix: "",
            spec: durable(QueueSettings::default()),
        },
    );
    node.run();
    node.ask(session, Request::Consume(consumption(1, "q")));
    node.run();
    assert!(
        node.deliveries(session).is_empty(),
        "not before the answers"
    );
    node.hold_journal = false;
    node.run();
    assert_eq!(node.bodies(session), ["a"]);
}

#[test]
fn nothing_is_confirmed_or_delivered_before_its_block_is_safe() {
    let mut node = Node::new();
    let session = node.connect();
    node.declare(session, "q", durable(QueueSettings::default()));
    node.consume(session, 1, "q");
    node.hold_journal = true;
    node.publish(session, 1, message("q", "a"));
    assert!(node.confirms(session).is_empty() && node.deliveries(session).is_empty());
    node.hold_journal = false;
    node.run();
    assert_eq!(
        (node.confirms(session), node.bodies(session)),
        (vec![1], vec!["a".into()])
    );
}

#[test]
fn a_dead_letter_to_a_transient_queue_is_delivered_at_once() {
    let mut node = Node::new();
    let session = node.connect();
    let settings = QueueSettings {
        message_ttl_ms: Some(10),
        dead_letter_exchange: Some("".into()),
        dead_letter_routing_key: Some("dead".into()),
        ..QueueSettings::default()
    };
    node.declare(session, "q", transient(settings));
    node.declare(session, "dead", transient(QueueSettings::default()));
    node.consume(session, 1, "dead");
    node.publish(session, 1, message("q", "a"));
    node.skip(20);
    // The consumer's arrival finds the message expired; no timer has run.
    let mut effects = sabir_core::broker::Effects::default();
    node.broker.apply(
        node.now,
        Command::Request {
            session,
            id: sabir_core::id::RequestId(9_999),
            request: Request::Consume(consumption(2, "q")),
        },
        &mut effects,
    );
    node.broker.finish(node.now, &mut effects);
    let delivered = effects.events.iter().any(|(_, event)| {
        matches!(event, sabir_core::event::Event::Delivery(delivery) if delivery.consumer == ConsumerId(1))
    });
    assert!(delivered);
}

#[test]
fn a_starved_session_goes_on_when_its_bytes_have_left() {
    for stream in [false, true] {
        let mut node = Node::with(sabir_core::broker::Config {
            session_window_bytes: 500,
            ..sabir_core::broker::Config::default()
        });
        let session = node.connect();
        node.declare(session, "q", queue_or_stream(stream));
        for ticket in 1..=10 {
            node.publish(session, ticket, message("q", &"x".repeat(200)));
        }
        node.consume_with(session, 1, "q", |consume| {
            consume.start = sabir_core::request::Start::First;
        })
        .unwrap();
        let mut delivered = 0;
        for _ in 0..20 {
            let batch = node.deliveries(session);
            delivered += batch.len();
            let bytes = batch.iter().map(sabir_core::event::Delivery::cost).sum();
            node.apply(Command::Written { session, bytes });
            node.run();
        }
        assert_eq!(delivered, 10, "stream: {stream}");
    }
}

#[test]
fn consumers_that_share_a_window_share_its_limit() {
    for stream in [false, true] {
        let mut node = Node::new();
        let session = node.connect();
        node.declare(session, "q", queue_or_stream(stream));
        node.apply(Command::Window {
            session,
            window: WindowId(1),
            unsettled_max: 3,
        });
        for consumer in 1..=2 {
            node.consume_with(session, consumer, "q", |consume| {
                consume.window = Some(WindowId(1));
            })
            .unwrap();
        }
        for ticket in 1..=10 {
            node.publish(session, ticket, message("q", "x"));
        }
        let first = node.deliveries(session);
        assert_eq!(first.len(), 3, "stream: {stream}");
        node.ack(session, &first[0]);
        assert_eq!(node.deliveries(session).len(), 1, "stream: {stream}");
    }
}

#[test]
fn who_deletes_a_queue_that_it_consumes_from_is_answered_before_its_consumer_ends() {
    for spec in [
        durable(QueueSettings::default()),
        transient(QueueSettings::default()),
    ] {
        let mut node = Node::new();
        let session = node.connect();
        node.declare(session, "q", spec);
        node.consume(session, 1, "q");
        let delete = Request::DeleteQueue {
            name: "q".into(),
            if_unused: false,
            if_empty: false,
        };
        node.ask(session, delete);
        node.run();
        let news = node.events(session);
        assert!(
            matches!(
                news.as_slice(),
                [
                    Event::Reply { result: Ok(_), .. },
                    Event::Cancelled {
                        consumer: ConsumerId(1)
                    }
                ]
            ),
            "{news:?}"
        );
    }
}

#[test]
fn consumers_that_share_a_window_are_served_in_turn() {
    for queues in [["a", "b", "c"], ["a", "a", "a"]] {
        let mut node = Node::new();
        let session = node.connect();
        let window = WindowId(1);
        node.apply(Command::Window {
            session,
            window,
            unsettled_max: 1,
        });
        for name in ["a", "b", "c"] {
            node.declare(session, name, durable(QueueSettings::default()));
        }
        for (consumer, queue) in (1..).zip(queues) {
            node.consume_with(session, consumer, queue, |consume| {
                consume.window = Some(window);
            })
            .unwrap();
        }
        for (ticket, name) in (1..).zip(queues.into_iter().cycle().take(9)) {
            node.publish(session, ticket, message(name, "m"));
        }
        let mut served = Vec::new();
        for _ in 0..9 {
            let deliveries = node.deliveries(session);
            let [delivery] = deliveries.as_slice() else {
                panic!("one at a time, not {}", deliveries.len());
            };
            served.push(delivery.consumer.0);
            node.ack(session, delivery);
        }
        assert_eq!(served, [1, 2, 3, 1, 2, 3, 1, 2, 3], "{queues:?}");
    }
}

#[test]
fn looking_at_a_queue_keeps_it_alive() {
    let mut node = Node::new();
    let session = node.connect();
    let settings = QueueSettings {
        expires_ms: Some(100),
        ..QueueSettings::default()
    };
    node.declare(session, "q", durable(settings));
    let look = || Request::FindQueue { name: "q".into() };
    for _ in 0..3 {
        node.pass(60);
        assert!(node.request(session, look()).is_ok());
    }
    node.pass(101);
    assert!(node.request(session, look()).is_err());
}
