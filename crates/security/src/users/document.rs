//! Stored form of users and permissions: text keys and versioned JSON values.

use super::{Permission, TopicPermission, User};
use crate::password::{HashError, PasswordHash};
use crate::pattern::PatternError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Documents to write or remove, together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The writes; one per key.
    pub writes: Vec<Write>,
}

/// One document to write or remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Where the document is kept.
    pub key: String,
    /// The document, or nothing to remove it.
    pub value: Option<Vec<u8>>,
}

/// A stored document cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("security document '{key}': {fault}")]
pub struct DocumentError {
    /// The document's key.
    pub key: String,
    /// What is wrong with it.
    #[source]
    pub fault: DocumentFault,
}

/// What is wrong with a stored document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentFault {
    /// The key names no kind of document of this store.
    #[error("unknown kind of key")]
    Key,
    /// The value is not a document of a known version.
    #[error("unreadable: {0}")]
    Value(#[from] serde_json::Error),
    /// The password hash in it is not one.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A pattern in it does not compile.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// Which document a key is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    User(String),
    Permission {
        namespace: String,
        user: String,
    },
    TopicPermission {
        namespace: String,
        user: String,
        exchange: String,
    },
}

const USER: &str = "user";
const PERMISSION: &str = "permission";
const TOPIC_PERMISSION: &str = "topic-permission";

impl Key {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(unescape);
        let mut part = || parts.next().flatten();
        let key = match part()?.as_str() {
            USER => Self::User(part()?),
            PERMISSION => Self::Permission {
                namespace: part()?,
                user: part()?,
            },
            TOPIC_PERMISSION => Self::TopicPermission {
                namespace: part()?,
                user: part()?,
                exchange: part()?,
            },
            _ => return None,
        };
        parts.next().is_none().then_some(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, parts): (_, &[&String]) = match self {
            Self::User(name) => (USER, &[name]),
            Self::Permission { namespace, user } => (PERMISSION, &[namespace, user]),
            Self::TopicPermission {
                namespace,
                user,
                exchange,
            } => (TOPIC_PERMISSION, &[namespace, user, exchange]),
        };
        formatter.write_str(kind)?;
        for part in parts {
            write!(formatter, "/{}", escape(part))?;
        }
        Ok(())
    }
}

fn escape(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

fn unescape(part: &str) -> Option<String> {
    let known = part.replace("%25", "").replace("%2F", "");
    let unescaped = part.replace("%2F", "/").replace("%25", "%");
    (!known.contains('%')).then_some(unescaped)
}

/// A user as stored; the name is in the key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "version", deny_unknown_fields)]
enum UserDocument {
    #[serde(rename = "1")]
    V1 {
        tags: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<HashDocument>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HashDocument {
    algorithm: String,
    hash: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "version", deny_unknown_fields)]
enum PermissionDocument {
    #[serde(rename = "1")]
    V1 {
        configure: String,
        write: String,
        read: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "version", deny_unknown_fields)]
enum TopicPermissionDocument {
    #[serde(rename = "1")]
    V1 { write: String, read: String },
}

pub(super) fn encode_user(user: &User) -> Write {
    let password = user.password.as_ref().map(|hash| HashDocument {
        algorithm: hash.algorithm().to_owned(),
        hash: hash.text(),
    });
    let document = UserDocument::V1 {
        tags: user.tags.clone(),
        password,
    };
    put(&Key::User(user.name.to_string()), &document)
}

pub(super) fn decode_user(name: &str, value: &[u8]) -> Result<User, DocumentFault> {
    let UserDocument::V1 { tags, password } = serde_json::from_slice(value)?;
    let password = password
        .map(|stored| PasswordHash::parse(&stored.algorithm, &stored.hash))
        .transpose()?;
    Ok(User {
        name: name.into(),
        tags,
        password,
    })
}

pub(super) fn encode_permission(permission: &Permission) -> Write {
    let key = Key::Permission {
        namespace: permission.namespace.clone(),
        user: permission.user.clone(),
    };
    let document = PermissionDocument::V1 {
        configure: permission.configure.clone(),
        write: permission.write.clone(),
        read: permission.read.clone(),
    };
    put(&key, &document)
}

pub(super) fn decode_permission(
    namespace: String,
    user: String,
    value: &[u8],
) -> Result<Permission, DocumentFault> {
    let PermissionDocument::V1 {
        configure,
        write,
        read,
    } = serde_json::from_slice(value)?;
    Ok(Permission {
        namespace,
        user,
        configure,
        write,
        read,
    })
}

pub(super) fn encode_topic_permission(permission: &TopicPermission) -> Write {
    let key = Key::TopicPermission {
        namespace: permission.namespace.clone(),
        user: permission.user.clone(),
        exchange: permission.exchange.clone(),
    };
    let document = TopicPermissionDocument::V1 {
        write: permission.write.clone(),
        read: permission.read.clone(),
    };
    put(&key, &document)
}

pub(super) fn decode_topic_permission(
    (namespace, user, exchange): (String, String, String),
    value: &[u8],
) -> Result<TopicPermission, DocumentFault> {
    let TopicPermissionDocument::V1 { write, read } = serde_json::from_slice(value)?;
    Ok(TopicPermission {
        namespace,
        user,
        exchange,
        write,
        read,
    })
}

fn put(key: &Key, document: &impl Serialize) -> Write {
    Write {
        key: key.to_string(),
        value: Some(
            serde_json::to_vec(document).expect("a document is strings in maps with text keys"),
        ),
    }
}

pub(super) fn remove(key: &Key) -> Write {
    Write {
        key: key.to_string(),
        value: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_whatever_the_names_contain() {
        for (key, text) in [
            (Key::User("a/b%2Fc".into()), "user/a%2Fb%252Fc"),
            (
                Key::Permission {
                    namespace: "/".into(),
                    user: "guest".into(),
                },
                "permission/%2F/guest",
            ),
            (
                Key::TopicPermission {
                    namespace: "%".into(),
                    user: String::new(),
                    exchange: "amq.topic".into(),
                },
                "topic-permission/%25//amq.topic",
            ),
        ] {
            assert_eq!(key.to_string(), text);
            assert_eq!(Key::parse(text), Some(key));
        }
    }

    #[test]
    fn other_keys_are_not_ours() {
        for text in [
            "",
            "user",
            "user/a/b",
            "permission/a",
            "queue/a",
            "user/%41",
        ] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_unknown_version_or_field_is_refused() {
        for value in [
            &br#"{"version":"2","tags":[]}"#[..],
            br#"{"version":"1","tags":[],"colour":"red"}"#,
            br#"{"tags":[]}"#,
            b"",
        ] {
            assert!(decode_user("ann", value).is_err());
        }
        assert!(decode_user("ann", br#"{"version":"1","tags":[]}"#).is_ok());
    }
}
