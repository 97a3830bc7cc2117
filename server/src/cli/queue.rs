//! `sabir queue`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use sabir_admin::api::queue::{Kind, Queue, QueueDeclaration};
use sabir_admin::api::{Removed, Selection};
use sabir_admin::route;
use serde_json::Value;

use super::Context;
use super::arguments::{collect, name_and_value};
use super::error::CliError;
use super::output::{Row, mark, rate};
use crate::config::units::TimeSpan;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List queues with their depth, consumers and, if asked for, rates
    List {
        /// Measure rates over this time
        #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "1s")]
        rates: Option<TimeSpan>,
    },
    /// Create a queue, or check that it exists with the same properties
    Declare(Declare),
    /// Delete a queue with the messages in it
    Delete {
        /// Name of the queue
        name: String,
        /// Only if it has no consumers
        #[arg(long)]
        if_unused: bool,
        /// Only if it holds no messages
        #[arg(long)]
        if_empty: bool,
    },
    /// Remove the ready messages of a queue
    Purge {
        /// Name of the queue
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Declare {
    /// Name of the queue
    name: String,
    /// Sort of queue
    #[arg(long, default_value = "classic")]
    kind: KindWord,
    /// The queue does not survive a restart
    #[arg(long)]
    transient: bool,
    /// The queue goes with its last consumer
    #[arg(long)]
    auto_delete: bool,
    /// An argument such as x-message-ttl=60000
    #[arg(long = "argument", value_name = "NAME=VALUE", value_parser = name_and_value)]
    arguments: Vec<(String, Value)>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindWord {
    Classic,
    Quorum,
    Stream,
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Classic => Self::Classic,
            KindWord::Quorum => Self::Quorum,
            KindWord::Stream => Self::Stream,
        }
    }
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::List { rates } => list(context, rates.map(TimeSpan::duration)),
        Command::Declare(declare) => declare_queue(context, declare),
        Command::Delete {
            name,
            if_unused,
            if_empty,
        } => {
            let path = route::path(route::QUEUE, &[context.namespace(), &name]);
            let path = format!("{path}?if_unused={if_unused}&if_empty={if_empty}");
            let removed: Removed = context.client.delete_for(&path)?;
            let words = format!(
                "queue {name:?} deleted (messages in it: {})",
                removed.messages
            );
            context.output.done(&removed, &words)
        }
        Command::Purge { name } => {
            let path = route::path(route::QUEUE_MESSAGES, &[context.namespace(), &name]);
            let removed: Removed = context.client.delete_for(&path)?;
            let words = format!(
                "queue {name:?} purged (messages removed: {})",
                removed.messages
            );
            context.output.done(&removed, &words)
        }
    }
}

fn list(context: &Context, rates: Option<Duration>) -> Result<(), CliError> {
    let selection = Selection {
        namespace: context.namespace.clone(),
        rates_ms: rates.map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)),
        ..Selection::default()
    };
    let queues: Vec<Queue> = context.client.list(route::QUEUES, selection)?;
    context.output.rows(&queues)
}

fn declare_queue(context: &Context, declare: Declare) -> Result<(), CliError> {
    let declaration = QueueDeclaration {
        kind: declare.kind.into(),
        durable: !declare.transient,
        auto_delete: declare.auto_delete,
        arguments: collect(declare.arguments)?,
    };
    let path = route::path(route::QUEUE, &[context.namespace(), &declare.name]);
    context.client.put(&path, &declaration)?;
    context
        .output
        .done(&declaration, &format!("queue {:?} declared", declare.name))
}

impl Row for Queue {
    const COLUMNS: &'static [&'static str] = &[
        "NAMESPACE",
        "NAME",
        "KIND",
        "DURABLE",
        ">DEPTH",
        ">READY",
        ">UNSETTLED",
        ">BYTES",
        ">CONSUMERS",
        ">IN/S",
        ">OUT/S",
        ">ACK/S",
        "POLICY",
    ];

    fn cells(&self) -> Vec<String> {
        let measured = |pick: fn(&sabir_admin::api::queue::Rates) -> f64| {
            self.rates
                .as_ref()
                .map(|rates| rate(pick(rates)))
                .unwrap_or_default()
        };
        vec![
            self.namespace.clone(),
            self.name.clone(),
            format!("{:?}", self.kind).to_lowercase(),
            mark(self.durable),
            self.depth.to_string(),
            self.ready.to_string(),
            self.unsettled.to_string(),
            self.bytes.to_string(),
            self.consumers.to_string(),
            measured(|rates| rates.published),
            measured(|rates| rates.delivered),
            measured(|rates| rates.acknowledged),
            self.policy.clone().unwrap_or_default(),
        ]
    }
}
