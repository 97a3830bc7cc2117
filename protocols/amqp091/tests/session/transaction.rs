//! Class tx.

use sabir_amqp091::Config;
use sabir_amqp091::codec::method::{basic, confirm, tx};
use sabir_amqp091::codec::{FieldTable, Properties};
use sabir_core::event::{Event, Response};
use sabir_core::id::ConsumerId;
use sabir_core::refusal::{Kind, Refusal};
use sabir_core::request::{Outcome, Request};

use super::script::{Script, delivery};

fn transactional(config: Config) -> Script {
    let mut script = Script::running_with(config);
    script.open_channel(1);
    script.send(1, &tx::Select {});
    script.expect(1, &tx::SelectOk {});
    script
}

fn publish(script: &mut Script, body: &[u8]) {
    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "q",
        mandatory: false,
        immediate: false,
    };
    script.send_content(1, &publish, &Properties::default(), body);
}

fn consume(script: &mut Script) -> ConsumerId {
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
    consume.consumer
}

#[test]
fn publishes_and_acknowledgements_are_committed_together() {
    let mut script = transactional(Config::default());
    let consumer = consume(&mut script);
    for offset in 0..3 {
        script.event(Event::Delivery(delivery(consumer, offset)));
    }
    publish(&mut script, b"one");
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 2,
            multiple: true,
        },
    );
    script.send(
        1,
        &basic::Reject {
            delivery_tag: 3,
            requeue: false,
        },
    );
    publish(&mut script, b"two");
    script.no_command();
    script.send(1, &tx::Commit {});
    let Request::Commit {
        publishes,
        settlements,
    } = script.request()
    else {
        panic!("no commit")
    };
    let bodies: Vec<&[u8]> = publishes
        .iter()
        .map(|publish| &publish.message.body[..])
        .collect();
    assert_eq!(bodies, [b"one", b"two"]);
    let settled: Vec<_> = settlements
        .iter()
        .map(|part| (part.first.0, part.last.0, part.outcome))
        .collect();
    assert_eq!(settled, [(0, 1, Outcome::Ack), (2, 2, Outcome::Reject)]);
    for _frame in 0..9 {
        script.frame();
    }
    script.reply(Ok(Response::Done));
    script.expect(1, &tx::CommitOk {});
}

#[test]
fn a_rollback_forgets_publishes_and_makes_deliveries_unacknowledged_again() {
    let mut script = transactional(Config::default());
    let consumer = consume(&mut script);
    script.event(Event::Delivery(delivery(consumer, 5)));
    for _frame in 0..3 {
        script.frame();
    }
    publish(&mut script, b"one");
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    script.send(1, &tx::Rollback {});
    script.expect(1, &tx::RollbackOk {});
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    script.send(1, &tx::Commit {});
    let Request::Commit {
        publishes,
        settlements,
    } = script.request()
    else {
        panic!("no commit")
    };
    assert_eq!((publishes.len(), settlements.len()), (0, 1));
}

#[test]
fn a_refused_commit_closes_the_channel_and_gives_back() {
    let mut script = transactional(Config::default());
    let consumer = consume(&mut script);
    script.event(Event::Delivery(delivery(consumer, 5)));
    for _frame in 0..3 {
        script.frame();
    }
    script.send(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    );
    script.send(1, &tx::Commit {});
    script.request();
    script.reply(Err(Refusal::NotFound {
        kind: Kind::Exchange,
        name: "x".into(),
    }));
    assert_eq!(script.settled().outcome, Outcome::Release { failed: true });
    script.expect_channel_close(1, "NOT_FOUND - no exchange 'x' in vhost '/'");
}

#[test]
fn transactions_and_confirms_exclude_each_other() {
    let mut script = transactional(Config::default());
    script.send(1, &confirm::Select { nowait: false });
    script.expect_channel_close(
        1,
        "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
    );
    script.open_channel(1);
    script.send(1, &confirm::Select { nowait: true });
    script.send(1, &tx::Select {});
    script.expect_channel_close(
        1,
        "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
    );
}

#[test]
fn only_a_transactional_channel_commits_and_rolls_back() {
    let mut script = Script::with_channel();
    script.send(1, &tx::Commit {});
    script.expect_channel_close(1, "PRECONDITION_FAILED - channel is not transactional");
    script.open_channel(1);
    script.send(1, &tx::Rollback {});
    script.expect_channel_close(1, "PRECONDITION_FAILED - channel is not transactional");
}

#[test]
fn a_transaction_is_bounded() {
    let mut script = transactional(Config {
        transaction_bytes_max: 2000,
        ..Config::default()
    });
    publish(&mut script, &[0; 1000]);
    publish(&mut script, &[0; 1000]);
    script.expect_channel_close(
        1,
        "PRECONDITION_FAILED - transaction of more than 2000 bytes",
    );
}
