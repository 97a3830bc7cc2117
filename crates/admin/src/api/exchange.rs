//! Exchanges.

use serde::{Deserialize, Serialize};

use super::Arguments;

/// An exchange as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name; the default exchange has none.
    pub name: String,
    /// Its type: `direct`, `fanout`, `topic`, `headers`, …
    pub kind: String,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether clients may not publish to it.
    pub internal: bool,
    /// The arguments it was declared with.
    pub arguments: Arguments,
    /// The policy in force.
    pub policy: Option<String>,
}

/// How an exchange is declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeDeclaration {
    /// Its type.
    pub kind: String,
    /// Whether it survives a restart.
    #[serde(default = "yes")]
    pub durable: bool,
    /// Whether it goes with its last binding.
    #[serde(default)]
    pub auto_delete: bool,
    /// Whether clients may not publish to it.
    #[serde(default)]
    pub internal: bool,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Arguments,
}

fn yes() -> bool {
    true
}
