//! A consumer: notes every delivery, acknowledges it, and connects again after each kill.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_lite::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, Consumer};
use tokio::sync::watch;

use crate::alive::{in_time, while_connected};
use crate::ledger::Message;
use crate::{QUEUES, Shared, queue_name};

/// Deliveries in flight without an acknowledgement.
const PREFETCH: u16 = 50;
/// Time between two attempts to connect.
const RETRY: Duration = Duration::from_millis(10);

/// Consumes `queue` until `consuming` says otherwise.
pub async fn run(shared: Shared, queue: u32, mut consuming: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            // The connection ends with the broker; the next one goes on.
            _ended = consume(&shared, queue) => tokio::time::sleep(RETRY).await,
            _changed = consuming.changed() => return,
        }
    }
}

async fn consume(shared: &Shared, queue: u32) -> lapin::Result<()> {
    let Some(begun) = in_time(begin(shared, queue)).await else {
        return Ok(());
    };
    let (connection, mut deliveries) = begun?;
    let mut last = BTreeMap::new();
    while let Some(Some(delivery)) = while_connected(&connection, deliveries.next()).await {
        let delivery = delivery?;
        match Message::parse(&delivery.data) {
            Some(message) => shared.note(|ledger| ledger.arrive(message, delivery.redelivered, &mut last)),
            None => shared.note(|ledger| ledger.unreadable(&delivery.data)),
        }
        match while_connected(&connection, delivery.ack(BasicAckOptions::default())).await {
            Some(acknowledged) => acknowledged?,
            None => return Ok(()),
        };
    }
    Ok(())
}

/// Connects and starts a consumer.
async fn begin(shared: &Shared, queue: u32) -> lapin::Result<(Connection, Consumer)> {
    let connection = Connection::connect(&shared.url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let name = queue_name(queue);
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let deliveries = channel
        .basic_consume(name.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    Ok((connection, deliveries))
}

/// What the queues say is still in them.
pub async fn left(shared: &Shared) -> String {
    let mut depths = Vec::new();
    for queue in 0..QUEUES {
        let depth = match depth(shared, &queue_name(queue)).await {
            Ok(depth) => depth.to_string(),
            Err(error) => error.to_string(),
        };
        depths.push(depth);
    }
    format!("left in the queues: {}", depths.join(", "))
}

async fn depth(shared: &Shared, queue: &str) -> lapin::Result<u32> {
    let connection = Connection::connect(&shared.url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok(declared.message_count())
}
