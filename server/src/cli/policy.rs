//! `sabir policy`.

use clap::{Args, Subcommand};
use sabir_admin::api::policy::{Policy, PolicyRule};
use sabir_admin::api::{Arguments, Selection};
use sabir_admin::route;

use super::Context;
use super::error::CliError;
use super::output::{Row, arguments, mark};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List policies
    List,
    /// Set a policy, replacing one of the same name
    Set(Set),
    /// Delete a policy
    Delete {
        /// Name of the policy
        name: String,
        /// The operator policy of that name
        #[arg(long)]
        operator: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Name of the policy
    name: String,
    /// Regular expression that is searched for in names
    pattern: String,
    /// Settings as JSON, such as '{"message-ttl": 60000}'
    #[arg(value_parser = definition)]
    definition: Arguments,
    /// all, queues, classic_queues, quorum_queues, streams or exchanges
    #[arg(long, default_value = "all")]
    applies_to: String,
    /// Of several policies that match, the highest applies
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i64,
    /// It bounds what users and other policies ask for
    #[arg(long)]
    operator: bool,
}

fn definition(text: &str) -> Result<Arguments, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

pub(super) fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::List => {
            let namespace = context.namespace.clone();
            let selection = Selection {
                namespace,
                ..Selection::default()
            };
            let policies: Vec<Policy> = context.client.list(route::POLICIES, selection)?;
            context.output.rows(&policies)
        }
        Command::Set(set) => {
            let rule = PolicyRule {
                pattern: set.pattern,
                applies_to: set.applies_to,
                priority: set.priority,
                operator: set.operator,
                definition: set.definition,
            };
            let path = route::path(route::POLICY, &[context.namespace(), &set.name]);
            context.client.put(&path, &rule)?;
            context
                .output
                .done(&rule, &format!("policy {:?} set", set.name))
        }
        Command::Delete { name, operator } => {
            let path = route::path(route::POLICY, &[context.namespace(), &name]);
            context
                .client
                .delete(&format!("{path}?operator={operator}"))?;
            context
                .output
                .done(&(), &format!("policy {name:?} deleted"))
        }
    }
}

impl Row for Policy {
    const COLUMNS: &'static [&'static str] = &[
        "NAMESPACE",
        "NAME",
        "PATTERN",
        "APPLIES TO",
        ">PRIORITY",
        "OPERATOR",
        "DEFINITION",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            self.name.clone(),
            self.rule.pattern.clone(),
            self.rule.applies_to.clone(),
            self.rule.priority.to_string(),
            mark(self.rule.operator),
            arguments(&self.rule.definition),
        ]
    }
}
