//! How queues come and go.

use super::{Broker, Effects, catalog, mark_dirty, timer::Timer};
use crate::{
    id::{SessionId, Timestamp},
    name::Name,
    queue::{Counters, Dying, Purpose, Queue, QueueSpec},
    routing::{BindingKey, BindingSpec, QueueId, Target},
    subscription::{consumer::Reader, roster::Roster},
};
use bytes::Bytes;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

impl Broker {
    /// Makes a queue that does not exist yet.
    pub(super) fn create_queue(
        &mut self,
        now: Timestamp,
        namespace: u32,
        name: Name,
        spec: QueueSpec,
        owner: Option<SessionId>,
    ) -> QueueId {
        let id = QueueId(self.next_queue);
        self.next_queue += 1;
        self.insert_queue(now, id, namespace, name, spec, owner);
        id
    }

    /// Puts a queue with a known identifier in its namespace.
    pub(super) fn insert_queue(
        &mut self,
        now: Timestamp,
        id: QueueId,
        namespace: u32,
        name: Name,
        spec: QueueSpec,
        owner: Option<SessionId>,
    ) {
        self.next_queue = self.next_queue.max(id.0 + 1);
        let purpose = if name.starts_with(DELAY_PREFIX) {
            Purpose::Delay
        } else {
            Purpose::Deliver
        };
        let queue = Queue {
            id,
            namespace,
            name: name.clone(),
            purpose,
            settings: Arc::clone(&self.plain_settings),
            spec: Box::new(spec),
            policy: None,
            operator_policy: None,
            owner,
            lanes: Vec::new(),
            roster: Roster::default(),
            counters: Counters::default(),
            leased_bytes: 0,
            dirty: false,
            head_timer: None,
            idle_timer: None,
            retention_timer: None,
            used_at: now,
            dying: Dying::default(),
            retry_at: None,
            failed_reads: 0,
            getting: Vec::new(),
            seen: BTreeSet::new(),
            seen_order: VecDeque::new(),
        };
        self.queues.insert(id, Box::new(queue));
        if let Some(namespace) = self.namespaces.get_mut(namespace) {
            match purpose {
                Purpose::Deliver => {
                    namespace.router.register_queue(&name, id);
                    namespace.queues.insert(name, id);
                }
                Purpose::Delay => namespace.delays = Some(id),
            }
        }
        if let Some(session) = owner.and_then(|owner| self.sessions.get_mut(&owner)) {
            session.exclusive_queues.push(id);
        }
        self.refresh_settings(now, id);
        self.watch_idle(now, id);
        self.watch_retention(now, id);
    }

    /// Deletes a queue with all that is in it. Returns how many messages were ready.
    pub(super) fn remove_queue(
        &mut self,
        now: Timestamp,
        id: QueueId,
        effects: &mut Effects,
    ) -> u64 {
        let Some(mut queue) = self.queues.remove(&id) else {
            return 0;
        };
        let ready = queue.ready();
        self.forget_leases(&queue);
        self.cancel_all(&queue, effects);
        for lane in &mut queue.lanes {
            let log = lane.log.id();
            lane.log
                .delete(&mut self.memory.chunks, &mut self.memory.files);
            if lane.durable {
                self.deleted.push(log);
            }
            self.recent.remove(&log);
            if let Some(due) = lane.dues.timer {
                self.timers.clear(due, Timer::Due(log));
            }
        }
        for (due, timer) in [
            (queue.idle_timer, Timer::Idle(id)),
            (queue.head_timer, Timer::Head(id)),
            (queue.retention_timer, Timer::Retention(id)),
            (queue.retry_at, Timer::Retry(id)),
        ] {
            if let Some(due) = due {
                self.timers.clear(due, timer);
            }
        }
        if let Some(session) = queue.owner.and_then(|owner| self.sessions.get_mut(&owner)) {
            session.exclusive_queues.retain(|other| *other != id);
        }
        self.unbind_everything(now, &queue);
        if queue.is_journaled() {
            self.define(
                now,
                catalog::queue_key(self.namespace_name(queue.namespace), &queue.name),
                None,
            );
        }
        for session in std::mem::take(&mut queue.getting) {
            self.resume_get(now, session, effects);
        }
        ready
    }

    fn unbind_everything(&mut self, now: Timestamp, queue: &Queue) {
        let Some(namespace) = self.namespaces.get_mut(queue.namespace) else {
            return;
        };
        if queue.purpose == Purpose::Delay {
            namespace.delays = None;
            return;
        }
        namespace.queues.remove(&queue.name);
        namespace.router.unregister(&queue.name);
        let removal = namespace.router.unbind_target(&Target::Queue(queue.id));
        if queue.is_journaled() {
            let scope = namespace.name.clone();
            for binding in &removal.bindings {
                let stored = stored_binding_of(queue, binding);
                if let Some(stored) = stored {
                    self.define(now, catalog::binding_key(&*scope, &stored), None);
                }
            }
        }
        for exchange in removal.unused {
            self.remove_exchange(now, queue.namespace, &exchange);
        }
    }

    /// Those who hold messages of a queue that goes hold them no longer.
    fn forget_leases(&mut self, queue: &Queue) {
        let holders = queue.lanes.iter().flat_map(|lane| lane.ledger.holders());
        for slot in holders.collect::<Vec<_>>() {
            let Some(consumer) = self.consumers.get_mut(slot) else {
                continue;
            };
            consumer.unsettled = consumer.unsettled.saturating_sub(1);
            let idle = consumer.reader == Reader::Detached && consumer.unsettled == 0;
            let (session, window) = (consumer.session, consumer.window);
            let Some(state) = self.sessions.get_mut(&session) else {
                continue;
            };
            if let Some(window) = window.and_then(|window| state.windows.get_mut(&window)) {
                window.unsettled = window.unsettled.saturating_sub(1);
            }
            if idle {
                state.detached.retain(|detached| *detached != slot);
                state.getters.retain(|_, getter| *getter != slot);
                self.consumers.remove(slot);
            }
            self.unpark_all(session);
        }
    }

    /// Removes all ready messages of a queue. Returns how many there were.
    pub(super) fn purge_queue(&mut self, now: Timestamp, id: QueueId) -> u64 {
        let Some(mut queue) = self.queues.remove(&id) else {
            return 0;
        };
        let mut purged = 0;
        let leased: Vec<u64> = queue
            .lanes
            .iter()
            .map(|lane| lane.ledger.leased_bytes())
            .collect();
        for (lane, leased_bytes) in queue.lanes.iter_mut().zip(leased) {
            purged += lane.purge(leased_bytes, &mut self.memory);
        }
        let logs: Vec<_> = queue.lanes.iter().map(|lane| lane.log.id()).collect();
        for log in logs {
            self.changed(log, &mut queue);
        }
        self.memory.open.can_wait(now);
        queue.used_at = now;
        mark_dirty(&mut self.dirty, &mut queue);
        self.queues.insert(id, queue);
        purged
    }

    /// The queue that holds a namespace's delayed messages.
    pub(super) fn delay_queue(&mut self, now: Timestamp, namespace: u32) -> QueueId {
        if let Some(id) = self
            .namespaces
            .get(namespace)
            .and_then(|namespace| namespace.delays)
        {
            return id;
        }
        let name = Name::from(format!("{DELAY_PREFIX}{namespace}"));
        let spec = QueueSpec {
            durable: true,
            ..QueueSpec::default()
        };
        let id = self.create_queue(now, namespace, name.clone(), spec.clone(), None);
        let key = catalog::queue_key(self.namespace_name(namespace), &name);
        self.define(now, key, Some(catalog::queue_value(id, &spec)));
        id
    }

    /// The name of a namespace.
    pub(super) fn namespace_name(&self, slot: u32) -> Name {
        self.namespaces
            .get(slot)
            .map(|namespace| namespace.name.clone())
            .unwrap_or_default()
    }
}

/// Begins the names of queues that hold delayed messages; no client can write it.
const DELAY_PREFIX: &str = "\u{0}delayed/";

/// The stored form of a binding to a queue that is already out of its namespace. It is harmless
/// when the binding was never stored.
fn stored_binding_of(queue: &Queue, spec: &BindingSpec) -> Option<catalog::StoredBinding> {
    let BindingKey::Text(routing_key) = &spec.routing_key else {
        return None;
    };
    Some(catalog::StoredBinding {
        source: spec.source.clone(),
        to_queue: true,
        target: queue.name.clone(),
        routing_key: Bytes::copy_from_slice(routing_key.as_bytes()),
        arguments: spec.arguments.clone(),
    })
}
