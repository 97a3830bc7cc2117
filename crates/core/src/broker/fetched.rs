//! Records that have been read from disk, and reads that have failed.

use super::{Broker, Effects, Fetch, FetchPurpose, mark_dirty, timer::Timer};
use crate::{
    id::{Offset, Timestamp},
    queue::Queue,
    routing::QueueId,
    storage::StoredRecord,
};

/// How long to wait after the first read that failed, in milliseconds; after every other one twice
/// as long as before it.
const RETRY_MS: u64 = 250;

/// The longest wait is so many doublings.
const RETRY_DOUBLINGS_MAX: u32 = 7;

impl Broker {
    /// Takes what a [`Fetch`] has found, oldest first; `None` when it could not be read.
    pub fn fetched(
        &mut self,
        now: Timestamp,
        fetch: &Fetch,
        records: Option<Vec<StoredRecord>>,
        effects: &mut Effects,
    ) {
        let id = fetch.log.queue();
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        mark_dirty(&mut self.dirty, &mut queue);
        match &records {
            Some(_) => queue.failed_reads = 0,
            None => self.put_off_reads(now, &mut queue, fetch),
        }
        match fetch.purpose {
            FetchPurpose::Deliver | FetchPurpose::Single => {
                self.load(now, &mut queue, fetch, records);
                self.queues.insert(id, queue);
            }
            FetchPurpose::Cursor(slot) => {
                self.queues.insert(id, queue);
                self.fetched_for_cursor(slot, fetch, records);
            }
            FetchPurpose::Due => {
                self.queues.insert(id, queue);
                self.fetched_due(now, fetch, records, effects);
            }
        }
    }

    /// Keeps records at hand that are to be delivered or dead-lettered.
    fn load(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        fetch: &Fetch,
        records: Option<Vec<StoredRecord>>,
    ) {
        let for_delivery = fetch.purpose == FetchPurpose::Deliver;
        let level = fetch.log.lane();
        if !for_delivery {
            queue.dying.reading = false;
        }
        let dying = &queue.dying.records;
        let is_dying = |offset| dying.contains_key(&(level, offset));
        let Some(lane) = queue.lanes.iter_mut().find(|lane| lane.level == level) else {
            return;
        };
        if for_delivery {
            lane.fetching = false;
        }
        let Some(records) = records else {
            return;
        };
        let found = records.first().map(|record| record.offset) == Some(fetch.from.0);
        let ledger = &lane.ledger;
        let wanted: Vec<_> = records
            .into_iter()
            .map(|record| (Offset(record.offset), record.bytes))
            .filter(|(offset, _)| is_dying(*offset) || for_delivery && ledger.is_ready(*offset))
            .collect();
        lane.log.load(wanted);
        if !found {
            self.give_up(queue, fetch);
        }
        self.check_heads(now, queue);
    }

    /// A record that should be in a run is not: it cannot be delivered to anyone.
    fn give_up(&mut self, queue: &mut Queue, fetch: &Fetch) {
        let Some(lane) = queue.lane_mut(fetch.log.lane()) else {
            return;
        };
        if !lane.ledger.wants(fetch.from) || !lane.log.has_run(&fetch.run) {
            return;
        }
        self.lost += 1;
        if lane.ledger.is_ready(fetch.from) {
            lane.remove(fetch.from, 0, &mut self.memory);
            self.changed(fetch.log, queue);
        } else {
            queue.dying.records.remove(&(fetch.log.lane(), fetch.from));
            self.end_lease_and_settle(queue, fetch.log.lane(), fetch.from);
        }
    }

    /// A read has failed: the queue reads nothing for a while, unless what was to be read is no
    /// longer there for good reason.
    fn put_off_reads(&mut self, now: Timestamp, queue: &mut Queue, fetch: &Fetch) {
        let expected = queue
            .lane(fetch.log.lane())
            .is_some_and(|lane| lane.log.has_run(&fetch.run));
        if !expected || queue.retry_at.is_some() {
            return;
        }
        let doublings = queue.failed_reads.min(RETRY_DOUBLINGS_MAX);
        queue.failed_reads = queue.failed_reads.saturating_add(1);
        let due = now.after(RETRY_MS << doublings);
        queue.retry_at = Some(due);
        self.timers.set(due, Timer::Retry(queue.id));
    }

    /// Reads of a queue that have failed may be tried again.
    pub(super) fn retry_reads(&mut self, now: Timestamp, id: QueueId, effects: &mut Effects) {
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        queue.retry_at = None;
        mark_dirty(&mut self.dirty, &mut queue);
        for index in 0..queue.lanes.len() {
            self.read_due(now, &mut queue, index, effects);
        }
        for slot in queue.roster.members().to_vec() {
            self.unpark_in(&mut queue, slot);
        }
        self.check_heads(now, &mut queue);
        self.queues.insert(id, queue);
    }
}
