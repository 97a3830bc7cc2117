//! What the broker must be able to do for its administrators.

use std::future::Future;
use std::net::IpAddr;

use crate::api::account::{
    Permission, PermissionRules, TopicPermission, TopicRules, User, UserChange,
};
use crate::api::binding::{Binding, BindingRow};
use crate::api::connection::{Connection, Consumer};
use crate::api::exchange::{Exchange, ExchangeDeclaration};
use crate::api::message::{Fetch, Message, Publication, Published};
use crate::api::namespace::{Namespace, NamespaceLimits};
use crate::api::overview::Overview;
use crate::api::policy::{Policy, PolicyRule, PolicySort};
use crate::api::queue::{DeleteConditions, Queue, QueueDeclaration};
use crate::failure::Failure;

/// Whoever asks, once it is known who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name under which everything is done.
    pub principal: String,
    /// What the caller may do here.
    pub role: Role,
}

/// What a caller may do through the administration API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything, change nothing.
    Monitor,
    /// Everything.
    Administrator,
}

/// A user name with its password, and where it comes from.
#[derive(Clone, Copy)]
pub struct Credentials<'request> {
    /// The name.
    pub name: &'request str,
    /// The password.
    pub password: &'request str,
    /// The address of the client.
    pub address: IpAddr,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The answer to a request, later.
pub trait Answer<T>: Future<Output = Result<T, Failure>> + Send {}

impl<T, F: Future<Output = Result<T, Failure>> + Send> Answer<T> for F {}

/// The broker, as its administrators see it.
///
/// Lists are whole and in the order of their names. What a caller may do with messages, queues
/// and exchanges is decided by the same permissions as for any client of the same name.
pub trait AdminBackend: Send + Sync + 'static {
    /// Who these credentials belong to, and what that user may do here.
    fn authenticate(&self, credentials: Credentials<'_>) -> impl Answer<Caller>;

    /// The broker as a whole.
    fn overview(&self) -> impl Answer<Overview>;

    /// All namespaces.
    fn namespaces(&self) -> impl Answer<Vec<Namespace>>;
    /// Makes a namespace; one that exists is no error.
    fn create_namespace(&self, name: &str) -> impl Answer<()>;
    /// Deletes a namespace with all that is in it.
    fn delete_namespace(&self, name: &str) -> impl Answer<()>;
    /// Sets what a namespace may hold.
    fn limit_namespace(&self, name: &str, limits: NamespaceLimits) -> impl Answer<()>;

    /// The queues of one namespace, or of all.
    fn queues(&self, namespace: Option<&str>) -> impl Answer<Vec<Queue>>;
    /// Makes a queue, or checks that it exists with the same properties.
    fn declare_queue(
        &self,
        caller: &Caller,
        place: Place<'_>,
        declaration: QueueDeclaration,
    ) -> impl Answer<()>;
    /// Deletes a queue; tells how many messages went with it.
    fn delete_queue(
        &self,
        caller: &Caller,
        place: Place<'_>,
        conditions: DeleteConditions,
    ) -> impl Answer<u64>;
    /// Removes the ready messages of a queue; tells how many.
    fn purge_queue(&self, caller: &Caller, place: Place<'_>) -> impl Answer<u64>;

    /// The exchanges of one namespace, or of all.
    fn exchanges(&self, namespace: Option<&str>) -> impl Answer<Vec<Exchange>>;
    /// Makes an exchange, or checks that it exists with the same properties.
    fn declare_exchange(
        &self,
        caller: &Caller,
        place: Place<'_>,
        declaration: ExchangeDeclaration,
    ) -> impl Answer<()>;
    /// Deletes an exchange.
    fn delete_exchange(
        &self,
        caller: &Caller,
        place: Place<'_>,
        conditions: DeleteConditions,
    ) -> impl Answer<()>;

    /// The bindings of one namespace, or of all.
    fn bindings(&self, namespace: Option<&str>) -> impl Answer<Vec<BindingRow>>;
    /// Makes a binding; one that exists is no error.
    fn bind(&self, caller: &Caller, namespace: &str, binding: Binding) -> impl Answer<()>;
    /// Undoes a binding.
    fn unbind(&self, caller: &Caller, namespace: &str, binding: Binding) -> impl Answer<()>;

    /// The connections that work in one namespace, or all.
    fn connections(&self, namespace: Option<&str>) -> impl Answer<Vec<Connection>>;
    /// Closes a connection; its client is told why.
    fn close_connection(&self, id: u64, reason: &str) -> impl Answer<()>;
    /// The consumers of one namespace, or of all.
    fn consumers(&self, namespace: Option<&str>) -> impl Answer<Vec<Consumer>>;

    /// All users.
    fn users(&self) -> impl Answer<Vec<User>>;
    /// Makes or changes a user.
    fn put_user(&self, name: &str, change: UserChange) -> impl Answer<()>;
    /// Deletes a user with its permissions.
    fn delete_user(&self, name: &str) -> impl Answer<()>;

    /// All permissions.
    fn permissions(&self) -> impl Answer<Vec<Permission>>;
    /// Sets what a user may do in a namespace.
    fn set_permission(
        &self,
        user: &str,
        namespace: &str,
        rules: PermissionRules,
    ) -> impl Answer<()>;
    /// Takes from a user what it may do in a namespace.
    fn clear_permission(&self, user: &str, namespace: &str) -> impl Answer<()>;
    /// All topic permissions.
    fn topic_permissions(&self) -> impl Answer<Vec<TopicPermission>>;
    /// Sets which routing keys a user may use with an exchange.
    fn set_topic_permission(
        &self,
        user: &str,
        exchange: Place<'_>,
        rules: TopicRules,
    ) -> impl Answer<()>;
    /// Lifts what was set for a user and an exchange.
    fn clear_topic_permission(&self, user: &str, exchange: Place<'_>) -> impl Answer<()>;

    /// The policies of one namespace, or of all.
    fn policies(&self, namespace: Option<&str>) -> impl Answer<Vec<Policy>>;
    /// Sets a policy, replacing one of the same name.
    fn set_policy(&self, place: Place<'_>, rule: PolicyRule) -> impl Answer<()>;
    /// Removes a policy.
    fn delete_policy(&self, place: Place<'_>, sort: PolicySort) -> impl Answer<()>;

    /// Publishes a message and waits until it is as safe as its queues promise.
    fn publish(
        &self,
        caller: &Caller,
        namespace: &str,
        publication: Publication,
    ) -> impl Answer<Published>;
    /// Fetches messages of a queue, the oldest first.
    fn fetch(&self, caller: &Caller, place: Place<'_>, fetch: Fetch) -> impl Answer<Vec<Message>>;
}

/// A name in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'request> {
    /// The namespace.
    pub namespace: &'request str,
    /// The name there.
    pub name: &'request str,
}
