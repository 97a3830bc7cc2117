//! A publisher: a window of unconfirmed messages, and a new connection after each kill.
//!
//! It never publishes a message again: what was unconfirmed at a kill may or may not arrive, once.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm};
use tokio::sync::watch;

use crate::alive::{in_time, while_connected};
use crate::ledger::Message;
use crate::{Shared, queue_name};

/// Messages in flight without a confirm.
const WINDOW: usize = 100;
/// Bytes that every other publisher adds to its messages, so that journal files fill up and records move to extents.
const PADDING: usize = 8 << 10;
/// Delivery mode of a message that must survive.
const PERSISTENT: u8 = 2;
/// Time between two attempts to connect.
const RETRY: Duration = Duration::from_millis(10);
/// Time without an answer after which a connection counts as dead.
const SILENCE: Duration = Duration::from_secs(10);

/// Publishes to `queue` until `publishing` says otherwise and the last confirm is in.
pub async fn run(shared: Shared, queue: u32, publisher: u32, publishing: watch::Receiver<bool>) {
    let mut sequence = 0;
    let publish_forever = async {
        loop {
            let watched = publishing.clone();
            match publish(&shared, queue, publisher, &mut sequence, &watched).await {
                Ok(()) => return,
                // The connection ended with the broker; the next one goes on with the next message.
                Err(error) => shared.note(|ledger| ledger.last_end = error.to_string()),
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    let mut ending = publishing.clone();
    let given_up = async {
        // The sender lives until every publisher has ended.
        let _changed: Result<(), watch::error::RecvError> = ending.changed().await;
        tokio::time::sleep(SILENCE).await;
    };
    tokio::select! {
        () = publish_forever => {}
        () = given_up => {}
    }
}

async fn publish(
    shared: &Shared,
    queue: u32,
    publisher: u32,
    sequence: &mut u64,
    publishing: &watch::Receiver<bool>,
) -> lapin::Result<()> {
    let name = queue_name(queue);
    let Some(begun) = in_time(begin(shared, &name)).await else {
        return Err(no_answer());
    };
    let (connection, channel) = begun?;
    let padding = if publisher.is_multiple_of(2) { 0 } else { PADDING };
    let mut window = VecDeque::new();
    while *publishing.borrow() {
        *sequence += 1;
        let message = Message { publisher, sequence: *sequence };
        shared.note(|ledger| ledger.send(message));
        let Some(sent) = while_connected(&connection, send(&channel, &name, message, padding)).await else {
            return Err(no_answer());
        };
        window.push_back((message, sent?));
        if window.len() >= WINDOW {
            settle(shared, window.pop_front()).await?;
        }
    }
    while let Some(oldest) = window.pop_front() {
        settle(shared, Some(oldest)).await?;
    }
    connection.close(200, "done".into()).await
}

/// Connects and prepares a channel.
async fn begin(shared: &Shared, queue: &str) -> lapin::Result<(Connection, Channel)> {
    let connection = Connection::connect(&shared.url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// The library has given no answer.
fn no_answer() -> lapin::Error {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

async fn send(channel: &Channel, queue: &str, message: Message, padding: usize) -> lapin::Result<PublisherConfirm> {
    channel
        .basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions::default(),
            message.body(padding).as_bytes(),
            BasicProperties::default().with_delivery_mode(PERSISTENT),
        )
        .await
}

async fn settle(shared: &Shared, oldest: Option<(Message, PublisherConfirm)>) -> lapin::Result<()> {
    let Some((message, confirm)) = oldest else {
        return Ok(());
    };
    // A confirm that never comes is a dead connection; the message counts as unconfirmed.
    if let Ok(answer) = tokio::time::timeout(SILENCE, confirm).await
        && answer?.is_ack()
    {
        shared.note(|ledger| ledger.confirm(message));
    }
    Ok(())
}
