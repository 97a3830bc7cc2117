//! One publisher with confirms, one consumer, one queue.

use std::time::Duration;

use super::{Measured, Tools, files, settled_depth, words};
use crate::bench::amqp::broker::{Broker, Class};
use crate::bench::amqp::perf_test::{Load, Output};
use crate::bench::metric;
use crate::bench::result::Side;

/// Messages that the consumer acknowledges at a time; counts are multiples of it, so that none is left.
const ACKNOWLEDGED_AT_A_TIME: u64 = 100;
/// Slowest rate that a run may have before it is given up.
const SLOWEST_RATE: u64 = 100;
/// How long the load tool may take besides that.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// What the messages are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    body_bytes: u64,
    unconfirmed: u32,
}

impl Shape {
    pub(super) fn new(body_bytes: u64, unconfirmed: u32) -> Self {
        Self {
            body_bytes,
            unconfirmed,
        }
    }
}

/// Messages that go through a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow<'a> {
    /// The queue, which is created.
    pub(super) queue: &'a str,
    /// How many.
    pub(super) messages: u64,
    /// How many per second at most.
    pub(super) rate: Option<u64>,
}

/// Warms the broker up and measures at the greatest load or at the rate that is asked for.
pub(super) fn run(broker: &mut Broker, tools: &Tools, shape: Shape) -> anyhow::Result<Measured> {
    broker.start()?;
    warm_up(broker, tools, shape)?;
    let messages = match tools.rate {
        None => tools.sizes.messages,
        Some(rate) => rate * tools.sizes.rate_seconds,
    };
    measure(
        broker,
        tools,
        shape,
        Flow {
            queue: "s1",
            messages,
            rate: tools.rate,
        },
    )
}

/// Measures at the steady rate of the sizes, and which files are left.
pub(super) fn run_steady(
    broker: &mut Broker,
    tools: &Tools,
    shape: Shape,
) -> anyhow::Result<Measured> {
    broker.start()?;
    warm_up(broker, tools, shape)?;
    let mut measured = measure(
        broker,
        tools,
        shape,
        Flow {
            queue: "steady",
            messages: tools.sizes.steady_messages,
            rate: Some(tools.sizes.steady_rate),
        },
    )?;
    if tools.side == Side::Ours {
        const EXTENT: &str = ".ext";
        let (extents, _) = files(&broker.data(), Some(EXTENT));
        measured.set(metric::EXTENTS, extents as f64);
    }
    Ok(measured)
}

/// Lets messages through that nobody measures.
pub(super) fn warm_up(broker: &Broker, tools: &Tools, shape: Shape) -> anyhow::Result<()> {
    let flow = Flow {
        queue: "warm-up",
        messages: tools.sizes.warm_up,
        rate: None,
    };
    load(broker, tools, shape, flow)?;
    broker.client()?.delete(flow.queue)
}

fn measure(broker: &Broker, tools: &Tools, shape: Shape, flow: Flow) -> anyhow::Result<Measured> {
    let messages = whole(flow.messages);
    let before = broker.usage()?;
    let output = load(broker, tools, shape, flow)?;
    let after = broker.usage()?;
    let mut measured = Measured {
        numbers: output.latencies(),
        void: None,
    };
    measured.set(metric::THROUGHPUT, output.received);
    measured.set_costs(before, after, messages, messages * shape.body_bytes);
    measured.require("refused", 0, output.refused);
    let left = settled_depth(broker, &[flow.queue.to_owned()], 0)?;
    measured.require("left in the queue", 0, left);
    Ok(measured)
}

/// Publishes and consumes; the load tool ends only when both have had all messages.
pub(super) fn load(
    broker: &Broker,
    tools: &Tools,
    shape: Shape,
    flow: Flow,
) -> anyhow::Result<Output> {
    let messages = whole(flow.messages);
    let mut arguments = words(&format!(
        "-x 1 -y 1 -u {} -ad false -f persistent -s {} -c {} -q 500 -A {ACKNOWLEDGED_AT_A_TIME} -C {messages} -D \
         {messages}",
        flow.queue, shape.body_bytes, shape.unconfirmed
    ));
    if tools.class == Class::Fsync {
        arguments.push("-qq".to_owned());
    }
    if let Some(rate) = flow.rate {
        arguments.extend(words(&format!("-r {rate}")));
    }
    tools.perf_test.run(&Load {
        broker: broker.address,
        arguments,
        log: &tools.log,
        limit: limit(messages),
    })
}

/// How long the load tool may take for so many messages.
pub(super) fn limit(messages: u64) -> Duration {
    TOOL_LIMIT + Duration::from_secs(messages / SLOWEST_RATE)
}

/// A count that the consumer acknowledges without a rest.
fn whole(messages: u64) -> u64 {
    messages
        .next_multiple_of(ACKNOWLEDGED_AT_A_TIME)
        .max(ACKNOWLEDGED_AT_A_TIME)
}
