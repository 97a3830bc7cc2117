//! A set of small numbers that is cheap to clear.

/// A set of small numbers in order of insertion, cleared in proportion to what it holds.
#[derive(Debug, Default)]
pub(super) struct Marks {
    words: Vec<u64>,
    members: Vec<u32>,
}

impl Marks {
    /// Adds the number; tells whether it is new.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        let index = (number / u64::BITS) as usize;
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        let bit = 1_u64 << (number % u64::BITS);
        let word = &mut self.words[index];
        let new = *word & bit == 0;
        if new {
            *word |= bit;
            self.members.push(number);
        }
        new
    }

    /// The members in order of insertion.
    pub(super) fn members(&self) -> &[u32] {
        &self.members
    }

    /// Removes all members and keeps the memory.
    pub(super) fn clear(&mut self) {
        for number in self.members.drain(..) {
            self.words[(number / u64::BITS) as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_kept_once_and_in_order_until_cleared() {
        let mut marks = Marks::default();
        for number in [700, 3, 700, 64] {
            marks.insert(number);
        }
        assert_eq!(marks.members(), [700, 3, 64]);
        marks.clear();
        assert_eq!(marks.members(), []);
        assert!(marks.insert(3));
    }
}
