//! Bindings.

use serde::{Deserialize, Serialize};

use super::Arguments;

/// A binding with the namespace it is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BindingRow {
    /// The namespace.
    pub namespace: String,
    /// The binding.
    #[serde(flatten)]
    pub binding: Binding,
}

/// A rule that messages of an exchange lead to a queue or another exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The exchange that messages come from.
    pub source: String,
    /// What `destination` names.
    pub destination_kind: DestinationKind,
    /// Where they go.
    pub destination: String,
    /// The key or pattern.
    #[serde(default)]
    pub routing_key: String,
    /// Further conditions.
    #[serde(default)]
    pub arguments: Arguments,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DestinationKind {
    /// A queue.
    Queue,
    /// Another exchange.
    Exchange,
}
