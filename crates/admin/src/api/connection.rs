//! Connections and the consumers on them.

use serde::{Deserialize, Serialize};

/// A connection as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its number, by which it is closed.
    pub id: u64,
    /// The namespace it works in.
    pub namespace: String,
    /// Who it works for.
    pub principal: String,
    /// Protocol, addresses and what the client says of itself.
    pub description: String,
    /// Its consumers.
    pub consumers: u32,
    /// Messages it has published.
    pub published: u64,
    /// Messages delivered to it.
    pub delivered: u64,
}

/// Why a connection is closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloseReason {
    /// What its client is told.
    pub reason: Option<String>,
}

/// A consumer as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// The namespace it is in.
    pub namespace: String,
    /// The queue it reads.
    pub queue: String,
    /// The number of its connection.
    pub connection: u64,
    /// What its client calls it.
    pub tag: String,
    /// Whether it is being served.
    pub active: bool,
    /// Whether it is the only one.
    pub exclusive: bool,
    /// Whether its deliveries need no settlement.
    pub settled: bool,
    /// Deliveries it holds.
    pub unsettled: u64,
    /// Most deliveries it may hold; 0 is unlimited.
    pub unsettled_max: u32,
    /// Higher ones are served first.
    pub priority: i32,
}
