//! Records that have been read from disk.

use super::{Broker, Effects, Fetch, FetchPurpose, mark_dirty, timer::Timer};
use crate::{
    id::{Offset, Timestamp},
    message::RecordView,
    storage::StoredRecord,
};

impl Broker {
    /// Takes what a [`Fetch`] has found, oldest first; `None` when it could not be read.
    pub fn fetched(
        &mut self,
        now: Timestamp,
        fetch: &Fetch,
        records: Option<Vec<StoredRecord>>,
        effects: &mut Effects,
    ) {
        if let FetchPurpose::Cursor(slot) = fetch.purpose {
            self.fetched_for_cursor(slot, fetch, records);
            return;
        }
        let Some(queue) = self.queues.get_mut(&fetch.log.queue()) else {
            return;
        };
        mark_dirty(&mut self.dirty, queue);
        let Some(lane) = queue.lane_mut(fetch.log.lane()) else {
            return;
        };
        if fetch.purpose == FetchPurpose::Deliver {
            lane.fetching = false;
        }
        let Some(records) = records else {
            return;
        };
        if fetch.purpose == FetchPurpose::Due {
            self.watch_due(now, fetch, &records, effects);
            return;
        }
        let from = fetch.from;
        if records.first().is_none_or(|record| record.offset != from.0) {
            self.give_up(fetch);
        }
        if let Some(lane) = self
            .queues
            .get_mut(&fetch.log.queue())
            .and_then(|queue| queue.lane_mut(fetch.log.lane()))
        {
            let ledger = &lane.ledger;
            let wanted: Vec<_> = records
                .into_iter()
                .map(|record| (Offset(record.offset), record.bytes))
                .filter(|(offset, _)| ledger.wants(*offset))
                .collect();
            lane.log.load(wanted);
        }
    }

    /// A record that should be in a run is not: it cannot be delivered to anyone.
    fn give_up(&mut self, fetch: &Fetch) {
        self.lost += 1;
        let Some(queue) = self.queues.get_mut(&fetch.log.queue()) else {
            return;
        };
        let Some(lane) = queue.lane_mut(fetch.log.lane()) else {
            return;
        };
        if lane.ledger.is_ready(fetch.from) {
            lane.remove(fetch.from, 0, &mut self.memory);
        } else if lane.ledger.end_lease(fetch.from).is_some() {
            lane.settle(fetch.from, 0, &mut self.memory);
        }
    }

    /// Buries the records that are due and sets timers for the others.
    fn watch_due(
        &mut self,
        now: Timestamp,
        fetch: &Fetch,
        records: &[StoredRecord],
        effects: &mut Effects,
    ) {
        let mut due_now = Vec::new();
        for record in records {
            let offset = Offset(record.offset);
            let due = RecordView::parse(&record.bytes)
                .ok()
                .and_then(|view| view.due());
            match due {
                Some(due) if due <= now => due_now.push((offset, record.bytes.clone())),
                Some(due) => self.timers.set(due, Timer::Record(fetch.log, offset)),
                None => {}
            }
        }
        if let Some(lane) = self
            .queues
            .get_mut(&fetch.log.queue())
            .and_then(|queue| queue.lane_mut(fetch.log.lane()))
        {
            let offsets: Vec<_> = due_now.iter().map(|(offset, _)| *offset).collect();
            lane.log.load(due_now);
            for offset in offsets {
                self.timers.set(now, Timer::Record(fetch.log, offset));
            }
        }
        let last = records.last().map(|record| record.offset);
        if let Some(last) = last
            && last < fetch.run.last
            && fetch.bytes_max > 1
        {
            self.timers
                .set(now, Timer::Run(fetch.log, Offset(last + 1)));
        }
        self.tick(now, effects);
    }
}
