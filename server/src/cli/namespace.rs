//! `sabir namespace`.

use clap::Subcommand;
use sabir_admin::api::Selection;
use sabir_admin::api::namespace::{Namespace, NamespaceLimits};
use sabir_admin::route;

use super::Context;
use super::error::CliError;
use super::output::Row;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List namespaces
    List,
    /// Create a namespace
    Create {
        /// Name of the namespace
        name: String,
    },
    /// Set what a namespace may hold; a limit that is not given is lifted
    Limit {
        /// Name of the namespace
        name: String,
        /// Most queues
        #[arg(long)]
        queues: Option<u64>,
        /// Most connections
        #[arg(long)]
        connections: Option<u64>,
    },
    /// Delete a namespace with all that is in it
    Delete {
        /// Name of the namespace
        name: String,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::List => {
            let namespaces: Vec<Namespace> = context
                .client
                .list(route::NAMESPACES, Selection::default())?;
            context.output.rows(&namespaces)
        }
        Command::Create { name } => {
            context
                .client
                .put(&route::path(route::NAMESPACE, &[&name]), &())?;
            context
                .output
                .done(&(), &format!("namespace {name:?} created"))
        }
        Command::Limit {
            name,
            queues,
            connections,
        } => {
            let limits = NamespaceLimits {
                queues_max: queues,
                connections_max: connections,
            };
            context
                .client
                .put(&route::path(route::NAMESPACE_LIMITS, &[&name]), &limits)?;
            context
                .output
                .done(&limits, &format!("limits of namespace {name:?} set"))
        }
        Command::Delete { name } => {
            context
                .client
                .delete(&route::path(route::NAMESPACE, &[&name]))?;
            context
                .output
                .done(&(), &format!("namespace {name:?} deleted"))
        }
    }
}

impl Row for Namespace {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        ">QUEUES",
        ">QUEUES MAX",
        ">CONNECTIONS",
        ">CONNECTIONS MAX",
    ];

    fn cells(&self) -> Vec<String> {
        let limit = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
        vec![
            self.name.clone(),
            self.queues.to_string(),
            limit(self.limits.queues_max),
            self.connections.to_string(),
            limit(self.limits.connections_max),
        ]
    }
}
