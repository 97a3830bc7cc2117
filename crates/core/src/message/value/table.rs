//! Named values in the order in which they were written.

use super::{Text, Value};

/// Named values in the order in which they were written; duplicates are kept.
///
/// Look-ups are linear: tables are small, and their bound is set by whoever parses them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    entries: Vec<(Text, Value)>,
}

impl Table {
    /// A table without entries; allocates nothing.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// How many entries the table has, duplicates included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the table has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first value of that name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Value> {
        let name = name.as_ref();
        self.entries
            .iter()
            .find(|(entry, _)| entry.as_bytes() == name)
            .map(|(_, value)| value)
    }

    /// The last value of that name.
    pub fn last(&self, name: impl AsRef<[u8]>) -> Option<&Value> {
        let name = name.as_ref();
        self.entries
            .iter()
            .rfind(|(entry, _)| entry.as_bytes() == name)
            .map(|(_, value)| value)
    }

    /// Whether there is an entry of that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Gives the name this value: in place of the first entry of that name, whose value is
    /// returned, or else at the end.
    pub fn insert(&mut self, name: impl Into<Text>, value: impl Into<Value>) -> Option<Value> {
        let name = name.into();
        let value = value.into();
        match self.entries.iter_mut().find(|(entry, _)| *entry == name) {
            Some((_, current)) => Some(std::mem::replace(current, value)),
            None => {
                self.entries.push((name, value));
                None
            }
        }
    }

    /// Adds an entry at the end, whether or not the name is taken.
    pub fn push(&mut self, name: impl Into<Text>, value: impl Into<Value>) {
        self.entries.push((name.into(), value.into()));
    }

    /// Removes all entries of that name and returns the first one's value.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Option<Value> {
        let name = name.as_ref();
        let mut first = None;
        self.entries.retain_mut(|(entry, value)| {
            let keep = entry.as_bytes() != name;
            if !keep && first.is_none() {
                first = Some(std::mem::replace(value, Value::Null));
            }
            keep
        });
        first
    }

    /// The entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Text, Value)> {
        self.entries.iter()
    }

    /// The table with its entries ordered by name; entries of one name keep their order.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.entries
            .sort_by(|(left, _), (right, _)| left.cmp(right));
        self
    }

    /// A copy that shares no memory with the buffer the table was parsed from.
    pub fn detached(&self) -> Self {
        self.iter()
            .map(|(name, value)| (name.detached(), value.detached()))
            .collect()
    }
}

impl FromIterator<(Text, Value)> for Table {
    fn from_iter<I: IntoIterator<Item = (Text, Value)>>(entries: I) -> Self {
        Self {
            entries: entries.into_iter().collect(),
        }
    }
}

impl Extend<(Text, Value)> for Table {
    fn extend<I: IntoIterator<Item = (Text, Value)>>(&mut self, entries: I) {
        self.entries.extend(entries);
    }
}

impl IntoIterator for Table {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'table> IntoIterator for &'table Table {
    type Item = &'table (Text, Value);
    type IntoIter = std::slice::Iter<'table, (Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insert_replaces_in_place_and_push_keeps_duplicates() {
        let mut table = Table::new();
        table.insert("a", 1);
        table.insert("b", 2);
        assert_eq!(table.insert("a", 3), Some(Value::I32(1)));
        table.push("a", 4);
        let names: Vec<String> = table.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["a", "b", "a"]);
        assert_eq!(table.get("a"), Some(&Value::I32(3)));
    }

    #[test]
    fn remove_takes_every_entry_of_the_name() {
        let mut table = Table::new();
        table.push("a", 1);
        table.push("b", 2);
        table.push("a", 3);
        assert_eq!(table.remove("a"), Some(Value::I32(1)));
        assert_eq!(table.len(), 1);
        assert_eq!(table.remove("a"), None);
    }
}
