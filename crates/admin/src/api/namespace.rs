//! Namespaces.

use serde::{Deserialize, Serialize};

/// A namespace as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Queues in it.
    pub queues: u64,
    /// Connections that work in it.
    pub connections: u64,
    /// Its limits.
    #[serde(flatten)]
    pub limits: NamespaceLimits,
}

/// What a namespace may hold at most; what is absent is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceLimits {
    /// Most queues.
    pub queues_max: Option<u64>,
    /// Most connections.
    pub connections_max: Option<u64>,
}
