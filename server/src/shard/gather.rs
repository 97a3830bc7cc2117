//! How the next block gets company without a timer.
//!
//! When a block is safe its confirms leave, and publishers answer them with new publishes. A journal
//! that took the next block at once would write many small ones while those publishers wait for a
//! processor. So its thread steps back as long as that brings more publishes and fewer wait than half
//! of what was lately in flight; on a machine with processors to spare that is not at all.

use super::Shard;
use std::thread;

/// What was in flight counts for less by this part with each block.
const FORGOTTEN_PART: u64 = 8;

/// How many publishes were lately in flight.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    recent: u64,
}

impl Gathering {
    /// Lets others run until the next block is worth writing, after one with `committed` publishes.
    pub(super) fn wait(&mut self, shard: &Shard, committed: u64) {
        self.step_back(committed, || shard.waiting_publishes(), thread::yield_now);
    }

    fn step_back(
        &mut self,
        committed: u64,
        mut waiting: impl FnMut() -> u64,
        mut let_others_run: impl FnMut(),
    ) {
        let mut here = waiting();
        let remembered = self.recent - self.recent.div_ceil(FORGOTTEN_PART);
        self.recent = remembered.max(committed + here);
        while here > 0 && here < self.recent / 2 {
            let_others_run();
            let before = here;
            here = waiting();
            if here <= before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often others were let run, and what waits then, when each time brings `arriving`.
    fn gather(
        gathering: &mut Gathering,
        committed: u64,
        first: u64,
        arriving: &[u64],
    ) -> (usize, u64) {
        let here = std::cell::Cell::new(first);
        let mut arriving = arriving.iter();
        let mut pauses = 0;
        gathering.step_back(
            committed,
            || here.get(),
            || {
                pauses += 1;
                here.set(here.get() + arriving.next().copied().unwrap_or(0));
            },
        );
        (pauses, here.get())
    }

    #[test]
    fn it_waits_for_half_of_what_is_in_flight_and_no_longer() {
        let mut gathering = Gathering::default();
        assert_eq!(gather(&mut gathering, 90, 10, &[20, 25, 25]), (2, 55));
    }

    #[test]
    fn it_does_not_wait_when_nothing_more_comes() {
        let mut gathering = Gathering::default();
        assert_eq!(gather(&mut gathering, 90, 10, &[]), (1, 10));
    }

    #[test]
    fn a_publisher_that_waits_for_each_confirm_is_never_kept_waiting() {
        let mut gathering = Gathering::default();
        assert_eq!(gather(&mut gathering, 1, 0, &[1]), (0, 0));
        assert_eq!(gather(&mut gathering, 0, 1, &[1]), (0, 1));
    }

    #[test]
    fn a_burst_is_forgotten() {
        let mut gathering = Gathering::default();
        gather(&mut gathering, 500, 0, &[]);
        for _ in 0..50 {
            gather(&mut gathering, 1, 1, &[]);
        }
        assert_eq!(gather(&mut gathering, 1, 1, &[5]).0, 0);
    }
}
