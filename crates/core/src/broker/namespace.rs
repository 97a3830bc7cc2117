//! Namespaces: each with names, routes, policies and limits of its own.

use crate::{
    id::{ConsumerId, SessionId},
    message::Message,
    name::Name,
    policy::Policies,
    routing::{QueueId, Router, RouterLimits},
};
use hashbrown::HashMap;
use std::collections::{BTreeMap, VecDeque};

/// One namespace.
#[derive(Debug)]
pub(crate) struct Namespace {
    pub(crate) name: Name,
    pub(crate) router: Router,
    pub(crate) queues: HashMap<Name, QueueId>,
    pub(crate) policies: Policies,
    pub(crate) mailboxes: HashMap<Name, (SessionId, ConsumerId)>,
    /// The newest messages of exchanges that keep a history.
    pub(crate) histories: BTreeMap<Name, VecDeque<Message>>,
    pub(crate) delays: Option<QueueId>,
    pub(crate) sessions: u64,
    pub(crate) sessions_max: Option<u64>,
    pub(crate) queues_max: Option<u64>,
}

impl Namespace {
    fn new(name: Name) -> Self {
        Self {
            name,
            router: Router::new(RouterLimits::default()),
            queues: HashMap::new(),
            policies: Policies::default(),
            mailboxes: HashMap::new(),
            histories: BTreeMap::new(),
            delays: None,
            sessions: 0,
            sessions_max: None,
            queues_max: None,
        }
    }
}

/// All namespaces by slot; a slot is not used again within a process.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    slots: Vec<Option<Namespace>>,
    names: BTreeMap<Name, u32>,
}

impl Namespaces {
    pub(crate) fn find(&self, name: &Name) -> Option<u32> {
        self.names.get(name).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Namespace> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Namespace> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// The slot of a namespace, which is made if it is missing, and whether it was.
    pub(crate) fn create(&mut self, name: &Name) -> (u32, bool) {
        if let Some(slot) = self.find(name) {
            return (slot, false);
        }
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let name = name.detached();
        self.slots.push(Some(Namespace::new(name.clone())));
        self.names.insert(name, slot);
        (slot, true)
    }

    pub(crate) fn remove(&mut self, name: &Name) -> Option<Namespace> {
        let slot = self.names.remove(name)?;
        self.slots.get_mut(slot as usize)?.take()
    }

    /// All namespaces by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Namespace)> {
        self.names
            .values()
            .filter_map(|slot| Some((*slot, self.get(*slot)?)))
    }
}
