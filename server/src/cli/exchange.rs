//! `sabir exchange`.

use clap::{Args, Subcommand};
use sabir_admin::api::Selection;
use sabir_admin::api::exchange::{Exchange, ExchangeDeclaration};
use sabir_admin::route;
use serde_json::Value;

use super::Context;
use super::arguments::{collect, name_and_value};
use super::error::CliError;
use super::output::{Row, arguments, mark};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List exchanges
    List,
    /// Create an exchange, or check that it exists with the same properties
    Declare(Declare),
    /// Delete an exchange with its bindings
    Delete {
        /// Name of the exchange
        name: String,
        /// Only if nothing is bound to it
        #[arg(long)]
        if_unused: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Declare {
    /// Name of the exchange
    name: String,
    /// Type: direct, fanout, topic, headers, x-consistent-hash, …
    #[arg(long, default_value = "direct")]
    kind: String,
    /// The exchange does not survive a restart
    #[arg(long)]
    transient: bool,
    /// The exchange goes with its last binding
    #[arg(long)]
    auto_delete: bool,
    /// Clients may not publish to the exchange
    #[arg(long)]
    internal: bool,
    /// An argument such as alternate-exchange=other
    #[arg(long = "argument", value_name = "NAME=VALUE", value_parser = name_and_value)]
    arguments: Vec<(String, Value)>,
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::List => {
            let namespace = context.namespace.clone();
            let selection = Selection {
                namespace,
                ..Selection::default()
            };
            let exchanges: Vec<Exchange> = context.client.list(route::EXCHANGES, selection)?;
            context.output.rows(&exchanges)
        }
        Command::Declare(declare) => declare_exchange(context, declare),
        Command::Delete { name, if_unused } => {
            let path = route::path(route::EXCHANGE, &[context.namespace(), &name]);
            context
                .client
                .delete(&format!("{path}?if_unused={if_unused}"))?;
            context
                .output
                .done(&(), &format!("exchange {name:?} deleted"))
        }
    }
}

fn declare_exchange(context: &Context, declare: Declare) -> Result<(), CliError> {
    let declaration = ExchangeDeclaration {
        kind: declare.kind,
        durable: !declare.transient,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        arguments: collect(declare.arguments)?,
    };
    let path = route::path(route::EXCHANGE, &[context.namespace(), &declare.name]);
    context.client.put(&path, &declaration)?;
    context.output.done(
        &declaration,
        &format!("exchange {:?} declared", declare.name),
    )
}

impl Row for Exchange {
    const COLUMNS: &'static [&'static str] = &[
        "NAMESPACE",
        "NAME",
        "KIND",
        "DURABLE",
        "AUTO-DELETE",
        "INTERNAL",
        "POLICY",
        "ARGUMENTS",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            if self.name.is_empty() {
                "(default)".to_owned()
            } else {
                self.name.clone()
            },
            self.kind.clone(),
            mark(self.durable),
            mark(self.auto_delete),
            mark(self.internal),
            self.policy.clone().unwrap_or_default(),
            arguments(&self.arguments),
        ]
    }
}
