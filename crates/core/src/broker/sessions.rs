//! Sessions: who is there, and what each may still be sent.

use super::{Broker, Effects};
use crate::{
    authorize::{Operation, Resource},
    event::{Event, Response},
    id::{ConsumerId, RequestId, SessionId, Timestamp, WindowId},
    name::Name,
    refusal::{Kind, Refusal},
    request::{Command, Request},
    routing::QueueId,
    storage::{Durability, Position},
};
use hashbrown::HashMap;
use std::collections::{BTreeMap, VecDeque};

/// A limit that several consumers share.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    pub(crate) unsettled: u32,
    pub(crate) unsettled_max: u32,
}

impl Window {
    pub(crate) fn has_room(self) -> bool {
        self.unsettled_max == 0 || self.unsettled < self.unsettled_max
    }
}

/// A get that waits for its record to be read from disk.
#[derive(Clone, Debug)]
pub(crate) struct Getting {
    pub(crate) id: RequestId,
    pub(crate) queue: QueueId,
    pub(crate) settled: bool,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) namespace: u32,
    pub(crate) principal: Name,
    pub(crate) description: Name,
    /// Bytes of deliveries that may still be sent; below 0 after a large one.
    pub(crate) window_bytes: i64,
    /// Slots of its consumers.
    pub(crate) consumers: BTreeMap<ConsumerId, u32>,
    /// Slots of what it took by get, by queue.
    pub(crate) getters: BTreeMap<QueueId, u32>,
    /// Slots of cancelled consumers that still hold deliveries.
    pub(crate) detached: Vec<u32>,
    pub(crate) windows: BTreeMap<WindowId, Window>,
    pub(crate) exclusive_queues: Vec<QueueId>,
    /// Addresses of its mailboxes, by the consumer that reads them.
    pub(crate) mailboxes: BTreeMap<ConsumerId, Name>,
    /// Answers may not leave before this block is safe.
    pub(crate) held_until: Position,
    pub(crate) getting: Option<Getting>,
    pub(crate) backlog: VecDeque<Command>,
    /// Exchanges it may publish to, as of a generation of the rules.
    pub(crate) may_publish: HashMap<Name, u64>,
    pub(crate) published: u64,
    pub(crate) delivered: u64,
}

impl Broker {
    pub(super) fn open_session(
        &mut self,
        session: SessionId,
        namespace: &Name,
        principal: Name,
        description: Name,
        effects: &mut Effects,
    ) {
        let result = self.admit(namespace, &principal).map(|slot| {
            let window_bytes = i64::try_from(self.config.session_window_bytes).unwrap_or(i64::MAX);
            self.sessions.insert(
                session,
                Session {
                    namespace: slot,
                    principal,
                    description,
                    window_bytes,
                    consumers: BTreeMap::new(),
                    getters: BTreeMap::new(),
                    detached: Vec::new(),
                    windows: BTreeMap::new(),
                    exclusive_queues: Vec::new(),
                    mailboxes: BTreeMap::new(),
                    held_until: Position(0),
                    getting: None,
                    backlog: VecDeque::new(),
                    may_publish: HashMap::new(),
                    published: 0,
                    delivered: 0,
                },
            );
            Response::Done
        });
        effects.tell(
            session,
            Event::Reply {
                id: RequestId(0),
                result,
            },
        );
    }

    fn admit(&mut self, name: &Name, principal: &Name) -> Result<u32, Refusal> {
        let not_found = || Refusal::NotFound {
            kind: Kind::Namespace,
            name: name.clone(),
        };
        let slot = self.namespaces.find(name).ok_or_else(not_found)?;
        let permitted =
            self.authorizer
                .permits(principal, name, Operation::Connect, Resource::namespace());
        if !permitted {
            return Err(Refusal::AccessDenied {
                operation: Operation::Connect,
                kind: Kind::Namespace,
                name: name.clone(),
            });
        }
        let namespace = self.namespaces.get_mut(slot).ok_or_else(not_found)?;
        if let Some(limit) = namespace.sessions_max
            && namespace.sessions >= limit
        {
            return Err(Refusal::Limit {
                what: "sessions in the namespace",
                limit,
            });
        }
        namespace.sessions += 1;
        Ok(slot)
    }

    pub(super) fn close_session(
        &mut self,
        now: Timestamp,
        session: SessionId,
        effects: &mut Effects,
    ) {
        self.drain_backlog(now, session, effects);
        let Some(state) = self.sessions.get_mut(&session) else {
            return;
        };
        let consumers = std::mem::take(&mut state.consumers);
        let getters = std::mem::take(&mut state.getters);
        let detached = std::mem::take(&mut state.detached);
        let exclusive = std::mem::take(&mut state.exclusive_queues);
        let (namespace, mailboxes) = (state.namespace, std::mem::take(&mut state.mailboxes));
        for slot in consumers.into_values() {
            self.detach(now, slot, effects);
            self.release_all(now, slot, effects);
        }
        for slot in getters.into_values().chain(detached) {
            self.release_all(now, slot, effects);
        }
        for queue in exclusive {
            self.remove_queue(now, queue, effects);
        }
        self.sessions.remove(&session);
        if let Some(namespace) = self.namespaces.get_mut(namespace) {
            namespace.sessions = namespace.sessions.saturating_sub(1);
            for address in mailboxes.into_values() {
                namespace.mailboxes.remove(&address);
            }
        }
    }

    /// Carries out what a session asked for while it waited for a record; gets are not answered
    /// any more.
    fn drain_backlog(&mut self, now: Timestamp, session: SessionId, effects: &mut Effects) {
        while let Some(state) = self.sessions.get_mut(&session) {
            state.getting = None;
            let Some(command) = state.backlog.pop_front() else {
                return;
            };
            let is_get = matches!(
                command,
                Command::Request {
                    request: Request::Get { .. },
                    ..
                }
            );
            if !is_get {
                self.carry_out(now, command, effects);
            }
        }
    }

    /// Answers a request, after everything that it depends on is safe.
    pub(super) fn reply(
        &mut self,
        session: SessionId,
        id: RequestId,
        result: Result<Response, Refusal>,
        after: Option<Durability>,
        effects: &mut Effects,
    ) {
        let event = Event::Reply { id, result };
        if let Some(durability) = after {
            self.memory.open.require(durability);
        }
        let Some(state) = self.sessions.get_mut(&session) else {
            effects.tell(session, event);
            return;
        };
        if after.is_some() {
            state.held_until = self.memory.open.position();
        }
        self.tell_behind_answers(session, event, effects);
    }

    /// Tells a session something that belongs behind the answers that it waits for.
    pub(super) fn tell_behind_answers(
        &mut self,
        session: SessionId,
        event: Event,
        effects: &mut Effects,
    ) {
        let held_until = self.held_until(session);
        if held_until <= self.committed {
            effects.tell(session, event);
            return;
        }
        let waiting = self.memory.open.waiting_at(held_until);
        waiting.events.push((session, event));
    }

    /// Whether an answer to `session` has to wait for a block.
    pub(super) fn holds_back(&self, session: SessionId) -> bool {
        self.held_until(session) > self.committed
    }

    /// The block that answers to `session` have to wait for.
    pub(super) fn held_until(&self, session: SessionId) -> Position {
        self.sessions
            .get(&session)
            .map_or(Position(0), |state| state.held_until)
    }

    pub(super) fn written(&mut self, session: SessionId, bytes: u64) {
        let Some(state) = self.sessions.get_mut(&session) else {
            return;
        };
        let starved = state.window_bytes <= 0;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        state.window_bytes = state.window_bytes.saturating_add(bytes);
        if starved && state.window_bytes > 0 {
            self.unpark_all(session);
        }
    }

    /// Ends a session at an administrator's wish.
    pub(super) fn disconnect(&mut self, session: SessionId, reason: Name, effects: &mut Effects) {
        effects.tell(session, Event::Disconnect { reason });
    }
}
