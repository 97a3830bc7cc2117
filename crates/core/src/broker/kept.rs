//! Queues that keep their records: every consumer has a place of its own, and retention decides
//! what goes.

use super::{Broker, Effects, Fetch, FetchPurpose, timer::Timer};
use crate::{
    event::{Delivery, Event},
    id::{Offset, SessionId, Timestamp},
    journal::entry,
    message::Record,
    queue::{Queue, lane::Found},
    request::{DeliveryId, Settlement, Start},
    routing::QueueId,
    storage::StoredRecord,
};

/// How often kept records are checked for their age, in milliseconds.
const RETENTION_CHECK_MS: u64 = 10_000;

impl Broker {
    /// The offset at which a consumer begins.
    pub(super) fn start_offset(&self, queue: &Queue, start: Start) -> Offset {
        let Some(lane) = queue.lanes.first() else {
            return match start {
                Start::Offset(offset) => offset,
                _ => Offset(0),
            };
        };
        let (head, tail) = (lane.ledger.head(), lane.log.tail());
        match start {
            Start::Next => tail,
            Start::First => head,
            Start::Last => Offset(tail.0.saturating_sub(1)).max(head),
            Start::Offset(offset) => offset.max(head),
            Start::Time(time) => self.first_since(queue, time).unwrap_or(head),
        }
    }

    /// The first offset whose record may not be older than `time`.
    fn first_since(&self, queue: &Queue, time: Timestamp) -> Option<Offset> {
        let lane = queue.lanes.first()?;
        let on_disk = lane.log.runs().find(|run| run.timestamp_ms_max >= time.0);
        if let Some(run) = on_disk {
            return Some(Offset(run.first));
        }
        let tail = lane.log.tail();
        let from = lane
            .log
            .runs()
            .last()
            .map_or(lane.ledger.head().0, |run| run.last + 1);
        (from..tail.0)
            .map(Offset)
            .find(|offset| match lane.find(*offset, &self.memory) {
                Found::Bytes(bytes) => crate::message::RecordView::parse(&bytes)
                    .is_ok_and(|view| view.timestamp >= time),
                _ => false,
            })
            .or(Some(tail))
    }

    /// Sends every consumer what it has capacity for.
    pub(super) fn dispatch_kept(&mut self, queue: &mut Queue, effects: &mut Effects) {
        while let Some(slot) = queue.roster.front() {
            let served = !queue.settings.single_active || queue.roster.active() == Some(slot);
            if served {
                while self.deliver_kept(queue, slot, effects) {}
            }
            if let Some(consumer) = self.consumers.get_mut(slot) {
                consumer.parked = true;
            }
            queue.roster.park_front();
        }
        let caught_up = queue.roster.members().to_vec();
        for slot in caught_up {
            self.unpark_quietly(queue, slot);
        }
    }

    /// Puts a consumer back in line for the next records, without asking for a dispatch now.
    fn unpark_quietly(&mut self, queue: &mut Queue, slot: u32) {
        if let Some(consumer) = self.consumers.get_mut(slot)
            && consumer.parked
            && consumer.has_capacity()
        {
            consumer.parked = false;
            queue.roster.enter(slot, consumer.priority);
        }
    }

    fn deliver_kept(&mut self, queue: &mut Queue, slot: u32, effects: &mut Effects) -> bool {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            return false;
        };
        let Some(state) = self.sessions.get_mut(&consumer.session) else {
            return false;
        };
        let window = consumer.window;
        let room = window.is_none_or(|window| {
            let window = state.windows.get(&window);
            window.is_none_or(|window| window.has_room())
        });
        if !room || !consumer.has_capacity() || state.window_bytes <= 0 {
            return false;
        }
        let waits = queue.retry_at.is_some();
        let Some(lane) = queue.lanes.first_mut() else {
            return false;
        };
        let Some(cursor) = &mut consumer.cursor else {
            return false;
        };
        cursor.next = cursor.next.max(lane.ledger.head());
        if cursor.next >= lane.visible {
            return false;
        }
        let offset = cursor.next;
        let ahead = cursor.take(offset);
        let found = ahead.map_or_else(|| lane.find(offset, &self.memory), Found::Bytes);
        let bytes = match found {
            Found::Bytes(bytes) => bytes,
            Found::OnDisk(run) => {
                if cursor.asked.is_none() && !waits {
                    cursor.asked = Some(offset);
                    effects.fetches.push(Fetch {
                        log: lane.log.id(),
                        run,
                        from: offset,
                        bytes_max: self.config.read_ahead_bytes,
                        purpose: FetchPurpose::Cursor(slot),
                    });
                }
                return false;
            }
            Found::Lost => {
                self.lost += 1;
                cursor.next = offset.next();
                return true;
            }
        };
        cursor.next = offset.next();
        consumer.unsettled += 1;
        if let Some(window) = window.and_then(|window| state.windows.get_mut(&window)) {
            window.unsettled += 1;
        }
        if let Some(credit) = &mut consumer.credit {
            *credit = credit.saturating_sub(1);
        }
        queue.counters.delivered += 1;
        let delivery = Delivery {
            consumer: consumer.id,
            id: Some(DeliveryId {
                log: lane.log.id(),
                offset,
            }),
            settled: false,
            redelivered: false,
            attempts: 0,
            record: Record(bytes),
        };
        state.delivered += 1;
        state.window_bytes -= i64::try_from(delivery.cost()).unwrap_or(i64::MAX);
        effects.tell(consumer.session, Event::Delivery(delivery));
        true
    }

    /// Settling a kept record only makes room for the next.
    pub(super) fn settle_kept(
        &mut self,
        queue: &mut Queue,
        session: SessionId,
        settlement: &Settlement,
    ) {
        let count = settlement.last.0.saturating_sub(settlement.first.0) + 1;
        let mut left = u32::try_from(count).unwrap_or(u32::MAX);
        for slot in queue.roster.members().to_vec() {
            let Some(consumer) = self.consumers.get_mut(slot) else {
                continue;
            };
            if consumer.session != session || consumer.unsettled == 0 {
                continue;
            }
            let given = left.min(consumer.unsettled);
            left -= given;
            for _ in 0..given {
                self.give_back(queue, slot);
            }
            if left == 0 {
                break;
            }
        }
    }

    /// A consumer of kept records holds nothing: what it was sent counts no more when it goes.
    pub(super) fn forget_kept(&mut self, slot: u32) {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            return;
        };
        let held = std::mem::take(&mut consumer.unsettled);
        let (session, window) = (consumer.session, consumer.window);
        let window = self
            .sessions
            .get_mut(&session)
            .and_then(|state| state.windows.get_mut(&window?));
        if let Some(window) = window {
            window.unsettled = window.unsettled.saturating_sub(held);
        }
    }

    pub(super) fn fetched_for_cursor(
        &mut self,
        slot: u32,
        fetch: &Fetch,
        records: Option<Vec<StoredRecord>>,
    ) {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            return;
        };
        let Some(cursor) = &mut consumer.cursor else {
            return;
        };
        // The slot may have gone to another consumer since.
        if consumer.queue != fetch.log.queue() || cursor.asked != Some(fetch.from) {
            return;
        }
        cursor.asked = None;
        if let Some(records) = records {
            match records.first() {
                Some(first) => cursor.next = cursor.next.max(Offset(first.offset)),
                None => {
                    self.lost += 1;
                    cursor.next = cursor.next.max(Offset(fetch.run.last + 1));
                }
            }
            cursor.ahead.extend(
                records
                    .into_iter()
                    .map(|record| (Offset(record.offset), record.bytes)),
            );
        }
        consumer.parked = true;
        let Some(mut queue) = self.queues.remove(&fetch.log.queue()) else {
            return;
        };
        queue.roster.withdraw(slot);
        self.unpark_in(&mut queue, slot);
        self.queues.insert(queue.id, queue);
    }

    /// Starts to watch the age of kept records.
    pub(super) fn watch_retention(&mut self, now: Timestamp, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let aged = queue.keeps_records() && queue.settings.age_max_ms.is_some();
        if aged && queue.retention_timer.is_none() {
            let due = now.after(RETENTION_CHECK_MS);
            queue.retention_timer = Some(due);
            self.timers.set(due, Timer::Retention(id));
        }
    }

    pub(super) fn retain_by_age(&mut self, now: Timestamp, id: QueueId) {
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        queue.retention_timer = None;
        self.retain_kept(now, &mut queue);
        self.queues.insert(id, queue);
        self.watch_retention(now, id);
    }

    /// Removes the oldest runs of a queue that keeps its records while it holds too much, or they
    /// are too old. The newest records, which are still in memory, always stay.
    pub(super) fn retain_kept(&mut self, now: Timestamp, queue: &mut Queue) {
        let settings = queue.settings.clone();
        let Some(lane) = queue.lanes.first_mut() else {
            return;
        };
        let mut head = None;
        let (mut bytes, mut length) = (lane.bytes, lane.ready());
        for run in lane.log.runs() {
            let heavy = settings.bytes_max.is_some_and(|max| bytes > max);
            let long = settings.length_max.is_some_and(|max| length > max);
            let old = settings
                .age_max_ms
                .is_some_and(|max| now.since(Timestamp(run.timestamp_ms_max)) > max);
            if !heavy && !long && !old {
                break;
            }
            head = Some(Offset(run.last + 1));
            bytes = bytes.saturating_sub(run.bytes);
            length = length.saturating_sub(run.count);
        }
        let Some(head) = head else {
            return;
        };
        let gone = lane.truncate(head, &mut self.memory);
        lane.bytes = lane.bytes.saturating_sub(gone);
        let log = lane.log.id();
        if lane.durable {
            entry::write_truncate(&mut self.memory.open.body, log, head);
            self.memory.open.can_wait(now);
        }
        self.changed(log, queue);
    }
}
