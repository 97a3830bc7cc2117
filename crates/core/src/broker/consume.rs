//! Consumers: how they start and end, and what they are allowed.

use super::{Broker, Effects, mark_dirty};
use crate::{
    authorize::{Operation, Resource},
    event::{Delivery, Event, Response},
    id::{ConsumerId, RequestId, SessionId, Timestamp, WindowId},
    name::Name,
    queue::Queue,
    refusal::{Kind, Refusal},
    request::{Consume, DeliveryId},
    routing::QueueId,
    subscription::consumer::{Consumer, Cursor, Reader},
};

impl Broker {
    pub(super) fn consume(
        &mut self,
        now: Timestamp,
        session: SessionId,
        consume: Consume,
    ) -> Result<Response, Refusal> {
        let id = self.usable_queue(session, &consume.queue)?;
        self.permit_session(session, Operation::Consume, Resource::queue(&consume.queue))?;
        self.check_consume(session, id, &consume)?;
        let announced = !self.holds_back(session);
        let cursor = self.cursor_for(id, consume.start);
        let slot = self.consumers.insert(Consumer {
            session,
            id: consume.consumer,
            queue: id,
            tag: consume.tag,
            reader: Reader::Attached,
            settled: consume.settled,
            exclusive: consume.exclusive,
            priority: consume.priority,
            unsettled: 0,
            unsettled_max: consume.unsettled_max,
            window: consume.window,
            credit: consume.credit.map(u64::from),
            announced,
            parked: true,
            cursor,
            arguments: consume.arguments,
        });
        if let Some(state) = self.sessions.get_mut(&session) {
            state.consumers.insert(consume.consumer, slot);
        }
        if !announced {
            let held_until = self.held_until(session);
            let waiting = self.memory.open.waiting_at(held_until);
            waiting.announced.push((session, consume.consumer));
        }
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.roster.join(slot);
            queue.used_at = now;
            let single = queue.settings.single_active && queue.roster.active().is_none();
            if single {
                queue.roster.activate(slot);
            }
        }
        self.unpark(slot);
        Ok(Response::Done)
    }

    fn check_consume(
        &self,
        session: SessionId,
        id: QueueId,
        consume: &Consume,
    ) -> Result<(), Refusal> {
        let Some(queue) = self.queues.get(&id) else {
            return Err(not_found(&consume.queue));
        };
        let members = queue.roster.members();
        let taken = members.iter().any(|slot| {
            self.consumers
                .get(*slot)
                .is_some_and(|other| other.exclusive)
        });
        if taken || (consume.exclusive && !members.is_empty()) {
            return Err(Refusal::ConsumedExclusively {
                queue: queue.name.clone(),
            });
        }
        if queue.keeps_records() && consume.settled {
            return Err(Refusal::NotSupported {
                what: "consumption without acknowledgement",
                kind: Kind::Queue,
                name: queue.name.clone(),
            });
        }
        let used = self
            .sessions
            .get(&session)
            .is_some_and(|state| state.consumers.contains_key(&consume.consumer));
        if used {
            return Err(Refusal::Invalid {
                argument: Name::from_static("consumer"),
                reason: "its number is in use".to_owned(),
            });
        }
        Ok(())
    }

    fn cursor_for(&mut self, id: QueueId, start: crate::request::Start) -> Option<Cursor> {
        let queue = self.queues.get(&id)?;
        queue.keeps_records().then(|| Cursor {
            next: self.start_offset(queue, start),
            ..Cursor::default()
        })
    }

    pub(super) fn cancel(
        &mut self,
        now: Timestamp,
        session: SessionId,
        consumer: ConsumerId,
        effects: &mut Effects,
    ) -> Result<Response, Refusal> {
        let slot = self
            .sessions
            .get_mut(&session)
            .and_then(|state| state.consumers.remove(&consumer));
        if let Some(slot) = slot {
            self.detach(now, slot, effects);
        }
        self.close_mailbox(session, consumer);
        Ok(Response::Done)
    }

    /// The mailbox of a consumer that ends goes with it.
    fn close_mailbox(&mut self, session: SessionId, consumer: ConsumerId) {
        let Some(state) = self.sessions.get_mut(&session) else {
            return;
        };
        let address = state.mailboxes.remove(&consumer);
        if let Some(address) = address
            && let Some(namespace) = self.namespaces.get_mut(state.namespace)
        {
            namespace.mailboxes.remove(&address);
        }
    }

    /// A consumer gets no more; what it holds stays leased. An auto-delete queue may go with it.
    pub(super) fn detach(&mut self, now: Timestamp, slot: u32, effects: &mut Effects) {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            return;
        };
        consumer.reader = Reader::Detached;
        let (session, id, queue_id) = (consumer.session, consumer.id, consumer.queue);
        if consumer.cursor.take().is_some() {
            self.forget_kept(slot);
        }
        let idle = self
            .consumers
            .get(slot)
            .is_some_and(|consumer| consumer.unsettled == 0);
        if idle {
            self.consumers.remove(slot);
        } else if let Some(state) = self.sessions.get_mut(&session) {
            state.detached.push(slot);
        }
        if let Some(state) = self.sessions.get_mut(&session) {
            state.consumers.remove(&id);
        }
        let Some(queue) = self.queues.get_mut(&queue_id) else {
            return;
        };
        queue.roster.leave(slot);
        queue.used_at = now;
        mark_dirty(&mut self.dirty, queue);
        let last = queue.roster.is_empty();
        if last && queue.spec.auto_delete {
            self.remove_queue(now, queue_id, effects);
        } else if last {
            for lane in &mut queue.lanes {
                lane.log.unload();
            }
            self.watch_idle(now, queue_id);
        } else {
            self.activate_next(queue_id);
        }
    }

    /// Where only one consumer is served and that one has gone, the next takes over.
    fn activate_next(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if !queue.settings.single_active || queue.roster.active().is_some() {
            return;
        }
        let best = queue
            .roster
            .members()
            .iter()
            .copied()
            .rev()
            .max_by_key(|slot| self.consumers.get(*slot).map(|consumer| consumer.priority));
        if let Some(slot) = best {
            queue.roster.activate(slot);
            self.unpark(slot);
        }
    }

    pub(super) fn get(
        &mut self,
        now: Timestamp,
        session: SessionId,
        id: RequestId,
        name: &Name,
        settled: bool,
        effects: &mut Effects,
    ) -> Option<Result<Response, Refusal>> {
        let queue = self.usable_queue(session, name).and_then(|queue| {
            self.permit_session(session, Operation::Consume, Resource::queue(name))?;
            let kept = self
                .queues
                .get(&queue)
                .is_some_and(|queue| queue.keeps_records());
            if kept {
                return Err(Refusal::NotSupported {
                    what: "taking single messages",
                    kind: Kind::Queue,
                    name: name.clone(),
                });
            }
            Ok(queue)
        });
        match queue {
            Ok(queue) => self.take_one(now, session, id, queue, settled, effects),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Answers a get, or remembers it until the record has been read from disk.
    fn take_one(
        &mut self,
        now: Timestamp,
        session: SessionId,
        id: RequestId,
        queue_id: QueueId,
        settled: bool,
        effects: &mut Effects,
    ) -> Option<Result<Response, Refusal>> {
        let mut queue = self.queues.remove(&queue_id)?;
        queue.used_at = now;
        let mut deaths = Vec::new();
        let answer = loop {
            let Some((index, ready)) = queue.peek() else {
                break Some(Response::Got {
                    delivery: None,
                    ready: 0,
                });
            };
            let Some(record) = self.ready_record(&mut queue, index, ready.offset, effects) else {
                break None;
            };
            let Some(record) = record else {
                continue;
            };
            if self.expire_if_due(now, &mut queue, index, &record, ready.offset, &mut deaths) {
                continue;
            }
            queue.counters.delivered += 1;
            queue.counters.redelivered += u64::from(ready.redelivered);
            let holder = (!settled).then(|| self.getter(session, queue_id));
            let log = self.take(&mut queue, index, ready.offset, &record, holder);
            let delivery = Box::new(Delivery {
                consumer: ConsumerId::default(),
                id: log.map(|log| DeliveryId {
                    log,
                    offset: ready.offset,
                }),
                settled,
                redelivered: ready.redelivered,
                attempts: queue.told_attempts(ready),
                record,
            });
            if settled {
                self.memory.open.can_wait(now);
            }
            break Some(Response::Got {
                delivery: Some(delivery),
                ready: queue.ready(),
            });
        };
        if answer.is_none() {
            queue.getting.push(session);
            if let Some(state) = self.sessions.get_mut(&session) {
                state.getting = Some(super::sessions::Getting {
                    id,
                    queue: queue_id,
                    settled,
                });
            }
        }
        self.queues.insert(queue_id, queue);
        self.bury(now, queue_id, deaths, effects);
        answer.map(Ok)
    }

    /// Tries again to answer a get, now that more may have been read, and goes on with what the
    /// session has asked since.
    pub(super) fn resume_get(&mut self, now: Timestamp, session: SessionId, effects: &mut Effects) {
        let Some(getting) = self
            .sessions
            .get_mut(&session)
            .and_then(|state| state.getting.take())
        else {
            return;
        };
        let super::sessions::Getting { id, queue, settled } = getting;
        let answer = if self.queues.contains_key(&queue) {
            self.take_one(now, session, id, queue, settled, effects)
        } else {
            Some(Ok(Response::Got {
                delivery: None,
                ready: 0,
            }))
        };
        let Some(answer) = answer else {
            return;
        };
        self.reply(session, id, answer, None, effects);
        while let Some(command) = self
            .sessions
            .get_mut(&session)
            .and_then(|state| state.getting.is_none().then(|| state.backlog.pop_front())?)
        {
            self.carry_out(now, command, effects);
        }
    }

    /// The slot that stands for what a session takes from a queue by get.
    fn getter(&mut self, session: SessionId, queue: QueueId) -> u32 {
        let known = self
            .sessions
            .get(&session)
            .and_then(|state| state.getters.get(&queue).copied());
        let slot = known.unwrap_or_else(|| {
            let slot = self.consumers.insert(Consumer {
                session,
                id: ConsumerId::default(),
                queue,
                tag: Name::default(),
                reader: Reader::Detached,
                settled: false,
                exclusive: false,
                priority: 0,
                unsettled: 0,
                unsettled_max: 0,
                window: None,
                credit: None,
                announced: true,
                parked: true,
                cursor: None,
                arguments: crate::message::value::Table::new(),
            });
            if let Some(state) = self.sessions.get_mut(&session) {
                state.getters.insert(queue, slot);
            }
            slot
        });
        if let Some(consumer) = self.consumers.get_mut(slot) {
            consumer.unsettled += 1;
        }
        slot
    }

    pub(super) fn credit(&mut self, session: SessionId, consumer: ConsumerId, credit: u32) {
        let Some(slot) = self
            .sessions
            .get(&session)
            .and_then(|state| state.consumers.get(&consumer).copied())
        else {
            return;
        };
        if let Some(consumer) = self.consumers.get_mut(slot)
            && let Some(known) = &mut consumer.credit
        {
            *known = known.saturating_add(u64::from(credit));
        }
        self.unpark(slot);
    }

    pub(super) fn set_window(&mut self, session: SessionId, window: WindowId, unsettled_max: u32) {
        let Some(state) = self.sessions.get_mut(&session) else {
            return;
        };
        state.windows.entry(window).or_default().unsettled_max = unsettled_max;
        self.unpark_all(session);
    }

    /// The start of a consumer has been answered.
    pub(super) fn announce(&mut self, session: SessionId, consumer: ConsumerId) {
        let Some(slot) = self
            .sessions
            .get(&session)
            .and_then(|state| state.consumers.get(&consumer).copied())
        else {
            return;
        };
        if let Some(consumer) = self.consumers.get_mut(slot) {
            consumer.announced = true;
        }
        self.unpark(slot);
    }

    /// Puts a consumer back in line.
    pub(super) fn unpark(&mut self, slot: u32) {
        let Some(consumer) = self.consumers.get(slot) else {
            return;
        };
        let Some(mut queue) = self.queues.remove(&consumer.queue) else {
            return;
        };
        self.unpark_in(&mut queue, slot);
        self.queues.insert(queue.id, queue);
    }

    /// Puts a consumer of `queue` back in line.
    pub(super) fn unpark_in(&mut self, queue: &mut Queue, slot: u32) {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            return;
        };
        if consumer.reader != Reader::Attached || !consumer.has_capacity() {
            return;
        }
        if consumer.parked {
            consumer.parked = false;
            queue.roster.enter(slot, consumer.priority);
        }
        mark_dirty(&mut self.dirty, queue);
    }

    /// Puts a consumer back in line, whichever queue it reads.
    pub(super) fn unpark_from(&mut self, queue: &mut Queue, slot: u32) {
        let reads_it = self
            .consumers
            .get(slot)
            .is_some_and(|consumer| consumer.queue == queue.id);
        if reads_it {
            self.unpark_in(queue, slot);
        } else {
            self.unpark(slot);
        }
    }

    /// Puts all consumers of a session back in line.
    pub(super) fn unpark_all(&mut self, session: SessionId) {
        let slots: Vec<u32> = self.sessions.get(&session).map_or_else(Vec::new, |state| {
            state.consumers.values().copied().collect()
        });
        for slot in slots {
            self.unpark(slot);
        }
    }

    /// The consumers of a queue that goes are told so.
    pub(super) fn cancel_all(&mut self, queue: &Queue, effects: &mut Effects) {
        for slot in queue.roster.members() {
            let Some(consumer) = self.consumers.remove(*slot) else {
                continue;
            };
            if let Some(state) = self.sessions.get_mut(&consumer.session) {
                state.consumers.remove(&consumer.id);
            }
            effects.tell(
                consumer.session,
                Event::Cancelled {
                    consumer: consumer.id,
                },
            );
        }
    }

    /// A queue by name that a session may use.
    pub(super) fn usable_queue(&self, session: SessionId, name: &Name) -> Result<QueueId, Refusal> {
        let id = self
            .sessions
            .get(&session)
            .and_then(|state| self.namespaces.get(state.namespace))
            .and_then(|namespace| namespace.queues.get(name))
            .ok_or_else(|| not_found(name))?;
        let queue = self.queues.get(id).ok_or_else(|| not_found(name))?;
        if queue.owner.is_some_and(|owner| owner != session) {
            return Err(Refusal::Locked {
                queue: queue.name.clone(),
            });
        }
        Ok(*id)
    }

    /// Asks whether the session's principal may do something.
    pub(super) fn permit_session(
        &self,
        session: SessionId,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Result<(), Refusal> {
        let permitted = self.sessions.get(&session).is_some_and(|state| {
            self.namespaces
                .get(state.namespace)
                .is_some_and(|namespace| {
                    self.authorizer
                        .permits(&state.principal, &namespace.name, operation, resource)
                })
        });
        if permitted {
            return Ok(());
        }
        Err(Refusal::AccessDenied {
            operation,
            kind: match resource.kind {
                crate::authorize::ResourceKind::Queue => Kind::Queue,
                crate::authorize::ResourceKind::Namespace => Kind::Namespace,
                _ => Kind::Exchange,
            },
            name: Name::from(resource.name),
        })
    }
}

pub(super) fn not_found(name: &Name) -> Refusal {
    Refusal::NotFound {
        kind: Kind::Queue,
        name: name.detached(),
    }
}
