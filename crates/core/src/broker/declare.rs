//! Requests: exchanges, queues and bindings come and go, consumers start and end.

use super::{Broker, Effects, catalog, consume::not_found};
use crate::{
    authorize::{Operation, Resource},
    event::Response,
    id::{RequestId, SessionId, Timestamp},
    name::Name,
    queue::{Difference, QueueSpec},
    refusal::{Kind, Refusal},
    request::{Binding, Destination, Request},
    routing::{
        self, BindingKey, BindingSpec, Declared, ExchangeSpec, QueueId, RoutingError, Target,
    },
    storage::Durability,
};

/// The outcome of a request, and how safe its effects must be before it is told.
type Outcome = Result<(Response, Option<Durability>), Refusal>;

/// Most bytes of a name.
const NAME_BYTES_MAX: usize = 255;

impl Broker {
    pub(super) fn request(
        &mut self,
        now: Timestamp,
        session: SessionId,
        id: RequestId,
        request: Request,
        effects: &mut Effects,
    ) {
        let told = effects.events.len();
        let deletes = matches!(request, Request::DeleteQueue { .. });
        let outcome = match request {
            Request::Get { queue, settled } => {
                let answer = self.get(now, session, id, &queue, settled, effects);
                let Some(answer) = answer else {
                    return;
                };
                answer.map(|response| (response, None))
            }
            Request::Commit {
                publishes,
                settlements,
            } => self.commit(now, session, publishes, settlements, effects),
            other => self.change(now, session, other, effects),
        };
        let (result, after) = match outcome {
            Ok((response, after)) => (Ok(response), after),
            Err(refusal) => (Err(refusal), None),
        };
        // Who deletes a queue that it consumes from hears first that it is deleted.
        let news = if deletes {
            effects.events.split_off(told)
        } else {
            Vec::new()
        };
        self.reply(session, id, result, after, effects);
        for (listener, event) in news {
            if listener == session {
                self.tell_behind_answers(session, event, effects);
            } else {
                effects.tell(listener, event);
            }
        }
    }

    fn change(
        &mut self,
        now: Timestamp,
        session: SessionId,
        request: Request,
        effects: &mut Effects,
    ) -> Outcome {
        match request {
            Request::DeclareExchange { name, spec } => {
                self.declare_exchange(now, session, &name, spec)
            }
            Request::FindExchange { name } => self.find_exchange(session, &name),
            Request::DeleteExchange { name, if_unused } => {
                self.delete_exchange(now, session, &name, if_unused)
            }
            Request::DeclareQueue {
                name,
                generated_prefix,
                spec,
            } => self.declare_queue(now, session, name, generated_prefix, spec),
            Request::FindQueue { name } => {
                let id = self.usable_queue(session, &name)?;
                // Looking at a queue counts as using it, as declaring it again does.
                if let Some(queue) = self.queues.get_mut(&id) {
                    queue.used_at = now;
                }
                Ok((self.describe_queue(id), None))
            }
            Request::DeleteQueue {
                name,
                if_unused,
                if_empty,
            } => self.delete_queue(now, session, &name, if_unused, if_empty, effects),
            Request::Purge { queue } => self.purge(now, session, &queue),
            Request::Bind(binding) => self.bind(now, session, &binding, effects),
            Request::Unbind(binding) => self.unbind(now, session, &binding),
            Request::Consume(consume) => Ok((self.consume(now, session, consume)?, None)),
            Request::Cancel { consumer } => {
                Ok((self.cancel(now, session, consumer, effects)?, None))
            }
            Request::OpenMailbox {
                address_prefix,
                consumer,
            } => self.open_mailbox(session, address_prefix, consumer),
            Request::FindMailbox { address } => self.find_mailbox(session, &address),
            Request::Get { .. } | Request::Commit { .. } => Ok((Response::Done, None)),
        }
    }

    fn slot_of(&self, session: SessionId) -> Result<u32, Refusal> {
        let state = self.sessions.get(&session);
        state
            .map(|state| state.namespace)
            .ok_or(Refusal::NotOutstanding)
    }

    fn declare_exchange(
        &mut self,
        now: Timestamp,
        session: SessionId,
        name: &Name,
        spec: ExchangeSpec,
    ) -> Outcome {
        self.permit_session(session, Operation::Configure, Resource::exchange(name))?;
        check_name(name)?;
        if let Some(alternate) = &spec.alternate {
            self.permit_session(session, Operation::Consume, Resource::exchange(name))?;
            self.permit_session(session, Operation::Publish, Resource::exchange(alternate))?;
        }
        let slot = self.slot_of(session)?;
        let durable = spec.durable;
        let value = durable.then(|| catalog::exchange_value(&spec));
        let namespace = self
            .namespaces
            .get_mut(slot)
            .ok_or(Refusal::NotOutstanding)?;
        if routing::is_reserved(name.bytes()) && namespace.router.exchange(name).is_none() {
            return Err(Refusal::Reserved {
                kind: Kind::Exchange,
                name: name.detached(),
            });
        }
        let declared = namespace.router.declare_exchange(name, spec);
        if declared.map_err(|error| refuse(error, name))? == Declared::Existing {
            return Ok((Response::Done, None));
        }
        self.apply_exchange_policy(slot, name);
        if let Some(value) = value {
            let key = catalog::exchange_key(self.namespace_name(slot), name);
            self.define(now, key, Some(value));
        }
        Ok((Response::Done, durable.then_some(self.config.durability)))
    }

    fn find_exchange(&self, session: SessionId, name: &Name) -> Outcome {
        let slot = self.slot_of(session)?;
        let found = self
            .namespaces
            .get(slot)
            .is_some_and(|namespace| namespace.router.exchange(name).is_some());
        if found {
            return Ok((Response::Done, None));
        }
        Err(Refusal::NotFound {
            kind: Kind::Exchange,
            name: name.detached(),
        })
    }

    fn delete_exchange(
        &mut self,
        now: Timestamp,
        session: SessionId,
        name: &Name,
        if_unused: bool,
    ) -> Outcome {
        self.permit_session(session, Operation::Delete, Resource::exchange(name))?;
        if name.is_empty() || routing::is_reserved(name.bytes()) {
            return Err(Refusal::Reserved {
                kind: Kind::Exchange,
                name: name.detached(),
            });
        }
        let slot = self.slot_of(session)?;
        let namespace = self.namespaces.get(slot).ok_or(Refusal::NotOutstanding)?;
        let Some(exchange) = namespace.router.exchange(name) else {
            return Ok((Response::Done, None));
        };
        if if_unused && exchange.outgoing_count() > 0 {
            return Err(Refusal::InUse {
                kind: Kind::Exchange,
                name: name.detached(),
            });
        }
        let durable = exchange.spec().durable;
        self.remove_exchange(now, slot, name);
        Ok((Response::Done, durable.then_some(self.config.durability)))
    }

    /// Deletes an exchange with its bindings, and those that go because of that.
    pub(super) fn remove_exchange(&mut self, now: Timestamp, slot: u32, name: &Name) {
        let mut unused = vec![name.clone()];
        while let Some(name) = unused.pop() {
            let Some(namespace) = self.namespaces.get(slot) else {
                return;
            };
            let Some(exchange) = namespace.router.exchange(&name) else {
                continue;
            };
            let durable = exchange.spec().durable;
            let bindings = namespace.router.bindings_from(&name).into_iter().chain(
                namespace
                    .router
                    .bindings_to(&Target::Exchange(name.clone())),
            );
            let stored: Vec<_> = bindings
                .filter_map(|binding| self.stored_binding(slot, &binding))
                .collect();
            let scope = self.namespace_name(slot);
            for binding in stored {
                self.define(now, catalog::binding_key(&scope, &binding), None);
            }
            if durable {
                self.define(now, catalog::exchange_key(&scope, &name), None);
            }
            let Some(namespace) = self.namespaces.get_mut(slot) else {
                return;
            };
            namespace.histories.remove(&name);
            if let Ok(removal) = namespace.router.delete_exchange(&name) {
                unused.extend(removal.unused);
            }
        }
    }

    fn declare_queue(
        &mut self,
        now: Timestamp,
        session: SessionId,
        name: Name,
        generated_prefix: &'static str,
        spec: QueueSpec,
    ) -> Outcome {
        let slot = self.slot_of(session)?;
        let generated = name.is_empty();
        let name = if generated {
            self.generate_name(generated_prefix)
        } else {
            name.detached()
        };
        self.permit_session(session, Operation::Configure, Resource::queue(&name))?;
        check_name(&name)?;
        let existing = self
            .namespaces
            .get(slot)
            .and_then(|namespace| namespace.queues.get(&name).copied());
        if let Some(id) = existing {
            return self.redeclare_queue(now, session, id, &name, &spec);
        }
        if !generated && routing::is_reserved(name.bytes()) {
            return Err(Refusal::Reserved {
                kind: Kind::Queue,
                name,
            });
        }
        if let Some(exchange) = &spec.settings.dead_letter_exchange {
            self.permit_session(session, Operation::Consume, Resource::queue(&name))?;
            self.permit_session(session, Operation::Publish, Resource::exchange(exchange))?;
        }
        self.check_queue_limits(slot)?;
        let owner = spec.exclusive.then_some(session);
        let journaled = spec.durable && owner.is_none();
        let id = self.create_queue(now, slot, name.clone(), spec.clone(), owner);
        if journaled {
            let key = catalog::queue_key(self.namespace_name(slot), &name);
            self.define(now, key, Some(catalog::queue_value(id, &spec)));
        }
        Ok((
            self.describe_queue(id),
            journaled.then_some(self.config.durability),
        ))
    }

    fn redeclare_queue(
        &mut self,
        now: Timestamp,
        session: SessionId,
        id: QueueId,
        name: &Name,
        spec: &QueueSpec,
    ) -> Outcome {
        let queue = self.queues.get_mut(&id).ok_or_else(|| not_found(name))?;
        if queue.owner.is_some_and(|owner| owner != session) {
            return Err(Refusal::Locked {
                queue: name.clone(),
            });
        }
        if let Some(Difference {
            property,
            received,
            current,
        }) = queue.spec.difference(spec)
        {
            return Err(Refusal::NotEquivalent {
                kind: Kind::Queue,
                name: name.clone(),
                property,
                received,
                current,
            });
        }
        queue.used_at = now;
        Ok((self.describe_queue(id), None))
    }

    fn check_queue_limits(&self, slot: u32) -> Result<(), Refusal> {
        let limit = self.config.queues_max;
        if self.queues.len() as u64 >= limit {
            return Err(Refusal::Limit {
                what: "queues in the broker",
                limit,
            });
        }
        let namespace = self.namespaces.get(slot).ok_or(Refusal::NotOutstanding)?;
        match namespace.queues_max {
            Some(limit) if namespace.queues.len() as u64 >= limit => Err(Refusal::Limit {
                what: "queues in the namespace",
                limit,
            }),
            _ => Ok(()),
        }
    }

    fn generate_name(&mut self, prefix: &str) -> Name {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut name = String::from(prefix);
        for _ in 0..GENERATED_CHARACTERS {
            let index = (self.chance() >> 24) & 63;
            name.push(char::from(ALPHABET[index as usize]));
        }
        Name::from(name)
    }

    fn describe_queue(&self, id: QueueId) -> Response {
        self.queues
            .get(&id)
            .map_or(Response::Done, |queue| Response::Queue {
                name: queue.name.clone(),
                ready: queue.ready(),
                consumers: u32::try_from(queue.roster.members().len()).unwrap_or(u32::MAX),
                keeps_records: queue.keeps_records(),
            })
    }

    fn delete_queue(
        &mut self,
        now: Timestamp,
        session: SessionId,
        name: &Name,
        if_unused: bool,
        if_empty: bool,
        effects: &mut Effects,
    ) -> Outcome {
        self.permit_session(session, Operation::Delete, Resource::queue(name))?;
        let id = match self.usable_queue(session, name) {
            Ok(id) => id,
            Err(Refusal::NotFound { .. }) => return Ok((Response::Removed { messages: 0 }, None)),
            Err(refusal) => return Err(refusal),
        };
        let queue = self.queues.get(&id).ok_or_else(|| not_found(name))?;
        if if_unused && !queue.roster.is_empty() {
            return Err(Refusal::InUse {
                kind: Kind::Queue,
                name: name.detached(),
            });
        }
        if if_empty && queue.ready() > 0 {
            return Err(Refusal::NotEmpty {
                queue: name.detached(),
            });
        }
        let after = queue.is_journaled().then_some(self.config.durability);
        let messages = self.remove_queue(now, id, effects);
        Ok((Response::Removed { messages }, after))
    }

    fn purge(&mut self, now: Timestamp, session: SessionId, name: &Name) -> Outcome {
        self.permit_session(session, Operation::Purge, Resource::queue(name))?;
        let id = self.usable_queue(session, name)?;
        let queue = self.queues.get(&id).ok_or_else(|| not_found(name))?;
        if queue.keeps_records() {
            return Err(Refusal::NotSupported {
                what: "purging",
                kind: Kind::Queue,
                name: name.detached(),
            });
        }
        let after = (queue.is_journaled() && queue.ready() > 0).then_some(self.config.durability);
        let messages = self.purge_queue(now, id);
        Ok((Response::Removed { messages }, after))
    }

    fn bind(
        &mut self,
        now: Timestamp,
        session: SessionId,
        binding: &Binding,
        effects: &mut Effects,
    ) -> Outcome {
        let (slot, spec) = self.check_binding(session, binding)?;
        let namespace = self
            .namespaces
            .get_mut(slot)
            .ok_or(Refusal::NotOutstanding)?;
        let new = namespace
            .router
            .bind(&spec)
            .map_err(|error| refuse(error, &binding.source))?;
        if !new {
            return Ok((Response::Done, None));
        }
        self.replay_history(now, slot, &spec, effects);
        let Some(stored) = self.stored_binding(slot, &spec) else {
            return Ok((Response::Done, None));
        };
        let key = catalog::binding_key(self.namespace_name(slot), &stored);
        self.define(now, key, Some(Vec::new()));
        Ok((Response::Done, Some(self.config.durability)))
    }

    /// A queue that is bound to an exchange with history gets what the exchange remembers.
    fn replay_history(
        &mut self,
        now: Timestamp,
        slot: u32,
        spec: &BindingSpec,
        effects: &mut Effects,
    ) {
        let Target::Queue(queue) = spec.target else {
            return;
        };
        let history: Vec<_> = self
            .namespaces
            .get(slot)
            .and_then(|namespace| namespace.histories.get(&spec.source))
            .map_or_else(Vec::new, |history| history.iter().cloned().collect());
        for message in history {
            self.store_for_broker(now, &message, &[queue], effects);
        }
    }

    fn unbind(&mut self, now: Timestamp, session: SessionId, binding: &Binding) -> Outcome {
        let (slot, spec) = self.check_binding(session, binding)?;
        let stored = self.stored_binding(slot, &spec);
        let namespace = self
            .namespaces
            .get_mut(slot)
            .ok_or(Refusal::NotOutstanding)?;
        let removal = namespace
            .router
            .unbind(&spec)
            .map_err(|error| refuse(error, &binding.source))?;
        let existed = !removal.bindings.is_empty();
        for exchange in removal.unused {
            self.remove_exchange(now, slot, &exchange);
        }
        let Some(stored) = stored.filter(|_| existed) else {
            return Ok((Response::Done, None));
        };
        let key = catalog::binding_key(self.namespace_name(slot), &stored);
        self.define(now, key, None);
        Ok((Response::Done, Some(self.config.durability)))
    }

    /// The namespace and the router's form of a binding that the session may change.
    fn check_binding(
        &self,
        session: SessionId,
        binding: &Binding,
    ) -> Result<(u32, BindingSpec), Refusal> {
        let slot = self.slot_of(session)?;
        let namespace = self.namespaces.get(slot).ok_or(Refusal::NotOutstanding)?;
        let target = match &binding.destination {
            Destination::Queue(name) => {
                self.permit_session(session, Operation::BindTarget, Resource::queue(name))?;
                Target::Queue(self.usable_queue(session, name)?)
            }
            Destination::Exchange(name) => {
                self.permit_session(session, Operation::BindTarget, Resource::exchange(name))?;
                Target::Exchange(name.clone())
            }
        };
        let mut source = Resource::exchange(&binding.source);
        let topic = namespace
            .router
            .exchange(&binding.source)
            .is_some_and(|exchange| exchange.spec().kind == routing::Kind::Topic);
        if topic {
            source = source.with_routing_key(binding.routing_key.as_bytes());
        }
        self.permit_session(session, Operation::BindSource, source)?;
        let spec = BindingSpec {
            source: binding.source.detached(),
            target,
            routing_key: BindingKey::Text(binding.routing_key.clone()),
            arguments: binding.arguments.detached(),
        };
        Ok((slot, spec))
    }

    fn open_mailbox(
        &mut self,
        session: SessionId,
        prefix: &'static str,
        consumer: crate::id::ConsumerId,
    ) -> Outcome {
        let slot = self.slot_of(session)?;
        let address = self.generate_name(prefix);
        let state = self
            .sessions
            .get_mut(&session)
            .ok_or(Refusal::NotOutstanding)?;
        if state.mailboxes.contains_key(&consumer) {
            return Err(Refusal::Invalid {
                argument: Name::from_static("consumer"),
                reason: "it has a mailbox already".to_owned(),
            });
        }
        state.mailboxes.insert(consumer, address.clone());
        let namespace = self
            .namespaces
            .get_mut(slot)
            .ok_or(Refusal::NotOutstanding)?;
        namespace
            .mailboxes
            .insert(address.clone(), (session, consumer));
        Ok((Response::Mailbox { address }, None))
    }

    fn find_mailbox(&self, session: SessionId, address: &Name) -> Outcome {
        let slot = self.slot_of(session)?;
        let known = self
            .namespaces
            .get(slot)
            .is_some_and(|namespace| namespace.mailboxes.contains_key(address));
        if known {
            return Ok((
                Response::Queue {
                    name: address.clone(),
                    ready: 0,
                    consumers: 1,
                    keeps_records: false,
                },
                None,
            ));
        }
        Err(not_found(address))
    }
}

/// Characters of a generated name after its prefix: 132 bits.
const GENERATED_CHARACTERS: usize = 22;

fn check_name(name: &Name) -> Result<(), Refusal> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::Invalid {
            argument: Name::from_static("name"),
            reason: format!("longer than {NAME_BYTES_MAX} bytes"),
        });
    }
    if name.starts_with('\u{0}') {
        return Err(Refusal::Reserved {
            kind: Kind::Queue,
            name: name.clone(),
        });
    }
    Ok(())
}

fn refuse(error: RoutingError, name: &Name) -> Refusal {
    match error {
        RoutingError::NoExchange(name) => Refusal::NotFound {
            kind: Kind::Exchange,
            name,
        },
        RoutingError::DefaultExchange => Refusal::Reserved {
            kind: Kind::Exchange,
            name: Name::default(),
        },
        RoutingError::Inequivalent { name, difference } => {
            let show = |value: Option<Name>| {
                value.map_or_else(|| "none".to_owned(), |value| value.to_string())
            };
            Refusal::NotEquivalent {
                kind: Kind::Exchange,
                name,
                property: difference.property,
                received: show(difference.received),
                current: show(difference.current),
            }
        }
        RoutingError::TooManyExchanges(limit) => Refusal::Limit {
            what: "exchanges in the namespace",
            limit: u64::from(limit),
        },
        RoutingError::TooManyBindings(limit) => Refusal::Limit {
            what: "bindings in the namespace",
            limit: u64::from(limit),
        },
        other => Refusal::Invalid {
            argument: name.detached(),
            reason: other.to_string(),
        },
    }
}
