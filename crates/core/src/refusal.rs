//! The core says no: a small closed set of reasons that every protocol maps to its own codes.

use crate::{authorize::Operation, name::Name};
use std::fmt;

/// The sort of thing a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A namespace.
    Namespace,
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
    /// A binding.
    Binding,
    /// A consumer.
    Consumer,
    /// A policy.
    Policy,
    /// A connection.
    Connection,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Namespace => "namespace",
            Self::Exchange => "exchange",
            Self::Queue => "queue",
            Self::Binding => "binding",
            Self::Consumer => "consumer",
            Self::Policy => "policy",
            Self::Connection => "connection",
        })
    }
}

/// Why a request was not carried out. Nothing has changed when it is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The named thing does not exist.
    #[error("no {kind} '{name}'")]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// Its name.
        name: Name,
    },
    /// It exists with other properties.
    #[error("{kind} '{name}' has {property} '{current}', not '{received}'")]
    NotEquivalent {
        /// What exists.
        kind: Kind,
        /// Its name.
        name: Name,
        /// The first property that differs, in the core's words (`durable`, `message-ttl`).
        property: &'static str,
        /// The value asked for; `none` when it was not given.
        received: String,
        /// The value it has.
        current: String,
    },
    /// The principal may not do that.
    #[error("{operation} on {kind} '{name}' is not permitted")]
    AccessDenied {
        /// What was to be done.
        operation: Operation,
        /// To what.
        kind: Kind,
        /// Its name.
        name: Name,
    },
    /// An exclusive queue belongs to another session.
    #[error("queue '{queue}' is exclusive to another session")]
    Locked {
        /// The queue.
        queue: Name,
    },
    /// A queue has an exclusive consumer, or exclusive consumption was asked for while there are others.
    #[error("queue '{queue}' is consumed exclusively")]
    ConsumedExclusively {
        /// The queue.
        queue: Name,
    },
    /// The name is kept for the broker's own use.
    #[error("the name '{name}' is reserved")]
    Reserved {
        /// What was to be made or changed.
        kind: Kind,
        /// Its name.
        name: Name,
    },
    /// Deletion was to happen only if nothing uses it.
    #[error("{kind} '{name}' is in use")]
    InUse {
        /// What is used.
        kind: Kind,
        /// Its name.
        name: Name,
    },
    /// Deletion was to happen only if it holds no messages.
    #[error("queue '{queue}' is not empty")]
    NotEmpty {
        /// The queue.
        queue: Name,
    },
    /// Clients may not publish to an internal exchange.
    #[error("exchange '{exchange}' is internal")]
    Internal {
        /// The exchange.
        exchange: Name,
    },
    /// An argument has a value that makes no sense.
    #[error("invalid {argument}: {reason}")]
    Invalid {
        /// Which argument, in the core's words.
        argument: Name,
        /// What is wrong with it.
        reason: String,
    },
    /// A queue that refuses publishes at its limit is full.
    #[error("queue '{queue}' is full")]
    Full {
        /// The queue.
        queue: Name,
    },
    /// A limit of the namespace or the broker is reached.
    #[error("the limit of {limit} {what} is reached")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// The delivery is not (or no longer) leased to this session.
    #[error("the delivery is not outstanding")]
    NotOutstanding,
    /// This queue or exchange cannot do that.
    #[error("{what} is not supported by {kind} '{name}'")]
    NotSupported {
        /// What was asked for.
        what: &'static str,
        /// Of what.
        kind: Kind,
        /// Its name.
        name: Name,
    },
    /// The storage takes no more writes: the disk is full or has failed.
    #[error("storage is not available: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
}
