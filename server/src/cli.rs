//! The command line: `sabir noun verb`, one file per noun.
//!
//! Data goes to standard output, everything else to standard error. Help, the man page and the
//! completions come from the definitions here.

mod arguments;
mod binding;
mod client;
mod configuration;
mod connection;
mod error;
mod exchange;
mod generate;
mod message;
mod namespace;
mod output;
mod permission;
mod policy;
mod queue;
mod serve;
mod status;
mod storage;
mod user;

use clap::{Parser, Subcommand};

use client::{Client, ConnectionFlags};
use error::CliError;
use output::Output;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the configuration is wrong
  3  what it is about does not exist
  4  not permitted
  5  the broker cannot be reached";

/// A message broker for the clients of RabbitMQ, Kafka, MQTT and others.
#[derive(Debug, Parser)]
#[command(name = "sabir", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker
    Serve(serve::Serve),
    /// Print, check or explain the configuration
    #[command(subcommand)]
    Config(configuration::Command),
    /// Verify, dump or salvage a data directory that no broker uses
    #[command(subcommand)]
    Storage(storage::Command),
    /// Show the broker as a whole
    Status(ConnectionFlags),
    /// List, declare, delete and purge queues
    Queue(Administration<queue::Command>),
    /// List, declare and delete exchanges
    Exchange(Administration<exchange::Command>),
    /// List, create and delete bindings
    Binding(Administration<binding::Command>),
    /// List and close connections, list consumers
    Connection(Administration<connection::Command>),
    /// List, create, limit and delete namespaces (virtual hosts)
    Namespace(Administration<namespace::Command>),
    /// List, set and delete users
    User(Administration<user::Command>),
    /// List, set and clear what users may do
    Permission(Administration<permission::Command>),
    /// List, set and delete policies
    Policy(Administration<policy::Command>),
    /// Publish messages and get them from queues
    Message(Administration<message::Command>),
    /// Print completions for a shell
    Completions(generate::Completions),
    /// Print the man page
    Man,
}

/// A command that is carried out by a running broker.
#[derive(Debug, clap::Args)]
struct Administration<C: Subcommand> {
    #[command(flatten)]
    connection: ConnectionFlags,
    #[command(subcommand)]
    command: C,
}

/// What a command that is carried out by a running broker works with.
struct Context {
    client: Client,
    output: Output,
    namespace: Option<String>,
}

impl Context {
    fn new(connection: &ConnectionFlags) -> Result<Self, CliError> {
        Ok(Self {
            client: Client::new(connection)?,
            output: Output::new(connection.json),
            namespace: connection.namespace.clone(),
        })
    }

    /// The namespace that was named, or the usual one.
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("/")
    }
}

impl<C: Subcommand> Administration<C> {
    fn run(self, act: impl FnOnce(&Context, C) -> Result<(), CliError>) -> Result<(), CliError> {
        act(&Context::new(&self.connection)?, self.command)
    }
}

/// Carries out what the command line says.
pub(crate) fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Serve(command) => serve::run(command),
        Command::Config(command) => configuration::run(command),
        Command::Storage(command) => storage::run(command),
        Command::Status(connection) => status::run(&Context::new(&connection)?),
        Command::Queue(command) => command.run(queue::run),
        Command::Exchange(command) => command.run(exchange::run),
        Command::Binding(command) => command.run(binding::run),
        Command::Connection(command) => command.run(connection::run),
        Command::Namespace(command) => command.run(namespace::run),
        Command::User(command) => command.run(user::run),
        Command::Permission(command) => command.run(permission::run),
        Command::Policy(command) => command.run(policy::run),
        Command::Message(command) => command.run(message::run),
        Command::Completions(command) => generate::completions(&command),
        Command::Man => generate::man_page(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
