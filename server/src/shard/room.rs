//! Whether the journal has room on the disk, told from the threads that know to the one that
//! raises alarms.

use super::lock;
use std::sync::Mutex;

/// Whether there is room for the journal.
#[derive(Default)]
pub(super) struct JournalRoom(Mutex<Room>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Room {
    #[default]
    Enough,
    /// A block did not fit.
    Full,
    /// There is room again, of which nobody has been told.
    Found,
}

impl JournalRoom {
    /// A block did not fit. False if that is known.
    pub(super) fn lost(&self) -> bool {
        let mut room = lock(&self.0);
        std::mem::replace(&mut *room, Room::Full) == Room::Enough
    }

    /// There is room.
    pub(super) fn found(&self) {
        let mut room = lock(&self.0);
        if *room == Room::Full {
            *room = Room::Found;
        }
    }

    /// Whether the disk was full when this was last asked, or since.
    pub(super) fn was_lost(&self) -> bool {
        let mut room = lock(&self.0);
        let lost = *room != Room::Enough;
        if *room == Room::Found {
            *room = Room::Enough;
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_seen_once_even_if_it_is_over_by_then() {
        let room = JournalRoom::default();
        assert!(!room.was_lost());
        assert!(room.lost());
        assert!(!room.lost());
        assert!(room.was_lost());
        assert!(room.was_lost());
        room.found();
        assert!(room.was_lost());
        assert!(!room.was_lost());
    }
}
