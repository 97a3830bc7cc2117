//! Who may do what: the question the core asks, and the words it is asked in.
//!
//! This module knows neither users nor rules: an [`Authorizer`] answers from whatever permission
//! store stands behind it. Every protocol maps its own actions to an [`Operation`] on a
//! [`Resource`], so that one decision serves all of them.

use std::fmt;

/// What a principal wants to do with a resource.
///
/// Binding is two operations because its two ends are guarded differently: what flows out of
/// the source is read, what flows into the target is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Open a session in the namespace.
    Connect,
    /// Learn that the resource exists and what it looks like.
    Describe,
    /// Bring the resource into being.
    Create,
    /// Remove the resource.
    Delete,
    /// Change the resource's settings.
    Configure,
    /// Put messages in.
    Publish,
    /// Take messages out.
    Consume,
    /// Look at messages without taking them.
    Browse,
    /// Throw all messages away.
    Purge,
    /// Be the end of a binding that messages leave from.
    BindSource,
    /// Be the end of a binding that messages arrive at.
    BindTarget,
    /// Join a consumer group.
    JoinGroup,
    /// Use a transaction identifier.
    Transact,
    /// Read administrative state.
    AdminRead,
    /// Change administrative state.
    AdminWrite,
    /// Act, or label messages, under another principal's name.
    Impersonate,
    /// Copy data between brokers.
    Replicate,
}

impl Operation {
    /// The word used in logs, refusals and audit records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Describe => "describe",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Configure => "configure",
            Self::Publish => "publish",
            Self::Consume => "consume",
            Self::Browse => "browse",
            Self::Purge => "purge",
            Self::BindSource => "bind_source",
            Self::BindTarget => "bind_target",
            Self::JoinGroup => "join_group",
            Self::Transact => "transact",
            Self::AdminRead => "admin_read",
            Self::AdminWrite => "admin_write",
            Self::Impersonate => "impersonate",
            Self::Replicate => "replicate",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What kind of thing is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// The namespace itself.
    Namespace,
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
    /// A log or a topic of partition logs.
    Log,
    /// A subject of the shared subject space.
    Subject,
    /// A consumer group.
    Group,
    /// A transaction identifier.
    TransactionId,
    /// A durable session, named by its client identifier.
    Session,
    /// An object or bucket of stored objects.
    Object,
    /// A message schema.
    Schema,
    /// A bridge to another broker.
    Bridge,
    /// The cluster as a whole.
    Cluster,
    /// A user.
    User,
    /// The audit log.
    Audit,
}

impl ResourceKind {
    /// The word used in logs, refusals and audit records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Exchange => "exchange",
            Self::Queue => "queue",
            Self::Log => "log",
            Self::Subject => "subject",
            Self::Group => "group",
            Self::TransactionId => "transaction_id",
            Self::Session => "session",
            Self::Object => "object",
            Self::Schema => "schema",
            Self::Bridge => "bridge",
            Self::Cluster => "cluster",
            Self::User => "user",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One guarded thing, with what is known about the message that travels through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a> {
    /// What kind of thing it is.
    pub kind: ResourceKind,
    /// Its name inside the namespace; empty for the default exchange and the namespace itself.
    pub name: &'a str,
    /// The routing key of a message or binding, given only where rules may look at it: an
    /// exchange that routes by topic.
    pub routing_key: Option<&'a [u8]>,
    /// The client identifier of the session that asks, for rules that mention it.
    pub client_id: Option<&'a str>,
}

impl<'a> Resource<'a> {
    /// A thing of this kind and name.
    #[must_use]
    pub const fn new(kind: ResourceKind, name: &'a str) -> Self {
        Self {
            kind,
            name,
            routing_key: None,
            client_id: None,
        }
    }

    /// The namespace that the question is asked in.
    #[must_use]
    pub const fn namespace() -> Self {
        Self::new(ResourceKind::Namespace, "")
    }

    /// An exchange.
    #[must_use]
    pub const fn exchange(name: &'a str) -> Self {
        Self::new(ResourceKind::Exchange, name)
    }

    /// A queue.
    #[must_use]
    pub const fn queue(name: &'a str) -> Self {
        Self::new(ResourceKind::Queue, name)
    }

    /// The same resource, seen for a message or binding with this routing key.
    #[must_use]
    pub const fn with_routing_key(mut self, routing_key: &'a [u8]) -> Self {
        self.routing_key = Some(routing_key);
        self
    }

    /// The same resource, asked for by the session with this client identifier.
    #[must_use]
    pub const fn with_client_id(mut self, client_id: &'a str) -> Self {
        self.client_id = Some(client_id);
        self
    }
}

/// Decides whether a principal may perform an operation.
///
/// An answer holds for as long as [`Authorizer::generation`] does not change: callers may keep
/// it beside the generation they asked under, and ask again when the number has moved. That is
/// how a revoked permission reaches open sessions.
pub trait Authorizer: Send + Sync {
    /// Whether `principal` may perform `operation` on `resource` in `namespace`.
    ///
    /// An unknown principal or namespace is simply not permitted.
    fn permits(
        &self,
        principal: &str,
        namespace: &str,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool;

    /// A number that grows with every change of the rules.
    fn generation(&self) -> u64;
}
