//! Very many connections that do nothing, and connections that come and go among them.

use std::time::{Duration, Instant};

use super::{Measured, Tools, micros, millis};
use crate::bench::amqp::broker::Broker;
use crate::bench::amqp::client::Client;
use crate::bench::{metric, statistics, usage};

/// Descriptors that this process needs besides the connections.
const DESCRIPTORS_BESIDES: u64 = 200;

/// Opens the idle connections, watches them, and lets others come and go.
pub(super) fn run(broker: &mut Broker, tools: &Tools) -> anyhow::Result<Measured> {
    let sizes = tools.sizes;
    usage::allow_descriptors(sizes.connections + DESCRIPTORS_BESIDES)?;
    let mut measured = Measured::default();
    broker.start()?;
    let before = broker.usage()?;
    let idle = (0..sizes.connections)
        .map(|_| broker.client())
        .collect::<anyhow::Result<Vec<Client>>>()?;
    let held = broker.usage()?;
    let grown = held.resident_bytes.saturating_sub(before.resident_bytes);
    let each = grown as f64 / 1024.0 / sizes.connections.max(1) as f64;
    measured.set(metric::RSS_PER_CONNECTION, each);
    measured.set(metric::OPEN_FILES, held.descriptors as f64);

    std::thread::sleep(Duration::from_secs(sizes.churn_seconds));
    let rested = broker.usage()?;
    let idling = rested.processor.saturating_sub(held.processor);
    measured.set(
        "idle_processor_ms_per_s",
        millis(idling) / sizes.churn_seconds as f64,
    );

    let times = churn(broker, sizes.churn_rate, sizes.churn_seconds)?;
    let churned = broker.usage()?.processor.saturating_sub(rested.processor);
    for (key, part) in [("connect_p50_us", 0.5), ("connect_p99_us", 0.99)] {
        measured.set(key, statistics::percentile(&times, part).unwrap_or(0.0));
    }
    let busy = churned.saturating_sub(idling);
    measured.set(
        "processor_us_per_connect",
        micros(busy) / times.len().max(1) as f64,
    );
    drop(idle);
    Ok(measured)
}

/// Connects at a fixed rate; each time counts from when the connect was due, so that a pause of the broker is seen by
/// all that had to wait for it.
fn churn(broker: &Broker, rate: u64, seconds: u64) -> anyhow::Result<Vec<f64>> {
    let start = Instant::now();
    let mut times = Vec::new();
    for number in 0..rate * seconds {
        let due = start + Duration::from_secs(number) / u32::try_from(rate.max(1))?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let client = broker.client()?;
        times.push(micros(due.elapsed()));
        client.close()?;
    }
    Ok(times)
}
