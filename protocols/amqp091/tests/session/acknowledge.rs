//! ack, nack, reject, recover, and what happens to deliveries when a channel ends.

use bytes::BytesMut;
use sabir_amqp091::codec::FieldTable;
use sabir_amqp091::codec::method::{basic, channel};
use sabir_amqp091::codec::put_method;
use sabir_core::event::{Event, Response};
use sabir_core::request::{Command, Outcome, Request};

use super::script::{LEAVE, Script, delivery};

/// Channel 1 with deliveries of the offsets 0 up to `count`.
fn delivered(count: u64) -> Script {
    let mut script = Script::with_channel();
    let consume = basic::Consume {
        ticket: 0,
        queue: "q",
        consumer_tag: "t",
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: true,
        arguments: FieldTable::default(),
    };
    script.send(1, &consume);
    script.command();
    let Request::Consume(consume) = script.request() else {
        panic!("no consumer")
    };
    script.reply(Ok(Response::Done));
    for offset in 0..count {
        script.event(Event::Delivery(delivery(consume.consumer, offset)));
        for _frame in 0..3 {
            script.frame();
        }
    }
    script
}

fn settled(script: &mut Script) -> (u64, u64, Outcome) {
    let settlement = script.settled();
    (settlement.first.0, settlement.last.0, settlement.outcome)
}

#[test]
fn one_delivery_is_acknowledged() {
    let mut script = delivered(3);
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 2,
            multiple: false,
        },
    );
    assert_eq!(settled(&mut script), (1, 1, Outcome::Ack));
    script.no_command();
}

#[test]
fn all_up_to_a_tag_are_one_settlement() {
    let mut script = delivered(10);
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 7,
            multiple: true,
        },
    );
    assert_eq!(settled(&mut script), (0, 6, Outcome::Ack));
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 0,
            multiple: true,
        },
    );
    assert_eq!(settled(&mut script), (7, 9, Outcome::Ack));
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 0,
            multiple: true,
        },
    );
    script.no_command();
}

#[test]
fn acknowledgements_one_after_another_become_one_settlement() {
    let mut script = delivered(4);
    let mut bytes = BytesMut::new();
    for delivery_tag in 1..=4 {
        put_method(
            &mut bytes,
            1,
            &basic::Ack {
                delivery_tag,
                multiple: false,
            },
        );
    }
    script.receive(&bytes);
    assert_eq!(settled(&mut script), (0, 3, Outcome::Ack));
    script.no_command();
}

#[test]
fn a_delivery_is_acknowledged_once() {
    let mut script = delivered(2);
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    script.expect_channel_close(1, "PRECONDITION_FAILED - unknown delivery tag 1");
    let mut script = delivered(2);
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 3,
            multiple: true,
        },
    );
    script.expect_channel_close(1, "PRECONDITION_FAILED - unknown delivery tag 3");
    let mut script = delivered(2);
    script.send(
        1,
        &basic::Reject {
            delivery_tag: 0,
            requeue: true,
        },
    );
    script.expect_channel_close(1, "PRECONDITION_FAILED - unknown delivery tag 0");
}

#[test]
fn what_is_not_wanted_goes_back_or_is_rejected() {
    let back = Outcome::Release { failed: true };
    let mut script = delivered(6);
    script.send(
        1,
        &basic::Reject {
            delivery_tag: 1,
            requeue: true,
        },
    );
    assert_eq!(settled(&mut script), (0, 0, back));
    script.send(
        1,
        &basic::Reject {
            delivery_tag: 2,
            requeue: false,
        },
    );
    assert_eq!(settled(&mut script), (1, 1, Outcome::Reject));
    script.send(
        1,
        &basic::Nack {
            delivery_tag: 4,
            multiple: true,
            requeue: true,
        },
    );
    assert_eq!(settled(&mut script), (2, 3, back));
    script.send(
        1,
        &basic::Nack {
            delivery_tag: 5,
            multiple: false,
            requeue: false,
        },
    );
    assert_eq!(settled(&mut script), (4, 4, Outcome::Reject));
}

#[test]
fn recover_gives_everything_back() {
    let mut script = delivered(3);
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 2,
            multiple: false,
        },
    );
    script.settled();
    script.send(1, &basic::Recover { requeue: true });
    assert_eq!(
        settled(&mut script),
        (0, 0, Outcome::Release { failed: true })
    );
    assert_eq!(
        settled(&mut script),
        (2, 2, Outcome::Release { failed: true })
    );
    script.expect(1, &basic::RecoverOk {});
    script.send(1, &basic::Recover { requeue: false });
    script.expect_close(540, "NOT_IMPLEMENTED - requeue=false");
}

#[test]
fn a_channel_that_ends_ends_its_consumers_and_gives_back() {
    let mut script = delivered(3);
    script.send(1, &LEAVE);
    assert!(matches!(script.request(), Request::Cancel { .. }));
    assert_eq!(
        settled(&mut script),
        (0, 2, Outcome::Release { failed: true })
    );
    script.expect(1, &channel::CloseOk {});
    script.no_command();
}

#[test]
fn a_connection_that_ends_leaves_it_to_the_core() {
    let mut script = delivered(3);
    sabir_core::session::Session::end_of_input(&mut script.session, script.now);
    script.collect();
    assert!(matches!(script.command(), Command::Close { .. }));
    script.no_command();
}
