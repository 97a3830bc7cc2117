//! What administrators ask: changes of namespaces and policies, and lists of everything.

use super::{Broker, Effects, catalog};
use crate::{
    admin::{
        AdminRequest, BindingRow, ConsumerRow, ExchangeRow, Listing, NamespaceRow, Overview,
        QueueRow, Report, SessionRow,
    },
    event::Response,
    id::{RequestId, SessionId, Timestamp},
    message::Record,
    name::Name,
    queue::{Purpose, Queue, lane::Found},
    refusal::{Kind, Refusal},
    request::{Binding, Destination},
    routing::{BindingKey, BindingSpec, Subject, Target},
    storage::Durability,
    subscription::consumer::Reader,
};
use bytes::Bytes;

type Outcome = Result<(Response, Option<Durability>), Refusal>;

/// Most messages that one request may look at.
const PEEK_MAX: u32 = 1_000;

impl Broker {
    pub(super) fn administer(
        &mut self,
        now: Timestamp,
        session: SessionId,
        id: RequestId,
        request: AdminRequest,
        effects: &mut Effects,
    ) {
        let outcome = self.rule(now, request, effects);
        let (result, after) = match outcome {
            Ok((response, after)) => (Ok(response), after),
            Err(refusal) => (Err(refusal), None),
        };
        let Some(durability) = after else {
            effects.tell(session, crate::event::Event::Reply { id, result });
            return;
        };
        let open = &mut self.memory.open;
        open.require(durability);
        let event = crate::event::Event::Reply { id, result };
        open.waiting.events.push((session, event));
    }

    fn rule(&mut self, now: Timestamp, request: AdminRequest, effects: &mut Effects) -> Outcome {
        let safe = Some(self.config.durability);
        match request {
            AdminRequest::CreateNamespace { name } => {
                if !self.namespaces.create(&name).1 {
                    return Ok((Response::Done, None));
                }
                let value = catalog::namespace_value(None, None);
                self.define(now, catalog::namespace_key(&name), Some(value));
                Ok((Response::Done, safe))
            }
            AdminRequest::DeleteNamespace { name } => {
                self.delete_namespace(now, &name, effects)?;
                Ok((Response::Done, safe))
            }
            AdminRequest::LimitNamespace {
                name,
                queues_max,
                sessions_max,
            } => {
                let slot = self.namespaces.find(&name);
                let namespace = slot
                    .and_then(|slot| self.namespaces.get_mut(slot))
                    .ok_or_else(|| no_namespace(&name))?;
                namespace.queues_max = queues_max;
                namespace.sessions_max = sessions_max;
                let value = catalog::namespace_value(queues_max, sessions_max);
                self.define(now, catalog::namespace_key(&name), Some(value));
                Ok((Response::Done, safe))
            }
            AdminRequest::ChangePolicy { namespace, change } => {
                self.change_policy(now, &namespace, change)?;
                Ok((Response::Done, safe))
            }
            AdminRequest::PutDocument { key, value } => {
                self.put_document(now, &key, value);
                Ok((Response::Done, safe))
            }
            AdminRequest::List { what, namespace } => {
                let report = self.list(what, namespace.as_ref());
                Ok((Response::Report(Box::new(report)), None))
            }
            AdminRequest::Peek {
                namespace,
                queue,
                count,
            } => {
                let messages = self.peek(&namespace, &queue, count)?;
                Ok((Response::Report(Box::new(Report::Messages(messages))), None))
            }
            AdminRequest::Disconnect { session, reason } => {
                if !self.sessions.contains_key(&session) {
                    return Err(Refusal::NotFound {
                        kind: Kind::Connection,
                        name: Name::from(session.to_string()),
                    });
                }
                self.disconnect(session, reason, effects);
                Ok((Response::Done, None))
            }
        }
    }

    fn put_document(&mut self, now: Timestamp, key: &Name, value: Option<Bytes>) {
        let stored = catalog::document_key(key.as_bytes());
        self.define(now, stored, value.as_ref().map(|value| value.to_vec()));
        match value {
            Some(value) => self.documents.insert(key.as_bytes().to_vec(), value),
            None => self.documents.remove(key.as_bytes()),
        };
    }

    /// The documents that other parts of the broker have stored, by key.
    pub fn documents(&self) -> impl Iterator<Item = (&[u8], &Bytes)> {
        self.documents
            .iter()
            .map(|(key, value)| (key.as_slice(), value))
    }

    fn delete_namespace(
        &mut self,
        now: Timestamp,
        name: &Name,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let slot = self
            .namespaces
            .find(name)
            .ok_or_else(|| no_namespace(name))?;
        let mut sessions: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, state)| state.namespace == slot)
            .map(|(id, _)| *id)
            .collect();
        sessions.sort_unstable();
        for session in sessions {
            self.disconnect(
                session,
                Name::from(format!("namespace '{name}' is deleted")),
                effects,
            );
        }
        let Some(namespace) = self.namespaces.get(slot) else {
            return Ok(());
        };
        let mut queues: Vec<_> = namespace.queues.values().copied().collect();
        queues.extend(namespace.delays);
        queues.sort_unstable();
        for queue in queues {
            self.remove_queue(now, queue, effects);
        }
        let Some(namespace) = self.namespaces.get(slot) else {
            return Ok(());
        };
        let mut gone: Vec<Vec<u8>> = namespace
            .router
            .exchanges()
            .into_iter()
            .filter(|exchange| exchange.spec().durable)
            .map(|exchange| catalog::exchange_key(name, exchange.name()))
            .collect();
        gone.extend(
            namespace
                .router
                .bindings()
                .iter()
                .filter_map(|binding| self.stored_binding(slot, binding))
                .map(|binding| catalog::binding_key(name, &binding)),
        );
        gone.extend(
            namespace
                .policies
                .iter()
                .map(|policy| catalog::policy_key(name, &policy.name, policy.operator)),
        );
        gone.push(catalog::namespace_key(name));
        for key in gone {
            self.define(now, key, None);
        }
        self.namespaces.remove(name);
        Ok(())
    }

    fn peek(&self, namespace: &Name, name: &Name, count: u32) -> Result<Vec<Record>, Refusal> {
        let queue = self
            .namespaces
            .find(namespace)
            .and_then(|slot| self.namespaces.get(slot))
            .and_then(|namespace| namespace.queues.get(name))
            .and_then(|id| self.queues.get(id))
            .ok_or_else(|| super::consume::not_found(name))?;
        let found = queue.lanes.iter().flat_map(|lane| {
            lane.ledger
                .ready_from(lane.log.tail())
                .filter_map(|offset| match lane.find(offset, &self.memory) {
                    Found::Bytes(bytes) => Some(Record(bytes)),
                    Found::OnDisk(_) | Found::Lost => None,
                })
        });
        Ok(found.take(count.min(PEEK_MAX) as usize).collect())
    }

    fn list(&self, what: Listing, namespace: Option<&Name>) -> Report {
        let wanted = |name: &Name| namespace.is_none_or(|wanted| wanted == name);
        let scopes = || {
            self.namespaces
                .iter()
                .filter(|(_, scope)| wanted(&scope.name))
        };
        match what {
            Listing::Namespaces => Report::Namespaces(
                scopes()
                    .map(|(_, scope)| NamespaceRow {
                        name: scope.name.clone(),
                        queues: scope.queues.len() as u64,
                        sessions: scope.sessions,
                        queues_max: scope.queues_max,
                        sessions_max: scope.sessions_max,
                    })
                    .collect(),
            ),
            Listing::Exchanges => Report::Exchanges(self.list_exchanges(wanted)),
            Listing::Queues => Report::Queues(self.list_queues(wanted)),
            Listing::Bindings => Report::Bindings(self.list_bindings(wanted)),
            Listing::Consumers => Report::Consumers(self.list_consumers(wanted)),
            Listing::Policies => Report::Policies(
                scopes()
                    .flat_map(|(_, scope)| {
                        scope
                            .policies
                            .iter()
                            .map(|policy| (scope.name.clone(), policy.clone()))
                    })
                    .collect(),
            ),
            Listing::Sessions => Report::Sessions(self.list_sessions(wanted)),
            Listing::Overview => Report::Overview(self.overview()),
        }
    }

    fn list_exchanges(&self, wanted: impl Fn(&Name) -> bool) -> Vec<ExchangeRow> {
        let scopes = self
            .namespaces
            .iter()
            .filter(|(_, scope)| wanted(&scope.name));
        scopes
            .flat_map(|(_, scope)| {
                scope.router.exchanges().into_iter().map(|exchange| {
                    let spec = exchange.spec();
                    ExchangeRow {
                        namespace: scope.name.clone(),
                        name: exchange.name().clone(),
                        kind: Name::from(spec.kind.type_name()),
                        durable: spec.durable,
                        auto_delete: spec.auto_delete,
                        internal: spec.internal,
                        arguments: spec.arguments.clone(),
                        policy: scope
                            .policies
                            .for_exchange(exchange.name())
                            .map(|policy| policy.name.clone()),
                    }
                })
            })
            .collect()
    }

    fn list_queues(&self, wanted: impl Fn(&Name) -> bool) -> Vec<QueueRow> {
        let mut rows: Vec<QueueRow> = self
            .queues
            .values()
            .filter(|queue| queue.purpose == Purpose::Deliver)
            .map(|queue| self.queue_row(queue))
            .filter(|row| wanted(&row.namespace))
            .collect();
        rows.sort_by(|left, right| {
            (&left.namespace, &left.name).cmp(&(&right.namespace, &right.name))
        });
        rows
    }

    fn queue_row(&self, queue: &Queue) -> QueueRow {
        QueueRow {
            namespace: self.namespace_name(queue.namespace),
            name: queue.name.clone(),
            kind: queue.spec.kind,
            durable: queue.spec.durable,
            exclusive: queue.owner.is_some(),
            auto_delete: queue.spec.auto_delete,
            arguments: queue.spec.arguments.clone(),
            policy: queue.policy.clone(),
            operator_policy: queue.operator_policy.clone(),
            ready: queue.ready(),
            unsettled: queue.unsettled(),
            bytes: queue.bytes(),
            consumers: u32::try_from(queue.roster.members().len()).unwrap_or(u32::MAX),
            counters: queue.counters,
        }
    }

    fn list_bindings(&self, wanted: impl Fn(&Name) -> bool) -> Vec<BindingRow> {
        let scopes = self
            .namespaces
            .iter()
            .filter(|(_, scope)| wanted(&scope.name));
        scopes
            .flat_map(|(_, scope)| {
                let defaults = scope.queues.keys().cloned().map(|queue| Binding {
                    source: Name::default(),
                    routing_key: Subject::from_bytes(queue.bytes().clone()),
                    destination: Destination::Queue(queue),
                    arguments: crate::message::value::Table::new(),
                });
                let mut defaults: Vec<_> = defaults.collect();
                defaults.sort_by(|left, right| left.routing_key.cmp(&right.routing_key));
                let bound = scope.router.bindings();
                let bound = bound.iter().filter_map(|spec| self.shown_binding(spec));
                let rows = defaults.into_iter().chain(bound);
                rows.map(|binding| BindingRow {
                    namespace: scope.name.clone(),
                    binding,
                })
                .collect::<Vec<_>>()
            })
            .collect()
    }

    fn shown_binding(&self, spec: &BindingSpec) -> Option<Binding> {
        let BindingKey::Text(routing_key) = &spec.routing_key else {
            return None;
        };
        let destination = match &spec.target {
            Target::Queue(id) => Destination::Queue(self.queues.get(id)?.name.clone()),
            Target::Exchange(name) => Destination::Exchange(name.clone()),
            Target::Mailbox(_) => return None,
        };
        Some(Binding {
            source: spec.source.clone(),
            destination,
            routing_key: routing_key.clone(),
            arguments: spec.arguments.clone(),
        })
    }

    fn list_consumers(&self, wanted: impl Fn(&Name) -> bool) -> Vec<ConsumerRow> {
        let mut queues: Vec<&Queue> = self.queues.values().map(AsRef::as_ref).collect();
        queues.sort_by_key(|queue| (queue.namespace, queue.name.clone()));
        queues
            .into_iter()
            .filter(|queue| wanted(&self.namespace_name(queue.namespace)))
            .flat_map(|queue| {
                queue
                    .roster
                    .members()
                    .iter()
                    .map(move |slot| (queue, *slot))
            })
            .filter_map(|(queue, slot)| {
                let consumer = self.consumers.get(slot)?;
                let single = queue.settings.single_active;
                Some(ConsumerRow {
                    namespace: self.namespace_name(queue.namespace),
                    queue: queue.name.clone(),
                    session: consumer.session,
                    tag: consumer.tag.clone(),
                    unsettled: u64::from(consumer.unsettled),
                    unsettled_max: consumer.unsettled_max,
                    active: consumer.reader == Reader::Attached
                        && (!single || queue.roster.active() == Some(slot)),
                    settled: consumer.settled,
                    exclusive: consumer.exclusive,
                    priority: consumer.priority,
                    arguments: consumer.arguments.clone(),
                })
            })
            .collect()
    }

    fn list_sessions(&self, wanted: impl Fn(&Name) -> bool) -> Vec<SessionRow> {
        let mut rows: Vec<SessionRow> = self
            .sessions
            .iter()
            .map(|(id, state)| SessionRow {
                session: *id,
                namespace: self.namespace_name(state.namespace),
                principal: state.principal.clone(),
                description: state.description.clone(),
                consumers: u32::try_from(state.consumers.len()).unwrap_or(u32::MAX),
                published: state.published,
                delivered: state.delivered,
            })
            .filter(|row| wanted(&row.namespace))
            .collect();
        rows.sort_by_key(|row| row.session);
        rows
    }

    fn overview(&self) -> Overview {
        let mut overview = Overview {
            namespaces: self.namespaces.iter().count() as u64,
            exchanges: self
                .namespaces
                .iter()
                .map(|(_, scope)| scope.router.exchanges().len() as u64)
                .sum(),
            queues: self.queues.len() as u64,
            consumers: self.consumers.len(),
            sessions: self.sessions.len() as u64,
            ..Overview::default()
        };
        for queue in self.queues.values() {
            overview.ready += queue.ready();
            overview.unsettled += queue.unsettled();
            overview.counters.add(&queue.counters);
        }
        overview
    }
}

fn no_namespace(name: &Name) -> Refusal {
    Refusal::NotFound {
        kind: Kind::Namespace,
        name: name.clone(),
    }
}
