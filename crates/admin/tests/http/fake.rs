//! A broker that is a few maps, for as much of the API as the tests look at.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::sync::Mutex;

use sabir_admin::api::account::{
    Permission, PermissionRules, TopicPermission, TopicRules, User, UserChange,
};
use sabir_admin::api::binding::{Binding, BindingRow};
use sabir_admin::api::connection::{Connection, Consumer};
use sabir_admin::api::exchange::{Exchange, ExchangeDeclaration};
use sabir_admin::api::message::{Fetch, FetchMode, Message, Publication, Published};
use sabir_admin::api::namespace::{Namespace, NamespaceLimits};
use sabir_admin::api::overview::Overview;
use sabir_admin::api::policy::{Policy, PolicyRule, PolicySort};
use sabir_admin::api::queue::{Counters, DeleteConditions, Queue, QueueDeclaration};
use sabir_admin::backend::{AdminBackend, Caller, Credentials, Place, Role};
use sabir_admin::failure::Failure;

/// Queues with their messages, and nothing else.
#[derive(Default)]
pub(crate) struct Fake {
    queues: Mutex<BTreeMap<(String, String), Contents>>,
}

type Contents = (QueueDeclaration, Vec<Publication>);

fn unsupported<T>() -> impl Future<Output = Result<T, Failure>> + Send
where
    T: Send,
{
    ready(Err(Failure::Unavailable("not in this fake".to_owned())))
}

fn key(place: Place<'_>) -> (String, String) {
    (place.namespace.to_owned(), place.name.to_owned())
}

fn missing(place: Place<'_>) -> Failure {
    Failure::NotFound(format!("no queue {:?}", place.name))
}

impl AdminBackend for Fake {
    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Caller, Failure> {
        let role = match (credentials.name, credentials.password) {
            ("guest", "guest") => Role::Administrator,
            ("watcher", "eyes") => Role::Monitor,
            _ => return Err(Failure::Unauthenticated),
        };
        Ok(Caller {
            principal: credentials.name.to_owned(),
            role,
        })
    }

    async fn queues(&self, namespace: Option<&str>) -> Result<Vec<Queue>, Failure> {
        let queues = self.queues.lock().unwrap();
        let wanted = queues
            .iter()
            .filter(|((in_namespace, _), _)| namespace.is_none_or(|name| name == in_namespace));
        Ok(wanted
            .map(|((namespace, name), (declaration, messages))| Queue {
                namespace: namespace.clone(),
                name: name.clone(),
                kind: declaration.kind,
                durable: declaration.durable,
                exclusive: false,
                auto_delete: declaration.auto_delete,
                arguments: declaration.arguments.clone(),
                policy: None,
                operator_policy: None,
                depth: messages.len() as u64,
                ready: messages.len() as u64,
                unsettled: 0,
                bytes: 0,
                consumers: 0,
                counters: Counters::default(),
                rates: None,
            })
            .collect())
    }

    async fn declare_queue(
        &self,
        _: &Caller,
        place: Place<'_>,
        declaration: QueueDeclaration,
    ) -> Result<(), Failure> {
        let mut queues = self.queues.lock().unwrap();
        let (known, _) = queues
            .entry(key(place))
            .or_insert_with(|| (declaration.clone(), Vec::new()));
        if *known == declaration {
            Ok(())
        } else {
            Err(Failure::Conflict(
                "it exists with other properties".to_owned(),
            ))
        }
    }

    async fn delete_queue(
        &self,
        _: &Caller,
        place: Place<'_>,
        _: DeleteConditions,
    ) -> Result<u64, Failure> {
        let removed = self.queues.lock().unwrap().remove(&key(place));
        removed
            .map(|(_, messages)| messages.len() as u64)
            .ok_or_else(|| missing(place))
    }

    async fn purge_queue(&self, _: &Caller, place: Place<'_>) -> Result<u64, Failure> {
        let mut queues = self.queues.lock().unwrap();
        let (_, messages) = queues.get_mut(&key(place)).ok_or_else(|| missing(place))?;
        Ok(messages.drain(..).count() as u64)
    }

    async fn publish(
        &self,
        _: &Caller,
        namespace: &str,
        publication: Publication,
    ) -> Result<Published, Failure> {
        let mut queues = self.queues.lock().unwrap();
        let place = (namespace.to_owned(), publication.routing_key.clone());
        let queue = queues.get_mut(&place);
        let routed = queue.is_some();
        if let Some((_, messages)) = queue {
            messages.push(publication);
        }
        Ok(Published { routed })
    }

    async fn fetch(
        &self,
        _: &Caller,
        place: Place<'_>,
        fetch: Fetch,
    ) -> Result<Vec<Message>, Failure> {
        let mut queues = self.queues.lock().unwrap();
        let (_, messages) = queues.get_mut(&key(place)).ok_or_else(|| missing(place))?;
        let count = messages.len().min(fetch.count as usize);
        let fetched: Vec<Publication> = match fetch.mode {
            FetchMode::Peek => messages[..count].to_vec(),
            FetchMode::Take => messages.drain(..count).collect(),
        };
        Ok(fetched
            .into_iter()
            .map(|publication| Message {
                exchange: publication.exchange,
                routing_key: publication.routing_key,
                redelivered: false,
                properties: publication.properties,
                payload: publication.payload,
            })
            .collect())
    }

    fn overview(&self) -> impl Future<Output = Result<Overview, Failure>> + Send {
        unsupported()
    }
    fn namespaces(&self) -> impl Future<Output = Result<Vec<Namespace>, Failure>> + Send {
        // An answer that never comes.
        std::future::pending()
    }
    fn create_namespace(&self, _: &str) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn delete_namespace(&self, _: &str) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn limit_namespace(
        &self,
        _: &str,
        _: NamespaceLimits,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn exchanges(
        &self,
        _: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Exchange>, Failure>> + Send {
        unsupported()
    }
    fn declare_exchange(
        &self,
        _: &Caller,
        _: Place<'_>,
        _: ExchangeDeclaration,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn delete_exchange(
        &self,
        _: &Caller,
        _: Place<'_>,
        _: DeleteConditions,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn bindings(
        &self,
        _: Option<&str>,
    ) -> impl Future<Output = Result<Vec<BindingRow>, Failure>> + Send {
        unsupported()
    }
    fn bind(
        &self,
        _: &Caller,
        _: &str,
        _: Binding,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn unbind(
        &self,
        _: &Caller,
        _: &str,
        _: Binding,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn connections(
        &self,
        _: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Connection>, Failure>> + Send {
        unsupported()
    }
    fn close_connection(
        &self,
        _: u64,
        _: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn consumers(
        &self,
        _: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Consumer>, Failure>> + Send {
        unsupported()
    }
    fn users(&self) -> impl Future<Output = Result<Vec<User>, Failure>> + Send {
        unsupported()
    }
    fn put_user(&self, _: &str, _: UserChange) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn delete_user(&self, _: &str) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn permissions(&self) -> impl Future<Output = Result<Vec<Permission>, Failure>> + Send {
        unsupported()
    }
    fn set_permission(
        &self,
        _: &str,
        _: &str,
        _: PermissionRules,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn clear_permission(
        &self,
        _: &str,
        _: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn topic_permissions(
        &self,
    ) -> impl Future<Output = Result<Vec<TopicPermission>, Failure>> + Send {
        unsupported()
    }
    fn set_topic_permission(
        &self,
        _: &str,
        _: Place<'_>,
        _: TopicRules,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn clear_topic_permission(
        &self,
        _: &str,
        _: Place<'_>,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn policies(
        &self,
        _: Option<&str>,
    ) -> impl Future<Output = Result<Vec<Policy>, Failure>> + Send {
        unsupported()
    }
    fn set_policy(
        &self,
        _: Place<'_>,
        _: PolicyRule,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
    fn delete_policy(
        &self,
        _: Place<'_>,
        _: PolicySort,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        unsupported()
    }
}
