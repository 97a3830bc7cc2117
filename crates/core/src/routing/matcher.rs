//! The bindings of one exchange, indexed as its kind asks for.

use std::borrow::Cow;
use std::num::IntErrorKind;

use hashbrown::HashMap;

use super::binding::{Binding, BindingId, BindingKey};
use super::error::RoutingError;
use super::hash::{Pool, WEIGHT_MAX, Weighted, key_hash, value_hash};
use super::headers::{HeadersIndex, Rule};
use super::kind::{HashBy, Kind};
use super::outcome::RouteInput;
use super::pattern::Pattern;
use super::subject::Subject;
use super::target::{Destination, Destinations};
use super::topic::{TopicIndex, TopicWalk};
use crate::message::value::{Text, Value};

/// The bindings of one exchange, indexed as its kind asks for.
#[derive(Debug)]
pub(super) enum Matcher {
    Direct(HashMap<Subject, Destinations>),
    Fanout(Destinations),
    Topic(TopicIndex),
    Headers(HeadersIndex),
    ConsistentHash { by: HashBy, weighted: Weighted },
    Random(Pool),
    LocalRandom(Pool),
    ModulusHash(Pool),
}

/// Whether what an exchange chose depends on the routing key alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    RoutingKey,
    More,
}

impl Matcher {
    /// The empty index for a kind.
    pub(super) fn new(kind: &Kind) -> Self {
        match kind {
            Kind::Direct => Self::Direct(HashMap::new()),
            Kind::Fanout | Kind::RecentHistory { .. } => Self::Fanout(Destinations::default()),
            Kind::Topic => Self::Topic(TopicIndex::default()),
            Kind::Headers => Self::Headers(HeadersIndex::default()),
            Kind::ConsistentHash { by } => Self::ConsistentHash {
                by: by.clone(),
                weighted: Weighted::default(),
            },
            Kind::Random => Self::Random(Pool::default()),
            Kind::LocalRandom => Self::LocalRandom(Pool::default()),
            Kind::ModulusHash => Self::ModulusHash(Pool::default()),
            Kind::Delayed { inner } => Self::new(inner),
        }
    }

    /// Adds a binding.
    ///
    /// # Errors
    /// A [`RoutingError`] when the kind does not take such a binding; nothing is added then.
    pub(super) fn insert(&mut self, id: BindingId, binding: &Binding) -> Result<(), RoutingError> {
        let Binding {
            destination,
            identity,
            key,
            arguments,
            ..
        } = binding;
        match self {
            Self::Direct(keys) => {
                let destinations = keys.entry(text_of(key)?.clone()).or_default();
                destinations.insert(*destination);
            }
            Self::Fanout(destinations) => {
                text_of(key)?;
                destinations.insert(*destination);
            }
            Self::Topic(index) => index.insert(pattern_of(key)?.as_ref(), *destination),
            Self::Headers(index) => {
                text_of(key)?;
                index.insert(id.0, Rule::parse(arguments)?, *destination);
            }
            Self::ConsistentHash { weighted, .. } => {
                weighted.insert(*identity, *destination, weight_of(text_of(key)?)?);
            }
            Self::LocalRandom(pool) => {
                require_empty(text_of(key)?)?;
                pool.insert(*identity, *destination);
            }
            Self::Random(pool) | Self::ModulusHash(pool) => {
                text_of(key)?;
                pool.insert(*identity, *destination);
            }
        }
        Ok(())
    }

    /// Takes back a binding that was added.
    pub(super) fn remove(&mut self, id: BindingId, binding: &Binding) {
        let Binding {
            destination,
            identity,
            key,
            ..
        } = binding;
        match self {
            Self::Direct(keys) => remove_direct(keys, key, *destination),
            Self::Fanout(destinations) => destinations.remove(*destination),
            Self::Topic(index) => {
                if let Ok(pattern) = pattern_of(key) {
                    index.remove(pattern.as_ref(), *destination);
                }
            }
            Self::Headers(index) => index.remove(id.0),
            Self::ConsistentHash { weighted, .. } => {
                if let Ok(weight) = text_of(key).and_then(weight_of) {
                    weighted.remove(*identity, *destination, weight);
                }
            }
            Self::Random(pool) | Self::LocalRandom(pool) | Self::ModulusHash(pool) => {
                pool.remove(*identity, *destination);
            }
        }
    }

    /// Calls `found` with the destinations of all bindings that match, at least once each.
    pub(super) fn collect(
        &self,
        input: &mut RouteInput<'_>,
        random: u64,
        walk: &mut TopicWalk,
        found: &mut impl FnMut(Destination),
    ) -> Basis {
        match self {
            Self::Direct(keys) => {
                let matching = input.keys().filter_map(|key| keys.get(key));
                matching.for_each(|destinations| destinations.each(found));
                Basis::RoutingKey
            }
            Self::Fanout(destinations) => {
                destinations.each(found);
                Basis::RoutingKey
            }
            Self::Topic(index) => {
                input.keys().for_each(|key| index.collect(key, walk, found));
                Basis::RoutingKey
            }
            Self::Headers(index) => collect_by_headers(index, input, found),
            Self::ConsistentHash { by, weighted } => {
                let (hash, basis) = hash_of(by, input);
                weighted.choose(hash).into_iter().for_each(found);
                basis
            }
            Self::Random(pool) | Self::LocalRandom(pool) => {
                pool.at_random(random).into_iter().for_each(found);
                Basis::More
            }
            Self::ModulusHash(pool) => {
                let hash = key_hash(input.routing_key);
                pool.at_modulus(hash).into_iter().for_each(found);
                Basis::RoutingKey
            }
        }
    }
}

/// The key as text, for kinds that know no patterns.
fn text_of(key: &BindingKey) -> Result<&Subject, RoutingError> {
    match key {
        BindingKey::Text(text) => Ok(text),
        BindingKey::Pattern(_) => Err(RoutingError::PatternNotPermitted),
    }
}

/// The key as a pattern, for topic exchanges.
fn pattern_of(key: &BindingKey) -> Result<Cow<'_, Pattern>, RoutingError> {
    match key {
        BindingKey::Text(text) => Ok(Cow::Owned(Pattern::from_dotted_words(text.as_bytes())?)),
        BindingKey::Pattern(pattern) => Ok(Cow::Borrowed(pattern)),
    }
}

/// The key as the weight of a binding.
fn weight_of(key: &Subject) -> Result<u32, RoutingError> {
    let text = Text::from(key.clone().into_bytes());
    match text.as_str().map(str::parse::<i64>) {
        Some(Ok(..1)) => Err(RoutingError::WeightTooSmall),
        Some(Ok(weight)) => u32::try_from(weight)
            .ok()
            .filter(|weight| *weight <= WEIGHT_MAX)
            .ok_or(RoutingError::WeightTooLarge(WEIGHT_MAX)),
        Some(Err(error)) => Err(match error.kind() {
            IntErrorKind::PosOverflow => RoutingError::WeightTooLarge(WEIGHT_MAX),
            IntErrorKind::NegOverflow => RoutingError::WeightTooSmall,
            _ => RoutingError::WeightNotInteger(text),
        }),
        None => Err(RoutingError::WeightNotInteger(text)),
    }
}

fn require_empty(key: &Subject) -> Result<(), RoutingError> {
    if key.as_bytes().is_empty() {
        return Ok(());
    }
    Err(RoutingError::KeyNotPermitted(Text::from(
        key.clone().into_bytes(),
    )))
}

fn remove_direct(
    keys: &mut HashMap<Subject, Destinations>,
    key: &BindingKey,
    destination: Destination,
) {
    let Ok(key) = text_of(key) else {
        return;
    };
    if let Some(destinations) = keys.get_mut(key) {
        destinations.remove(destination);
        if destinations.is_empty() {
            keys.remove(key);
        }
    }
}

fn collect_by_headers(
    index: &HeadersIndex,
    input: &mut RouteInput<'_>,
    found: &mut impl FnMut(Destination),
) -> Basis {
    index.collect_unconditional(found);
    if !index.asks_for_headers() {
        return Basis::RoutingKey;
    }
    index.collect(input.attributes.headers(), found);
    Basis::More
}

/// The hash that a consistent-hash exchange goes by.
fn hash_of(by: &HashBy, input: &mut RouteInput<'_>) -> (u64, Basis) {
    match by {
        HashBy::RoutingKey => (key_hash(input.routing_key), Basis::RoutingKey),
        HashBy::Header(name) => {
            let headers = input.attributes.headers();
            (value_hash(headers.last(name)), Basis::More)
        }
        HashBy::Property(property) => {
            let value = input.attributes.property(*property).map(Value::from);
            (value_hash(value.as_ref()), Basis::More)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(key: &str) -> Result<u32, RoutingError> {
        weight_of(&Subject::from_bytes(bytes::Bytes::copy_from_slice(
            key.as_bytes(),
        )))
    }

    #[test]
    fn a_weight_is_a_positive_integer_up_to_the_bound() {
        assert_eq!(weight("1"), Ok(1));
        assert_eq!(weight("10000"), Ok(WEIGHT_MAX));
        assert_eq!(
            weight("10001"),
            Err(RoutingError::WeightTooLarge(WEIGHT_MAX))
        );
        let large = "9".repeat(40);
        assert_eq!(
            weight(&large),
            Err(RoutingError::WeightTooLarge(WEIGHT_MAX))
        );
        assert_eq!(weight("0"), Err(RoutingError::WeightTooSmall));
        assert_eq!(weight("-1"), Err(RoutingError::WeightTooSmall));
        for text in ["", "one", "1.5", " 1"] {
            assert_eq!(
                weight(text),
                Err(RoutingError::WeightNotInteger(text.into()))
            );
        }
    }

    #[test]
    fn only_topics_take_patterns() {
        let key = BindingKey::Pattern(Pattern::from_dotted_words(b"a.*").unwrap());
        assert!(pattern_of(&key).is_ok());
        assert_eq!(text_of(&key), Err(RoutingError::PatternNotPermitted));
    }
}
