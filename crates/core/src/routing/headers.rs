//! Bindings by headers: what a binding's arguments ask for, indexed by header and value.
//!
//! A message looks up its own headers, so its cost follows the number of its headers and of the
//! bindings that share one with it, not the number of all bindings.

use std::collections::BTreeSet;
use std::ops::Range;

use hashbrown::HashMap;

use super::error::{ArgumentFault, RoutingError};
use super::kind::text_argument;
use super::target::{Destination, Destinations};
use crate::message::value::{Comparable, Table, Text, Value};

const MATCH: &str = "x-match";
const EXTENSION_PREFIX: &[u8] = b"x-";

/// How many of its criteria have to be met before a binding matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    All,
    Any,
}

/// What a binding asks of the headers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    quorum: Quorum,
    criteria: Vec<Criterion>,
}

/// One header that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Criterion {
    name: Text,
    /// The value it must have; none is satisfied by its presence.
    value: Option<Comparable>,
}

impl Rule {
    /// The rule that a binding's arguments state.
    ///
    /// # Errors
    /// [`RoutingError::InvalidArgument`] when `x-match` is none of the four words.
    pub(super) fn parse(arguments: &Table) -> Result<Self, RoutingError> {
        let (quorum, with_extensions) = match text_argument(arguments, MATCH)? {
            None => (Quorum::All, false),
            Some(word) => parse_match(word)?,
        };
        let asked = |name: &Text| {
            *name != MATCH && (with_extensions || !name.as_bytes().starts_with(EXTENSION_PREFIX))
        };
        let criteria = arguments.iter().filter(|(name, _)| asked(name));
        Ok(Self {
            quorum,
            criteria: criteria.map(Criterion::new).collect(),
        })
    }

    /// Whether the rule asks for nothing and so takes everything.
    fn is_unconditional(&self) -> bool {
        self.quorum == Quorum::All && self.criteria.is_empty()
    }
}

impl Criterion {
    fn new((name, value): &(Text, Value)) -> Self {
        Self {
            name: name.clone(),
            value: (*value != Value::Null).then(|| value.comparable()),
        }
    }
}

fn parse_match(word: Text) -> Result<(Quorum, bool), RoutingError> {
    match word.as_bytes() {
        b"all" => Ok((Quorum::All, false)),
        b"any" => Ok((Quorum::Any, false)),
        b"all-with-x" => Ok((Quorum::All, true)),
        b"any-with-x" => Ok((Quorum::Any, true)),
        _ => Err(RoutingError::InvalidArgument {
            argument: MATCH,
            fault: ArgumentFault::NoneOf {
                value: word,
                expected: "all, any, all-with-x, or any-with-x",
            },
        }),
    }
}

/// A rule in its place.
#[derive(Debug)]
struct Entry {
    rule: Rule,
    /// The criteria under which the rule is found.
    found_by: Range<usize>,
    destination: Destination,
}

impl Entry {
    fn keys(&self) -> &[Criterion] {
        let keys = self.rule.criteria.get(self.found_by.clone());
        keys.unwrap_or_default()
    }
}

/// The bindings of a headers exchange, each under a number chosen by the owner.
#[derive(Debug, Default)]
pub(super) struct HeadersIndex {
    entries: HashMap<u32, Entry>,
    found_by: HashMap<Criterion, BTreeSet<u32>>,
    /// Destinations of bindings that ask for nothing and take everything.
    unconditional: Destinations,
}

/// The headers of one message; of several with one name the last counts.
type Headers<'message> = HashMap<&'message [u8], (&'message Text, Comparable)>;

impl HeadersIndex {
    /// Adds a binding under a number not in use.
    pub(super) fn insert(&mut self, number: u32, rule: Rule, destination: Destination) {
        if rule.is_unconditional() {
            self.unconditional.insert(destination);
        }
        let entry = Entry {
            found_by: self.choose_keys(&rule),
            rule,
            destination,
        };
        for criterion in entry.keys() {
            let numbers = self.found_by.entry(criterion.clone()).or_default();
            numbers.insert(number);
        }
        self.entries.insert(number, entry);
    }

    /// Removes the binding with that number.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(entry) = self.entries.remove(&number) else {
            return;
        };
        if entry.rule.is_unconditional() {
            self.unconditional.remove(entry.destination);
        }
        for criterion in entry.keys() {
            if let Some(numbers) = self.found_by.get_mut(criterion) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.found_by.remove(criterion);
                }
            }
        }
    }

    /// The criteria under which a rule is to be found: each for `Any`; for `All` one is enough,
    /// and the one that fewest rules are found by spares most comparisons.
    fn choose_keys(&self, rule: &Rule) -> Range<usize> {
        let rules_found_by = |criterion: &Criterion| {
            let numbers = self.found_by.get(criterion);
            (numbers.map_or(0, BTreeSet::len), criterion.value.is_none())
        };
        let criteria = rule.criteria.iter().enumerate();
        match rule.quorum {
            Quorum::Any => 0..rule.criteria.len(),
            Quorum::All => criteria
                .min_by_key(|(_, criterion)| rules_found_by(criterion))
                .map_or(0..0, |(index, _)| index..index + 1),
        }
    }

    /// Whether any binding looks at headers at all.
    pub(super) fn asks_for_headers(&self) -> bool {
        !self.found_by.is_empty()
    }

    /// Calls `found` with the destinations of bindings that ask for nothing.
    pub(super) fn collect_unconditional(&self, found: &mut impl FnMut(Destination)) {
        self.unconditional.each(found);
    }

    /// Calls `found` with the destinations of bindings that ask for something and get it, at
    /// least once each.
    pub(super) fn collect(&self, headers: &Table, found: &mut impl FnMut(Destination)) {
        let headers: Headers<'_> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), (name, value.comparable())))
            .collect();
        for (name, value) in headers.values() {
            let name = Text::clone(name);
            let mut criterion = Criterion { name, value: None };
            self.collect_found_by(&criterion, &headers, found);
            criterion.value = Some(value.clone());
            self.collect_found_by(&criterion, &headers, found);
        }
    }

    fn collect_found_by(
        &self,
        criterion: &Criterion,
        headers: &Headers<'_>,
        found: &mut impl FnMut(Destination),
    ) {
        let numbers = self.found_by.get(criterion).into_iter().flatten();
        for entry in numbers.filter_map(|number| self.entries.get(number)) {
            let matches = match entry.rule.quorum {
                Quorum::Any => true,
                Quorum::All => entry.rule.criteria.iter().all(|one| is_met(one, headers)),
            };
            if matches {
                found(entry.destination);
            }
        }
    }
}

fn is_met(criterion: &Criterion, headers: &Headers<'_>) -> bool {
    match (headers.get(criterion.name.as_bytes()), &criterion.value) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some((_, value)), Some(wanted)) => value == wanted,
    }
}

#[cfg(test)]
#[path = "headers/tests.rs"]
mod tests;
