//! Choosing one of several destinations: by weight and hash, by position, at random.

use super::stable::{mix, scale, stable_hash};
use super::target::Destination;
use crate::message::value::codec::encode_value;
use crate::message::value::{Comparable, Value};

/// The largest weight that a binding may have.
pub(super) const WEIGHT_MAX: u32 = 10_000;

/// Destinations with weights, among which a key always finds the same one.
///
/// Each destination draws a number from the key and itself, scaled by its weight, and the best
/// wins (weighted rendezvous hashing). Adding a destination moves to it only the keys that it
/// wins, removing it moves only its own, shares are exactly in proportion to the weights, and
/// the order of bindings plays no part.
#[derive(Debug, Default)]
pub(super) struct Weighted {
    entries: Vec<WeightedEntry>,
}

#[derive(Debug)]
struct WeightedEntry {
    identity: u64,
    destination: Destination,
    weight: u64,
}

impl Weighted {
    /// Adds one binding; several of one destination add up.
    pub(super) fn insert(&mut self, identity: u64, destination: Destination, weight: u32) {
        match self.position(identity, destination) {
            Ok(index) => self.entries[index].weight += u64::from(weight),
            Err(index) => {
                let weight = u64::from(weight);
                let entry = WeightedEntry {
                    identity,
                    destination,
                    weight,
                };
                self.entries.insert(index, entry);
            }
        }
    }

    /// Takes back one binding.
    pub(super) fn remove(&mut self, identity: u64, destination: Destination, weight: u32) {
        if let Ok(index) = self.position(identity, destination) {
            let entry = &mut self.entries[index];
            entry.weight = entry.weight.saturating_sub(u64::from(weight));
            if entry.weight == 0 {
                self.entries.remove(index);
            }
        }
    }

    /// The destination of a key, by the key's hash.
    pub(super) fn choose(&self, key: u64) -> Option<Destination> {
        let draw = |entry: &WeightedEntry| mix(key ^ entry.identity);
        let mut entries = self.entries.iter();
        let mut best = entries.next()?;
        let mut best_draw = draw(best);
        for entry in entries {
            let entry_draw = draw(entry);
            if wins((entry_draw, entry.weight), (best_draw, best.weight)) {
                (best, best_draw) = (entry, entry_draw);
            }
        }
        Some(best.destination)
    }

    fn position(&self, identity: u64, destination: Destination) -> Result<usize, usize> {
        self.entries
            .binary_search_by_key(&(identity, destination), |entry| {
                (entry.identity, entry.destination)
            })
    }
}

/// Whether one (draw, weight) beats another. With equal weights the draws decide; otherwise the
/// smaller of two exponentially distributed waiting times, whose rates are the weights.
fn wins(challenger: (u64, u64), holder: (u64, u64)) -> bool {
    if challenger.1 == holder.1 {
        return challenger.0 > holder.0;
    }
    waiting_time(challenger) < waiting_time(holder)
}

fn waiting_time((draw, weight): (u64, u64)) -> f64 {
    const RANGE: f64 = (1_u64 << 53) as f64;
    let uniform = ((draw >> 11) as f64 + 0.5) / RANGE;
    -uniform.ln() / weight as f64
}

/// The destinations of all bindings in an order that survives restarts.
#[derive(Debug, Default)]
pub(super) struct Pool {
    members: Vec<(u64, Destination)>,
}

impl Pool {
    /// Adds one binding.
    pub(super) fn insert(&mut self, identity: u64, destination: Destination) {
        let member = (identity, destination);
        let index = self.members.partition_point(|other| *other < member);
        self.members.insert(index, member);
    }

    /// Takes back one binding.
    pub(super) fn remove(&mut self, identity: u64, destination: Destination) {
        if let Ok(index) = self.members.binary_search(&(identity, destination)) {
            self.members.remove(index);
        }
    }

    /// The destination at the key's hash modulo the number of bindings.
    pub(super) fn at_modulus(&self, key: u64) -> Option<Destination> {
        let count = self.members.len() as u64;
        let index = key.checked_rem(count)?;
        self.at(index as usize)
    }

    /// The destination that a random number falls on.
    pub(super) fn at_random(&self, random: u64) -> Option<Destination> {
        self.at(scale(random, self.members.len()))
    }

    fn at(&self, index: usize) -> Option<Destination> {
        self.members.get(index).map(|(_, destination)| *destination)
    }
}

/// The hash of a routing key.
pub(super) fn key_hash(key: &[u8]) -> u64 {
    stable_hash(&[key])
}

/// The hash of a header's value, or of its absence; of a list the first item counts.
pub(super) fn value_hash(value: Option<&Value>) -> u64 {
    match value {
        None => stable_hash(&[]),
        Some(Value::List(items) | Value::Array(items)) => value_hash(items.first()),
        Some(value) => match value.comparable() {
            Comparable::Integer(number) => stable_hash(&[&number.to_le_bytes()]),
            Comparable::Float(bits) => stable_hash(&[&bits.to_le_bytes()]),
            Comparable::Bytes(bytes) => stable_hash(&[&bytes]),
            Comparable::Exact(value) => {
                let mut encoded = Vec::new();
                // A value nested too deeply is hashed by its outer part, which is as stable.
                let _: Result<(), _> = encode_value(&value, &mut encoded);
                stable_hash(&[&encoded])
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::target::{QueueId, Target};

    fn add(weighted: &mut Weighted, id: u64, weight: u32) {
        let identity = Target::Queue(QueueId(id)).stable_hash();
        weighted.insert(identity, Destination::Queue(QueueId(id)), weight);
    }

    fn choices(weighted: &Weighted, keys: u64) -> Vec<Option<Destination>> {
        (0..keys)
            .map(|key| weighted.choose(key_hash(&key.to_be_bytes())))
            .collect()
    }

    #[test]
    fn shares_follow_the_weights() {
        const KEYS: u64 = 60_000;
        let mut weighted = Weighted::default();
        for (id, weight) in [(1, 1), (2, 2), (3, 3)] {
            add(&mut weighted, id, weight);
        }
        let choices = choices(&weighted, KEYS);
        for (id, share) in [(1, 10_000.0), (2, 20_000.0), (3, 30_000.0)] {
            let destination = Some(Destination::Queue(QueueId(id)));
            let count = choices.iter().filter(|one| **one == destination).count() as f64;
            assert!((count - share).abs() < share * 0.03, "{id}: {count}");
        }
    }

    #[test]
    fn a_new_destination_takes_its_share_and_moves_nothing_else() {
        const KEYS: u64 = 20_000;
        let mut weighted = Weighted::default();
        (1..=9).for_each(|id| add(&mut weighted, id, 1));
        let before = choices(&weighted, KEYS);
        add(&mut weighted, 10, 1);
        let after = choices(&weighted, KEYS);
        let new = Some(Destination::Queue(QueueId(10)));
        let moved: Vec<_> = before
            .iter()
            .zip(&after)
            .filter(|(old, now)| old != now)
            .collect();
        assert!(moved.iter().all(|(_, now)| **now == new));
        assert!(moved.len() < KEYS as usize / 9, "{}", moved.len());
        let identity = Target::Queue(QueueId(10)).stable_hash();
        weighted.remove(identity, Destination::Queue(QueueId(10)), 1);
        assert_eq!(choices(&weighted, KEYS), before);
    }

    #[test]
    fn the_order_of_bindings_plays_no_part() {
        let mut forward = Weighted::default();
        let mut backward = Weighted::default();
        (1..=5).for_each(|id| add(&mut forward, id, 3));
        (1..=5).rev().for_each(|id| {
            add(&mut backward, id, 1);
            add(&mut backward, id, 2);
        });
        assert_eq!(choices(&forward, 1000), choices(&backward, 1000));
    }

    #[test]
    fn nothing_is_chosen_from_nothing() {
        assert_eq!(Weighted::default().choose(1), None);
        assert_eq!(Pool::default().at_modulus(1), None);
        assert_eq!(Pool::default().at_random(1), None);
    }

    #[test]
    fn a_pool_reaches_every_member() {
        let mut pool = Pool::default();
        (0..3).for_each(|id| pool.insert(id, Destination::Queue(QueueId(id))));
        let third = Some(Destination::Queue(QueueId(2)));
        assert_eq!(pool.at_modulus(5), third);
        assert_eq!(pool.at_random(u64::MAX), third);
        pool.remove(2, Destination::Queue(QueueId(2)));
        assert_ne!(pool.at_random(u64::MAX), third);
    }

    #[test]
    fn a_header_hashes_alike_whatever_its_width() {
        assert_eq!(
            value_hash(Some(&Value::I16(9))),
            value_hash(Some(&Value::U64(9)))
        );
        assert_eq!(
            value_hash(Some(&Value::List(vec!["a".into(), "b".into()]))),
            value_hash(Some(&"a".into()))
        );
        assert_eq!(value_hash(Some(&Value::List(Vec::new()))), value_hash(None));
    }
}
