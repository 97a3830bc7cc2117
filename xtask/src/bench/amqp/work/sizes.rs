//! How much is done in each scenario.

use std::time::Duration;

use super::Work;

/// Counts and times of all scenarios.
#[derive(Debug, Clone)]
pub(in super::super) struct Sizes {
    /// Messages of a pipeline at the greatest load.
    pub(in super::super) messages: u64,
    /// Messages before them that are not measured.
    pub(in super::super) warm_up: u64,
    /// Messages of each of many publishers.
    pub(in super::super) messages_each: u64,
    /// Seconds at a fixed rate.
    pub(in super::super) rate_seconds: u64,
    /// Messages at the steady rate.
    pub(in super::super) steady_messages: u64,
    /// Messages per second of the steady rate.
    pub(in super::super) steady_rate: u64,
    /// Messages of the backlog.
    pub(in super::super) backlog: u64,
    /// Queues with one message each.
    pub(in super::super) queues: u64,
    /// Idle connections.
    pub(in super::super) connections: u64,
    /// Connects per second of the churn.
    pub(in super::super) churn_rate: u64,
    /// Seconds of idling and of churn.
    pub(in super::super) churn_seconds: u64,
    /// Messages for each point of growth.
    pub(in super::super) growth_messages: u64,
    /// Many queues, to compare with one.
    pub(in super::super) growth_queues: u64,
    /// Many connections, to compare with [`Sizes::GROWTH_CONNECTIONS_FEW`].
    pub(in super::super) growth_connections: u64,
    /// How long a disk is probed.
    pub(in super::super) probe: Duration,
}

impl Sizes {
    /// Few connections of the growth, which are also the messages in flight.
    pub(in super::super) const GROWTH_CONNECTIONS_FEW: u64 = 10;

    /// The sizes that results are published for.
    pub(in super::super) fn full() -> Self {
        Self {
            messages: 300_000,
            warm_up: 200_000,
            messages_each: 1_000,
            rate_seconds: 25,
            steady_messages: 1_000_000,
            steady_rate: 10_000,
            backlog: 10_000_000,
            queues: 100_000,
            connections: 10_000,
            churn_rate: 100,
            churn_seconds: 20,
            growth_messages: 200_000,
            growth_queues: 10_000,
            growth_connections: 5_000,
            probe: Duration::from_secs(1),
        }
    }

    /// Sizes that show in minutes whether everything works; their numbers mean nothing.
    pub(in super::super) fn quick() -> Self {
        Self {
            messages: 2_000,
            warm_up: 1_000,
            messages_each: 5,
            rate_seconds: 2,
            steady_messages: 2_000,
            steady_rate: 1_000,
            backlog: 5_000,
            queues: 200,
            connections: 100,
            churn_rate: 20,
            churn_seconds: 2,
            growth_messages: 2_000,
            growth_queues: 100,
            growth_connections: 50,
            probe: Duration::from_millis(100),
        }
    }

    /// What of this a kind of work uses, in words.
    pub(in super::super) fn words(&self, work: Work) -> String {
        match work {
            Work::Start => "one start per run".to_owned(),
            Work::Pipeline { .. } | Work::Syncs { .. } => format!(
                "{} messages after {} to warm up; {} s at a fixed rate",
                self.messages, self.warm_up, self.rate_seconds
            ),
            Work::Steady { .. } => format!(
                "{} messages at {} per second",
                self.steady_messages, self.steady_rate
            ),
            Work::Publishers { count } => format!(
                "{} messages by each of {count} publishers; {} s at a fixed rate",
                self.messages_each, self.rate_seconds
            ),
            Work::Backlog => format!("{} messages", self.backlog),
            Work::Queues => format!("{} queues", self.queues),
            Work::Connections => format!(
                "{} idle connections, {} connects per second for {} s",
                self.connections, self.churn_rate, self.churn_seconds
            ),
            Work::Growth => format!(
                "{} messages for each point; 1 and {} queues, {} and {} connections",
                self.growth_messages,
                self.growth_queues,
                Self::GROWTH_CONNECTIONS_FEW,
                self.growth_connections
            ),
        }
    }
}
