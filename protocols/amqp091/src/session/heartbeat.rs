//! Signs of life: sent when nothing else was, expected when nothing else comes (section 4.2.7).

use sabir_core::id::Timestamp;

/// The clock of one connection. Traffic only notes the time; deadlines move when they are reached.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    /// 0 until negotiated, and when the client wants none.
    interval_ms: u64,
    last_received: Timestamp,
    last_sent: Timestamp,
    next: Option<Timestamp>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing.
    Rest,
    /// A heartbeat has to be sent.
    Send,
    /// The client is gone: two intervals passed without a byte.
    Dead,
}

impl Heartbeat {
    /// Begins with the negotiated interval.
    pub(super) fn start(&mut self, now: Timestamp, seconds: u16) {
        self.interval_ms = u64::from(seconds) * 1000;
        self.last_received = now;
        self.last_sent = now;
        self.next = (seconds > 0).then(|| now.after(self.interval_ms / 2));
    }

    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    pub(super) const fn received(&mut self, now: Timestamp) {
        self.last_received = now;
    }

    pub(super) const fn sent(&mut self, now: Timestamp) {
        self.last_sent = now;
    }

    pub(super) const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// What is due at `now`.
    pub(super) fn beat(&mut self, now: Timestamp) -> Beat {
        if self.next.is_none_or(|next| now < next) {
            return Beat::Rest;
        }
        if now.since(self.last_received) > 2 * self.interval_ms {
            self.next = None;
            return Beat::Dead;
        }
        let half = self.interval_ms / 2;
        if now.since(self.last_sent) < half {
            self.next = Some(self.last_sent.after(half));
            return Beat::Rest;
        }
        self.last_sent = now;
        self.next = Some(now.after(half));
        Beat::Send
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_broken_every_half_interval() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.start(Timestamp(0), 10);
        assert_eq!(heartbeat.beat(Timestamp(4999)), Beat::Rest);
        assert_eq!(heartbeat.beat(Timestamp(5000)), Beat::Send);
        heartbeat.sent(Timestamp(8000));
        assert_eq!(heartbeat.beat(Timestamp(10_000)), Beat::Rest);
        assert_eq!(heartbeat.next(), Some(Timestamp(13_000)));
    }

    #[test]
    fn two_silent_intervals_are_the_end() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.start(Timestamp(0), 10);
        assert_eq!(heartbeat.beat(Timestamp(20_000)), Beat::Send);
        assert_eq!(heartbeat.beat(Timestamp(25_000)), Beat::Dead);
    }

    #[test]
    fn zero_means_never() {
        let mut heartbeat = Heartbeat::default();
        heartbeat.start(Timestamp(0), 0);
        assert_eq!(heartbeat.next(), None);
        assert_eq!(heartbeat.beat(Timestamp(u64::MAX)), Beat::Rest);
    }
}
