//! What is measured: each quantity has one key in the results, one name on the page and one direction that is better.

/// A quantity.
#[derive(Debug)]
pub(super) struct Metric {
    /// Its name in the results.
    pub(super) key: &'static str,
    /// Its name on the page.
    pub(super) label: &'static str,
    /// What it is counted in.
    pub(super) unit: &'static str,
    /// Whether more of it is better.
    pub(super) more_is_better: bool,
}

/// The quantity with this key.
pub(super) fn of_key(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

const fn more(key: &'static str, label: &'static str, unit: &'static str) -> Metric {
    Metric {
        key,
        label,
        unit,
        more_is_better: true,
    }
}

const fn less(key: &'static str, label: &'static str, unit: &'static str) -> Metric {
    Metric {
        key,
        label,
        unit,
        more_is_better: false,
    }
}

pub(super) const THROUGHPUT: &str = "throughput";
pub(super) const PROCESSOR: &str = "processor_us_per_message";
pub(super) const CONFIRM_P99: &str = "confirm_p99_us";
pub(super) const PEAK_RSS: &str = "rss_peak_mib";
pub(super) const WRITTEN: &str = "written_per_payload_byte";
pub(super) const START: &str = "start_ms";
pub(super) const EMPTY_RSS: &str = "rss_empty_mib";
pub(super) const RECOVERY: &str = "recovery_publish_ms";
pub(super) const SYNCS: &str = "syncs_per_1000_messages";
pub(super) const EXTENTS: &str = "extent_files";
pub(super) const RESTART: &str = "restart_ms";
pub(super) const RSS: &str = "rss_mib";
pub(super) const OPEN_FILES: &str = "open_files";
pub(super) const RSS_PER_CONNECTION: &str = "rss_kib_per_connection";
pub(super) const QUEUE_GROWTH: &str = "queue_growth";
pub(super) const CONNECTION_GROWTH: &str = "connection_growth";

/// Every quantity, in the order of the page.
pub(super) const METRICS: &[Metric] = &[
    more(THROUGHPUT, "throughput", "msg/s"),
    less(PROCESSOR, "server CPU per message", "µs"),
    less("confirm_p50_us", "confirm latency, median", "µs"),
    less("confirm_p95_us", "confirm latency, 95th percentile", "µs"),
    less(CONFIRM_P99, "confirm latency, 99th percentile", "µs"),
    less("consumer_p50_us", "consumer latency, median", "µs"),
    less("consumer_p95_us", "consumer latency, 95th percentile", "µs"),
    less("consumer_p99_us", "consumer latency, 99th percentile", "µs"),
    less(START, "start to first accepted publish", "ms"),
    less(EMPTY_RSS, "RSS of the empty broker", "MiB"),
    more("backlog_publish_rate", "publishing the backlog", "msg/s"),
    less("backlog_disk_mib", "files with the backlog", "MiB"),
    less(
        RECOVERY,
        "restart after kill -9 to first accepted publish",
        "ms",
    ),
    less(
        "recovery_delivery_ms",
        "restart after kill -9 to first delivery",
        "ms",
    ),
    more("drain_rate", "draining the backlog", "msg/s"),
    more("declare_rate", "declaring durable queues", "queues/s"),
    less(RSS, "RSS", "MiB"),
    less(PEAK_RSS, "peak RSS", "MiB"),
    less(OPEN_FILES, "open file descriptors", ""),
    less("files", "files", ""),
    less(RESTART, "restart to first accepted publish", "ms"),
    less(RSS_PER_CONNECTION, "RSS per idle connection", "KiB"),
    less(
        "idle_processor_ms_per_s",
        "server CPU with idle connections",
        "ms/s",
    ),
    less("connect_p50_us", "connect and open a channel, median", "µs"),
    less(
        "connect_p99_us",
        "connect and open a channel, 99th percentile",
        "µs",
    ),
    less("processor_us_per_connect", "server CPU per connect", "µs"),
    less(WRITTEN, "bytes written per payload byte", ""),
    less(EXTENTS, "extent files", ""),
    less(SYNCS, "syncs per 1000 messages", ""),
    less(
        "processor_us_one_queue",
        "server CPU per message, 1 queue",
        "µs",
    ),
    less(
        "processor_us_many_queues",
        "server CPU per message, many queues",
        "µs",
    ),
    less(QUEUE_GROWTH, "growth from 1 to many queues", "×"),
    less(
        "processor_us_few_connections",
        "server CPU per message, few connections",
        "µs",
    ),
    less(
        "processor_us_many_connections",
        "server CPU per message, many connections",
        "µs",
    ),
    less(
        CONNECTION_GROWTH,
        "growth from few to many connections",
        "×",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_unique() {
        let keys: BTreeSet<&str> = METRICS.iter().map(|metric| metric.key).collect();
        assert_eq!(keys.len(), METRICS.len());
    }

    #[test]
    fn throughput_is_the_more_the_better_and_memory_is_not() {
        assert!(of_key(THROUGHPUT).is_some_and(|metric| metric.more_is_better));
        assert!(of_key(PEAK_RSS).is_some_and(|metric| !metric.more_is_better));
    }
}
