use super::*;
use crate::message::value::{Table, Value};
use crate::routing::{BindingKey, Pattern, RouteInput, Targets};

fn router() -> Router {
    Router::new(RouterLimits::default())
}

fn declare(router: &mut Router, name: &str, type_name: &str) {
    declare_with(router, name, type_name, &Table::new(), |_| {});
}

fn declare_with(
    router: &mut Router,
    name: &str,
    type_name: &str,
    arguments: &Table,
    adjust: impl FnOnce(&mut ExchangeSpec),
) {
    let mut spec = ExchangeSpec::parse(type_name, arguments).unwrap();
    adjust(&mut spec);
    router.declare_exchange(&name.into(), spec).unwrap();
}

fn declare_with_alternate(router: &mut Router, name: &str, type_name: &str, alternate: &str) {
    let mut arguments = Table::new();
    arguments.insert("alternate-exchange", alternate);
    declare_with(router, name, type_name, &arguments, |_| {});
}

fn spec(source: &str, target: Target, key: impl Into<BindingKey>) -> BindingSpec {
    BindingSpec {
        source: source.into(),
        target,
        routing_key: key.into(),
        arguments: Table::new(),
    }
}

fn queue(id: u64) -> Target {
    Target::Queue(QueueId(id))
}

fn exchange(name: &str) -> Target {
    Target::Exchange(name.into())
}

fn bind(router: &mut Router, source: &str, target: Target, key: &str) {
    assert_eq!(router.bind(&spec(source, target, key)), Ok(true));
}

fn targets(router: &Router, exchange: &str, key: &str) -> Targets {
    let mut targets = Targets::new();
    let mut input = RouteInput {
        routing_key: key.as_bytes(),
        extra_keys: &[],
        attributes: &mut Table::new(),
        random: 7,
        hold_delayed: true,
    };
    router
        .route(&exchange.into(), &mut input, &mut targets)
        .unwrap();
    targets
}

fn queues(router: &Router, exchange: &str, key: &str) -> Vec<u64> {
    let targets = targets(router, exchange, key);
    targets.queues.iter().map(|queue| queue.0).collect()
}

#[test]
fn every_namespace_has_the_predeclared_exchanges() {
    let router = router();
    let names: Vec<String> = router
        .exchanges()
        .iter()
        .map(|exchange| exchange.name().to_string())
        .collect();
    assert_eq!(
        names,
        [
            "",
            "amq.direct",
            "amq.fanout",
            "amq.headers",
            "amq.match",
            "amq.rabbitmq.trace",
            "amq.topic"
        ]
    );
    let trace = router.exchange(&"amq.rabbitmq.trace".into()).unwrap();
    assert!(trace.spec().internal);
}

#[test]
fn the_default_exchange_leads_to_registered_names_only() {
    let mut router = router();
    router.register_queue(&"work".into(), QueueId(5));
    router.register_mailbox(&"reply".into(), MailboxId(6));
    assert_eq!(queues(&router, "", "work"), [5]);
    assert_eq!(targets(&router, "", "reply").mailboxes, [MailboxId(6)]);
    assert!(targets(&router, "", "other").is_empty());
    assert!(router.unregister(&"work".into()));
    assert!(!router.unregister(&"work".into()));
    assert!(targets(&router, "", "work").is_empty());
}

#[test]
fn the_default_exchange_is_not_open_to_change() {
    let mut router = router();
    let refused = Err(RoutingError::DefaultExchange);
    let default = Name::default();
    assert_eq!(router.bind(&spec("", queue(1), "a")), refused);
    assert_eq!(
        router.bind(&spec("amq.fanout", exchange(""), "a")),
        Err(RoutingError::DefaultExchange)
    );
    assert_eq!(
        router.declare_exchange(&default, ExchangeSpec::durable(Kind::Direct)),
        Err(RoutingError::DefaultExchange)
    );
    assert_eq!(
        router.delete_exchange(&default),
        Err(RoutingError::DefaultExchange)
    );
}

#[test]
fn a_missing_exchange_is_named() {
    let mut router = router();
    let missing = RoutingError::NoExchange("gone".into());
    assert_eq!(
        router.bind(&spec("gone", queue(1), "")),
        Err(missing.clone())
    );
    assert_eq!(
        router.bind(&spec("amq.fanout", exchange("gone"), "")),
        Err(missing.clone())
    );
    assert_eq!(router.delete_exchange(&"gone".into()), Err(missing));
}

#[test]
fn declaring_again_checks_equivalence() {
    let mut router = router();
    let spec = ExchangeSpec::durable(Kind::Topic);
    let name = Name::from("events");
    assert_eq!(
        router.declare_exchange(&name, spec.clone()),
        Ok(Declared::New)
    );
    assert_eq!(router.declare_exchange(&name, spec), Ok(Declared::Existing));
    let other = ExchangeSpec::durable(Kind::Fanout);
    let refused = router.declare_exchange(&name, other).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "exchange 'events' has type 'topic', not 'fanout'"
    );
}

#[test]
fn a_binding_is_identified_by_all_of_its_parts() {
    let mut router = router();
    let binding = spec("amq.direct", queue(1), "k");
    assert_eq!(router.bind(&binding), Ok(true));
    assert_eq!(router.bind(&binding), Ok(false));
    let mut with_argument = binding.clone();
    with_argument.arguments.insert("a", 1);
    assert_eq!(router.bind(&with_argument), Ok(true));
    let removal = router.unbind(&binding).unwrap();
    assert_eq!(removal.bindings, std::slice::from_ref(&binding));
    assert_eq!(queues(&router, "amq.direct", "k"), [1]);
    assert_eq!(
        router.unbind(&with_argument).unwrap().bindings,
        [with_argument]
    );
    assert_eq!(queues(&router, "amq.direct", "k"), [0; 0]);
    assert_eq!(router.unbind(&binding), Ok(Removal::default()));
}

#[test]
fn every_change_moves_the_epoch_and_nothing_else_does() {
    let mut router = router();
    let mut last = router.epoch();
    let mut moved = |router: &Router| std::mem::replace(&mut last, router.epoch()) < router.epoch();
    let binding = spec("amq.direct", queue(1), "k");
    router.bind(&binding).unwrap();
    assert!(moved(&router));
    router.bind(&binding).unwrap();
    assert!(!moved(&router));
    router.unbind(&binding).unwrap();
    assert!(moved(&router));
    router.unbind(&binding).unwrap();
    assert!(!moved(&router));
    router.register_queue(&"q".into(), QueueId(1));
    assert!(moved(&router));
    router.register_queue(&"q".into(), QueueId(1));
    assert!(!moved(&router));
    router.unregister(&"q".into());
    assert!(moved(&router));
    declare(&mut router, "x", "fanout");
    assert!(moved(&router));
    let alternate = Name::from("y");
    router
        .set_policy_alternate(&"x".into(), Some(&alternate))
        .unwrap();
    assert!(moved(&router));
    router.delete_exchange(&"x".into()).unwrap();
    assert!(moved(&router));
}

#[test]
fn exchanges_lead_to_exchanges_once_even_in_a_circle() {
    let mut router = router();
    for name in ["a", "b", "c"] {
        declare(&mut router, name, "fanout");
    }
    for (source, target) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a"), ("a", "c")] {
        bind(&mut router, source, exchange(target), "");
    }
    bind(&mut router, "b", queue(1), "");
    bind(&mut router, "c", queue(1), "");
    bind(&mut router, "c", queue(2), "");
    assert_eq!(queues(&router, "a", ""), [1, 2]);
}

#[test]
fn each_exchange_without_a_match_goes_on_to_its_own_alternate() {
    let mut router = router();
    declare(&mut router, "last", "fanout");
    declare_with_alternate(&mut router, "first", "direct", "last");
    declare_with_alternate(&mut router, "inner", "direct", "last");
    bind(&mut router, "last", queue(9), "");
    bind(&mut router, "first", queue(1), "one");
    bind(&mut router, "first", exchange("inner"), "two");
    assert_eq!(queues(&router, "first", "one"), [1]);
    assert_eq!(queues(&router, "first", "none"), [9]);
    assert_eq!(
        queues(&router, "first", "two"),
        [9],
        "the binding to inner matched, but nothing in inner did"
    );
    bind(&mut router, "first", queue(2), "two");
    assert_eq!(queues(&router, "first", "two"), [2, 9]);
}

#[test]
fn alternates_may_be_missing_chained_or_circular() {
    let mut router = router();
    declare_with_alternate(&mut router, "a", "direct", "b");
    assert!(targets(&router, "a", "k").is_empty());
    declare_with_alternate(&mut router, "b", "direct", "a");
    assert!(targets(&router, "a", "k").is_empty());
    bind(&mut router, "b", queue(1), "k");
    assert_eq!(queues(&router, "a", "k"), [1]);
}

#[test]
fn an_alternate_from_a_policy_yields_to_a_declared_one() {
    let mut router = router();
    declare(&mut router, "declared", "fanout");
    declare(&mut router, "policy", "fanout");
    bind(&mut router, "declared", queue(1), "");
    bind(&mut router, "policy", queue(2), "");
    declare(&mut router, "plain", "direct");
    declare_with_alternate(&mut router, "own", "direct", "declared");
    let policy = Name::from("policy");
    for name in ["plain", "own"] {
        router
            .set_policy_alternate(&name.into(), Some(&policy))
            .unwrap();
    }
    assert_eq!(queues(&router, "plain", ""), [2]);
    assert_eq!(queues(&router, "own", ""), [1]);
    router.set_policy_alternate(&"plain".into(), None).unwrap();
    assert!(targets(&router, "plain", "").is_empty());
}

#[test]
fn an_auto_delete_exchange_is_reported_with_its_last_binding() {
    let mut router = router();
    declare_with(&mut router, "auto", "direct", &Table::new(), |spec| {
        spec.auto_delete = true;
    });
    bind(&mut router, "auto", queue(1), "a");
    bind(&mut router, "auto", queue(2), "a");
    bind(&mut router, "amq.fanout", exchange("auto"), "");
    let removal = router.unbind(&spec("auto", queue(1), "a")).unwrap();
    assert!(removal.unused.is_empty());
    let removal = router.unbind_target(&queue(2));
    assert_eq!(removal.unused, ["auto".into()]);
    let removal = router.delete_exchange(&"auto".into()).unwrap();
    assert_eq!(removal.bindings, [spec("amq.fanout", exchange("auto"), "")]);
    assert!(removal.unused.is_empty());
}

#[test]
fn deleting_an_exchange_reports_the_sources_that_it_leaves_unused() {
    let mut router = router();
    declare_with(&mut router, "auto", "fanout", &Table::new(), |spec| {
        spec.auto_delete = true;
    });
    declare(&mut router, "target", "fanout");
    bind(&mut router, "auto", exchange("target"), "");
    bind(&mut router, "target", exchange("target"), "");
    bind(&mut router, "target", queue(1), "");
    let removal = router.delete_exchange(&"target".into()).unwrap();
    assert_eq!(removal.bindings.len(), 3);
    assert_eq!(removal.unused, ["auto".into()]);
    assert!(router.bindings().is_empty());
}

#[test]
fn a_slot_given_to_another_exchange_brings_nothing_along() {
    let mut router = router();
    declare(&mut router, "old", "fanout");
    bind(&mut router, "old", queue(1), "");
    bind(&mut router, "amq.fanout", exchange("old"), "");
    router.delete_exchange(&"old".into()).unwrap();
    declare(&mut router, "new", "fanout");
    bind(&mut router, "new", queue(2), "");
    assert_eq!(queues(&router, "amq.fanout", ""), [0; 0]);
    assert_eq!(queues(&router, "new", ""), [2]);
}

#[test]
fn an_exchange_that_delays_holds_the_message_until_told_otherwise() {
    let mut router = router();
    let mut arguments = Table::new();
    arguments.insert("x-delayed-type", "direct");
    declare_with(
        &mut router,
        "later",
        "x-delayed-message",
        &arguments,
        |_| {},
    );
    bind(&mut router, "later", queue(1), "k");
    bind(&mut router, "amq.fanout", exchange("later"), "");
    bind(&mut router, "amq.fanout", queue(2), "");
    let held = targets(&router, "amq.fanout", "k");
    assert_eq!(held.queues, [QueueId(2)]);
    assert_eq!(held.delayed_by, ["later".into()]);
    let mut due = Targets::new();
    let mut input = RouteInput {
        routing_key: b"k",
        extra_keys: &[],
        attributes: &mut Table::new(),
        random: 0,
        hold_delayed: false,
    };
    router.route(&"later".into(), &mut input, &mut due).unwrap();
    assert_eq!(due.queues, [QueueId(1)]);
}

#[test]
fn an_exchange_with_history_leads_everywhere_and_is_reported() {
    let mut router = router();
    declare(&mut router, "history", "x-recent-history");
    bind(&mut router, "history", queue(1), "a");
    bind(&mut router, "history", queue(2), "b");
    let found = targets(&router, "history", "c");
    assert_eq!(found.queues, [QueueId(1), QueueId(2)]);
    assert_eq!(found.recorded_by, ["history".into()]);
    assert!(found.cacheable);
}

#[test]
fn only_routes_by_the_key_alone_can_be_cached() {
    let mut router = router();
    let cacheable = |router: &Router, exchange| targets(router, exchange, "k").cacheable;
    assert!(
        cacheable(&router, "amq.headers"),
        "no binding looks at them"
    );
    let mut by_header = spec("amq.headers", queue(1), "");
    by_header.arguments.insert("a", 1);
    router.bind(&by_header).unwrap();
    assert!(!cacheable(&router, "amq.headers"));
    declare(&mut router, "random", "x-random");
    assert!(!cacheable(&router, "random"));
    bind(&mut router, "amq.direct", exchange("random"), "k");
    assert!(!cacheable(&router, "amq.direct"));
    declare(&mut router, "hash", "x-consistent-hash");
    bind(&mut router, "hash", queue(1), "1");
    assert!(cacheable(&router, "hash"));
}

#[test]
fn extra_keys_lead_further_than_the_routing_key() {
    let mut router = router();
    router.register_queue(&"one".into(), QueueId(1));
    router.register_queue(&"two".into(), QueueId(2));
    let mut found = Targets::new();
    let mut input = RouteInput {
        routing_key: b"one",
        extra_keys: &["two".into(), "one".into(), "none".into()],
        attributes: &mut Table::new(),
        random: 0,
        hold_delayed: true,
    };
    router
        .route(&Name::default(), &mut input, &mut found)
        .unwrap();
    assert_eq!(found.queues, [QueueId(1), QueueId(2)]);
    assert!(!found.cacheable);
}

#[test]
fn headers_choose_and_hash() {
    let mut router = router();
    let mut arguments = Table::new();
    arguments.insert("hash-header", "tenant");
    declare_with(&mut router, "hash", "x-consistent-hash", &arguments, |_| {});
    (1..=20).for_each(|id| bind(&mut router, "hash", queue(id), "1"));
    let chosen = |tenant: &str, key: &[u8]| {
        let mut headers = Table::new();
        headers.insert("tenant", tenant);
        let mut found = Targets::new();
        let mut input = RouteInput {
            routing_key: key,
            extra_keys: &[],
            attributes: &mut headers,
            random: 0,
            hold_delayed: true,
        };
        router
            .route(&"hash".into(), &mut input, &mut found)
            .unwrap();
        found.queues
    };
    assert_eq!(chosen("a", b"k1"), chosen("a", b"k2"));
    let spread: std::collections::BTreeSet<_> = ('a'..='z')
        .map(|tenant| chosen(&tenant.to_string(), b"k"))
        .collect();
    assert!(spread.len() > 5, "{}", spread.len());
}

#[test]
fn limits_hold_at_the_edge() {
    let mut router = Router::new(RouterLimits {
        exchanges_max: 8,
        bindings_max: 1,
    });
    declare(&mut router, "eighth", "fanout");
    assert_eq!(
        router.declare_exchange(&"ninth".into(), ExchangeSpec::durable(Kind::Fanout)),
        Err(RoutingError::TooManyExchanges(8))
    );
    bind(&mut router, "eighth", queue(1), "");
    assert_eq!(
        router.bind(&spec("eighth", queue(2), "")),
        Err(RoutingError::TooManyBindings(1))
    );
    assert_eq!(router.bind(&spec("eighth", queue(1), "")), Ok(false));
    let longest = "k".repeat(BINDING_KEY_BYTES_MAX);
    let too_long = format!("{longest}k");
    router.unbind_target(&queue(1));
    assert_eq!(
        router.bind(&spec("eighth", queue(2), too_long.as_str())),
        Err(RoutingError::KeyTooLong(BINDING_KEY_BYTES_MAX))
    );
    assert_eq!(
        router.bind(&spec("eighth", queue(2), longest.as_str())),
        Ok(true)
    );
}

#[test]
fn a_refused_binding_leaves_no_trace() {
    let mut router = router();
    declare(&mut router, "hash", "x-consistent-hash");
    let epoch = router.epoch();
    assert_eq!(
        router.bind(&spec("hash", queue(1), "0")),
        Err(RoutingError::WeightTooSmall)
    );
    let pattern = Pattern::from_dotted_words(b"#").unwrap();
    assert_eq!(
        router.bind(&spec("amq.direct", queue(1), pattern)),
        Err(RoutingError::PatternNotPermitted)
    );
    let mut by_header = spec("amq.headers", queue(1), "");
    by_header.arguments.insert("x-match", Value::Bool(true));
    assert!(router.bind(&by_header).is_err());
    assert_eq!(router.epoch(), epoch);
    assert!(router.bindings().is_empty());
    assert!(router.bindings_to(&queue(1)).is_empty());
}

#[test]
fn listings_are_ordered_and_complete() {
    let mut router = router();
    bind(&mut router, "amq.topic", queue(2), "b");
    bind(&mut router, "amq.direct", queue(2), "b");
    bind(&mut router, "amq.direct", queue(1), "a");
    let first = spec("amq.direct", queue(1), "a");
    let second = spec("amq.direct", queue(2), "b");
    let third = spec("amq.topic", queue(2), "b");
    assert_eq!(
        router.bindings(),
        [first.clone(), second.clone(), third.clone()]
    );
    assert_eq!(
        router.bindings_from(&"amq.direct".into()),
        [first, second.clone()]
    );
    assert_eq!(router.bindings_to(&queue(2)), [second, third]);
}
