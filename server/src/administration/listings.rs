//! What is only looked at: the broker as a whole, namespaces, connections, consumers.

use sabir_admin::api::connection::{Connection, Consumer};
use sabir_admin::api::namespace::{Namespace, NamespaceLimits};
use sabir_admin::api::overview::Overview;
use sabir_admin::failure::Failure;
use sabir_core::admin::{ConsumerRow, Listing, NamespaceRow, Report, SessionRow};

use super::queues::counters;
use super::{Administration, DESCRIPTION};

pub(super) async fn overview(administration: &Administration) -> Result<Overview, Failure> {
    let counts = match administration.report(Listing::Overview, None).await? {
        Report::Overview(counts) => counts,
        _ => sabir_core::admin::Overview::default(),
    };
    Ok(Overview {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listeners: administration.listeners.clone(),
        alarms: administration.alarms.raised(),
        gauges: administration.alarms.gauges(),
        namespaces: counts.namespaces,
        queues: counts.queues,
        exchanges: counts.exchanges,
        connections: counts.sessions,
        consumers: counts.consumers,
        ready: counts.ready,
        unsettled: counts.unsettled,
        counters: counters(counts.counters),
    })
}

pub(super) async fn namespaces(administration: &Administration) -> Result<Vec<Namespace>, Failure> {
    match administration.report(Listing::Namespaces, None).await? {
        Report::Namespaces(rows) => Ok(rows.into_iter().map(namespace).collect()),
        _ => Ok(Vec::new()),
    }
}

fn namespace(row: NamespaceRow) -> Namespace {
    Namespace {
        name: row.name.to_string(),
        queues: row.queues,
        connections: row.sessions,
        limits: NamespaceLimits {
            queues_max: row.queues_max,
            connections_max: row.sessions_max,
        },
    }
}

/// The connections of clients: the API's own sessions are left out.
pub(super) async fn connections(
    administration: &Administration,
    namespace: Option<&str>,
) -> Result<Vec<Connection>, Failure> {
    match administration.report(Listing::Sessions, namespace).await? {
        Report::Sessions(rows) => Ok(rows
            .into_iter()
            .filter(|row| row.description.as_str() != DESCRIPTION)
            .map(connection)
            .collect()),
        _ => Ok(Vec::new()),
    }
}

fn connection(row: SessionRow) -> Connection {
    Connection {
        id: row.session.0,
        namespace: row.namespace.to_string(),
        principal: row.principal.to_string(),
        description: row.description.to_string(),
        consumers: row.consumers,
        published: row.published,
        delivered: row.delivered,
    }
}

pub(super) async fn consumers(
    administration: &Administration,
    namespace: Option<&str>,
) -> Result<Vec<Consumer>, Failure> {
    match administration.report(Listing::Consumers, namespace).await? {
        Report::Consumers(rows) => Ok(rows.into_iter().map(consumer).collect()),
        _ => Ok(Vec::new()),
    }
}

fn consumer(row: ConsumerRow) -> Consumer {
    Consumer {
        namespace: row.namespace.to_string(),
        queue: row.queue.to_string(),
        connection: row.session.0,
        tag: row.tag.to_string(),
        active: row.active,
        exclusive: row.exclusive,
        settled: row.settled,
        unsettled: row.unsettled,
        unsettled_max: row.unsettled_max,
        priority: row.priority,
    }
}
