//! What a restart must bring back: all that was in the blocks that survived, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use sabir_core::admin::{AdminRequest, Listing, Report};
use sabir_core::broker::{Broker, Effects, QueueInventory};
use sabir_core::event::{Event, Response};
use sabir_core::id::{RequestId, SessionId, Timestamp};
use sabir_core::name::Name;
use sabir_core::request::{Command, Destination};

/// The durable part of a broker's state at the end of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) queues: Vec<QueueInventory>,
    pub(crate) definitions: Arc<BTreeSet<String>>,
}

/// The durable queues and what they hold; what is leased is ready again after a restart.
pub(crate) fn durable_queues(broker: &Broker, now: Timestamp) -> Vec<QueueInventory> {
    let mut queues = broker.inventory(now);
    queues.retain(|queue| queue.durable);
    for lane in queues.iter_mut().flat_map(|queue| &mut queue.lanes) {
        lane.leased = 0;
    }
    queues
}

impl Snapshot {
    /// The same as it has to look at a later time.
    pub(crate) fn at(&self, queues: &[QueueInventory]) -> Self {
        let mut snapshot = self.clone();
        for queue in &mut snapshot.queues {
            let now = queues.iter().find(|now| now.name == queue.name);
            // Ids whose time is over are forgotten; no others may be.
            if let Some(now) = now {
                let forgotten = queue.seen.len().saturating_sub(now.seen.len());
                queue.seen.drain(..forgotten);
            }
        }
        snapshot
    }
}

/// Definitions that survive a restart, as text.
pub(crate) fn durable_definitions(broker: &mut Broker, now: Timestamp) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut durable_queues = BTreeSet::new();
    let mut durable_exchanges = BTreeSet::from([Name::default()]);
    if let Some(Report::Queues(rows)) = list(broker, now, Listing::Queues) {
        for row in rows.iter().filter(|row| row.durable && !row.exclusive) {
            durable_queues.insert(row.name.clone());
            let policy = row.policy.as_ref().map(Name::as_str);
            found.insert(format!("queue {} {} {policy:?}", row.name, row.kind));
        }
    }
    if let Some(Report::Exchanges(rows)) = list(broker, now, Listing::Exchanges) {
        for row in rows.iter().filter(|row| row.durable) {
            durable_exchanges.insert(row.name.clone());
            found.insert(format!("exchange {} {}", row.name, row.kind));
        }
    }
    if let Some(Report::Bindings(rows)) = list(broker, now, Listing::Bindings) {
        for row in &rows {
            let durable = match &row.binding.destination {
                Destination::Queue(name) => durable_queues.contains(name),
                Destination::Exchange(name) => durable_exchanges.contains(name),
            };
            if durable && durable_exchanges.contains(&row.binding.source) {
                found.insert(format!("binding {:?}", row.binding));
            }
        }
    }
    if let Some(Report::Policies(rows)) = list(broker, now, Listing::Policies) {
        found.extend(rows.iter().map(|(_, policy)| format!("policy {policy:?}")));
    }
    found
}

/// Asks a broker for a list.
pub(crate) fn list(broker: &mut Broker, now: Timestamp, what: Listing) -> Option<Report> {
    let mut effects = Effects::default();
    let request = AdminRequest::List {
        what,
        namespace: None,
    };
    broker.apply(
        now,
        Command::Administer {
            id: RequestId(0),
            session: SessionId(0),
            request,
        },
        &mut effects,
    );
    effects
        .events
        .into_iter()
        .find_map(|(_, event)| match event {
            Event::Reply {
                result: Ok(Response::Report(report)),
                ..
            } => Some(*report),
            _ => None,
        })
}
