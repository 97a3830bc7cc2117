//! Queues.

use serde::{Deserialize, Serialize};

use super::Arguments;

/// A queue as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its sort.
    pub kind: Kind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it belongs to one session.
    pub exclusive: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// The arguments it was declared with.
    pub arguments: Arguments,
    /// The policy in force.
    pub policy: Option<String>,
    /// The operator policy in force.
    pub operator_policy: Option<String>,
    /// Ready and unsettled messages together.
    pub depth: u64,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages that a consumer holds.
    pub unsettled: u64,
    /// Bytes of ready and unsettled messages.
    pub bytes: u64,
    /// Its consumers.
    pub consumers: u32,
    /// What has happened to it so far.
    pub counters: Counters,
    /// What is happening to it, where rates were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

/// The sort of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Messages go when they are settled.
    #[default]
    Classic,
    /// As classic, with a delivery limit.
    Quorum,
    /// Messages stay until retention removes them.
    Stream,
}

/// What has happened, in messages, since the queue was made or the broker started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Taken in.
    pub published: u64,
    /// Delivered, each attempt counted.
    pub delivered: u64,
    /// Of these, delivered again.
    pub redelivered: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// Dead-lettered.
    pub dead_lettered: u64,
    /// Dropped without a place for dead letters.
    pub dropped: u64,
    /// Refused to publishers because the queue was full.
    pub refused: u64,
}

/// Messages per second over the measured interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Taken in.
    pub published: f64,
    /// Delivered.
    pub delivered: f64,
    /// Acknowledged.
    pub acknowledged: f64,
}

impl Rates {
    /// What happened between two readings of the counters. A counter that went back began anew
    /// with a queue of the same name.
    #[must_use]
    pub fn between(earlier: &Counters, later: &Counters, seconds: f64) -> Self {
        let rate = |earlier: u64, later: u64| {
            let messages = if later >= earlier {
                later - earlier
            } else {
                later
            };
            messages as f64 / seconds
        };
        Self {
            published: rate(earlier.published, later.published),
            delivered: rate(earlier.delivered, later.delivered),
            acknowledged: rate(earlier.acknowledged, later.acknowledged),
        }
    }
}

/// How a queue is declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueDeclaration {
    /// Its sort.
    pub kind: Kind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments, named as in AMQP 0-9-1 (`x-message-ttl`, …).
    pub arguments: Arguments,
}

impl Default for QueueDeclaration {
    fn default() -> Self {
        Self {
            kind: Kind::Classic,
            durable: true,
            auto_delete: false,
            arguments: Arguments::new(),
        }
    }
}

/// Under which conditions a queue or an exchange is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteConditions {
    /// Only if nothing uses it.
    pub if_unused: bool,
    /// Only if it holds no messages.
    pub if_empty: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_differences_over_time() {
        let earlier = Counters {
            published: 10,
            delivered: 100,
            ..Counters::default()
        };
        let later = Counters {
            published: 30,
            delivered: 4,
            ..Counters::default()
        };
        let rates = Rates::between(&earlier, &later, 2.0);
        assert_eq!((rates.published, rates.delivered), (10.0, 2.0));
    }

    #[test]
    fn an_unknown_field_of_a_declaration_is_refused() {
        assert!(serde_json::from_str::<QueueDeclaration>(r#"{"durabel": true}"#).is_err());
        assert!(serde_json::from_str::<QueueDeclaration>("{}").is_ok());
    }
}
