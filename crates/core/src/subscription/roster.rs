//! The consumers of one queue and whose turn it is.

use std::collections::VecDeque;

/// Consumers by slot, with their turn order: a ring for each priority, highest first.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: Vec<u32>,
    rings: Vec<(i32, VecDeque<u32>)>,
    active: Option<u32>,
}

impl Roster {
    /// All members in the order in which they came.
    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a member; it gets its first turn by [`Roster::enter`].
    pub(crate) fn join(&mut self, slot: u32) {
        self.members.push(slot);
    }

    /// Removes a member.
    pub(crate) fn leave(&mut self, slot: u32) {
        self.members.retain(|member| *member != slot);
        self.withdraw(slot);
        if self.active == Some(slot) {
            self.active = None;
        }
    }

    /// Takes a member out of the line, wherever it stands; it stays a member.
    pub(crate) fn withdraw(&mut self, slot: u32) {
        for (_, ring) in &mut self.rings {
            ring.retain(|member| *member != slot);
        }
        self.rings.retain(|(_, ring)| !ring.is_empty());
    }

    /// Puts a member that has capacity in line.
    pub(crate) fn enter(&mut self, slot: u32, priority: i32) {
        let place = self
            .rings
            .binary_search_by(|(level, _)| priority.cmp(level));
        match place {
            Ok(index) => {
                if let Some((_, ring)) = self.rings.get_mut(index) {
                    ring.push_back(slot);
                }
            }
            Err(index) => self.rings.insert(index, (priority, VecDeque::from([slot]))),
        }
    }

    /// Whose turn it is among those of the highest priority.
    pub(crate) fn front(&self) -> Option<u32> {
        self.rings
            .first()
            .and_then(|(_, ring)| ring.front().copied())
    }

    /// The one at the front has had its turn.
    pub(crate) fn rotate(&mut self) {
        if let Some((_, ring)) = self.rings.first_mut() {
            ring.rotate_left(1.min(ring.len()));
        }
    }

    /// The one at the front has no capacity: it leaves the line but stays a member.
    pub(crate) fn park_front(&mut self) {
        if let Some((_, ring)) = self.rings.first_mut() {
            ring.pop_front();
            if ring.is_empty() {
                self.rings.remove(0);
            }
        }
    }

    /// The only member that is served, where only one may be.
    pub(crate) fn active(&self) -> Option<u32> {
        self.active
    }

    /// Makes a member the only one that is served.
    pub(crate) fn activate(&mut self, slot: u32) {
        self.active = Some(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_among_the_highest_priority() {
        let mut roster = Roster::default();
        for (slot, priority) in [(1, 0), (2, 5), (3, 5)] {
            roster.join(slot);
            roster.enter(slot, priority);
        }
        let mut turns = Vec::new();
        for _ in 0..3 {
            turns.extend(roster.front());
            roster.rotate();
        }
        assert_eq!(turns, [2, 3, 2]);
        roster.leave(3);
        roster.park_front();
        assert_eq!(roster.front(), Some(1));
        assert_eq!(roster.members(), [1, 2]);
    }
}
