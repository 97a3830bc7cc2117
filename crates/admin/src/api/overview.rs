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
    /// What is in use, beside the marks at which publishers are blocked.
    pub gauges: Gauges,
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

/// What is in use, beside the marks at which publishers are blocked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauges {
    /// Memory of the process.
    pub memory_bytes: u64,
    /// Most memory.
    pub memory_bytes_max: u64,
    /// Records in memory that have not been moved to disk.
    pub record_bytes: u64,
    /// Most records in memory.
    pub record_bytes_max: u64,
    /// Room on the disk, where it is known.
    pub disk_bytes_free: Option<u64>,
    /// Least room on the disk.
    pub disk_bytes_free_min: Option<u64>,
}
