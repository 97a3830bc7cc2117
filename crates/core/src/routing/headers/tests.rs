use super::*;
use crate::routing::target::QueueId;

fn table(entries: &[(&str, Value)]) -> Table {
    entries
        .iter()
        .map(|(name, value)| (Text::from(*name), value.clone()))
        .collect()
}

fn matches(arguments: &[(&str, Value)], headers: &[(&str, Value)]) -> bool {
    let mut index = HeadersIndex::default();
    let rule = Rule::parse(&table(arguments)).unwrap();
    index.insert(0, rule, Destination::Queue(QueueId(1)));
    let mut count = 0;
    index.collect_unconditional(&mut |_| count += 1);
    index.collect(&table(headers), &mut |_| count += 1);
    count > 0
}

#[test]
fn all_is_the_default_and_asks_for_every_header() {
    let asked = [("format", "pdf".into()), ("pages", Value::I32(3))];
    assert!(matches(
        &asked,
        &[
            ("pages", Value::I64(3)),
            ("format", "pdf".into()),
            ("more", true.into())
        ]
    ));
    assert!(!matches(&asked, &[("format", "pdf".into())]));
    assert!(!matches(&asked, &[]));
}

#[test]
fn any_asks_for_one_of_them() {
    let asked = [
        ("x-match", "any".into()),
        ("format", "pdf".into()),
        ("pages", Value::I32(3)),
    ];
    assert!(matches(&asked, &[("pages", Value::U8(3))]));
    assert!(!matches(&asked, &[("pages", Value::I32(4))]));
}

#[test]
fn nothing_asked_is_all_met_but_nothing_of_any() {
    assert!(matches(&[], &[("a", true.into())]));
    assert!(matches(&[], &[]));
    assert!(matches(&[("x-match", "all".into())], &[]));
    assert!(!matches(
        &[("x-match", "any".into())],
        &[("a", true.into())]
    ));
}

#[test]
fn extension_headers_count_only_when_asked_to() {
    let with = |word: &str| {
        let asked = [("x-match", word.into()), ("x-kind", "a".into())];
        matches(&asked, &[("x-kind", "a".into())])
    };
    assert!(with("all"));
    assert!(!with("any"));
    assert!(with("all-with-x"));
    assert!(with("any-with-x"));
    let asked = [("x-match", "all-with-x".into()), ("x-kind", "a".into())];
    assert!(!matches(&asked, &[("x-kind", "b".into())]));
}

#[test]
fn a_criterion_without_value_is_met_by_presence() {
    let asked = [("trace", Value::Null)];
    assert!(matches(&asked, &[("trace", Value::F64(1.5))]));
    assert!(matches(&asked, &[("trace", Value::Null)]));
    assert!(!matches(&asked, &[("other", Value::Null)]));
}

#[test]
fn values_of_different_types_differ() {
    let asked = |value: Value| [("a", value)];
    assert!(!matches(&asked("1".into()), &[("a", Value::I32(1))]));
    assert!(!matches(&asked(Value::F64(1.0)), &[("a", Value::I32(1))]));
    assert!(!matches(&asked(true.into()), &[("a", "true".into())]));
    assert!(matches(&asked(Value::F32(1.0)), &[("a", Value::F64(1.0))]));
}

#[test]
fn of_several_headers_with_one_name_the_last_counts() {
    let asked = [("a", Value::I32(2))];
    assert!(matches(
        &asked,
        &[("a", Value::I32(1)), ("a", Value::I32(2))]
    ));
    assert!(!matches(
        &asked,
        &[("a", Value::I32(2)), ("a", Value::I32(1))]
    ));
}

#[test]
fn another_word_or_type_of_match_is_refused() {
    assert!(Rule::parse(&table(&[("x-match", "some".into())])).is_err());
    assert!(Rule::parse(&table(&[("x-match", Value::I32(1))])).is_err());
}

#[test]
fn rules_are_found_by_what_sets_them_apart() {
    let mut index = HeadersIndex::default();
    for number in 0..100 {
        let arguments = table(&[("kind", "report".into()), ("tenant", Value::I64(number))]);
        let rule = Rule::parse(&arguments).unwrap();
        let destination = Destination::Queue(QueueId(1));
        index.insert(u32::try_from(number).unwrap(), rule, destination);
    }
    let most = index.found_by.values().map(BTreeSet::len).max();
    assert_eq!(most, Some(1));
}

#[test]
fn removal_leaves_nothing_behind() {
    let mut index = HeadersIndex::default();
    let rules = [
        table(&[]),
        table(&[("a", true.into()), ("b", true.into())]),
        table(&[
            ("x-match", "any".into()),
            ("a", true.into()),
            ("b", Value::Null),
        ]),
    ];
    for (number, arguments) in (0..).zip(&rules) {
        let rule = Rule::parse(arguments).unwrap();
        index.insert(number, rule, Destination::Queue(QueueId(1)));
    }
    (0..3).for_each(|number| index.remove(number));
    assert!(index.entries.is_empty() && index.found_by.is_empty());
    assert!(index.unconditional.is_empty());
    assert!(!index.asks_for_headers());
}
