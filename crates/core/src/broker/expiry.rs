//! What happens when time passes.

use super::{Broker, Effects, dead_letter::Death, dispatch::expiry, mark_dirty, timer::Timer};
use crate::{id::Timestamp, queue::Queue, routing::QueueId};

/// Most bytes of a lane that expire at once.
const STEP_BYTES_MAX: usize = 4 << 20;

impl Broker {
    /// When [`Broker::tick`] wants to be called.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp, effects: &mut Effects) {
        while let Some((due, timer)) = self.timers.pop(now) {
            match timer {
                Timer::Head(queue) => self.expire_heads(now, queue, effects),
                Timer::Idle(queue) => self.expire_queue(now, queue, due, effects),
                Timer::Due(log) => self.expire_due(now, log, effects),
                Timer::Retry(queue) => self.retry_reads(now, queue, effects),
                Timer::Retention(queue) => self.retain_by_age(now, queue),
            }
            self.close_large_block();
        }
    }

    /// Buries the oldest messages of a queue while they have outlived its time to live.
    pub(super) fn expire_heads(&mut self, now: Timestamp, id: QueueId, effects: &mut Effects) {
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        queue.head_timer = None;
        let mut deaths = Vec::new();
        let mut next: Option<Timestamp> = None;
        for index in 0..queue.lanes.len() {
            let due = self.expire_head(now, &mut queue, index, &mut deaths, effects);
            next = next.into_iter().chain(due).min();
        }
        if let Some(due) = next.filter(|_| queue.settings.message_ttl_ms.is_some()) {
            queue.head_timer = Some(due);
            self.timers.set(due, Timer::Head(id));
        }
        self.queues.insert(id, queue);
        self.memory.open.can_wait(now);
        self.bury(now, id, deaths, effects);
    }

    /// Buries the oldest messages of a lane. Returns when to look again: never when a read from
    /// disk or the next dispatch will see to it.
    fn expire_head(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        index: usize,
        deaths: &mut Vec<Death>,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        let mut bytes = 0;
        loop {
            let lane = queue.lanes.get_mut(index)?;
            let tail = lane.log.tail();
            let ready = lane.ledger.peek(tail)?;
            let Some(record) = self.ready_record(queue, index, ready.offset, effects)? else {
                continue;
            };
            if !self.expire_if_due(now, queue, index, &record, ready.offset, deaths) {
                let due = record.view().ok().and_then(|view| expiry(queue, &view));
                return due.filter(|due| *due > now);
            }
            bytes += record.0.len();
            if bytes >= STEP_BYTES_MAX {
                return Some(now);
            }
        }
    }

    /// Lets time look at the oldest messages of a queue at once.
    pub(super) fn check_heads(&mut self, now: Timestamp, queue: &mut Queue) {
        if queue.settings.message_ttl_ms.is_none() || queue.keeps_records() {
            return;
        }
        if let Some(due) = queue.head_timer.replace(now) {
            self.timers.clear(due, Timer::Head(queue.id));
        }
        self.timers.set(now, Timer::Head(queue.id));
    }

    /// Starts the clock of a queue that is deleted when nobody uses it.
    pub(super) fn watch_idle(&mut self, now: Timestamp, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if let Some(due) = queue.idle_timer.take() {
            self.timers.clear(due, Timer::Idle(id));
        }
        if let Some(expires_ms) = queue.settings.expires_ms
            && queue.roster.is_empty()
        {
            let due = queue.used_at.after(expires_ms).max(now);
            queue.idle_timer = Some(due);
            self.timers.set(due, Timer::Idle(id));
        }
    }

    fn expire_queue(&mut self, now: Timestamp, id: QueueId, due: Timestamp, effects: &mut Effects) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if queue.idle_timer != Some(due) {
            return;
        }
        queue.idle_timer = None;
        let Some(expires_ms) = queue.settings.expires_ms else {
            return;
        };
        if !queue.roster.is_empty() {
            return;
        }
        if queue.used_at.after(expires_ms) > now {
            self.watch_idle(now, id);
        } else {
            self.remove_queue(now, id, effects);
        }
    }

    /// A queue whose settings have changed may have messages that are too old or too many now.
    pub(super) fn recheck(&mut self, now: Timestamp, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        mark_dirty(&mut self.dirty, queue);
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        self.check_heads(now, &mut queue);
        self.queues.insert(id, queue);
        self.watch_idle(now, id);
        self.watch_retention(now, id);
    }
}
