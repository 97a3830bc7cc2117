//! Deliveries that are done with.

use super::{Broker, Effects, mark_dirty};
use crate::{
    event::Event,
    id::{ConsumerId, LogId, Offset, SessionId, Timestamp, WindowId},
    journal::entry,
    message::DeathReason,
    queue::Queue,
    refusal::Refusal,
    request::{Outcome, Settlement},
    subscription::consumer::Reader,
};
use std::ops::Bound::{Excluded, Unbounded};

impl Broker {
    pub(super) fn settle(
        &mut self,
        now: Timestamp,
        session: SessionId,
        settlement: &Settlement,
        effects: &mut Effects,
    ) {
        let id = settlement.log.queue();
        let Some(mut queue) = self.queues.remove(&id) else {
            return;
        };
        let held = self.held_by(&queue, session, settlement);
        if held.is_empty() && !queue.keeps_records() {
            effects.tell(
                session,
                Event::Violated {
                    refusal: Refusal::NotOutstanding,
                },
            );
        }
        if queue.keeps_records() {
            self.settle_kept(&mut queue, session, settlement);
        }
        let mut deaths = Vec::new();
        for offset in held {
            self.settle_one(now, &mut queue, settlement, offset, &mut deaths, effects);
        }
        mark_dirty(&mut self.dirty, &mut queue);
        self.queues.insert(id, queue);
        self.bury(now, id, deaths, effects);
    }

    fn held_by(&self, queue: &Queue, session: SessionId, settlement: &Settlement) -> Vec<Offset> {
        let Some(lane) = queue.lane(settlement.log.lane()) else {
            return Vec::new();
        };
        let mine = |slot| {
            self.consumers
                .get(slot)
                .is_some_and(|consumer| consumer.session == session)
        };
        if settlement.first == settlement.last {
            let held = lane.ledger.holder(settlement.first).is_some_and(mine);
            return if held {
                vec![settlement.first]
            } else {
                Vec::new()
            };
        }
        lane.ledger
            .held_between(settlement.first, settlement.last, mine)
    }

    fn settle_one(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        settlement: &Settlement,
        offset: Offset,
        deaths: &mut Vec<super::dead_letter::Death>,
        effects: &mut Effects,
    ) {
        let level = settlement.log.lane();
        let Some(slot) = queue
            .lane(level)
            .and_then(|lane| lane.ledger.holder(offset))
        else {
            return;
        };
        self.give_back(queue, slot);
        match settlement.outcome {
            Outcome::Ack => {
                queue.counters.acknowledged += 1;
                self.end_lease_and_settle(queue, level, offset);
                self.memory.open.can_wait(now);
            }
            Outcome::Release { failed } => {
                self.release_one(now, queue, level, offset, failed, deaths, effects);
            }
            Outcome::Reject => {
                self.memory.open.can_wait(now);
                self.kill_leased(queue, level, offset, DeathReason::Rejected, deaths, effects);
            }
        }
    }

    /// Puts a leased record back in its place, or buries it when it has failed too often.
    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of a queue's state are borrowed apart"
    )]
    fn release_one(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        level: u8,
        offset: Offset,
        failed: bool,
        deaths: &mut Vec<super::dead_letter::Death>,
        effects: &mut Effects,
    ) {
        let limit = queue.settings.delivery_limit;
        let Some(lane) = queue.lane_mut(level) else {
            return;
        };
        let attempts = lane.ledger.attempts(offset) + u32::from(failed);
        if limit.is_some_and(|limit| attempts > limit) {
            self.memory.open.can_wait(now);
            self.kill_leased(
                queue,
                level,
                offset,
                DeathReason::DeliveryLimit,
                deaths,
                effects,
            );
            return;
        }
        let Some(lease) = lane.ledger.end_lease(offset) else {
            return;
        };
        lane.ledger.release(offset, failed);
        let (log, durable) = (lane.log.id(), lane.durable);
        queue.leased_bytes = queue.leased_bytes.saturating_sub(u64::from(lease.bytes));
        if durable && failed {
            entry::write_attempts(&mut self.memory.open.body, log, offset, attempts);
            self.memory.open.can_wait(now);
            self.changed(log, queue);
        }
        self.watch_again(now, queue, level, offset, lease.due);
        if queue.is_over_limit() {
            self.drop_overflow(queue, deaths, effects);
        }
    }

    /// A record that is ready again is watched again: for its own time and for the queue's.
    fn watch_again(
        &mut self,
        now: Timestamp,
        queue: &mut Queue,
        level: u8,
        offset: Offset,
        due: Option<Timestamp>,
    ) {
        let waits = queue.retry_at.is_some();
        if let Some(due) = due
            && let Some(lane) = queue.lane_mut(level)
        {
            lane.dues.watch(due, offset);
            lane.set_due_timer(waits, &mut self.timers);
        }
        self.check_heads(now, queue);
    }

    /// A delivery of this consumer is over: it has room for another.
    pub(super) fn give_back(&mut self, queue: &mut Queue, slot: u32) {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            return;
        };
        consumer.unsettled = consumer.unsettled.saturating_sub(1);
        let (session, id, window) = (consumer.session, consumer.id, consumer.window);
        let gone = consumer.reader == Reader::Detached
            && consumer.unsettled == 0
            && !self.is_getter(session, queue, slot);
        if gone {
            self.consumers.remove(slot);
            if let Some(state) = self.sessions.get_mut(&session) {
                state.detached.retain(|detached| *detached != slot);
            }
        }
        for other in self.open_window(session, window, id) {
            self.unpark_from(queue, other);
        }
        self.unpark_in(queue, slot);
    }

    /// A window has room for one more. If it was full, gives all consumers of the session that may be waiting for it,
    /// in turn: `last`, who was served last, is the last of them.
    fn open_window(
        &mut self,
        session: SessionId,
        window: Option<WindowId>,
        last: ConsumerId,
    ) -> Vec<u32> {
        let Some(state) = self.sessions.get_mut(&session) else {
            return Vec::new();
        };
        let Some(limit) = window.and_then(|window| state.windows.get_mut(&window)) else {
            return Vec::new();
        };
        let was_full = !limit.has_room();
        limit.unsettled = limit.unsettled.saturating_sub(1);
        if !was_full {
            return Vec::new();
        }
        let after = state.consumers.range((Excluded(last), Unbounded));
        let until = state.consumers.range(..=last);
        after.chain(until).map(|(_, slot)| *slot).collect()
    }

    fn is_getter(&self, session: SessionId, queue: &Queue, slot: u32) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|state| state.getters.get(&queue.id) == Some(&slot))
    }

    /// All that a reader holds is ready again; a detached one goes.
    pub(super) fn release_all(&mut self, now: Timestamp, slot: u32, effects: &mut Effects) {
        let Some(consumer) = self.consumers.get(slot) else {
            return;
        };
        let (session, queue) = (consumer.session, consumer.queue);
        let held: Vec<Settlement> = self.queues.get(&queue).map_or_else(Vec::new, |queue| {
            queue
                .lanes
                .iter()
                .flat_map(|lane| {
                    let held = lane
                        .ledger
                        .held_between(Offset(0), lane.log.tail(), |holder| holder == slot);
                    held.into_iter()
                        .map(|offset| settlement(lane.log.id(), offset))
                })
                .collect()
        });
        for settlement in held {
            self.settle(now, session, &settlement, effects);
        }
        self.consumers.remove(slot);
    }

    /// The state of a log is to be saved at the next checkpoint.
    pub(super) fn changed(&mut self, log: LogId, queue: &mut Queue) {
        if let Some(lane) = queue.lane_mut(log.lane())
            && lane.durable
            && !lane.unsaved
        {
            lane.unsaved = true;
            self.unsaved.push(log);
        }
    }
}

fn settlement(log: LogId, offset: Offset) -> Settlement {
    Settlement {
        log,
        first: offset,
        last: offset,
        outcome: Outcome::Release { failed: true },
    }
}
