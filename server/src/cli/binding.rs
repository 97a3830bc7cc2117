//! `sabir binding`.

use clap::{Args, Subcommand, ValueEnum};
use sabir_admin::api::Selection;
use sabir_admin::api::binding::{Binding, BindingRow, DestinationKind};
use sabir_admin::route;
use serde_json::Value;

use super::Context;
use super::arguments::{collect, name_and_value};
use super::error::CliError;
use super::output::{Row, arguments};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List bindings
    List,
    /// Bind an exchange to a queue or another exchange
    Create(Ends),
    /// Undo a binding: all that was given when it was created has to be given again
    Delete(Ends),
}

#[derive(Debug, Args)]
pub(super) struct Ends {
    /// The exchange that messages come from
    source: String,
    /// The queue or exchange they go to
    destination: String,
    /// What the destination is
    #[arg(long, default_value = "queue")]
    to: DestinationWord,
    /// Routing key or pattern
    #[arg(long, default_value = "")]
    key: String,
    /// An argument such as x-match=all
    #[arg(long = "argument", value_name = "NAME=VALUE", value_parser = name_and_value)]
    arguments: Vec<(String, Value)>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DestinationWord {
    Queue,
    Exchange,
}

impl TryFrom<Ends> for Binding {
    type Error = CliError;

    fn try_from(ends: Ends) -> Result<Self, CliError> {
        Ok(Self {
            source: ends.source,
            destination_kind: match ends.to {
                DestinationWord::Queue => DestinationKind::Queue,
                DestinationWord::Exchange => DestinationKind::Exchange,
            },
            destination: ends.destination,
            routing_key: ends.key,
            arguments: collect(ends.arguments)?,
        })
    }
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::List => {
            let namespace = context.namespace.clone();
            let selection = Selection {
                namespace,
                ..Selection::default()
            };
            let bindings: Vec<BindingRow> = context.client.list(route::BINDINGS, selection)?;
            context.output.rows(&bindings)
        }
        Command::Create(ends) => change(context, route::BIND, ends, "created"),
        Command::Delete(ends) => change(context, route::UNBIND, ends, "deleted"),
    }
}

fn change(context: &Context, pattern: &str, ends: Ends, outcome: &str) -> Result<(), CliError> {
    let binding = Binding::try_from(ends)?;
    context
        .client
        .act(&route::path(pattern, &[context.namespace()]), &binding)?;
    let words = format!(
        "binding from {:?} to {:?} {outcome}",
        binding.source, binding.destination
    );
    context.output.done(&binding, &words)
}

impl Row for BindingRow {
    const COLUMNS: &'static [&'static str] = &[
        "NAMESPACE",
        "SOURCE",
        "TO",
        "DESTINATION",
        "KEY",
        "ARGUMENTS",
    ];

    fn cells(&self) -> Vec<String> {
        let binding = &self.binding;
        vec![
            self.namespace.clone(),
            if binding.source.is_empty() {
                "(default)".to_owned()
            } else {
                binding.source.clone()
            },
            format!("{:?}", binding.destination_kind).to_lowercase(),
            binding.destination.clone(),
            binding.routing_key.clone(),
            arguments(&binding.arguments),
        ]
    }
}
