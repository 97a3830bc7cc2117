//! `sabir status`.

use sabir_admin::api::overview::Overview;
use sabir_admin::route;

use super::Context;
use super::error::CliError;

/// Shows listeners, alarms and counts.
pub(super) fn run(context: &Context) -> Result<(), CliError> {
    let overview: Overview = context.client.get(route::OVERVIEW)?;
    let listeners: Vec<String> = overview
        .listeners
        .iter()
        .map(|(name, address)| format!("{name} {address}"))
        .collect();
    let alarms = if overview.alarms.is_empty() {
        "none".to_owned()
    } else {
        overview.alarms.join("; ")
    };
    let gauges = overview.gauges;
    let of = |used: u64, mark: u64| format!("{used} of at most {mark} bytes");
    let disk = match (gauges.disk_bytes_free, gauges.disk_bytes_free_min) {
        (Some(free), Some(needed)) => format!("{free} free of at least {needed} bytes"),
        _ => "unknown".to_owned(),
    };
    let fields = [
        ("version", overview.version.clone()),
        ("listeners", listeners.join(", ")),
        ("alarms", alarms),
        ("memory", of(gauges.memory_bytes, gauges.memory_bytes_max)),
        ("records", of(gauges.record_bytes, gauges.record_bytes_max)),
        ("disk", disk),
        ("namespaces", overview.namespaces.to_string()),
        ("exchanges", overview.exchanges.to_string()),
        ("queues", overview.queues.to_string()),
        ("connections", overview.connections.to_string()),
        ("consumers", overview.consumers.to_string()),
        ("ready", overview.ready.to_string()),
        ("unsettled", overview.unsettled.to_string()),
        ("published", overview.counters.published.to_string()),
        ("delivered", overview.counters.delivered.to_string()),
        ("acknowledged", overview.counters.acknowledged.to_string()),
    ];
    context.output.fields(&overview, &fields)
}
