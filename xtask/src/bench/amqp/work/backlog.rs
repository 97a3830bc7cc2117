//! A queue that grows without a consumer, a crash with it, and its end.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::{Measured, Tools, files, mib, millis, pipeline, settled_depth, words};
use crate::bench::amqp::broker::{Broker, Class, Started};
use crate::bench::amqp::perf_test::{Load, Output};
use crate::bench::metric;

const QUEUE: &str = "backlog";
const BODY_BYTES: u64 = 1024;
/// How long the first delivery may take after the restart.
const DELIVERY_LIMIT: Duration = Duration::from_secs(900);

/// Fills, kills, restarts and drains.
pub(super) fn run(broker: &mut Broker, tools: &Tools) -> anyhow::Result<Measured> {
    let messages = tools.sizes.backlog.next_multiple_of(100);
    let mut measured = Measured::default();
    broker.start()?;
    let before = broker.usage()?;
    let filled = fill(broker, tools, messages)?;
    let after = broker.usage()?;
    measured.set("backlog_publish_rate", filled.sent);
    measured.set_costs(before, after, messages, messages * BODY_BYTES);
    measured.set(metric::RSS, mib(after.resident_bytes));
    measured.set("backlog_disk_mib", mib(files(&broker.data(), None).1));
    measured.require("refused", 0, filled.refused);
    let found = settled_depth(broker, &[QUEUE.to_owned()], messages)?;
    measured.require("in the queue", messages, found);

    broker.kill();
    let started = broker.start()?;
    measured.set(metric::RECOVERY, millis(started.first_publish));
    let delivery = first_delivery(broker, started)?;
    measured.set("recovery_delivery_ms", millis(delivery));
    let found = settled_depth(broker, &[QUEUE.to_owned()], messages)?;
    measured.require("in the queue after the crash", messages, found);
    if measured.void.is_none() {
        measured.set("drain_rate", drain(broker, tools, messages)?.received);
        let left = settled_depth(broker, &[QUEUE.to_owned()], 0)?;
        measured.require("left in the queue", 0, left);
    }
    Ok(measured)
}

fn fill(broker: &Broker, tools: &Tools, messages: u64) -> anyhow::Result<Output> {
    let mut arguments = words(&format!(
        "-x 1 -y 0 -u {QUEUE} -ad false -f persistent -s {BODY_BYTES} -c 500 -C {messages}"
    ));
    if tools.class == Class::Fsync {
        arguments.push("-qq".to_owned());
    }
    load(broker, tools, messages, arguments)
}

fn drain(broker: &Broker, tools: &Tools, messages: u64) -> anyhow::Result<Output> {
    let arguments = words(&format!(
        "-x 0 -y 1 -u {QUEUE} -p -q 500 -A 100 -D {messages}"
    ));
    load(broker, tools, messages, arguments)
}

fn load(
    broker: &Broker,
    tools: &Tools,
    messages: u64,
    arguments: Vec<String>,
) -> anyhow::Result<Output> {
    tools.perf_test.run(&Load {
        broker: broker.address,
        arguments,
        log: &tools.log,
        limit: pipeline::limit(messages),
    })
}

/// From the start of the process to the first message of the backlog, which goes back into the queue.
fn first_delivery(broker: &Broker, started: Started) -> anyhow::Result<Duration> {
    const PAUSE: Duration = Duration::from_millis(5);
    let end = Instant::now() + DELIVERY_LIMIT;
    while Instant::now() < end {
        let mut client = broker.client()?;
        if matches!(client.get(QUEUE), Ok(Some(_))) {
            let time = started.at.elapsed();
            client.close()?;
            return Ok(time);
        }
        std::thread::sleep(PAUSE);
    }
    bail!("no message of the backlog was delivered after the restart")
}
