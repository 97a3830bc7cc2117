//! Policies: settings that apply to queues and exchanges by the pattern of their names, live.

use crate::{
    message::value::Table,
    name::Name,
    queue::{QueueKind, QueueSettings},
};
use regex::Regex;

/// What a policy may apply to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppliesTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of any kind.
    Queues,
    /// Queues of one kind.
    QueuesOfKind(QueueKind),
}

/// Settings for whatever matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name, unique in the namespace among policies of its sort.
    pub name: Name,
    /// Whether an operator set it: then it bounds what users and other policies ask for.
    pub operator: bool,
    /// A regular expression that is searched for in names.
    pub pattern: Name,
    /// What it may apply to.
    pub applies_to: AppliesTo,
    /// Of several that match, the one with the highest priority applies.
    pub priority: i64,
    /// What it sets for queues.
    pub settings: QueueSettings,
    /// What it sets for exchanges: where unroutable messages go.
    pub alternate_exchange: Option<Name>,
    /// The definition as it was given, to be shown.
    pub definition: Table,
}

/// The policies of one namespace.
#[derive(Debug, Default)]
pub struct Policies(Vec<(Regex, Policy)>);

impl Policies {
    /// Sets a policy, replacing one of the same name and sort.
    ///
    /// # Errors
    /// When the pattern is not a regular expression.
    pub fn set(&mut self, policy: Policy) -> Result<(), regex::Error> {
        let pattern = Regex::new(&policy.pattern)?;
        self.remove(&policy.name, policy.operator);
        self.0.push((pattern, policy));
        self.0.sort_by(|(_, left), (_, right)| {
            (right.priority, &left.name).cmp(&(left.priority, &right.name))
        });
        Ok(())
    }

    /// Removes a policy; tells whether it existed.
    pub fn remove(&mut self, name: &str, operator: bool) -> bool {
        let before = self.0.len();
        self.0
            .retain(|(_, policy)| &*policy.name != name || policy.operator != operator);
        self.0.len() != before
    }

    /// All policies, the highest priority first.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter().map(|(_, policy)| policy)
    }

    /// The policy that applies to a queue.
    #[must_use]
    pub fn for_queue(&self, name: &str, kind: QueueKind, operator: bool) -> Option<&Policy> {
        self.matching(name, operator, |applies_to| match applies_to {
            AppliesTo::All | AppliesTo::Queues => true,
            AppliesTo::QueuesOfKind(wanted) => wanted == kind,
            AppliesTo::Exchanges => false,
        })
    }

    /// The policy that applies to an exchange.
    #[must_use]
    pub fn for_exchange(&self, name: &str) -> Option<&Policy> {
        self.matching(name, false, |applies_to| {
            matches!(applies_to, AppliesTo::All | AppliesTo::Exchanges)
        })
    }

    fn matching(
        &self,
        name: &str,
        operator: bool,
        applies: impl Fn(AppliesTo) -> bool,
    ) -> Option<&Policy> {
        self.0
            .iter()
            .find(|(pattern, policy)| {
                policy.operator == operator && applies(policy.applies_to) && pattern.is_match(name)
            })
            .map(|(_, policy)| policy)
    }
}
