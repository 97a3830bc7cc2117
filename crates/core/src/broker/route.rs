//! Where messages go, with the answers kept until the routing of their namespace changes.

use super::Broker;
use crate::{
    message::{Message, Translate, value::Table},
    name::Name,
    routing::{Attributes, MailboxId, Property, QueueId, RouteInput},
};
use bytes::Bytes;
use hashbrown::{Equivalent, HashMap};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Answers that are kept at most; then all are forgotten at once.
const ROUTES_MAX: usize = 65_536;

/// The outcome of routing one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    pub(crate) queues: Arc<[QueueId]>,
    pub(crate) mailboxes: Arc<[MailboxId]>,
    /// Exchanges that hold the message back.
    pub(crate) delayed_by: Vec<Name>,
    /// Exchanges that remember the message.
    pub(crate) recorded_by: Vec<Name>,
}

impl Route {
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.mailboxes.is_empty()
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Key {
    namespace: u32,
    exchange: Name,
    routing_key: Bytes,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Lookup {
            namespace: self.namespace,
            exchange: self.exchange.bytes(),
            routing_key: &self.routing_key,
        }
        .hash(state);
    }
}

#[derive(Hash)]
struct Lookup<'a> {
    namespace: u32,
    exchange: &'a [u8],
    routing_key: &'a [u8],
}

impl Equivalent<Key> for Lookup<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.namespace == key.namespace
            && self.exchange == &**key.exchange.bytes()
            && self.routing_key == &*key.routing_key
    }
}

/// Routes by what they were asked for.
#[derive(Debug, Default)]
pub(crate) struct RouteCache(HashMap<Key, (u64, Route)>);

impl RouteCache {
    fn get(&self, epoch: u64, lookup: &Lookup<'_>) -> Option<Route> {
        let (known, route) = self.0.get(lookup)?;
        (*known == epoch).then(|| route.clone())
    }

    fn put(&mut self, epoch: u64, lookup: &Lookup<'_>, route: &Route) {
        if self.0.len() >= ROUTES_MAX {
            self.0.clear();
        }
        let key = Key {
            namespace: lookup.namespace,
            exchange: Name::from_utf8(Bytes::copy_from_slice(lookup.exchange)).unwrap_or_default(),
            routing_key: Bytes::copy_from_slice(lookup.routing_key),
        };
        self.0.insert(key, (epoch, route.clone()));
    }
}

/// Reads what routing asks of a message, when it asks.
struct Lazy<'a> {
    translate: Option<&'a dyn Translate>,
    head: &'a [u8],
    headers: Option<Table>,
}

impl Attributes for Lazy<'_> {
    fn headers(&mut self) -> &Table {
        let (translate, head) = (self.translate, self.head);
        self.headers
            .get_or_insert_with(|| translate.map_or_else(Table::new, |format| format.headers(head)))
    }

    fn property(&mut self, property: Property) -> Option<Name> {
        self.translate?.property(self.head, property.field_name())
    }
}

impl Broker {
    /// Where a message goes. `hold` says whether exchanges that delay hold it back.
    pub(super) fn resolve(&mut self, slot: u32, message: &Message, hold: bool) -> Route {
        let random = self.chance();
        let Some(namespace) = self.namespaces.get(slot) else {
            return Route::default();
        };
        let epoch = namespace.router.epoch();
        let lookup = Lookup {
            namespace: slot,
            exchange: message.exchange.bytes(),
            routing_key: message.routing_key.as_bytes(),
        };
        let plain = message.extra_keys.is_empty() && message.delay_ms.is_none();
        if plain && let Some(route) = self.routes.get(epoch, &lookup) {
            return route;
        }
        let mut attributes = Lazy {
            translate: self.formats.of(message.format),
            head: &message.head,
            headers: None,
        };
        let mut input = RouteInput {
            routing_key: message.routing_key.as_bytes(),
            extra_keys: &message.extra_keys,
            attributes: &mut attributes,
            random,
            hold_delayed: hold && message.delay_ms.is_some_and(|delay_ms| delay_ms > 0),
        };
        let targets = &mut self.targets;
        if namespace
            .router
            .route(&message.exchange, &mut input, targets)
            .is_err()
        {
            return Route::default();
        }
        let route = Route {
            queues: targets.queues.as_slice().into(),
            mailboxes: targets.mailboxes.as_slice().into(),
            delayed_by: targets.delayed_by.clone(),
            recorded_by: targets.recorded_by.clone(),
        };
        if plain && targets.cacheable && route.recorded_by.is_empty() {
            self.routes.put(epoch, &lookup, &route);
        }
        route
    }
}
