//! What leaves memory: records into extents, and state into the index.

use super::Broker;
use crate::{
    id::{LogId, Offset},
    log::chunk::ChunkId,
    message::RecordView,
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
    /// The newest journal file that is emptied.
    file: Option<FileNumber>,
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
    /// Begins to move the records of a full journal file, and of those before it, to disk. False
    /// when no block is known to be in them. If what is handed out cannot be written, it is begun
    /// anew later.
    pub fn begin_settle(&mut self, file: FileNumber) -> bool {
        let Some((_, last)) = self.generations.range(..=file).next_back() else {
            return false;
        };
        // The file may hold blocks that were not yet reported; those are safe to move as well.
        let reported = self.generations.range(file.next()..).next().is_some();
        let newest = Position(self.memory.open.position().0.saturating_sub(1));
        let boundary = if reported { *last } else { newest };
        self.begin(ChunkId::journal(boundary.0), Some(file));
        true
    }

    /// Begins to move all records that are not journaled to disk.
    pub fn begin_settle_volatile(&mut self) {
        let boundary = self.memory.newest_volatile();
        self.begin(boundary, None);
    }

    /// Whether records that are not journaled take so much memory that they should be moved.
    #[must_use]
    pub fn is_volatile_heavy(&self) -> bool {
        self.memory.chunks.volatile_bytes() > self.config.volatile_bytes_max
    }

    fn begin(&mut self, boundary: ChunkId, file: Option<FileNumber>) {
        let (queues, recent) = (&mut self.queues, &mut self.recent);
        let mut logs = Vec::new();
        recent.retain(|log| {
            let lane = queues
                .get_mut(&log.queue())
                .and_then(|queue| queue.lane_mut(log.lane()));
            let Some(lane) = lane else {
                return false;
            };
            lane.in_memory = lane.log.in_memory() > 0;
            if lane.in_memory && lane.durable == file.is_some() {
                logs.push(*log);
            }
            lane.in_memory
        });
        self.settling = Some(Settling {
            boundary,
            file,
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
        self.settling = Some(settling);
        if records.is_empty() {
            SettleStep::Done
        } else {
            SettleStep::Records(records)
        }
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
            let Some(queue) = self.queues.get_mut(&log.queue()) else {
                self.run_is_unwanted(run);
                continue;
            };
            let waits = queue.retry_at.is_some();
            let Some(lane) = queue.lane_mut(log.lane()) else {
                self.run_is_unwanted(run);
                continue;
            };
            let due = lane.dues.leave(run);
            let memory = &mut self.memory;
            lane.log
                .settled(*run, due, &mut memory.chunks, &mut memory.files);
            lane.set_due_timer(waits, &mut self.timers);
            if lane.log.is_on_disk() {
                lane.in_memory = false;
                self.recent.remove(&log);
            }
        }
        if let Some(file) = self.settling.take().and_then(|settling| settling.file) {
            self.generations = self.generations.split_off(&file.next());
        }
    }

    pub(super) fn run_is_unwanted(&mut self, run: &Run) {
        self.memory.files.run_added(run, 0);
        self.memory.files.run_gone(run, 0);
    }

    /// The changes of definitions, states and runs since the last call. The open block is closed:
    /// the states include all of it, so nothing may be added to it later.
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.close_block();
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
        Checkpoint {
            position: Position(self.memory.open.position().0.saturating_sub(1)),
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
