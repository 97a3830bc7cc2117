//! What the core tells sessions, as data.

use crate::{
    id::{ConsumerId, ProducerId, RequestId},
    message::{Message, Record},
    name::Name,
    refusal::Refusal,
    request::DeliveryId,
};

/// News for one session. Events of a session arrive in the order in which they were made.
#[derive(Clone, Debug)]
pub enum Event {
    /// The answer to a request.
    Reply {
        /// The request.
        id: RequestId,
        /// What came of it.
        result: Result<Response, Refusal>,
    },
    /// Messages are as safe as their queues promise.
    Confirmed {
        /// The sequence they belong to.
        producer: ProducerId,
        /// The first ticket.
        first: u64,
        /// The last ticket; all between are confirmed with it.
        last: u64,
    },
    /// A mandatory message that no queue took. Its confirm, if one is due, follows.
    Returned {
        /// The sequence it belongs to.
        producer: ProducerId,
        /// The message as it came.
        message: Box<Message>,
    },
    /// A message was not taken.
    Refused {
        /// The sequence it belongs to.
        producer: ProducerId,
        /// Its ticket; 0 when no confirm was wanted.
        ticket: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A message for a consumer.
    Delivery(Delivery),
    /// The broker ended a consumer: its queue is gone.
    Cancelled {
        /// The consumer.
        consumer: ConsumerId,
    },
    /// A request to settle or credit could not be carried out: the session did something wrong.
    Violated {
        /// What was wrong.
        refusal: Refusal,
    },
    /// Publishers are not read until [`Event::Unblocked`].
    Blocked {
        /// What is short.
        reason: Name,
    },
    /// Publishers are read again.
    Unblocked,
    /// The session is to end because someone decided so.
    Disconnect {
        /// What to tell the client.
        reason: Name,
    },
}

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Who gets it.
    pub consumer: ConsumerId,
    /// What to settle; `None` for a message from a mailbox.
    pub id: Option<DeliveryId>,
    /// Whether it needs no settlement.
    pub settled: bool,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// Failed attempts before this one.
    pub attempts: u32,
    /// The message.
    pub record: Record,
}

impl Delivery {
    /// How much of the session's window it takes, in bytes.
    #[must_use]
    pub fn cost(&self) -> u64 {
        DELIVERY_OVERHEAD_BYTES + self.record.0.len() as u64
    }
}

/// Counted for each delivery besides the record itself.
pub const DELIVERY_OVERHEAD_BYTES: u64 = 128;

/// The good outcome of a request.
#[derive(Clone, Debug)]
pub enum Response {
    /// It is done.
    Done,
    /// A queue.
    Queue {
        /// Its name, made by the broker if none was given.
        name: Name,
        /// Messages that wait for a consumer.
        ready: u64,
        /// Its consumers.
        consumers: u32,
        /// Whether it keeps its records, to be read from any offset.
        keeps_records: bool,
    },
    /// Messages were removed.
    Removed {
        /// How many.
        messages: u64,
    },
    /// A message, taken from a queue.
    Got {
        /// The message; none when the queue is empty. Its consumer is 0.
        delivery: Option<Box<Delivery>>,
        /// Messages that are still ready.
        ready: u64,
    },
    /// The session's mailbox is open.
    Mailbox {
        /// Where to publish to.
        address: Name,
    },
    /// What an administrator asked for.
    Report(Box<crate::admin::Report>),
}
