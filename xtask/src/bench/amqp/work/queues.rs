//! Very many durable queues with one message each.

use std::time::Instant;

use super::{Measured, Tools, files, mib, millis, settled_depth};
use crate::bench::amqp::broker::Broker;
use crate::bench::amqp::client::QueueKind;
use crate::bench::metric;

/// Queues that are declared, and messages that are published, without waiting for an answer.
const AT_A_TIME: usize = 200;
const BODY: [u8; 256] = [b'x'; 256];
/// Every so many queues, one is looked at after the restart.
const SAMPLE: usize = 97;

/// Declares, publishes, restarts.
pub(super) fn run(broker: &mut Broker, tools: &Tools) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    broker.start()?;
    let names: Vec<String> = (0..tools.sizes.queues)
        .map(|number| format!("s14-{number}"))
        .collect();
    let start = Instant::now();
    fill(broker, &names)?;
    let seconds = start.elapsed().as_secs_f64();
    measured.set("declare_rate", names.len() as f64 / seconds);
    let usage = broker.usage()?;
    measured.set(metric::RSS, mib(usage.resident_bytes));
    measured.set(metric::PEAK_RSS, mib(usage.resident_bytes_peak));
    measured.set(metric::OPEN_FILES, usage.descriptors as f64);
    measured.set("files", files(&broker.data(), None).0 as f64);

    broker.stop();
    let started = broker.start()?;
    measured.set(metric::RESTART, millis(started.first_publish));
    let sample: Vec<String> = names.into_iter().step_by(SAMPLE).collect();
    let expected = sample.len() as u64;
    let found = settled_depth(broker, &sample, expected)?;
    measured.require(
        "in a sample of the queues after the restart",
        expected,
        found,
    );
    Ok(measured)
}

fn fill(broker: &Broker, names: &[String]) -> anyhow::Result<()> {
    let mut client = broker.client()?;
    for some in names.chunks(AT_A_TIME) {
        client.declare(some, QueueKind::Classic)?;
        for name in some {
            client.publish(name, &BODY);
        }
        client.confirmed()?;
    }
    client.close()
}
