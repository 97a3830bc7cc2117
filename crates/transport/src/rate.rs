//! Log lines about misbehaving peers, at a rate that they cannot choose.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Lets a few through in each interval and counts the rest.
pub(crate) struct RateLimit {
    per_interval: u32,
    interval: Duration,
    window: Mutex<Window>,
}

struct Window {
    started: Option<Instant>,
    passed: u32,
    held: u64,
}

impl RateLimit {
    pub(crate) const fn new(per_interval: u32, interval: Duration) -> Self {
        Self {
            per_interval,
            interval,
            window: Mutex::new(Window {
                started: None,
                passed: 0,
                held: 0,
            }),
        }
    }

    /// Whether to go ahead, and if so, how many were held back since the last time.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let over = window
            .started
            .is_none_or(|started| now.duration_since(started) >= self.interval);
        if over {
            window.started = Some(now);
            window.passed = 0;
        }
        if window.passed >= self.per_interval {
            window.held += 1;
            return None;
        }
        window.passed += 1;
        Some(std::mem::take(&mut window.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_is_counted_and_told() {
        let limit = RateLimit::new(2, Duration::from_secs(1));
        assert_eq!([limit.pass(), limit.pass()], [Some(0), Some(0)]);
        assert_eq!([limit.pass(), limit.pass()], [None, None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!([limit.pass(), limit.pass()], [Some(2), Some(0)]);
    }
}
