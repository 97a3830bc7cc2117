//! `sabir user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sabir_admin::api::Selection;
use sabir_admin::api::account::{User, UserChange};
use sabir_admin::route;

use super::Context;
use super::arguments::secret;
use super::error::CliError;
use super::output::Row;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List users
    List,
    /// Create a user, or change what is given
    Set(Set),
    /// Delete a user with its permissions
    Delete {
        /// Name of the user
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Name of the user
    name: String,
    /// File with the new password, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "hash")]
    new_password_file: Option<PathBuf>,
    /// Hash of the new password, as RabbitMQ exports it
    #[arg(long, requires = "hash_algorithm")]
    hash: Option<String>,
    /// How the hash was made: rabbit_password_hashing_sha256, …_sha512 or …_md5
    #[arg(long)]
    hash_algorithm: Option<String>,
    /// What the user may do besides messaging: administrator, monitoring, management, policymaker
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// The user has no tags
    #[arg(long, conflicts_with = "tags")]
    no_tags: bool,
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::List => {
            let users: Vec<User> = context.client.list(route::USERS, Selection::default())?;
            context.output.rows(&users)
        }
        Command::Set(set) => {
            let name = set.name.clone();
            context
                .client
                .put(&route::path(route::USER, &[&name]), &change(set)?)?;
            context.output.done(&(), &format!("user {name:?} set"))
        }
        Command::Delete { name } => {
            context.client.delete(&route::path(route::USER, &[&name]))?;
            context.output.done(&(), &format!("user {name:?} deleted"))
        }
    }
}

fn change(set: Set) -> Result<UserChange, CliError> {
    let tags = (set.no_tags || !set.tags.is_empty()).then_some(set.tags);
    Ok(UserChange {
        password: set.new_password_file.as_deref().map(secret).transpose()?,
        password_hash: set.hash,
        hashing_algorithm: set.hash_algorithm,
        tags,
    })
}

impl Row for User {
    const COLUMNS: &'static [&'static str] = &["NAME", "TAGS"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.tags.join(", ")]
    }
}
