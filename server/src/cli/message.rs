//! `sabir message`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sabir_admin::api::message::{
    Fetch, FetchMode, Message, Payload, Properties, Publication, Published,
};
use sabir_admin::route;
use serde_json::Value;

use super::Context;
use super::arguments::{collect, name_and_value, payload};
use super::error::CliError;
use super::output::{Row, arguments, mark};

const PAYLOAD_CHARACTERS_SHOWN: usize = 100;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Publish one message and wait until it is stored
    Publish(Box<Publish>),
    /// Show messages of a queue, the oldest first
    Get {
        /// Name of the queue
        queue: String,
        /// Most messages
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(Fetch::COUNT_MAX)))]
        count: u32,
        /// Take the messages out of the queue; without it they stay as they are
        #[arg(long)]
        take: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// Routing key; for the default exchange the name of the queue
    key: String,
    /// Payload; without it the payload is read from --file or standard input
    payload: Option<String>,
    /// File with the payload, `-` for standard input
    #[arg(
        long,
        conflicts_with = "payload",
        default_value = "-",
        hide_default_value = true
    )]
    file: PathBuf,
    /// Exchange; without it the default exchange
    #[arg(long, default_value = "")]
    exchange: String,
    /// The message does not survive a restart
    #[arg(long)]
    transient: bool,
    /// Media type of the payload
    #[arg(long)]
    content_type: Option<String>,
    /// Encoding of the payload, such as gzip
    #[arg(long)]
    content_encoding: Option<String>,
    /// 0 (lowest) to 255
    #[arg(long)]
    priority: Option<u8>,
    /// What it belongs to
    #[arg(long)]
    correlation_id: Option<String>,
    /// Where an answer is expected
    #[arg(long)]
    reply_to: Option<String>,
    /// How long it may wait, in milliseconds
    #[arg(long, value_name = "MILLISECONDS")]
    expiration: Option<u64>,
    /// What identifies it
    #[arg(long)]
    message_id: Option<String>,
    /// What sort of message it is
    #[arg(long = "type")]
    kind: Option<String>,
    /// The application that sends it
    #[arg(long)]
    app_id: Option<String>,
    /// A header
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = name_and_value)]
    headers: Vec<(String, Value)>,
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Publish(publish) => publish_message(context, *publish),
        Command::Get { queue, count, take } => {
            let mode = if take {
                FetchMode::Take
            } else {
                FetchMode::Peek
            };
            let path = route::path(route::QUEUE_FETCH, &[context.namespace(), &queue]);
            let messages: Vec<Message> = context.client.post(&path, &Fetch { count, mode })?;
            context.output.rows(&messages)
        }
    }
}

fn publish_message(context: &Context, publish: Publish) -> Result<(), CliError> {
    let bytes = match publish.payload {
        Some(text) => text.into_bytes(),
        None => payload(&publish.file)?,
    };
    let publication = Publication {
        exchange: publish.exchange,
        routing_key: publish.key,
        properties: Properties {
            persistent: !publish.transient,
            content_type: publish.content_type,
            content_encoding: publish.content_encoding,
            priority: publish.priority,
            correlation_id: publish.correlation_id,
            reply_to: publish.reply_to,
            expiration_ms: publish.expiration,
            message_id: publish.message_id,
            timestamp: None,
            kind: publish.kind,
            user_id: None,
            app_id: publish.app_id,
            headers: collect(publish.headers)?,
        },
        payload: Payload::of(&bytes),
    };
    let path = route::path(route::PUBLISH, &[context.namespace()]);
    let published: Published = context.client.post(&path, &publication)?;
    if published.routed {
        context.output.done(&published, "message published")
    } else {
        Err(CliError::NotFound(format!(
            "no queue took the message: nothing is bound to exchange {:?} for key {:?}",
            publication.exchange, publication.routing_key
        )))
    }
}

impl Row for Message {
    const COLUMNS: &'static [&'static str] =
        &["EXCHANGE", "KEY", "REDELIVERED", "HEADERS", "PAYLOAD"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.exchange.clone(),
            self.routing_key.clone(),
            mark(self.redelivered),
            arguments(&self.properties.headers),
            shown(&self.payload.payload),
        ]
    }
}

/// The beginning of a payload, on one line and without anything that moves a terminal's cursor.
fn shown(payload: &str) -> String {
    let mut text: String = payload
        .chars()
        .take(PAYLOAD_CHARACTERS_SHOWN)
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if payload.chars().nth(PAYLOAD_CHARACTERS_SHOWN).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_shown_short_and_harmless() {
        assert_eq!(shown("plain"), "plain");
        assert_eq!(shown("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(shown(&"x".repeat(101)).chars().count(), 101);
        assert!(shown(&"x".repeat(101)).ends_with('…'));
    }
}
