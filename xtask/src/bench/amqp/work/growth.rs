//! Whether a message costs more when there are more queues or more connections.

use super::{Measured, Sizes, Tools, micros, settled_depth};
use crate::bench::amqp::broker::Broker;
use crate::bench::amqp::client::{Client, QueueKind};
use crate::bench::{metric, usage};

const BODY: [u8; 256] = [b'x'; 256];
/// Messages in flight on the one connection that publishes to many queues.
const IN_FLIGHT: u64 = 500;
/// Queues that are declared without waiting for an answer.
const DECLARED_AT_A_TIME: usize = 200;
/// Descriptors that this process needs besides the connections.
const DESCRIPTORS_BESIDES: u64 = 200;
/// Part of the messages that warms each point up.
const WARM_UP_PART: u64 = 10;

/// Measures the four points and their ratios.
pub(super) fn run(broker: &mut Broker, tools: &Tools) -> anyhow::Result<Measured> {
    let sizes = tools.sizes;
    usage::allow_descriptors(sizes.growth_connections + DESCRIPTORS_BESIDES)?;
    let mut measured = Measured::default();
    broker.start()?;

    let one = over_queues(broker, "one", 1, sizes.growth_messages, &mut measured)?;
    let many = over_queues(
        broker,
        "many",
        sizes.growth_queues,
        sizes.growth_messages,
        &mut measured,
    )?;
    measured.set("processor_us_one_queue", one);
    measured.set("processor_us_many_queues", many);
    measured.set(metric::QUEUE_GROWTH, many / one.max(f64::EPSILON));

    let few = over_connections(broker, Sizes::GROWTH_CONNECTIONS_FEW, sizes.growth_messages)?;
    let many = over_connections(broker, sizes.growth_connections, sizes.growth_messages)?;
    measured.set("processor_us_few_connections", few);
    measured.set("processor_us_many_connections", many);
    measured.set(metric::CONNECTION_GROWTH, many / few.max(f64::EPSILON));
    Ok(measured)
}

/// Processor time per message, in microseconds, of publishes to `queues` queues in turn.
fn over_queues(
    broker: &Broker,
    prefix: &str,
    queues: u64,
    messages: u64,
    measured: &mut Measured,
) -> anyhow::Result<f64> {
    let names: Vec<String> = (0..queues)
        .map(|number| format!("growth-{prefix}-{number}"))
        .collect();
    let mut client = broker.client()?;
    for some in names.chunks(DECLARED_AT_A_TIME) {
        client.declare(some, QueueKind::Quorum)?;
    }
    let warm_up = messages / WARM_UP_PART;
    let mut turn = names.iter().cycle();
    publish(&mut client, &mut turn, warm_up)?;
    let before = broker.usage()?.processor;
    publish(&mut client, &mut turn, messages)?;
    let spent = broker.usage()?.processor.saturating_sub(before);
    let found = settled_depth(broker, &names, warm_up + messages)?;
    measured.require("in the queues", warm_up + messages, found);
    Ok(micros(spent) / messages.max(1) as f64)
}

fn publish<'a>(
    client: &mut Client,
    queues: &mut impl Iterator<Item = &'a String>,
    messages: u64,
) -> anyhow::Result<()> {
    for (sent, queue) in (1..=messages).zip(queues) {
        client.publish(queue, &BODY);
        if sent % IN_FLIGHT == 0 {
            client.confirmed()?;
        }
    }
    client.confirmed()
}

/// Processor time per message of publishes by `connections` connections in turn, one message each, some at a time.
fn over_connections(broker: &Broker, connections: u64, messages: u64) -> anyhow::Result<f64> {
    const QUEUE: &str = "growth-connections";
    let mut clients = (0..connections)
        .map(|_| broker.client())
        .collect::<anyhow::Result<Vec<Client>>>()?;
    if let Some(client) = clients.first_mut() {
        client.declare(&[QUEUE.to_owned()], QueueKind::Quorum)?;
    }
    publish_in_turn(&mut clients, QUEUE, messages / WARM_UP_PART)?;
    let before = broker.usage()?.processor;
    let sent = publish_in_turn(&mut clients, QUEUE, messages)?;
    let spent = broker.usage()?.processor.saturating_sub(before);
    Ok(micros(spent) / sent.max(1) as f64)
}

/// Publishes at least `messages`; tells how many.
fn publish_in_turn(clients: &mut [Client], queue: &str, messages: u64) -> anyhow::Result<u64> {
    let together = usize::try_from(Sizes::GROWTH_CONNECTIONS_FEW)?;
    let mut sent = 0;
    while sent < messages {
        for some in clients.chunks_mut(together) {
            for client in &mut *some {
                client.publish(queue, &BODY);
                client.flush()?;
            }
            for client in &mut *some {
                client.confirmed()?;
            }
            sent += some.len() as u64;
            if sent >= messages {
                break;
            }
        }
    }
    Ok(sent)
}
