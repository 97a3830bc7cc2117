//! What leaves memory: records into extents, and state into the index.

use super::Broker;
use crate::{
    id::{LogId, Offset},
    log::chunk::ChunkId,
    message::RecordView,
    routing::QueueId,
    storage::{ExtentFile, FileNumber, IndexBatch, Keyspace, Position, RecordMeta, Run},
    wire::Writer,
};
use bytes::Bytes;

/// Key of the next queue's identifier in [`Keyspace::Mark`].
pub(super) const NEXT_QUEUE: &[u8] = b"next-queue";

/// A record to be written to an extent.
#[derive(Clone, Debug)]
pub struct SettleRecord {
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
    /// What is stored beside it.
    pub meta: RecordMeta,
    /// Its bytes.
    pub bytes: Bytes,
}

/// One step of moving records from memory to disk.
#[derive(Clone, Debug)]
pub enum SettleStep {
    /// These come next; they are in order of log and offset.
    Records(Vec<SettleRecord>),
    /// There are no more.
    Done,
}

/// Moving records to disk, as far as it has come.
#[derive(Debug)]
pub(crate) struct Settling {
    boundary: ChunkId,
    logs: std::vec::IntoIter<LogId>,
    current: Option<(LogId, Offset)>,
}

/// Changes of the index since the last checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    /// The states include everything up to and including this position, which has to be durable
    /// before the batch is committed.
    pub position: Position,
    /// The changes. The mark is added by the caller.
    pub batch: IndexBatch,
    /// Extent files that hold nothing any more, to be deleted after the batch is committed.
    pub empty: Vec<ExtentFile>,
}

impl Broker {
    /// Begins to move the records of a journal file, and of those before it, to disk. Every block
    /// in it must be committed. False when none of its blocks is known.
    pub fn begin_settle(&mut self, file: FileNumber) -> bool {
        let Some((_, last)) = self.generations.range(..=file).next_back() else {
            return false;
        };
        let boundary = ChunkId::journal(last.0);
        self.generations = self.generations.split_off(&file.next());
        self.begin(boundary, true);
        true
    }

    /// Begins to move all records that are not journaled to disk.
    pub fn begin_settle_volatile(&mut self) {
        let boundary = self.memory.newest_volatile();
        self.begin(boundary, false);
    }

    /// Whether records that are not journaled take so much memory that they should be moved.
    #[must_use]
    pub fn is_volatile_heavy(&self) -> bool {
        self.memory.chunks.volatile_bytes() > self.config.volatile_bytes_max
    }

    fn begin(&mut self, boundary: ChunkId, durable: bool) {
        let queues = &self.queues;
        let of_family = |log: &LogId| {
            queues
                .get(&log.queue())
                .and_then(|queue| queue.lane(log.lane()))
                .is_some_and(|lane| lane.durable == durable)
        };
        let logs: Vec<LogId> = self.recent.iter().copied().filter(of_family).collect();
        self.settling = Some(Settling {
            boundary,
            logs: logs.into_iter(),
            current: None,
        });
    }

    /// The next records to write, about `bytes_max` of them.
    pub fn settle_next(&mut self, bytes_max: u64) -> SettleStep {
        let Some(mut settling) = self.settling.take() else {
            return SettleStep::Done;
        };
        let mut records = Vec::new();
        let mut bytes = 0;
        while bytes < bytes_max {
            let next = settling
                .current
                .take()
                .or_else(|| settling.logs.next().map(|log| (log, Offset(0))));
            let Some((log, from)) = next else {
                break;
            };
            settling.current = self.collect(
                log,
                from,
                settling.boundary,
                bytes_max,
                &mut bytes,
                &mut records,
            );
        }
        if records.is_empty() {
            return SettleStep::Done;
        }
        self.settling = Some(settling);
        SettleStep::Records(records)
    }

    /// Adds records of one log. Returns where to go on when there was no room for all.
    fn collect(
        &self,
        log: LogId,
        from: Offset,
        boundary: ChunkId,
        bytes_max: u64,
        bytes: &mut u64,
        records: &mut Vec<SettleRecord>,
    ) -> Option<(LogId, Offset)> {
        let lane = self.queues.get(&log.queue())?.lane(log.lane())?;
        for (offset, slot) in lane.log.until(from, boundary) {
            if *bytes >= bytes_max {
                return Some((log, offset));
            }
            let Some(record) = self.memory.read(slot) else {
                continue;
            };
            let Ok(view) = RecordView::parse(&record) else {
                continue;
            };
            let meta = RecordMeta {
                timestamp_ms: view.timestamp.0,
                due_ms: view.due().map(|due| due.0),
                flags: 0,
            };
            *bytes += record.len() as u64;
            records.push(SettleRecord {
                log,
                offset,
                meta,
                bytes: record,
            });
        }
        None
    }

    /// The records that were handed out are now in these runs, in order of log and offset; they
    /// leave memory.
    pub fn settled(&mut self, runs: &[Run]) {
        for run in runs {
            let log = LogId(run.log);
            let lane = self
                .queues
                .get_mut(&log.queue())
                .and_then(|queue| queue.lane_mut(log.lane()));
            match lane {
                Some(lane) => {
                    lane.log
                        .settled(*run, &mut self.memory.chunks, &mut self.memory.files);
                    if lane.log.is_on_disk() {
                        lane.in_memory = false;
                        self.recent.remove(&log);
                    }
                }
                None => {
                    self.memory.files.run_added(run, 0);
                    self.memory.files.run_gone(run, 0);
                }
            }
        }
    }

    /// The changes of definitions, states and runs since the last call.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let mut batch = IndexBatch::default();
        for (key, value) in std::mem::take(&mut self.definitions) {
            match value {
                Some(value) => batch.put(Keyspace::Catalog, key, value),
                None => batch.remove(Keyspace::Catalog, key),
            }
        }
        for log in std::mem::take(&mut self.unsaved) {
            self.save(log, &mut batch);
        }
        for log in std::mem::take(&mut self.deleted) {
            batch.remove(Keyspace::State, log.0.to_be_bytes());
            batch.remove(Keyspace::Deduplication, log.queue().0.to_be_bytes());
        }
        let mut next = Vec::new();
        Writer(&mut next).varint(self.next_queue);
        batch.put(Keyspace::Mark, NEXT_QUEUE, next);
        let empty = self.memory.files.checkpoint(&mut batch);
        let open = self.memory.open.position();
        let position = if self.memory.open.is_empty() {
            Position(open.0 - 1)
        } else {
            open
        };
        Checkpoint {
            position,
            batch,
            empty,
        }
    }

    fn save(&mut self, log: LogId, batch: &mut IndexBatch) {
        let Some(queue) = self.queues.get_mut(&log.queue()) else {
            return;
        };
        if !queue.seen_order.is_empty() {
            batch.put(
                Keyspace::Deduplication,
                queue.id.0.to_be_bytes(),
                write_seen(queue),
            );
        }
        let Some(lane) = queue.lane_mut(log.lane()) else {
            return;
        };
        lane.unsaved = false;
        let mut state = Vec::new();
        lane.write_state(&mut Writer(&mut state));
        batch.put(Keyspace::State, log.0.to_be_bytes(), state);
    }

    /// How many records a queue holds in memory, for tests and figures.
    #[must_use]
    pub fn records_in_memory(&self, queue: QueueId) -> usize {
        self.queues.get(&queue).map_or(0, |queue| {
            queue.lanes.iter().map(|lane| lane.log.in_memory()).sum()
        })
    }
}

fn write_seen(queue: &crate::queue::Queue) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut writer = Writer(&mut seen);
    for (until, id) in &queue.seen_order {
        writer.varint(until.0);
        writer.bytes(id);
    }
    seen
}
