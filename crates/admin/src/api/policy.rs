//! Policies.

use serde::{Deserialize, Serialize};

use super::Arguments;

/// A policy with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub rule: PolicyRule,
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// A regular expression that is searched for in names.
    pub pattern: String,
    /// What it may apply to: `all`, `queues`, `classic_queues`, `quorum_queues`, `streams` or
    /// `exchanges`.
    #[serde(default = "all")]
    pub applies_to: String,
    /// Of several that match, the highest applies.
    #[serde(default)]
    pub priority: i64,
    /// Whether it bounds what users and other policies ask for.
    #[serde(default)]
    pub operator: bool,
    /// Its settings, named as in RabbitMQ (`message-ttl`, `dead-letter-exchange`, …).
    pub definition: Arguments,
}

/// Which of two policies of one name is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySort {
    /// The operator policy.
    pub operator: bool,
}

fn all() -> String {
    "all".to_owned()
}
