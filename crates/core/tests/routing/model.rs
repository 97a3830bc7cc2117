//! Routing as its definition reads: every binding is looked at for every message.

use std::collections::{BTreeMap, BTreeSet};

use sabir_core::message::value::{Table, Value};
use sabir_core::name::Name;
use sabir_core::routing::{BindingKey, BindingSpec, QueueId, Target};

/// What a removal took: the bindings and the exchanges that nothing leads from any more.
pub(crate) type Removed = (Vec<BindingSpec>, Vec<Name>);

#[derive(PartialEq, Eq)]
struct Exchange {
    type_name: &'static str,
    alternate: Option<Name>,
    auto_delete: bool,
}

#[derive(Default)]
pub(crate) struct Model {
    exchanges: BTreeMap<Name, Exchange>,
    bindings: BTreeSet<BindingSpec>,
}

impl Model {
    pub(crate) fn declare(
        &mut self,
        name: &Name,
        type_name: &'static str,
        alternate: Option<Name>,
        auto_delete: bool,
    ) -> bool {
        let exchange = Exchange {
            type_name,
            alternate,
            auto_delete,
        };
        match self.exchanges.get(name) {
            Some(current) => *current == exchange,
            None => {
                self.exchanges.insert(name.clone(), exchange);
                true
            }
        }
    }

    pub(crate) fn delete(&mut self, name: &Name) -> Option<Removed> {
        self.exchanges.get(name)?;
        let target = Target::Exchange(name.clone());
        let removed = self.remove(|one| one.source == *name || one.target == target);
        self.exchanges.remove(name);
        let unused = removed.1.into_iter().filter(|unused| unused != name);
        Some((removed.0, unused.collect()))
    }

    pub(crate) fn bind(&mut self, binding: &BindingSpec) -> Option<bool> {
        self.resolves(binding)
            .then(|| self.bindings.insert(in_order(binding)))
    }

    pub(crate) fn unbind(&mut self, binding: &BindingSpec) -> Option<Removed> {
        let wanted = in_order(binding);
        self.resolves(binding)
            .then(|| self.remove(|one| *one == wanted))
    }

    pub(crate) fn unbind_target(&mut self, target: &Target) -> Removed {
        self.remove(|one| one.target == *target)
    }

    pub(crate) fn bindings(&self) -> Vec<BindingSpec> {
        self.bindings.iter().cloned().collect()
    }

    pub(crate) fn route(
        &self,
        exchange: &Name,
        keys: &[&str],
        headers: &Table,
    ) -> Option<BTreeSet<QueueId>> {
        self.exchanges.get(exchange)?;
        let mut queues = BTreeSet::new();
        self.visit(exchange, keys, headers, &mut BTreeSet::new(), &mut queues);
        Some(queues)
    }

    fn visit(
        &self,
        name: &Name,
        keys: &[&str],
        headers: &Table,
        visited: &mut BTreeSet<Name>,
        queues: &mut BTreeSet<QueueId>,
    ) {
        let Some(exchange) = self.exchanges.get(name) else {
            return;
        };
        if !visited.insert(name.clone()) {
            return;
        }
        let matching = self.bindings.iter().filter(|binding| {
            binding.source == *name && matches(exchange.type_name, binding, keys, headers)
        });
        let mut next: Vec<&Name> = Vec::new();
        let mut matched = false;
        for binding in matching {
            matched = true;
            match &binding.target {
                Target::Queue(queue) => {
                    queues.insert(*queue);
                }
                Target::Exchange(target) => next.push(target),
                Target::Mailbox(_) => {}
            }
        }
        if !matched {
            next.extend(&exchange.alternate);
        }
        for name in next {
            self.visit(name, keys, headers, visited, queues);
        }
    }

    fn resolves(&self, binding: &BindingSpec) -> bool {
        let target_exists = match &binding.target {
            Target::Exchange(name) => self.exchanges.contains_key(name),
            _ => true,
        };
        target_exists && self.exchanges.contains_key(&binding.source)
    }

    fn remove(&mut self, goes: impl Fn(&BindingSpec) -> bool) -> Removed {
        let (gone, kept) = std::mem::take(&mut self.bindings)
            .into_iter()
            .partition::<BTreeSet<_>, _>(goes);
        self.bindings = kept;
        let sources: BTreeSet<_> = gone.iter().map(|one| one.source.clone()).collect();
        let unused = sources.into_iter().filter(|source| {
            let auto_delete = self
                .exchanges
                .get(source)
                .is_some_and(|one| one.auto_delete);
            auto_delete && !self.bindings.iter().any(|one| one.source == *source)
        });
        let unused = unused.collect();
        (gone.into_iter().collect(), unused)
    }
}

fn in_order(binding: &BindingSpec) -> BindingSpec {
    BindingSpec {
        arguments: binding.arguments.clone().sorted(),
        ..binding.clone()
    }
}

fn matches(type_name: &str, binding: &BindingSpec, keys: &[&str], headers: &Table) -> bool {
    let BindingKey::Text(key) = &binding.routing_key else {
        return false;
    };
    let wanted = std::str::from_utf8(key.as_bytes()).unwrap_or_default();
    match type_name {
        "direct" => keys.contains(&wanted),
        "topic" => keys.iter().any(|key| matches_words(wanted, key)),
        "headers" => matches_headers(&binding.arguments, headers),
        _ => true,
    }
}

/// Whether dotted words with `*` and `#` match a key, by trying every length for each `#`.
pub(crate) fn matches_words(pattern: &str, key: &str) -> bool {
    matches_from(&words(pattern), &words(key))
}

fn words(text: &str) -> Vec<&str> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split('.').collect()
}

fn matches_from(pattern: &[&str], key: &[&str]) -> bool {
    match pattern.split_first() {
        None => key.is_empty(),
        Some((&"#", rest)) => (0..=key.len()).any(|taken| matches_from(rest, &key[taken..])),
        Some((word, rest)) => key.split_first().is_some_and(|(first, others)| {
            (*word == "*" || word == first) && matches_from(rest, others)
        }),
    }
}

fn matches_headers(arguments: &Table, headers: &Table) -> bool {
    let word = arguments.get("x-match").and_then(Value::as_text);
    let word = word.and_then(|word| word.as_str()).unwrap_or("all");
    let mut results = arguments
        .iter()
        .filter(|(name, _)| *name != "x-match")
        .filter(|(name, _)| word.ends_with("with-x") || !name.as_bytes().starts_with(b"x-"))
        .map(|(name, wanted)| match headers.last(name) {
            None => false,
            Some(_) if *wanted == Value::Null => true,
            Some(value) => value.comparable() == wanted.comparable(),
        });
    if word.starts_with("any") {
        results.any(|met| met)
    } else {
        results.all(|met| met)
    }
}
