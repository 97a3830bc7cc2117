//! What the administration API can do, done through the core's public requests.
//!
//! Arguments and messages are spelled as AMQP 0-9-1 spells them, so they take the same way into
//! the core as a client's: through that protocol's mapping.

mod bindings;
pub(crate) mod conversation;
mod exchanges;
mod failure;
mod listings;
mod messages;
mod policies;
mod queues;
mod users;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use sabir_admin::api::account::{
    Permission, PermissionRules, TopicPermission, TopicRules, User, UserChange,
};
use sabir_admin::api::binding::{Binding, BindingRow};
use sabir_admin::api::connection::{Connection, Consumer};
use sabir_admin::api::exchange::{Exchange, ExchangeDeclaration};
use sabir_admin::api::message::{Fetch, Message, Publication, Published};
use sabir_admin::api::namespace::{Namespace, NamespaceLimits};
use sabir_admin::api::overview::Overview;
use sabir_admin::api::policy::{Policy, PolicyRule, PolicySort};
use sabir_admin::api::queue::{DeleteConditions, Queue, QueueDeclaration};
use sabir_admin::backend::{AdminBackend, Caller, Credentials, Place};
use sabir_admin::failure::Failure;
use sabir_core::admin::{AdminRequest, Listing, Report};
use sabir_core::event::Response;
use sabir_core::id::SessionId;
use sabir_core::name::Name;
use sabir_core::request::Request;

use crate::serve::{Accounts, Alarms, SessionIds};
use crate::shard::Shard;
use conversation::Conversation;
use failure::{refused, unexpected};

/// How a caller's session is called in lists.
const DESCRIPTION: &str = "administration API";

/// The broker, for its administrators.
pub(crate) struct Administration {
    shard: Arc<Shard>,
    sessions: Arc<SessionIds>,
    accounts: Arc<Accounts>,
    alarms: Arc<Alarms>,
    listeners: BTreeMap<String, String>,
}

impl Administration {
    /// Administration of this core and these users.
    pub(crate) fn new(
        shard: Arc<Shard>,
        sessions: Arc<SessionIds>,
        accounts: Arc<Accounts>,
        alarms: Arc<Alarms>,
        listeners: BTreeMap<String, String>,
    ) -> Self {
        Self {
            shard,
            sessions,
            accounts,
            alarms,
            listeners,
        }
    }

    fn conversation(&self) -> Conversation {
        Conversation::begin(Arc::clone(&self.shard), &self.sessions)
    }

    /// Has the core do what needs no session.
    async fn administer(&self, request: AdminRequest) -> Result<Response, Failure> {
        self.conversation()
            .administer(request)
            .await
            .map_err(|refusal| refused(&refusal))
    }

    async fn report(&self, what: Listing, namespace: Option<&str>) -> Result<Report, Failure> {
        let namespace = namespace.map(Name::from);
        match self
            .administer(AdminRequest::List { what, namespace })
            .await?
        {
            Response::Report(report) => Ok(*report),
            other => Err(unexpected(&other)),
        }
    }

    /// A session of the caller's own in a namespace: what is asked in it is permitted or refused
    /// as it is for any client of the same name.
    async fn session(&self, caller: &Caller, namespace: &str) -> Result<Conversation, Failure> {
        let mut conversation = self.conversation();
        let principal = Name::from(caller.principal.as_str());
        let opened = conversation
            .open(namespace.into(), principal, DESCRIPTION.into())
            .await;
        opened.map_err(|refusal| refused(&refusal))?;
        Ok(conversation)
    }

    async fn request(
        &self,
        caller: &Caller,
        namespace: &str,
        request: Request,
    ) -> Result<Response, Failure> {
        let mut session = self.session(caller, namespace).await?;
        session
            .request(request)
            .await
            .map_err(|refusal| refused(&refusal))
    }
}

impl AdminBackend for Administration {
    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Caller, Failure> {
        users::authenticate(self, credentials).await
    }

    async fn overview(&self) -> Result<Overview, Failure> {
        listings::overview(self).await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Failure> {
        listings::namespaces(self).await
    }

    async fn create_namespace(&self, name: &str) -> Result<(), Failure> {
        values::check_name("namespace", name)?;
        let name = Name::from(name);
        self.administer(AdminRequest::CreateNamespace { name })
            .await
            .map(drop)
    }

    async fn delete_namespace(&self, name: &str) -> Result<(), Failure> {
        self.administer(AdminRequest::DeleteNamespace { name: name.into() })
            .await?;
        users::forget_namespace(self, name).await
    }

    async fn limit_namespace(&self, name: &str, limits: NamespaceLimits) -> Result<(), Failure> {
        let request = AdminRequest::LimitNamespace {
            name: name.into(),
            queues_max: limits.queues_max,
            sessions_max: limits.connections_max,
        };
        self.administer(request).await.map(drop)
    }

    async fn queues(&self, namespace: Option<&str>) -> Result<Vec<Queue>, Failure> {
        queues::list(self, namespace).await
    }

    async fn declare_queue(
        &self,
        caller: &Caller,
        place: Place<'_>,
        declaration: QueueDeclaration,
    ) -> Result<(), Failure> {
        queues::declare(self, caller, place, declaration).await
    }

    async fn delete_queue(
        &self,
        caller: &Caller,
        place: Place<'_>,
        conditions: DeleteConditions,
    ) -> Result<u64, Failure> {
        queues::delete(self, caller, place, conditions).await
    }

    async fn purge_queue(&self, caller: &Caller, place: Place<'_>) -> Result<u64, Failure> {
        queues::purge(self, caller, place).await
    }

    async fn exchanges(&self, namespace: Option<&str>) -> Result<Vec<Exchange>, Failure> {
        exchanges::list(self, namespace).await
    }

    async fn declare_exchange(
        &self,
        caller: &Caller,
        place: Place<'_>,
        declaration: ExchangeDeclaration,
    ) -> Result<(), Failure> {
        exchanges::declare(self, caller, place, declaration).await
    }

    async fn delete_exchange(
        &self,
        caller: &Caller,
        place: Place<'_>,
        conditions: DeleteConditions,
    ) -> Result<(), Failure> {
        exchanges::delete(self, caller, place, conditions).await
    }

    async fn bindings(&self, namespace: Option<&str>) -> Result<Vec<BindingRow>, Failure> {
        bindings::list(self, namespace).await
    }

    async fn bind(
        &self,
        caller: &Caller,
        namespace: &str,
        binding: Binding,
    ) -> Result<(), Failure> {
        bindings::bind(self, caller, namespace, binding).await
    }

    async fn unbind(
        &self,
        caller: &Caller,
        namespace: &str,
        binding: Binding,
    ) -> Result<(), Failure> {
        bindings::unbind(self, caller, namespace, &binding).await
    }

    async fn connections(&self, namespace: Option<&str>) -> Result<Vec<Connection>, Failure> {
        listings::connections(self, namespace).await
    }

    async fn close_connection(&self, id: u64, reason: &str) -> Result<(), Failure> {
        let request = AdminRequest::Disconnect {
            session: SessionId(id),
            reason: Name::from(reason),
        };
        self.administer(request).await.map(drop)
    }

    async fn consumers(&self, namespace: Option<&str>) -> Result<Vec<Consumer>, Failure> {
        listings::consumers(self, namespace).await
    }

    async fn users(&self) -> Result<Vec<User>, Failure> {
        Ok(users::list(self))
    }

    async fn put_user(&self, name: &str, change: UserChange) -> Result<(), Failure> {
        users::put(self, name, change).await
    }

    async fn delete_user(&self, name: &str) -> Result<(), Failure> {
        users::delete(self, name).await
    }

    async fn permissions(&self) -> Result<Vec<Permission>, Failure> {
        Ok(users::permissions(self))
    }

    async fn set_permission(
        &self,
        user: &str,
        namespace: &str,
        rules: PermissionRules,
    ) -> Result<(), Failure> {
        users::set_permission(self, user, namespace, rules).await
    }

    async fn clear_permission(&self, user: &str, namespace: &str) -> Result<(), Failure> {
        users::clear_permission(self, user, namespace).await
    }

    async fn topic_permissions(&self) -> Result<Vec<TopicPermission>, Failure> {
        Ok(users::topic_permissions(self))
    }

    async fn set_topic_permission(
        &self,
        user: &str,
        exchange: Place<'_>,
        rules: TopicRules,
    ) -> Result<(), Failure> {
        users::set_topic_permission(self, user, exchange, rules).await
    }

    async fn clear_topic_permission(&self, user: &str, exchange: Place<'_>) -> Result<(), Failure> {
        users::clear_topic_permission(self, user, exchange).await
    }

    async fn policies(&self, namespace: Option<&str>) -> Result<Vec<Policy>, Failure> {
        policies::list(self, namespace).await
    }

    async fn set_policy(&self, place: Place<'_>, rule: PolicyRule) -> Result<(), Failure> {
        policies::set(self, place, rule).await
    }

    async fn delete_policy(&self, place: Place<'_>, sort: PolicySort) -> Result<(), Failure> {
        policies::delete(self, place, sort).await
    }

    async fn publish(
        &self,
        caller: &Caller,
        namespace: &str,
        publication: Publication,
    ) -> Result<Published, Failure> {
        messages::publish(self, caller, namespace, publication).await
    }

    async fn fetch(
        &self,
        caller: &Caller,
        place: Place<'_>,
        fetch: Fetch,
    ) -> Result<Vec<Message>, Failure> {
        messages::fetch(self, caller, place, fetch).await
    }
}
