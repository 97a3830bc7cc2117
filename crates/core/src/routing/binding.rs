//! Bindings: which exchange leads where, and under which condition.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::pattern::Pattern;
use super::subject::Subject;
use super::target::{Destination, ExchangeId, Target};
use crate::message::value::Table;
use crate::name::Name;

/// The longest binding key, in bytes.
pub const BINDING_KEY_BYTES_MAX: usize = 65_535;

/// A binding as its owner states it. Two are the same when all four parts are equal, whatever
/// the order of the arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingSpec {
    /// The exchange that messages come from.
    pub source: Name,
    /// Where they go.
    pub target: Target,
    /// The condition on the routing key; what it means depends on the kind of the source.
    pub routing_key: BindingKey,
    /// Further conditions, for exchanges that look at headers; a part of the binding's identity
    /// for all.
    pub arguments: Table,
}

/// The condition of a binding on the routing key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingKey {
    /// Text: a key for direct exchanges, dotted words for topic exchanges, a weight for hashing
    /// ones.
    Text(Subject),
    /// A pattern from a dialect that dotted words cannot express; for topic exchanges only.
    Pattern(Pattern),
}

impl BindingKey {
    /// How many bytes of text the key holds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.as_bytes().len(),
            Self::Pattern(pattern) => pattern.literal_bytes(),
        }
    }

    fn detached(&self) -> Self {
        match self {
            Self::Text(text) => {
                Self::Text(Subject::from_bytes(Bytes::copy_from_slice(text.as_bytes())))
            }
            Self::Pattern(pattern) => Self::Pattern(pattern.detached()),
        }
    }
}

impl From<Subject> for BindingKey {
    fn from(text: Subject) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for BindingKey {
    fn from(text: &str) -> Self {
        Self::Text(Subject::from_bytes(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl From<Pattern> for BindingKey {
    fn from(pattern: Pattern) -> Self {
        Self::Pattern(pattern)
    }
}

/// The number of a binding; given to another one after its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BindingId(pub(super) u32);

/// A binding with its exchanges resolved.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Binding {
    pub(super) source: ExchangeId,
    pub(super) destination: Destination,
    /// The target's stable hash.
    pub(super) identity: u64,
    pub(super) key: BindingKey,
    /// Ordered by name, so that equal bindings have equal arguments.
    pub(super) arguments: Table,
}

impl Binding {
    /// The resolved form of a specification, in memory of its own.
    pub(super) fn new(spec: &BindingSpec, source: ExchangeId, destination: Destination) -> Self {
        Self {
            source,
            destination,
            identity: spec.target.stable_hash(),
            key: spec.routing_key.detached(),
            arguments: spec.arguments.detached().sorted(),
        }
    }
}

/// All bindings of a namespace, found by number, by what they are, and by where they lead.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    slots: Vec<Option<Binding>>,
    vacant: Vec<BindingId>,
    numbers: HashTable<BindingId>,
    by_destination: HashMap<Destination, BTreeSet<BindingId>>,
    hasher: DefaultHashBuilder,
}

impl Bindings {
    /// How many bindings there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The binding with that number.
    pub(super) fn binding(&self, id: BindingId) -> Option<&Binding> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// The number of an equal binding.
    pub(super) fn find(&self, binding: &Binding) -> Option<BindingId> {
        let hash = self.hasher.hash_one(binding);
        self.numbers
            .find(hash, |id| self.binding(*id) == Some(binding))
            .copied()
    }

    /// The number that [`Bindings::insert`] gives next.
    pub(super) fn next_id(&self) -> Option<BindingId> {
        match self.vacant.last() {
            Some(vacant) => Some(*vacant),
            None => u32::try_from(self.slots.len()).ok().map(BindingId),
        }
    }

    /// Adds a binding to which no other is equal, under the number from [`Bindings::next_id`].
    pub(super) fn insert(&mut self, id: BindingId, binding: Binding) {
        let hash = self.hasher.hash_one(&binding);
        let destinations = self.by_destination.entry(binding.destination);
        destinations.or_default().insert(id);
        match self.vacant.pop() {
            Some(vacant) => self.slots[vacant.0 as usize] = Some(binding),
            None => self.slots.push(Some(binding)),
        }
        let Self {
            slots,
            numbers,
            hasher,
            ..
        } = self;
        numbers.insert_unique(hash, id, |id| {
            let binding = slots[id.0 as usize].as_ref();
            binding.map_or(0, |binding| hasher.hash_one(binding))
        });
    }

    /// Removes the binding with that number.
    pub(super) fn remove(&mut self, id: BindingId) -> Option<Binding> {
        let binding = self.slots.get_mut(id.0 as usize)?.take()?;
        let hash = self.hasher.hash_one(&binding);
        if let Ok(entry) = self.numbers.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        if let Some(bindings) = self.by_destination.get_mut(&binding.destination) {
            bindings.remove(&id);
            if bindings.is_empty() {
                self.by_destination.remove(&binding.destination);
            }
        }
        self.vacant.push(id);
        Some(binding)
    }

    /// The numbers of the bindings that lead to a destination.
    pub(super) fn leading_to(&self, destination: Destination) -> Vec<BindingId> {
        let bindings = self.by_destination.get(&destination);
        bindings.into_iter().flatten().copied().collect()
    }

    /// All bindings.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.slots.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::target::QueueId;

    fn binding(key: &str, arguments: &[(&str, i32)]) -> Binding {
        let arguments = arguments
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let spec = BindingSpec {
            source: "source".into(),
            target: Target::Queue(QueueId(1)),
            routing_key: key.into(),
            arguments: arguments.collect(),
        };
        Binding::new(&spec, ExchangeId(1), Destination::Queue(QueueId(1)))
    }

    #[test]
    fn the_order_of_arguments_is_not_part_of_a_binding() {
        assert_eq!(
            binding("k", &[("a", 1), ("b", 2)]),
            binding("k", &[("b", 2), ("a", 1)])
        );
        assert_ne!(binding("k", &[("a", 1)]), binding("k", &[("a", 2)]));
    }

    #[test]
    fn bindings_are_found_until_removed_and_their_numbers_used_again() {
        let mut bindings = Bindings::default();
        for number in 0..100 {
            let id = bindings.next_id().unwrap();
            bindings.insert(id, binding(&number.to_string(), &[]));
        }
        let id = bindings.find(&binding("42", &[])).unwrap();
        assert_eq!(bindings.remove(id), Some(binding("42", &[])));
        assert_eq!(bindings.remove(id), None);
        assert_eq!(bindings.find(&binding("42", &[])), None);
        assert_eq!(bindings.next_id(), Some(id));
        assert_eq!(bindings.len(), 99);
        let destination = Destination::Queue(QueueId(1));
        assert_eq!(bindings.leading_to(destination).len(), 99);
    }
}
