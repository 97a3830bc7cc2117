//! Records with a time of their own: they expire, or they have been held back and are let go.

use super::{Broker, Effects, Fetch, FetchPurpose, dead_letter::Death, timer::Timer};
use crate::{
    id::{LogId, Offset, Timestamp},
    message::{DeathReason, Message, Record, RecordView},
    queue::{
        Queue,
        due::{LEAD_MS, Scan},
        lane::{Found, Lane},
    },
    storage::StoredRecord,
};

/// Most records that expire in one step.
const STEP_MAX: usize = 10_000;

/// How much is read to find a due record and those around it.
const READ_BYTES: u64 = 64 << 10;

impl Broker {
    /// Watches the time of a record that was just added.
    pub(super) fn watch_new(
        &mut self,
        now: Timestamp,
        log: LogId,
        offset: Offset,
        message: &Message,
    ) {
        let Some(queue) = self.queues.get_mut(&log.queue()) else {
            return;
        };
        if queue.keeps_records() {
            return;
        }
        let own = message.delay_ms.or(message.ttl_ms);
        let of_queue = queue.settings.message_ttl_ms;
        if own.is_none() && of_queue.is_none() {
            return;
        }
        if own == Some(0) || of_queue == Some(0) {
            if let Some(lane) = queue.lane_mut(log.lane()) {
                lane.dues.offer_once(offset);
            }
            return;
        }
        if let Some(ttl_ms) = of_queue
            && queue.head_timer.is_none()
        {
            let due = now.after(ttl_ms);
            queue.head_timer = Some(due);
            self.timers.set(due, Timer::Head(queue.id));
        }
        let waits = queue.retry_at.is_some();
        if let Some(wait_ms) = own
            && let Some(lane) = queue.lane_mut(log.lane())
        {
            lane.dues.watch(now.after(wait_ms), offset);
            lane.set_due_timer(waits, &mut self.timers);
        }
    }

    /// Buries the records of a log that are due, and reads those that are on disk.
    pub(super) fn expire_due(&mut self, now: Timestamp, log: LogId, effects: &mut Effects) {
        let Some(mut queue) = self.queues.remove(&log.queue()) else {
            return;
        };
        let mut deaths = Vec::new();
        if let Some(index) = queue.index_of(log.lane()) {
            if let Some(lane) = queue.lanes.get_mut(index) {
                lane.dues.timer = None;
            }
            for _ in 0..STEP_MAX {
                let due = queue
                    .lanes
                    .get_mut(index)
                    .and_then(|lane| lane.dues.pop(now));
                let Some(offset) = due else {
                    break;
                };
                self.expire_record(&mut queue, index, offset, &mut deaths);
            }
            self.read_due(now, &mut queue, index, effects);
        }
        self.queues.insert(log.queue(), queue);
        self.memory.open.can_wait(now);
        self.bury(now, log.queue(), deaths, effects);
    }

    /// Buries one due record, unless it is leased or its bytes have to be read first.
    fn expire_record(
        &mut self,
        queue: &mut Queue,
        index: usize,
        offset: Offset,
        deaths: &mut Vec<Death>,
    ) {
        let Some(lane) = queue.lanes.get_mut(index) else {
            return;
        };
        if !lane.ledger.is_ready(offset) {
            return;
        }
        match lane.find(offset, &self.memory) {
            Found::Bytes(bytes) => {
                let record = Record(bytes);
                self.kill_ready(queue, index, record, offset, DeathReason::Expired, deaths);
            }
            Found::OnDisk(_) => lane.dues.read_later(offset),
            Found::Lost => {
                self.lost += 1;
                lane.remove(offset, 0, &mut self.memory);
            }
        }
    }

    /// Reads what is due from disk, or else goes on with the run whose records are due next.
    pub(super) fn read_due(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        index: usize,
        effects: &mut Effects,
    ) {
        let waits = queue.retry_at.is_some();
        let Some(lane) = queue.lanes.get_mut(index) else {
            return;
        };
        if !lane.dues.reading && !waits {
            let wanted = self.next_due_read(now, lane);
            lane.dues.reading = wanted.is_some();
            effects.fetches.extend(wanted);
        }
        lane.set_due_timer(waits, &mut self.timers);
    }

    fn next_due_read(&self, now: Timestamp, lane: &mut Lane) -> Option<Fetch> {
        let log = lane.log.id();
        let fetch = |run, from, bytes_max| Fetch {
            log,
            run,
            from,
            bytes_max,
            purpose: FetchPurpose::Due,
        };
        while let Some(offset) = lane.dues.first_to_read() {
            let ready = lane.ledger.is_ready(offset);
            match lane.find(offset, &self.memory) {
                Found::OnDisk(run) if ready => return Some(fetch(run, offset, READ_BYTES)),
                _ if ready => lane.dues.watch(now, offset),
                _ => {}
            }
            lane.dues.was_read(offset);
        }
        if lane.dues.scan.is_none() {
            let run = lane.log.run_due_by(now.after(LEAD_MS))?;
            lane.dues.scan = Some(Scan::of(run));
        }
        let scan = lane.dues.scan.as_ref()?;
        Some(fetch(scan.run, scan.next, self.config.read_ahead_bytes))
    }

    /// Takes records that were read because some of them are due.
    pub(super) fn fetched_due(
        &mut self,
        now: Timestamp,
        fetch: &Fetch,
        records: Option<Vec<StoredRecord>>,
        effects: &mut Effects,
    ) {
        let Some(mut queue) = self.queues.remove(&fetch.log.queue()) else {
            return;
        };
        let mut deaths = Vec::new();
        if let Some(index) = queue.index_of(fetch.log.lane()) {
            if let Some(lane) = queue.lanes.get_mut(index) {
                lane.dues.reading = false;
            }
            match records {
                Some(records) => self.take_due(now, &mut queue, index, fetch, records, &mut deaths),
                None => {
                    if let Some(lane) = queue.lanes.get_mut(index) {
                        lane.dues.scan = None;
                    }
                }
            }
            self.read_due(now, &mut queue, index, effects);
        }
        self.queues.insert(fetch.log.queue(), queue);
        self.memory.open.can_wait(now);
        self.bury(now, fetch.log.queue(), deaths, effects);
    }

    fn take_due(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        index: usize,
        fetch: &Fetch,
        records: Vec<StoredRecord>,
        deaths: &mut Vec<Death>,
    ) {
        let last = records.last().map(|record| record.offset);
        let mut first_found = false;
        for record in records {
            let offset = Offset(record.offset);
            first_found |= offset == fetch.from;
            let Some(lane) = queue.lanes.get_mut(index) else {
                return;
            };
            lane.dues.was_read(offset);
            let due = RecordView::parse(&record.bytes)
                .ok()
                .and_then(|view| view.due());
            let Some(due) = due.filter(|_| lane.ledger.is_ready(offset)) else {
                continue;
            };
            if due <= now {
                let record = Record(record.bytes);
                self.kill_ready(queue, index, record, offset, DeathReason::Expired, deaths);
            } else if let Some(scan) = &mut lane.dues.scan {
                scan.add(due, offset);
            }
        }
        let Some(lane) = queue.lanes.get_mut(index) else {
            return;
        };
        if lane.dues.is_scan(fetch) {
            self.scanned(lane, fetch, last);
        } else if !first_found && lane.ledger.is_ready(fetch.from) {
            self.lost += 1;
            lane.remove(fetch.from, 0, &mut self.memory);
        }
        lane.dues.was_read(fetch.from);
    }

    /// A part of a run has been looked at, up to a record; none when there are no more.
    fn scanned(&self, lane: &mut Lane, fetch: &Fetch, last: Option<u64>) {
        let last = last.filter(|last| *last < fetch.run.last && lane.log.has_run(&fetch.run));
        match last {
            Some(last) => lane.dues.scanned_to(last),
            None => {
                if let Some((run, rest)) = lane.dues.end_scan() {
                    lane.log.set_run_due(&run, rest);
                }
            }
        }
    }

    /// Buries the records that were worth only the one offer that they have just had.
    pub(super) fn expire_offered(&mut self, queue: &mut Queue, deaths: &mut Vec<Death>) {
        for index in 0..queue.lanes.len() {
            let Some(lane) = queue.lanes.get_mut(index) else {
                return;
            };
            lane.offered = lane.visible;
            for offset in lane.dues.take_offered(lane.visible) {
                self.expire_record(queue, index, offset, deaths);
            }
            let waits = queue.retry_at.is_some();
            if let Some(lane) = queue.lanes.get_mut(index)
                && lane.dues.first_to_read().is_some()
            {
                lane.set_due_timer(waits, &mut self.timers);
            }
        }
    }
}
