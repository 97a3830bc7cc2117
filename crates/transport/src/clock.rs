//! The time that sessions are told: wall-clock milliseconds that never go back within a run.

use sabir_core::id::Timestamp;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The wall clock as it was at the start, moved on by the monotonic clock.
///
/// A step of the system's clock therefore does not fire or delay any deadline. Copies tell the
/// same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: milliseconds(since_epoch),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.started_ms).after(milliseconds(self.started.elapsed()))
    }

    /// The moment to sleep until for a deadline to have passed.
    #[must_use]
    pub fn instant(&self, deadline: Timestamp) -> Instant {
        let after_start = deadline.since(Timestamp(self.started_ms));
        let distant = Duration::from_secs(365 * 24 * 3600);
        self.started + Duration::from_millis(after_start).min(distant)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_has_passed_when_its_instant_has_come() {
        let clock = Clock::start();
        let deadline = clock.now().after(1500);
        tokio::time::sleep_until(clock.instant(deadline)).await;
        assert!(clock.now() >= deadline);
        assert!(clock.now().since(deadline) <= 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_time_is_a_moment_that_can_be_slept_until() {
        let clock = Clock::start();
        assert!(clock.instant(Timestamp(u64::MAX)) > clock.instant(clock.now()));
    }
}
