//! The router against a model that finds every route by looking at every binding.

#[path = "routing/model.rs"]
mod model;

use std::collections::BTreeSet;

use bytes::Bytes;
use model::{Model, matches_words};
use proptest::collection::vec;
use proptest::prelude::*;
use sabir_core::message::value::{Table, Value};
use sabir_core::name::Name;
use sabir_core::routing::{
    BindingSpec, ExchangeSpec, Pattern, PatternToken, QueueId, RouteInput, Router, RouterLimits,
    RoutingError, Subject, Target, Targets,
};

#[derive(Clone, Debug)]
enum Change {
    Declare {
        name: Name,
        type_name: &'static str,
        alternate: Option<Name>,
        auto_delete: bool,
    },
    Delete(Name),
    Bind(BindingSpec),
    Unbind(BindingSpec),
    /// Unbinds one of the bindings that exist.
    UnbindOne(prop::sample::Index),
    /// Binds one of the bindings that exist once more, with another argument.
    BindAgain(prop::sample::Index),
    UnbindTarget(Target),
}

fn names() -> impl Strategy<Value = Name> {
    prop::sample::select(vec!["w", "x", "y", "z"]).prop_map(Name::from)
}

fn words(vocabulary: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(prop::sample::select(vocabulary), 0..6).prop_map(|words| words.join("."))
}

fn patterns() -> impl Strategy<Value = String> {
    words(&["a", "b", "", "*", "#", "#"])
}

fn keys() -> impl Strategy<Value = String> {
    words(&["a", "b", "", "c"])
}

fn header_values() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        Value::I32(1),
        Value::I64(1),
        Value::F64(1.0),
        Value::from("1"),
    ])
}

fn headers() -> impl Strategy<Value = Table> {
    let names = prop::sample::select(vec!["h", "i", "x-h"]);
    vec((names, header_values()), 0..4).prop_map(|entries| {
        let entries = entries.into_iter();
        entries.map(|(name, value)| (name.into(), value)).collect()
    })
}

fn arguments() -> impl Strategy<Value = Table> {
    let words = ["all", "any", "all-with-x", "any-with-x"];
    let word = prop::option::of(prop::sample::select(words.to_vec()));
    (headers(), word).prop_map(|(mut table, word)| {
        if let Some(word) = word {
            table.push("x-match", word);
        }
        table
    })
}

fn targets() -> impl Strategy<Value = Target> {
    prop_oneof![
        (0..4_u64).prop_map(|id| Target::Queue(QueueId(id))),
        names().prop_map(Target::Exchange),
    ]
}

fn bindings() -> impl Strategy<Value = BindingSpec> {
    (names(), targets(), patterns(), arguments()).prop_map(|(source, target, key, arguments)| {
        BindingSpec {
            source,
            target,
            routing_key: key.as_str().into(),
            arguments,
        }
    })
}

fn changes() -> impl Strategy<Value = Change> {
    let type_names = vec!["direct", "fanout", "topic", "headers"];
    let declaration = (
        names(),
        prop::sample::select(type_names),
        prop::option::of(names()),
        any::<bool>(),
    );
    prop_oneof![
        4 => declaration.prop_map(|(name, type_name, alternate, auto_delete)| Change::Declare {
            name,
            type_name,
            alternate,
            auto_delete,
        }),
        1 => names().prop_map(Change::Delete),
        12 => bindings().prop_map(Change::Bind),
        1 => bindings().prop_map(Change::Unbind),
        4 => any::<prop::sample::Index>().prop_map(Change::UnbindOne),
        4 => any::<prop::sample::Index>().prop_map(Change::BindAgain),
        1 => targets().prop_map(Change::UnbindTarget),
    ]
}

fn apply(change: &Change, router: &mut Router, model: &mut Model) -> Result<(), TestCaseError> {
    match change {
        Change::Declare {
            name,
            type_name,
            alternate,
            auto_delete,
        } => declare(router, model, (name, type_name), alternate, *auto_delete),
        Change::Delete(name) => {
            let removed = router.delete_exchange(name).ok();
            let expected = model.delete(name);
            prop_assert_eq!(removed.map(|one| (one.bindings, one.unused)), expected);
            Ok(())
        }
        Change::Bind(binding) => bind(binding, router, model),
        Change::BindAgain(index) => match choose(index, model) {
            None => Ok(()),
            Some(mut binding) => {
                binding.arguments.push("x-again", 1);
                bind(&binding, router, model)
            }
        },
        Change::Unbind(binding) => unbind(binding, router, model),
        Change::UnbindOne(index) => match choose(index, model) {
            None => Ok(()),
            Some(binding) => unbind(&binding, router, model),
        },
        Change::UnbindTarget(target) => {
            let removed = router.unbind_target(target);
            let expected = model.unbind_target(target);
            prop_assert_eq!((removed.bindings, removed.unused), expected);
            Ok(())
        }
    }
}

fn choose(index: &prop::sample::Index, model: &Model) -> Option<BindingSpec> {
    let bindings = model.bindings();
    (!bindings.is_empty()).then(|| index.get(&bindings).clone())
}

fn bind(
    binding: &BindingSpec,
    router: &mut Router,
    model: &mut Model,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(router.bind(binding).ok(), model.bind(binding));
    Ok(())
}

fn unbind(
    binding: &BindingSpec,
    router: &mut Router,
    model: &mut Model,
) -> Result<(), TestCaseError> {
    let removed = router.unbind(binding).ok();
    let expected = model.unbind(binding);
    prop_assert_eq!(removed.map(|one| (one.bindings, one.unused)), expected);
    Ok(())
}

fn declare(
    router: &mut Router,
    model: &mut Model,
    (name, type_name): (&Name, &'static str),
    alternate: &Option<Name>,
    auto_delete: bool,
) -> Result<(), TestCaseError> {
    let mut arguments = Table::new();
    if let Some(alternate) = alternate {
        arguments.insert("alternate-exchange", alternate.clone());
    }
    let mut spec = ExchangeSpec::parse(type_name, &arguments)?;
    spec.auto_delete = auto_delete;
    let declared = router.declare_exchange(name, spec);
    let equivalent = model.declare(name, type_name, alternate.clone(), auto_delete);
    prop_assert_eq!(declared.is_ok(), equivalent);
    Ok(())
}

fn route(
    router: &Router,
    exchange: &Name,
    keys: (&str, &[Bytes]),
    headers: &Table,
) -> Result<BTreeSet<QueueId>, RoutingError> {
    let mut targets = Targets::new();
    let mut input = RouteInput {
        routing_key: keys.0.as_bytes(),
        extra_keys: keys.1,
        attributes: &mut headers.clone(),
        random: 0,
        hold_delayed: true,
    };
    router.route(exchange, &mut input, &mut targets)?;
    let found: BTreeSet<_> = targets.queues.iter().copied().collect();
    assert_eq!(found.len(), targets.queues.len(), "a queue is listed twice");
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_pattern_matches_what_the_definition_says(
        pattern in patterns(),
        key in keys(),
    ) {
        let subject = Subject::from_bytes(Bytes::from(key.clone()));
        let parsed = Pattern::from_dotted_words(pattern.as_bytes())?;
        prop_assert_eq!(parsed.matches(&subject), matches_words(&pattern, &key));
    }

    #[test]
    fn routes_are_those_of_the_model_after_any_changes(
        changes in vec(changes(), 1..60),
        messages in vec((names(), keys(), keys(), headers()), 8),
    ) {
        let mut router = Router::new(RouterLimits::default());
        let mut model = Model::default();
        for change in &changes {
            apply(change, &mut router, &mut model)?;
        }
        prop_assert_eq!(router.bindings(), model.bindings());
        for (exchange, key, extra, headers) in &messages {
            let extra_keys = [Bytes::from(extra.clone())];
            let found = route(&router, exchange, (key, &extra_keys), headers);
            let expected = model.route(exchange, &[key, extra], headers);
            prop_assert_eq!(found.ok(), expected);
        }
    }

    #[test]
    fn a_topic_finds_exactly_the_patterns_that_match(
        patterns in vec(patterns(), 1..40),
        removed in vec(any::<prop::sample::Index>(), 0..10),
        key in keys(),
    ) {
        let mut router = Router::new(RouterLimits::default());
        let topic = Name::from("amq.topic");
        let binding = |(id, pattern): (u64, &String)| BindingSpec {
            source: topic.clone(),
            target: Target::Queue(QueueId(id)),
            routing_key: pattern.as_str().into(),
            arguments: Table::new(),
        };
        let bindings: Vec<_> = (0..).zip(&patterns).map(binding).collect();
        for binding in &bindings {
            prop_assert_eq!(router.bind(binding), Ok(true));
        }
        let removed: BTreeSet<_> = removed.iter().map(|one| one.index(bindings.len())).collect();
        for &index in &removed {
            router.unbind(&bindings[index])?;
        }
        let expected: BTreeSet<_> = patterns
            .iter()
            .enumerate()
            .filter(|(index, pattern)| !removed.contains(index) && matches_words(pattern, &key))
            .map(|(index, _)| QueueId(index as u64))
            .collect();
        let found = route(&router, &topic, (&key, &[]), &Table::new())?;
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_pattern_of_tokens_agrees_with_the_trie(
        tokens in vec(0..5_usize, 0..6),
        spares_system in any::<bool>(),
        key in words(&["a", "$b", ""]),
    ) {
        let token = |choice: &usize| match *choice {
            0 => PatternToken::Literal(Bytes::from_static(b"a")),
            1 => PatternToken::Literal(Bytes::from_static(b"$b")),
            2 => PatternToken::One,
            3 => PatternToken::ManyFromZero,
            _ => PatternToken::ManyFromOne,
        };
        let mut pattern = Pattern::new(tokens.iter().map(token))?;
        if spares_system {
            pattern = pattern.sparing_system_subjects();
        }
        let subject = Subject::from_bytes(Bytes::from(key.clone()));
        let expected = pattern.matches(&subject);
        let mut router = Router::new(RouterLimits::default());
        let topic = Name::from("amq.topic");
        router.bind(&BindingSpec {
            source: topic.clone(),
            target: Target::Queue(QueueId(1)),
            routing_key: pattern.into(),
            arguments: Table::new(),
        })?;
        let found = route(&router, &topic, (&key, &[]), &Table::new())?;
        prop_assert_eq!(!found.is_empty(), expected);
    }

    #[test]
    fn a_separator_is_mapped_there_and_back(text in "[a/.b]{0,12}", separator in any::<u8>()) {
        let text = Bytes::from(text);
        let subject = Subject::from_separated(text.clone(), separator);
        prop_assert_eq!(subject.to_separated(separator), text);
    }
}
