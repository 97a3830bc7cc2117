//! `sabir connection`.

use clap::Subcommand;
use sabir_admin::api::Selection;
use sabir_admin::api::connection::{CloseReason, Connection, Consumer};
use sabir_admin::route;

use super::Context;
use super::error::CliError;
use super::output::{Row, mark};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List connections
    List,
    /// List consumers
    Consumers,
    /// Close a connection
    Close {
        /// Number of the connection, as listed
        id: u64,
        /// What its client is told
        #[arg(long)]
        reason: Option<String>,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    let namespace = context.namespace.clone();
    let selection = Selection {
        namespace,
        ..Selection::default()
    };
    match command {
        Command::List => {
            let connections: Vec<Connection> =
                context.client.list(route::CONNECTIONS, selection)?;
            context.output.rows(&connections)
        }
        Command::Consumers => {
            let consumers: Vec<Consumer> = context.client.list(route::CONSUMERS, selection)?;
            context.output.rows(&consumers)
        }
        Command::Close { id, reason } => {
            let path = route::path(route::CONNECTION_CLOSE, &[&id.to_string()]);
            context.client.act(&path, &CloseReason { reason })?;
            context
                .output
                .done(&(), &format!("connection {id} is being closed"))
        }
    }
}

impl Row for Connection {
    const COLUMNS: &'static [&'static str] = &[
        ">ID",
        "NAMESPACE",
        "USER",
        ">CONSUMERS",
        ">PUBLISHED",
        ">DELIVERED",
        "DESCRIPTION",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.namespace.clone(),
            self.principal.clone(),
            self.consumers.to_string(),
            self.published.to_string(),
            self.delivered.to_string(),
            self.description.clone(),
        ]
    }
}

impl Row for Consumer {
    const COLUMNS: &'static [&'static str] = &[
        "NAMESPACE",
        "QUEUE",
        ">CONNECTION",
        "TAG",
        "ACTIVE",
        "EXCLUSIVE",
        ">UNSETTLED",
        ">LIMIT",
        ">PRIORITY",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            self.queue.clone(),
            self.connection.to_string(),
            self.tag.clone(),
            mark(self.active),
            mark(self.exclusive),
            self.unsettled.to_string(),
            self.unsettled_max.to_string(),
            self.priority.to_string(),
        ]
    }
}
