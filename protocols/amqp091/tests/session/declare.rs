//! Exchanges, queues and bindings: what reaches the core, and what comes back.

use sabir_amqp091::codec::method::{exchange, queue};
use sabir_amqp091::codec::{FieldTable, Table};
use sabir_core::event::Response;
use sabir_core::refusal::{Kind, Refusal};
use sabir_core::request::{Destination, Request};

use super::script::Script;

fn declare_queue(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        ticket: 0,
        queue,
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

fn declare_exchange<'a>(exchange: &'a str, kind: &'a str) -> exchange::Declare<'a> {
    exchange::Declare {
        ticket: 0,
        exchange,
        kind,
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

fn bind<'a>(queue: &'a str, exchange: &'a str, routing_key: &'a str) -> queue::Bind<'a> {
    queue::Bind {
        ticket: 0,
        queue,
        exchange,
        routing_key,
        nowait: false,
        arguments: FieldTable::default(),
    }
}

fn described(name: &str) -> Response {
    Response::Queue {
        name: name.into(),
        ready: 2,
        consumers: 1,
        keeps_records: false,
    }
}

#[test]
fn a_queue_is_declared_with_its_arguments() {
    let arguments = Table::new()
        .with("x-message-ttl", 1000)
        .with("x-note", "mine")
        .encode();
    let mut script = Script::with_channel();
    script.send(
        1,
        &queue::Declare {
            arguments: FieldTable::parse(&arguments).unwrap(),
            ..declare_queue("q")
        },
    );
    let Request::DeclareQueue { name, spec, .. } = script.request() else {
        panic!("not a declaration")
    };
    assert_eq!(&*name, "q");
    assert_eq!(spec.settings.message_ttl_ms, Some(1000));
    assert!(spec.durable && spec.arguments.get("x-note").is_some());
    script.reply(Ok(described("q")));
    script.expect(
        1,
        &queue::DeclareOk {
            queue: "q",
            message_count: 2,
            consumer_count: 1,
        },
    );
}

#[test]
fn an_exclusive_queue_is_not_durable() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &queue::Declare {
            exclusive: true,
            ..declare_queue("q")
        },
    );
    let Request::DeclareQueue { spec, .. } = script.request() else {
        panic!("not a declaration")
    };
    assert!(spec.exclusive && !spec.durable);
}

#[test]
fn the_name_that_the_broker_made_is_remembered() {
    let mut script = Script::with_channel();
    script.send(1, &declare_queue(""));
    let Request::DeclareQueue {
        generated_prefix, ..
    } = script.request()
    else {
        panic!("not a declaration")
    };
    assert_eq!(generated_prefix, "amq.gen-");
    script.reply(Ok(described("amq.gen-1")));
    script.expect(
        1,
        &queue::DeclareOk {
            queue: "amq.gen-1",
            message_count: 2,
            consumer_count: 1,
        },
    );
    script.send(1, &bind("", "amq.direct", ""));
    let Request::Bind(binding) = script.request() else {
        panic!("not a binding")
    };
    assert_eq!(binding.destination, Destination::Queue("amq.gen-1".into()));
    assert_eq!(binding.routing_key.as_bytes(), b"amq.gen-1");
}

#[test]
fn an_empty_name_needs_a_queue_declared_before() {
    let mut script = Script::with_channel();
    script.send(1, &bind("", "amq.direct", "k"));
    script.expect_channel_close(1, "NOT_FOUND - no previously declared queue");
}

#[test]
fn nowait_sends_no_answer() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &queue::Declare {
            nowait: true,
            ..declare_queue("q")
        },
    );
    script.reply(Ok(described("q")));
    script.send(
        1,
        &queue::Purge {
            ticket: 0,
            queue: "q",
            nowait: true,
        },
    );
    script.reply(Ok(Response::Removed { messages: 1 }));
    script.send(
        1,
        &queue::Bind {
            nowait: true,
            ..bind("q", "amq.direct", "k")
        },
    );
    script.reply(Ok(Response::Done));
    script.expect_silence();
}

#[test]
fn counts_come_back_from_purge_and_delete() {
    let mut script = Script::with_channel();
    script.send(
        1,
        &queue::Purge {
            ticket: 0,
            queue: "q",
            nowait: false,
        },
    );
    assert!(matches!(script.request(), Request::Purge { .. }));
    script.reply(Ok(Response::Removed { messages: 5 }));
    script.expect(1, &queue::PurgeOk { message_count: 5 });
    script.send(
        1,
        &queue::Delete {
            ticket: 0,
            queue: "q",
            if_unused: true,
            if_empty: false,
            nowait: false,
        },
    );
    assert!(matches!(
        script.request(),
        Request::DeleteQueue {
            if_unused: true,
            if_empty: false,
            ..
        }
    ));
    script.reply(Ok(Response::Removed { messages: 7 }));
    script.expect(1, &queue::DeleteOk { message_count: 7 });
}

#[test]
fn refusals_close_the_channel_in_rabbitmqs_words() {
    let name = || "q".into();
    let cases = [
        (
            Refusal::NotEquivalent {
                kind: Kind::Queue,
                name: name(),
                property: "durable",
                received: "false".to_owned(),
                current: "true".to_owned(),
            },
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
        ),
        (
            Refusal::InUse {
                kind: Kind::Queue,
                name: name(),
            },
            "PRECONDITION_FAILED - queue 'q' in vhost '/' in use",
        ),
        (
            Refusal::NotEmpty { queue: name() },
            "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty",
        ),
        (
            Refusal::Reserved {
                kind: Kind::Queue,
                name: "amq.q".into(),
            },
            "ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'",
        ),
    ];
    for (refusal, text) in cases {
        let mut script = Script::with_channel();
        script.send(1, &declare_queue("q"));
        script.reply(Err(refusal));
        script.expect_channel_close(1, text);
    }
}

#[test]
fn wrong_arguments_are_refused_before_the_core_is_asked() {
    let arguments = Table::new().with("x-message-ttl", -1).encode();
    let mut script = Script::with_channel();
    script.send(
        1,
        &queue::Declare {
            arguments: FieldTable::parse(&arguments).unwrap(),
            ..declare_queue("q")
        },
    );
    script.no_command();
    script.expect_channel_close(
        1,
        "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}",
    );
}

#[test]
fn line_ends_are_taken_out_of_names() {
    let mut script = Script::with_channel();
    script.send(1, &declare_queue("a\r\nb"));
    let Request::DeclareQueue { name, .. } = script.request() else {
        panic!("not a declaration")
    };
    assert_eq!(&*name, "ab");
}

#[test]
fn an_exchange_is_declared_found_and_deleted() {
    let mut script = Script::with_channel();
    script.send(1, &declare_exchange("x", "topic"));
    assert!(matches!(script.request(), Request::DeclareExchange { .. }));
    script.reply(Ok(Response::Done));
    script.expect(1, &exchange::DeclareOk {});
    script.send(
        1,
        &exchange::Declare {
            passive: true,
            ..declare_exchange("x", "anything")
        },
    );
    assert!(matches!(script.request(), Request::FindExchange { .. }));
    script.reply(Ok(Response::Done));
    script.expect(1, &exchange::DeclareOk {});
    script.send(
        1,
        &exchange::Delete {
            ticket: 0,
            exchange: "x",
            if_unused: true,
            nowait: false,
        },
    );
    assert!(matches!(
        script.request(),
        Request::DeleteExchange {
            if_unused: true,
            ..
        }
    ));
    script.reply(Ok(Response::Done));
    script.expect(1, &exchange::DeleteOk {});
}

#[test]
fn the_default_exchange_and_the_brokers_own_cannot_be_changed() {
    let not_permitted = "ACCESS_REFUSED - operation not permitted on the default exchange";
    let mut script = Script::with_channel();
    script.send(1, &declare_exchange("", "direct"));
    script.expect_channel_close(1, not_permitted);
    script.open_channel(1);
    script.send(1, &bind("q", "", "k"));
    script.expect_channel_close(1, not_permitted);
    script.open_channel(1);
    script.send(
        1,
        &exchange::Delete {
            ticket: 0,
            exchange: "amq.topic",
            if_unused: false,
            nowait: false,
        },
    );
    script.expect_channel_close(
        1,
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
    );
}

#[test]
fn an_unknown_exchange_type_is_refused() {
    let mut script = Script::with_channel();
    script.send(1, &declare_exchange("x", "nonsense"));
    script.expect_channel_close(1, "PRECONDITION_FAILED - unknown exchange type 'nonsense'");
}

#[test]
fn exchanges_are_bound_to_exchanges() {
    let mut script = Script::with_channel();
    let bind = exchange::Bind {
        ticket: 0,
        destination: "to",
        source: "from",
        routing_key: "k",
        nowait: false,
        arguments: FieldTable::default(),
    };
    script.send(1, &bind);
    let Request::Bind(binding) = script.request() else {
        panic!("not a binding")
    };
    assert_eq!(
        (&*binding.source, binding.destination),
        ("from", Destination::Exchange("to".into()))
    );
    script.reply(Ok(Response::Done));
    script.expect(1, &exchange::BindOk {});
    let unbind = exchange::Unbind {
        ticket: 0,
        destination: "to",
        source: "from",
        routing_key: "k",
        nowait: false,
        arguments: FieldTable::default(),
    };
    script.send(1, &unbind);
    assert!(matches!(script.request(), Request::Unbind(_)));
    script.reply(Ok(Response::Done));
    script.expect(1, &exchange::UnbindOk {});
}

#[test]
fn removing_a_binding_of_what_does_not_exist_succeeds() {
    let mut script = Script::with_channel();
    let unbind = queue::Unbind {
        ticket: 0,
        queue: "gone",
        exchange: "amq.direct",
        routing_key: "k",
        arguments: FieldTable::default(),
    };
    script.send(1, &unbind);
    script.reply(Err(Refusal::NotFound {
        kind: Kind::Queue,
        name: "gone".into(),
    }));
    script.expect(1, &queue::UnbindOk {});
}

#[test]
fn an_address_of_direct_replies_is_no_queue_to_bind() {
    let mut script = Script::with_channel();
    script.send(1, &declare_queue("amq.rabbitmq.reply-to.abc"));
    assert!(matches!(script.request(), Request::FindMailbox { .. }));
    script.reply(Ok(described("amq.rabbitmq.reply-to.abc")));
    script.expect(
        1,
        &queue::DeclareOk {
            queue: "amq.rabbitmq.reply-to.abc",
            message_count: 0,
            consumer_count: 1,
        },
    );
    script.send(1, &bind("amq.rabbitmq.reply-to.abc", "amq.direct", "k"));
    script.expect_channel_close(
        1,
        "ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue",
    );
}
