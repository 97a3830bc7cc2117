//! The broker as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::queue::Counters;

/// The broker as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The broker's version.
    pub version: String,
    /// Where it listens, by listener.
    pub listeners: BTreeMap<String, String>,
    /// What is short, where publishers are blocked.
    pub alarms: Vec<String>,
    /// Namespaces.
    pub namespaces: u64,
    /// Queues.
    pub queues: u64,
    /// Exchanges.
    pub exchanges: u64,
    /// Connections.
    pub connections: u64,
    /// Consumers.
    pub consumers: u64,
    /// Messages that wait.
    pub ready: u64,
    /// Messages that consumers hold.
    pub unsettled: u64,
    /// What has happened to all queues.
    pub counters: Counters,
}
