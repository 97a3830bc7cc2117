//! What people and tools ask of the core, and what they are told: rows of plain values.

use crate::{
    id::SessionId, message::value::Table, name::Name, policy::Policy, queue::QueueKind,
    request::PolicyChange,
};

/// A request of an administrator. It is permitted or refused before it gets here.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "made by hand, one at a time")]
pub enum AdminRequest {
    /// Makes a namespace; one that exists is no error.
    CreateNamespace {
        /// Its name.
        name: Name,
    },
    /// Deletes a namespace with all that is in it.
    DeleteNamespace {
        /// Its name.
        name: Name,
    },
    /// Sets what a namespace may hold.
    LimitNamespace {
        /// Its name.
        name: Name,
        /// Most queues; none is unlimited.
        queues_max: Option<u64>,
        /// Most sessions; none is unlimited.
        sessions_max: Option<u64>,
    },
    /// Changes the policies of a namespace.
    ChangePolicy {
        /// The namespace.
        namespace: Name,
        /// The change.
        change: PolicyChange,
    },
    /// Stores a document of another part of the broker, such as a user; `None` removes it.
    PutDocument {
        /// Sort and name of the document.
        key: Name,
        /// Its content, opaque to the core.
        value: Option<bytes::Bytes>,
    },
    /// Tells one sort of things.
    List {
        /// What to tell.
        what: Listing,
        /// Only of this namespace, for things that live in one.
        namespace: Option<Name>,
    },
    /// Reads ready messages of a queue without taking them.
    Peek {
        /// The namespace.
        namespace: Name,
        /// The queue.
        queue: Name,
        /// Most messages.
        count: u32,
    },
    /// Ends a session.
    Disconnect {
        /// The session.
        session: SessionId,
        /// What its client is told.
        reason: Name,
    },
}

/// The sorts of things that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Namespaces.
    Namespaces,
    /// Exchanges.
    Exchanges,
    /// Queues.
    Queues,
    /// Bindings.
    Bindings,
    /// Consumers.
    Consumers,
    /// Policies.
    Policies,
    /// Sessions.
    Sessions,
    /// Counters of the whole broker.
    Overview,
}

/// The answer to an [`AdminRequest`].
#[derive(Clone, Debug)]
pub enum Report {
    /// Namespaces.
    Namespaces(Vec<NamespaceRow>),
    /// Exchanges, by name.
    Exchanges(Vec<ExchangeRow>),
    /// Queues, by name.
    Queues(Vec<QueueRow>),
    /// Bindings, by source.
    Bindings(Vec<BindingRow>),
    /// Consumers, by queue.
    Consumers(Vec<ConsumerRow>),
    /// Policies with their namespace.
    Policies(Vec<(Name, Policy)>),
    /// Sessions, by number.
    Sessions(Vec<SessionRow>),
    /// Counters.
    Overview(Overview),
    /// Peeked messages, oldest first.
    Messages(Vec<crate::message::Record>),
}

/// A namespace and its limits.
#[derive(Clone, Debug)]
pub struct NamespaceRow {
    /// Its name.
    pub name: Name,
    /// Queues in it.
    pub queues: u64,
    /// Sessions in it.
    pub sessions: u64,
    /// Most queues.
    pub queues_max: Option<u64>,
    /// Most sessions.
    pub sessions_max: Option<u64>,
}

/// An exchange.
#[derive(Clone, Debug)]
pub struct ExchangeRow {
    /// Where it is.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Its type as clients write it.
    pub kind: Name,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
    /// The policy in force.
    pub policy: Option<Name>,
}

/// A queue and its counters. Counts are messages since the queue was made or the broker started.
#[derive(Clone, Debug)]
pub struct QueueRow {
    /// Where it is.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Its sort.
    pub kind: QueueKind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it belongs to one session.
    pub exclusive: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: Table,
    /// The policy in force.
    pub policy: Option<Name>,
    /// The operator policy in force.
    pub operator_policy: Option<Name>,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages that a consumer holds.
    pub unsettled: u64,
    /// Bytes of ready and unsettled messages.
    pub bytes: u64,
    /// Consumers.
    pub consumers: u32,
    /// What has happened to it.
    pub counters: crate::queue::Counters,
}

/// A binding.
#[derive(Clone, Debug)]
pub struct BindingRow {
    /// Where it is.
    pub namespace: Name,
    /// The binding.
    pub binding: crate::request::Binding,
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct ConsumerRow {
    /// Where it is.
    pub namespace: Name,
    /// The queue it reads.
    pub queue: Name,
    /// Whose it is.
    pub session: SessionId,
    /// What the client calls it.
    pub tag: Name,
    /// Deliveries it holds.
    pub unsettled: u64,
    /// Most deliveries it may hold; 0 is unlimited.
    pub unsettled_max: u32,
    /// Whether it is being served.
    pub active: bool,
    /// Whether deliveries to it need no settlement.
    pub settled: bool,
    /// Whether it is the only one.
    pub exclusive: bool,
    /// Its priority.
    pub priority: i32,
    /// Its arguments.
    pub arguments: Table,
}

/// A session.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its number.
    pub session: SessionId,
    /// Where it works.
    pub namespace: Name,
    /// Who it works for.
    pub principal: Name,
    /// What it says of itself.
    pub description: Name,
    /// Its consumers.
    pub consumers: u32,
    /// Messages it has published.
    pub published: u64,
    /// Messages delivered to it.
    pub delivered: u64,
}

/// Counters of the whole broker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overview {
    /// Namespaces.
    pub namespaces: u64,
    /// Queues.
    pub queues: u64,
    /// Exchanges.
    pub exchanges: u64,
    /// Consumers.
    pub consumers: u64,
    /// Sessions.
    pub sessions: u64,
    /// Messages that wait.
    pub ready: u64,
    /// Messages that consumers hold.
    pub unsettled: u64,
    /// What has happened to all queues.
    pub counters: crate::queue::Counters,
}
