//! How much of everything a broker holds in memory.

use super::Broker;

/// What a broker holds in memory besides definitions, counted. When all work is done, all of it is
/// given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Sessions.
    pub sessions: usize,
    /// Readers of queues, and sessions that hold what they took one by one.
    pub consumers: usize,
    /// Leases.
    pub leases: usize,
    /// Timers, and records whose time is known.
    pub timers: usize,
    /// Records in memory.
    pub records: usize,
    /// Records that were read ahead from disk.
    pub loaded: usize,
    /// Chunks of records in memory.
    pub chunks: usize,
    /// Extent files.
    pub files: usize,
    /// Logs that may have records in memory.
    pub recent: usize,
    /// Blocks that are not safe yet.
    pub blocks: usize,
    /// Ids of messages that are remembered for deduplication.
    pub seen: usize,
}

impl Broker {
    /// Counts what is in memory. It looks at every queue: for tests and rare figures.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let mut footprint = Footprint {
            sessions: self.sessions.len(),
            consumers: usize::try_from(self.consumers.len()).unwrap_or(usize::MAX),
            timers: self.timers.len(),
            chunks: self.memory.chunks.len(),
            files: self.memory.files.len().1,
            recent: self.recent.len(),
            blocks: self.memory.open.sealed.len(),
            ..Footprint::default()
        };
        for queue in self.queues.values() {
            footprint.seen += queue.seen.len();
            for lane in &queue.lanes {
                footprint.leases += usize::try_from(lane.ledger.leased()).unwrap_or(usize::MAX);
                footprint.timers += lane.dues.len();
                footprint.records += lane.log.in_memory();
                footprint.loaded += lane.log.loaded_count();
            }
        }
        footprint
    }
}
