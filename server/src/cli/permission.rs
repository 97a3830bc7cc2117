//! `sabir permission`.

use clap::Subcommand;
use sabir_admin::api::Selection;
use sabir_admin::api::account::{Permission, PermissionRules, TopicPermission, TopicRules};
use sabir_admin::route;

use super::Context;
use super::error::CliError;
use super::output::Row;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what users may do in namespaces
    List,
    /// Set what a user may do in a namespace; an expression that is not given permits nothing
    Set {
        /// Name of the user
        user: String,
        /// Regular expression of what may be declared and deleted
        #[arg(long, default_value = "")]
        configure: String,
        /// Regular expression of what may be published to and bound
        #[arg(long, default_value = "")]
        write: String,
        /// Regular expression of what may be consumed and bound from
        #[arg(long, default_value = "")]
        read: String,
    },
    /// Take from a user all that it may do in a namespace
    Clear {
        /// Name of the user
        user: String,
    },
    /// List which routing keys users may use
    ListTopic,
    /// Set which routing keys a user may use with a topic exchange
    SetTopic {
        /// Name of the user
        user: String,
        /// Name of the exchange
        exchange: String,
        /// Regular expression of routing keys that may be published
        #[arg(long, default_value = "")]
        write: String,
        /// Regular expression of routing keys that may be bound
        #[arg(long, default_value = "")]
        read: String,
    },
    /// Lift what was set for a user and a topic exchange
    ClearTopic {
        /// Name of the user
        user: String,
        /// Name of the exchange
        exchange: String,
    },
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    let namespace = context.namespace();
    match command {
        Command::List => {
            let permissions: Vec<Permission> = context
                .client
                .list(route::PERMISSIONS, selection(context))?;
            context.output.rows(&permissions)
        }
        Command::Set {
            user,
            configure,
            write,
            read,
        } => {
            let rules = PermissionRules {
                configure,
                write,
                read,
            };
            let path = route::path(route::PERMISSION, &[namespace, &user]);
            context.client.put(&path, &rules)?;
            let words = format!("permission of user {user:?} in namespace {namespace:?} set");
            context.output.done(&rules, &words)
        }
        Command::Clear { user } => {
            context
                .client
                .delete(&route::path(route::PERMISSION, &[namespace, &user]))?;
            let words = format!("permission of user {user:?} in namespace {namespace:?} cleared");
            context.output.done(&(), &words)
        }
        Command::ListTopic => {
            let permissions: Vec<TopicPermission> = context
                .client
                .list(route::TOPIC_PERMISSIONS, selection(context))?;
            context.output.rows(&permissions)
        }
        Command::SetTopic {
            user,
            exchange,
            write,
            read,
        } => {
            let rules = TopicRules { write, read };
            let path = route::path(route::TOPIC_PERMISSION, &[namespace, &user, &exchange]);
            context.client.put(&path, &rules)?;
            let words = format!("topic permission of user {user:?} for {exchange:?} set");
            context.output.done(&rules, &words)
        }
        Command::ClearTopic { user, exchange } => {
            let path = route::path(route::TOPIC_PERMISSION, &[namespace, &user, &exchange]);
            context.client.delete(&path)?;
            let words = format!("topic permission of user {user:?} for {exchange:?} cleared");
            context.output.done(&(), &words)
        }
    }
}

fn selection(context: &Context) -> Selection {
    Selection {
        namespace: context.namespace.clone(),
        ..Selection::default()
    }
}

impl Row for Permission {
    const COLUMNS: &'static [&'static str] = &["NAMESPACE", "USER", "CONFIGURE", "WRITE", "READ"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            self.user.clone(),
            self.rules.configure.clone(),
            self.rules.write.clone(),
            self.rules.read.clone(),
        ]
    }
}

impl Row for TopicPermission {
    const COLUMNS: &'static [&'static str] = &["NAMESPACE", "USER", "EXCHANGE", "WRITE", "READ"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            self.user.clone(),
            self.exchange.clone(),
            self.rules.write.clone(),
            self.rules.read.clone(),
        ]
    }
}
