//! What happens when time passes.

use super::{Broker, Effects, Fetch, FetchPurpose, dispatch::expiry, mark_dirty, timer::Timer};
use crate::{
    id::{LogId, Offset, Timestamp},
    message::{DeathReason, Record},
    queue::lane::Found,
    routing::QueueId,
};

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
                Timer::Record(log, offset) => self.expire_record(now, log, offset, effects),
                Timer::Run(log, first) => self.look_for_due(log, first, effects),
                Timer::Retention(queue) => self.retain_by_age(now, queue),
            }
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
            loop {
                let Some(lane) = queue.lanes.get_mut(index) else {
                    break;
                };
                let tail = lane.log.tail();
                let Some(ready) = lane.ledger.peek(tail) else {
                    break;
                };
                let record = match self.ready_record(&mut queue, index, ready.offset, effects) {
                    Some(Some(record)) => record,
                    Some(None) => continue,
                    None => {
                        next = Some(now.after(DISK_RETRY_MS));
                        break;
                    }
                };
                if self.expire_if_due(now, &mut queue, index, &record, ready.offset, &mut deaths) {
                    continue;
                }
                let due = record.view().ok().and_then(|view| expiry(&queue, &view));
                next = match (next, due) {
                    (Some(known), Some(due)) => Some(known.min(due)),
                    (known, due) => known.or(due),
                };
                break;
            }
        }
        if let Some(due) = next.filter(|_| queue.settings.message_ttl_ms.is_some()) {
            queue.head_timer = Some(due);
            self.timers.set(due, Timer::Head(id));
        }
        self.queues.insert(id, queue);
        self.memory.open.can_wait(now);
        self.bury(now, id, deaths, effects);
    }

    fn expire_record(&mut self, now: Timestamp, log: LogId, offset: Offset, effects: &mut Effects) {
        let id = log.queue();
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        let mut deaths = Vec::new();
        let place = queue
            .lanes
            .iter()
            .position(|lane| lane.level == log.lane() && lane.ledger.is_ready(offset));
        if let Some(index) = place
            && let Some(lane) = queue.lanes.get(index)
        {
            match lane.find(offset, &self.memory) {
                Found::Bytes(bytes) => {
                    let reason = DeathReason::Expired;
                    let record = Record(bytes);
                    self.kill_ready(&mut queue, index, record, offset, reason, &mut deaths);
                }
                Found::OnDisk(run) => effects.fetches.push(Fetch {
                    log,
                    run,
                    from: offset,
                    bytes_max: 1,
                    purpose: FetchPurpose::Due,
                }),
                Found::Lost => {}
            }
        }
        self.memory.open.can_wait(now);
        self.queues.insert(id, queue);
        self.bury(now, id, deaths, effects);
    }

    fn look_for_due(&mut self, log: LogId, first: Offset, effects: &mut Effects) {
        let run = self
            .queues
            .get(&log.queue())
            .and_then(|queue| queue.lane(log.lane()))
            .and_then(|lane| lane.log.runs().find(|run| run.last >= first.0).copied());
        if let Some(run) = run {
            effects.fetches.push(Fetch {
                log,
                run,
                from: first.max(Offset(run.first)),
                bytes_max: self.config.read_ahead_bytes,
                purpose: FetchPurpose::Due,
            });
        }
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
        if queue.settings.message_ttl_ms.is_some() && queue.head_timer.is_none() {
            queue.head_timer = Some(now);
            self.timers.set(now, Timer::Head(id));
        }
        self.watch_idle(now, id);
        self.watch_retention(now, id);
    }
}

/// How long to wait before looking again for a record that is being read from disk.
const DISK_RETRY_MS: u64 = 50;
