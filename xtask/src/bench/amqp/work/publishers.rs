//! Many publishers, each with a queue of its own, that wait for every confirm.

use super::{Measured, Tools, pipeline, settled_depth, words};
use crate::bench::amqp::broker::{Broker, Class};
use crate::bench::amqp::perf_test::{Load, Output};
use crate::bench::metric;

const BODY_BYTES: u64 = 256;
/// Part of the messages that warms the broker up.
const WARM_UP_PART: u64 = 5;

/// Warms the broker up and measures at the greatest load or at the rate that is asked for.
pub(super) fn run(broker: &mut Broker, tools: &Tools, count: u32) -> anyhow::Result<Measured> {
    let publishers = u64::from(count);
    broker.start()?;
    let warm_up = (tools.sizes.messages_each / WARM_UP_PART).max(1);
    load(broker, tools, count, warm_up, None)?;
    let rate_each = tools.rate.map(|rate| (rate / publishers).max(1));
    let each = rate_each.map_or(tools.sizes.messages_each, |rate| {
        rate * tools.sizes.rate_seconds
    });
    let before = broker.usage()?;
    let output = load(broker, tools, count, each, rate_each)?;
    let after = broker.usage()?;
    let mut measured = Measured {
        numbers: output.latencies(),
        void: None,
    };
    let messages = each * publishers;
    measured.set(metric::THROUGHPUT, output.sent);
    measured.set_costs(before, after, messages, messages * BODY_BYTES);
    measured.require("refused", 0, output.refused);
    let queues: Vec<String> = (1..=count).map(|number| format!("s2-{number}")).collect();
    let expected = (warm_up + each) * publishers;
    let found = settled_depth(broker, &queues, expected)?;
    measured.require("in the queues", expected, found);
    Ok(measured)
}

fn load(
    broker: &Broker,
    tools: &Tools,
    count: u32,
    each: u64,
    rate_each: Option<u64>,
) -> anyhow::Result<Output> {
    let mut arguments = words(&format!(
        "-x {count} -y 0 -qp s2-%d -qpf 1 -qpt {count} -ad false -f persistent -s {BODY_BYTES} -c 1 -niot 2 -C {each}"
    ));
    if tools.class == Class::Fsync {
        arguments.push("-qq".to_owned());
    }
    if let Some(rate) = rate_each {
        arguments.extend(words(&format!("-r {rate}")));
    }
    tools.perf_test.run(&Load {
        broker: broker.address,
        arguments,
        log: &tools.log,
        limit: pipeline::limit(each * u64::from(count)),
    })
}
