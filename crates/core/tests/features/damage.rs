//! Stored bytes that are not what was stored: every decoder of the disk behind the checksums.
//!
//! A start may accept them or refuse them, but never panics, never asks for unbounded memory and
//! never stops working.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use sabir_core::queue::QueueSettings;
use sabir_core::request::Outcome;
use sabir_core::routing::Kind;

use crate::build::{durable, message, stream};
use crate::node::{Node, Stored};

/// A change of stored bytes.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Set(u16, u8),
    Flip(u16, u8),
    Cut(u16),
    Insert(u16, u8),
}

impl Damage {
    /// What four bytes of input mean.
    fn of(input: [u8; 4]) -> Self {
        let [high, low, byte, kind] = input;
        let at = u16::from_be_bytes([high, low]);
        match kind % 8 {
            0..=3 => Self::Set(at, byte),
            4 | 5 => Self::Flip(at, byte),
            6 => Self::Insert(at, byte),
            _ => Self::Cut(at),
        }
    }

    fn apply(self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        let place = |at: u16| usize::from(at) % length;
        match self {
            Self::Cut(at) => bytes.truncate(place(at)),
            Self::Insert(at, byte) => bytes.insert(place(at).min(bytes.len()), byte),
            Self::Set(at, byte) => change(bytes, place(at), |_| byte),
            Self::Flip(at, bit) => change(bytes, place(at), |found| found ^ (1 << (bit % 8))),
        }
    }
}

fn change(bytes: &mut [u8], place: usize, to: impl FnOnce(u8) -> u8) {
    if let Some(found) = bytes.get_mut(place) {
        *found = to(*found);
    }
}

/// A node with something of everything on its disk, some of it moved to extents.
fn full_of_everything() -> Node {
    let mut node = Node::new();
    let session = node.connect();
    node.exchange(session, "events", Kind::Topic);
    node.exchange(session, "dead", Kind::Fanout);
    node.declare(session, "graves", durable(QueueSettings::default()));
    node.bind(session, "dead", "", "graves");
    node.declare(
        session,
        "work",
        durable(QueueSettings {
            dead_letter_exchange: Some("dead".into()),
            priority_max: Some(9),
            delivery_limit: Some(3),
            deduplication_ms: Some(60_000),
            length_max: Some(100),
            ..QueueSettings::default()
        }),
    );
    node.declare(session, "history", stream(QueueSettings::default()));
    node.bind(session, "events", "order.*", "work");
    node.bind(session, "events", "#", "history");
    for round in 0..2 {
        for number in 0..12 {
            let body = format!("{round}-{number}");
            let fields = message("order.new", &body).via("events");
            let fields = match number % 4 {
                0 => fields.priority(number),
                1 => fields.ttl(50_000),
                2 => fields.deduplicated(&body),
                _ => fields.delay(20_000),
            };
            node.publish(session, u64::from(number) + 1, fields);
        }
        for outcome in [Outcome::Ack, Outcome::Reject] {
            let delivery = node.get(session, "work").unwrap();
            node.settle(session, &delivery, outcome);
        }
        node.get(session, "work").unwrap();
        if round == 0 {
            node.rotate();
        }
    }
    node
}

#[test]
fn what_was_stored_is_accepted() {
    let node = full_of_everything();
    let (blocks, values) = node.stored();
    assert!(blocks > 5 && values > 5, "{blocks} blocks, {values} values");
    node.start_damaged(|_, bytes| bytes.to_vec()).unwrap();
}

#[test]
fn damaged_bytes_never_end_a_start_in_disorder() {
    // The node is only read.
    let node = AssertUnwindSafe(full_of_everything());
    let (blocks, values) = node.stored();
    let refused = AssertUnwindSafe(Cell::new(0_u32));
    bolero::check!(name = "damage")
        .with_iterations(4_000)
        .for_each(|input: &[u8]| {
            let (node, refused) = (&node, &refused);
            let Some((place, rest)) = input.split_first_chunk() else {
                return;
            };
            let place = usize::from(u16::from_be_bytes(*place)) % (blocks + values);
            let changes = rest.as_chunks().0.iter().copied().map(Damage::of);
            let target = match place.checked_sub(blocks) {
                Some(value) => Stored::Value(value),
                None => Stored::Block(place),
            };
            let outcome = node.start_damaged(|stored, bytes| {
                let mut bytes = bytes.to_vec();
                if stored == target {
                    changes.clone().for_each(|change| change.apply(&mut bytes));
                }
                bytes
            });
            if outcome.is_err() {
                refused.set(refused.get() + 1);
            }
        });
    assert!(refused.get() > 100, "damage is noticed: {}", refused.get());
}
