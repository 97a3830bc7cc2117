//! Users and what they may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A user as a list shows it. Nothing of its password leaves the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What it may do besides messaging.
    pub tags: Vec<String>,
}

/// How a user is made or changed; what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserChange {
    /// A new password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// A password that is hashed already, as RabbitMQ exports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// How `password_hash` was made: `rabbit_password_hashing_sha256`, `…_sha512` or `…_md5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hashing_algorithm: Option<String>,
    /// New tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

impl fmt::Debug for UserChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UserChange")
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// What a user may do in a namespace: regular expressions that names have to match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The user.
    pub user: String,
    /// The namespace.
    pub namespace: String,
    /// What it may do there.
    #[serde(flatten)]
    pub rules: PermissionRules,
}

/// The rules of a permission; an empty expression permits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PermissionRules {
    /// What may be declared and deleted.
    pub configure: String,
    /// What may be published to and bound.
    pub write: String,
    /// What may be consumed and bound from.
    pub read: String,
}

/// Which routing keys a user may use with an exchange that routes by topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPermission {
    /// The user.
    pub user: String,
    /// The namespace.
    pub namespace: String,
    /// The exchange.
    pub exchange: String,
    /// The routing keys.
    #[serde(flatten)]
    pub rules: TopicRules,
}

/// The rules of a topic permission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicRules {
    /// Routing keys that may be published.
    pub write: String,
    /// Routing keys that may be bound.
    pub read: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let change = UserChange {
            password: Some("canary".to_owned()),
            ..UserChange::default()
        };
        assert!(!format!("{change:?}").contains("canary"));
    }
}
