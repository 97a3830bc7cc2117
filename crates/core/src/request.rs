//! What sessions ask of the core, as data.

use crate::{
    id::{ConsumerId, LogId, Offset, ProducerId, RequestId, SessionId, WindowId},
    message::{Message, value::Table},
    name::Name,
    policy::Policy,
    queue::QueueSpec,
    routing::{ExchangeSpec, Subject},
};

/// Anything that reaches the core. A batch is carried out in order.
#[derive(Clone, Debug)]
pub enum Command {
    /// A session begins in a namespace. Answered by a reply to request 0.
    Open {
        /// The new session.
        session: SessionId,
        /// Where it works.
        namespace: Name,
        /// Who it works for.
        principal: Name,
        /// What to show people about it.
        description: Name,
    },
    /// A session is over: its exclusive queues go, what it had leased is ready again.
    Close {
        /// The session.
        session: SessionId,
    },
    /// A request that is answered by exactly one [`crate::event::Event::Reply`], in order.
    Request {
        /// Who asks.
        session: SessionId,
        /// Comes back in the reply.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// A message for an exchange.
    Publish {
        /// Who publishes.
        session: SessionId,
        /// The message and what is to be said about it.
        publish: Publish,
    },
    /// Deliveries are done with.
    Settle {
        /// Who settles.
        session: SessionId,
        /// What and how.
        settlement: Settlement,
    },
    /// A consumer may be sent `credit` more deliveries than it has been allowed so far.
    Credit {
        /// The consumer's session.
        session: SessionId,
        /// The consumer.
        consumer: ConsumerId,
        /// How many more.
        credit: u32,
    },
    /// Sets how many unsettled deliveries the consumers of one window may have together; 0 is unlimited.
    Window {
        /// The session.
        session: SessionId,
        /// The window.
        window: WindowId,
        /// Most unsettled deliveries.
        unsettled_max: u32,
    },
    /// The socket took bytes of deliveries: as much more may be sent.
    Written {
        /// The session.
        session: SessionId,
        /// Bytes of records (see [`crate::event::Delivery::cost`]) that have left.
        bytes: u64,
    },
    /// Something for people or tools: not part of any session.
    Administer {
        /// Comes back in the answer.
        id: RequestId,
        /// Session to which the answer goes.
        session: SessionId,
        /// What is asked.
        request: crate::admin::AdminRequest,
    },
}

impl Command {
    /// The session that it is for.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Open { session, .. }
            | Self::Close { session }
            | Self::Request { session, .. }
            | Self::Publish { session, .. }
            | Self::Settle { session, .. }
            | Self::Credit { session, .. }
            | Self::Window { session, .. }
            | Self::Written { session, .. } => Some(*session),
            Self::Administer { .. } => None,
        }
    }
}

/// A message for an exchange.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The sequence of confirms it belongs to.
    pub producer: ProducerId,
    /// Its number in that sequence, from 1; 0 when no confirm is wanted.
    pub ticket: u64,
    /// Whether it is to be returned when no queue takes it.
    pub mandatory: bool,
    /// The message.
    pub message: Message,
}

/// One delivery: a record of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The log it comes from.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
}

/// Deliveries that are done with, all in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which log they came from.
    pub log: LogId,
    /// The first of them.
    pub first: Offset,
    /// The last of them. Offsets between the two that this session does not hold are passed over.
    pub last: Offset,
    /// What is to become of them.
    pub outcome: Outcome,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: it leaves the queue.
    Ack,
    /// Back to its place in the queue. A failed attempt counts towards the delivery limit.
    Release {
        /// Whether the attempt counts.
        failed: bool,
    },
    /// Not wanted: dead-lettered if the queue says so, else dropped.
    Reject,
}

/// A request with a reply.
#[derive(Clone, Debug)]
pub enum Request {
    /// Makes an exchange, or checks that it exists with the same properties.
    DeclareExchange {
        /// Its name.
        name: Name,
        /// Its properties.
        spec: ExchangeSpec,
    },
    /// Checks that an exchange exists.
    FindExchange {
        /// Its name.
        name: Name,
    },
    /// Deletes an exchange; one that does not exist is no error.
    DeleteExchange {
        /// Its name.
        name: Name,
        /// Refuse when something is bound to it.
        if_unused: bool,
    },
    /// Makes a queue, or checks that it exists with the same properties. An empty name asks for a
    /// generated one.
    DeclareQueue {
        /// Its name, or empty.
        name: Name,
        /// Begins a generated name, such as `amq.gen-`.
        generated_prefix: &'static str,
        /// Its properties.
        spec: QueueSpec,
    },
    /// Checks that a queue exists and tells its counts.
    FindQueue {
        /// Its name.
        name: Name,
    },
    /// Deletes a queue; one that does not exist is no error.
    DeleteQueue {
        /// Its name.
        name: Name,
        /// Refuse when it has consumers.
        if_unused: bool,
        /// Refuse when it holds messages.
        if_empty: bool,
    },
    /// Removes all ready messages of a queue.
    Purge {
        /// The queue.
        queue: Name,
    },
    /// Binds an exchange to a queue or another exchange.
    Bind(Binding),
    /// Undoes a binding; one that does not exist is no error.
    Unbind(Binding),
    /// Starts a consumer.
    Consume(Consume),
    /// Ends a consumer. What it holds stays leased until it is settled or the session ends.
    Cancel {
        /// The consumer.
        consumer: ConsumerId,
    },
    /// Takes one ready message, if there is one.
    Get {
        /// The queue.
        queue: Name,
        /// Whether it is settled by being taken.
        settled: bool,
    },
    /// Publishes and settlements that become durable together, or not at all. No message of it
    /// gets a confirm of its own; unroutable mandatory ones are returned before the reply.
    Commit {
        /// The messages.
        publishes: Vec<Publish>,
        /// The settlements.
        settlements: Vec<Settlement>,
    },
    /// Opens the session's mailbox: what is published to its address through the default
    /// exchange is delivered to the consumer at once, without a log.
    OpenMailbox {
        /// Begins the address that is made for it.
        address_prefix: &'static str,
        /// The consumer that gets what arrives.
        consumer: ConsumerId,
    },
    /// Checks that a live mailbox has this address.
    FindMailbox {
        /// The address.
        address: Name,
    },
}

/// A binding between an exchange and what it leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The exchange that messages come from.
    pub source: Name,
    /// Where they go.
    pub destination: Destination,
    /// The key or pattern.
    pub routing_key: Subject,
    /// Further conditions.
    pub arguments: Table,
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A queue.
    Queue(Name),
    /// Another exchange.
    Exchange(Name),
}

/// The start of a consumer.
#[derive(Clone, Debug)]
pub struct Consume {
    /// Its number in the session, not in use.
    pub consumer: ConsumerId,
    /// What people call it.
    pub tag: Name,
    /// The queue it reads.
    pub queue: Name,
    /// Whether deliveries are settled by being sent.
    pub settled: bool,
    /// Whether it is to be the only one.
    pub exclusive: bool,
    /// Higher ones are served first; 0 is usual.
    pub priority: i32,
    /// Most unsettled deliveries of this consumer; 0 is unlimited.
    pub unsettled_max: u32,
    /// A limit it shares with other consumers of the session.
    pub window: Option<WindowId>,
    /// Deliveries it may get before more credit; none is unlimited.
    pub credit: Option<u32>,
    /// Where to begin, for a queue that keeps its records.
    pub start: Start,
    /// Shown to people.
    pub arguments: Table,
}

/// Where a consumer of a log that keeps its records begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what arrives from now on.
    #[default]
    Next,
    /// With the oldest record.
    First,
    /// With the newest chunk of records.
    Last,
    /// With this record, or the oldest if it is gone.
    Offset(Offset),
    /// With the first record that is not older.
    Time(crate::id::Timestamp),
}

/// The whole of a policy change.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "made by hand, one at a time")]
pub enum PolicyChange {
    /// Sets it, replacing one of the same name.
    Set(Policy),
    /// Removes it.
    Remove {
        /// Its name.
        name: Name,
        /// Whether it is an operator policy.
        operator: bool,
    },
}
