//! What routing is told of a message, and what it answers.

use bytes::Bytes;

use super::kind::Property;
use super::marks::Marks;
use super::target::{Destination, ExchangeId, MailboxId, QueueId};
use super::topic::TopicWalk;
use crate::message::value::Table;
use crate::name::Name;

/// What routing may ask of a message besides its keys. It is asked only when an exchange on the
/// way needs to know, so an implementation decodes on demand.
pub trait Attributes {
    /// The headers in the sender's order.
    fn headers(&mut self) -> &Table;

    /// A property as text, if the message has it.
    fn property(&mut self, property: Property) -> Option<Name>;
}

/// Headers without properties.
impl Attributes for Table {
    fn headers(&mut self) -> &Table {
        self
    }

    fn property(&mut self, _: Property) -> Option<Name> {
        None
    }
}

/// What routing is told of a message.
pub struct RouteInput<'message> {
    /// The key it was published with.
    pub routing_key: &'message [u8],
    /// Keys under which it is to be routed as well.
    pub extra_keys: &'message [Bytes],
    /// What else is known of it.
    pub attributes: &'message mut dyn Attributes,
    /// A random number, for exchanges that choose at random.
    pub random: u64,
    /// Whether exchanges that delay hold the message; otherwise they let it pass.
    pub hold_delayed: bool,
}

impl RouteInput<'_> {
    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let extra_keys = self.extra_keys.iter().map(Bytes::as_ref);
        std::iter::once(self.routing_key).chain(extra_keys)
    }
}

/// Where a message goes. Made once and used again for every message, it keeps its memory.
#[derive(Debug, Default)]
pub struct Targets {
    /// The queues, each once, in order.
    pub queues: Vec<QueueId>,
    /// The mailboxes, each once, in order.
    pub mailboxes: Vec<MailboxId>,
    /// Exchanges that hold the message until its delay is over. Routing it then goes on from
    /// there, with [`RouteInput::hold_delayed`] unset.
    pub delayed_by: Vec<Name>,
    /// Exchanges with history that the message passed, to be kept for later bindings.
    pub recorded_by: Vec<Name>,
    /// Whether every message with this exchange and routing key goes the same way until the
    /// router's epoch changes.
    pub cacheable: bool,
    /// Exchanges that were reached, in order.
    reached: Marks,
    matched: bool,
    pub(super) walk: TopicWalk,
}

impl Targets {
    /// No targets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nobody gets or holds the message.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.mailboxes.is_empty() && self.delayed_by.is_empty()
    }

    /// Begins the route of another message at an exchange.
    pub(super) fn begin(&mut self, first: ExchangeId, cacheable: bool) {
        self.queues.clear();
        self.mailboxes.clear();
        self.delayed_by.clear();
        self.recorded_by.clear();
        self.cacheable = cacheable;
        self.reached.clear();
        self.reach(first);
    }

    /// Sends the message to another exchange, unless it was there already.
    pub(super) fn reach(&mut self, exchange: ExchangeId) {
        self.reached.insert(exchange.0);
    }

    /// The exchange that was reached as number `index`, from 0.
    pub(super) fn reached(&self, index: usize) -> Option<ExchangeId> {
        self.reached.members().get(index).copied().map(ExchangeId)
    }

    /// Adds a destination that a binding led to.
    pub(super) fn add(&mut self, destination: Destination) {
        self.matched = true;
        match destination {
            Destination::Queue(queue) => self.queues.push(queue),
            Destination::Mailbox(mailbox) => self.mailboxes.push(mailbox),
            Destination::Exchange(exchange) => self.reach(exchange),
        }
    }

    /// Whether a binding matched since this was last asked.
    pub(super) fn take_matched(&mut self) -> bool {
        std::mem::take(&mut self.matched)
    }

    /// Puts the targets in order and removes repetitions.
    pub(super) fn finish(&mut self) {
        self.queues.sort_unstable();
        self.queues.dedup();
        self.mailboxes.sort_unstable();
        self.mailboxes.dedup();
    }
}
