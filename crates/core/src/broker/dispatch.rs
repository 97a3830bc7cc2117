//! Delivery: which ready record goes to which consumer.

use super::{Broker, Effects, Fetch, FetchPurpose, dead_letter::Death};
use crate::{
    event::{Delivery, Event},
    id::{Offset, Timestamp},
    message::{DeathReason, Record, RecordView},
    queue::{Purpose, Queue, lane::Found},
    request::DeliveryId,
    subscription::ledger::{Lease, Ready},
};

/// What became of one attempt to deliver.
enum Step {
    Delivered,
    Passed,
    Stop,
}

impl Broker {
    /// Delivers what can be delivered from every queue in the line.
    pub(super) fn dispatch(&mut self, now: Timestamp, effects: &mut Effects) {
        while let Some(id) = self.dirty.pop_front() {
            let Some(mut queue) = self.queues.remove(&id) else {
                continue;
            };
            queue.dirty = false;
            let mut deaths = Vec::new();
            self.bury_dying(&mut queue, &mut deaths, effects);
            if queue.keeps_records() {
                self.dispatch_kept(&mut queue, effects);
            } else if queue.purpose == Purpose::Deliver {
                self.drop_overflow(&mut queue, &mut deaths, effects);
                while let Step::Delivered | Step::Passed =
                    self.dispatch_one(now, &mut queue, &mut deaths, effects)
                {}
                self.expire_offered(&mut queue, &mut deaths);
            }
            let getting = std::mem::take(&mut queue.getting);
            self.queues.insert(id, queue);
            self.bury(now, id, deaths, effects);
            for session in getting {
                self.resume_get(now, session, effects);
            }
            self.close_large_block();
        }
    }

    fn dispatch_one(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        deaths: &mut Vec<Death>,
        effects: &mut Effects,
    ) -> Step {
        let Some(slot) = self.next_consumer(queue) else {
            return Step::Stop;
        };
        let Some((index, ready)) = queue.peek() else {
            return Step::Stop;
        };
        let Some(record) = self.ready_record(queue, index, ready.offset, effects) else {
            return Step::Stop;
        };
        let Some(record) = record else {
            return Step::Passed;
        };
        if self.expire_if_due(now, queue, index, &record, ready.offset, deaths) {
            return Step::Passed;
        }
        self.deliver(now, queue, index, ready, record, slot, effects);
        Step::Delivered
    }

    /// The bytes of a ready record. `None` when they have to be read first, `Some(None)` when the
    /// record turned out to be lost and was given up.
    pub(super) fn ready_record(
        &mut self,
        queue: &mut Queue,
        index: usize,
        offset: Offset,
        effects: &mut Effects,
    ) -> Option<Option<Record>> {
        let waits = queue.retry_at.is_some();
        let bytes_max = if queue.roster.is_empty() {
            SINGLE_READ_BYTES.min(self.config.read_ahead_bytes)
        } else {
            self.config.read_ahead_bytes
        };
        let lane = queue.lanes.get_mut(index)?;
        match lane.find(offset, &self.memory) {
            Found::Bytes(bytes) => Some(Some(Record(bytes))),
            Found::OnDisk(run) => {
                if !lane.fetching && !waits {
                    lane.fetching = true;
                    effects.fetches.push(Fetch {
                        log: lane.log.id(),
                        run,
                        from: offset,
                        bytes_max,
                        purpose: FetchPurpose::Deliver,
                    });
                }
                None
            }
            Found::Lost => {
                self.lost += 1;
                lane.remove(offset, 0, &mut self.memory);
                Some(None)
            }
        }
    }

    /// The consumer whose turn it is and who has capacity.
    fn next_consumer(&mut self, queue: &mut Queue) -> Option<u32> {
        loop {
            let slot = queue.roster.front()?;
            let consumer = self.consumers.get_mut(slot)?;
            let session = self.sessions.get(&consumer.session);
            let room = session.is_some_and(|session| {
                session.window_bytes > 0
                    && consumer.window.is_none_or(|window| {
                        session
                            .windows
                            .get(&window)
                            .is_none_or(|window| window.has_room())
                    })
            });
            let served = !queue.settings.single_active || queue.roster.active() == Some(slot);
            if room && served && consumer.has_capacity() {
                return Some(slot);
            }
            consumer.parked = true;
            queue.roster.park_front();
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of a queue's state are borrowed apart"
    )]
    fn deliver(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        index: usize,
        ready: Ready,
        record: Record,
        slot: u32,
        effects: &mut Effects,
    ) {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            return;
        };
        let settled = consumer.settled;
        if settled {
            self.memory.open.can_wait(now);
        }
        let (session, id) = (consumer.session, consumer.id);
        if let Some(credit) = &mut consumer.credit {
            *credit = credit.saturating_sub(1);
        }
        let window = consumer.window;
        if !settled {
            consumer.unsettled += 1;
        }
        queue.roster.rotate();
        queue.counters.delivered += 1;
        queue.counters.redelivered += u64::from(ready.redelivered);
        let log = self.take(
            queue,
            index,
            ready.offset,
            &record,
            (!settled).then_some(slot),
        );
        let delivery = Delivery {
            consumer: id,
            id: log.map(|log| DeliveryId {
                log,
                offset: ready.offset,
            }),
            settled,
            redelivered: ready.redelivered,
            attempts: queue.told_attempts(ready),
            record,
        };
        if let Some(state) = self.sessions.get_mut(&session) {
            state.delivered += 1;
            state.window_bytes -= i64::try_from(delivery.cost()).unwrap_or(i64::MAX);
            if !settled
                && let Some(window) = window.and_then(|window| state.windows.get_mut(&window))
            {
                window.unsettled += 1;
            }
        }
        effects.tell(session, Event::Delivery(delivery));
    }

    /// Takes a ready record out of its lane: leased to `holder`, or settled without one.
    pub(super) fn take(
        &mut self,
        queue: &mut Queue,
        index: usize,
        offset: Offset,
        record: &Record,
        holder: Option<u32>,
    ) -> Option<crate::id::LogId> {
        let lane = queue.lanes.get_mut(index)?;
        let log = lane.log.id();
        let view = record.view().ok();
        let bytes = view.as_ref().map_or(0, |view| view.body.len() as u64);
        let due = view.and_then(|view| view.due());
        if let Some(due) = due {
            lane.dues.forget(due, offset);
        }
        let lease_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(holder) = holder {
            lane.ledger.lease(
                offset,
                Lease {
                    holder,
                    bytes: lease_bytes,
                    due,
                },
            );
            lane.log.used(offset);
            queue.leased_bytes += u64::from(lease_bytes);
        } else {
            lane.ledger.consume(offset);
            lane.forget(offset, bytes, &mut self.memory);
            queue.counters.acknowledged += 1;
        }
        // A restart has to know that the record was delivered, settled or not.
        self.changed(log, queue);
        Some(log)
    }

    /// Settles a record that has outlived its time and remembers its death. False when it has not.
    pub(super) fn expire_if_due(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        index: usize,
        record: &Record,
        offset: Offset,
        deaths: &mut Vec<Death>,
    ) -> bool {
        let Ok(view) = record.view() else {
            return false;
        };
        if !is_expired(now, queue, index, offset, &view) {
            return false;
        }
        self.kill_ready(
            queue,
            index,
            record.clone(),
            offset,
            DeathReason::Expired,
            deaths,
        );
        true
    }

    /// Settles a ready record and remembers its death.
    pub(super) fn kill_ready(
        &mut self,
        queue: &mut Queue,
        index: usize,
        record: Record,
        offset: Offset,
        reason: DeathReason,
        deaths: &mut Vec<Death>,
    ) {
        let Some(lane) = queue.lanes.get_mut(index) else {
            return;
        };
        let log = lane.log.id();
        if let Some(due) = record.view().ok().and_then(|view| view.due()) {
            lane.dues.forget(due, offset);
        }
        lane.remove(offset, record.body_bytes(), &mut self.memory);
        self.changed(log, queue);
        deaths.push(Death { record, reason });
    }
}

/// How much is read at once for a queue without consumers.
const SINGLE_READ_BYTES: u64 = 64 << 10;

/// Whether a record is no longer worth a delivery. One that has no time at all is worth the offer
/// to the consumers that are there when it arrives.
fn is_expired(
    now: Timestamp,
    queue: &Queue,
    index: usize,
    offset: Offset,
    view: &RecordView<'_>,
) -> bool {
    let offered = queue.lanes.get(index).map(|lane| lane.offered);
    let to_be_offered = |due| due == view.timestamp && offered.is_some_and(|end| offset >= end);
    expiry(queue, view).is_some_and(|due| due <= now && !to_be_offered(due))
}

/// When a record stops being worth a delivery: the sooner of its own time and the queue's.
pub(super) fn expiry(queue: &Queue, view: &RecordView<'_>) -> Option<Timestamp> {
    let by_queue = queue
        .settings
        .message_ttl_ms
        .map(|ttl_ms| view.timestamp.after(ttl_ms));
    match (view.due(), by_queue) {
        (Some(own), Some(queue)) => Some(own.min(queue)),
        (own, queue) => own.or(queue),
    }
}
