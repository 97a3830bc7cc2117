//! Changes to users and permissions: checked here, persisted and applied by the caller.

use super::document::{self, Change, Key};
use super::{Permission, TopicPermission, User, UserStore};
use crate::password::{HashError, PasswordHash};
use crate::pattern::{Pattern, PatternError, TopicPattern};
use std::collections::BTreeSet;

/// The longest name of a user, namespace or exchange, and the longest tag.
pub const NAME_BYTES_MAX: usize = 255;

/// The most tags of one user.
pub const TAGS_MAX: usize = 64;

/// What to make of a user.
#[derive(Debug, Clone)]
pub struct UserSpec<'a> {
    /// The name; an existing user of that name is changed.
    pub name: &'a str,
    /// What to do about the password.
    pub credential: Credential<'a>,
    /// All tags of the user.
    pub tags: &'a [&'a str],
}

/// What to do about a user's password.
#[derive(Debug, Clone)]
pub enum Credential<'a> {
    /// Leave it; a new user gets none.
    Keep,
    /// Hash and store this one.
    Password(&'a [u8]),
    /// Store this hash, as imported.
    Hash(PasswordHash),
    /// Remove it: the user cannot log in with a password.
    Remove,
}

/// A change was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such user.
    #[error("there is no user '{name}'")]
    NoSuchUser {
        /// The name as given.
        name: String,
    },
    /// A name is empty, too long or has control characters.
    #[error("a {what} needs 1 to {NAME_BYTES_MAX} bytes without control characters")]
    Name {
        /// What the name is of.
        what: &'static str,
    },
    /// More than [`TAGS_MAX`] tags.
    #[error("{count} tags are more than {TAGS_MAX}")]
    Tags {
        /// How many were given.
        count: usize,
    },
    /// The password cannot be stored.
    #[error(transparent)]
    Password(#[from] HashError),
    /// A pattern does not compile.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl UserStore {
    /// Plans a new user, or a change of an existing one.
    ///
    /// With [`Credential::Password`] this takes as long as the default password hash.
    ///
    /// # Errors
    /// [`Refused`] for an unusable name, tag or password.
    pub fn put_user(&self, spec: &UserSpec<'_>) -> Result<Change, Refused> {
        check_name("user name", spec.name)?;
        if spec.tags.len() > TAGS_MAX {
            return Err(Refused::Tags {
                count: spec.tags.len(),
            });
        }
        for tag in spec.tags {
            check_name("tag", tag)?;
        }
        let existing = self.user(spec.name);
        let password = match &spec.credential {
            Credential::Keep => existing.as_ref().and_then(|user| user.password.clone()),
            Credential::Password(password) => Some(PasswordHash::create(password, &*self.entropy)?),
            Credential::Hash(hash) => Some(hash.clone()),
            Credential::Remove => None,
        };
        let tags: BTreeSet<&str> = spec.tags.iter().copied().collect();
        let mut writes = Vec::new();
        if existing.is_none() {
            writes = self.grants_of(|_, user| user == spec.name);
        }
        writes.push(document::encode_user(&User {
            name: spec.name.into(),
            tags: tags.into_iter().map(str::to_owned).collect(),
            password,
        }));
        Ok(Change { writes })
    }

    /// Plans the removal of a user with all its permissions.
    ///
    /// # Errors
    /// [`Refused::NoSuchUser`].
    pub fn remove_user(&self, name: &str) -> Result<Change, Refused> {
        self.require_user(name)?;
        let mut writes = self.grants_of(|_, user| user == name);
        writes.push(document::remove(&Key::User(name.to_owned())));
        Ok(Change { writes })
    }

    /// Plans a permission, in the place of the one that the user has in that namespace.
    ///
    /// # Errors
    /// [`Refused`] for an unknown user, an unusable name or pattern.
    pub fn set_permission(&self, permission: &Permission) -> Result<Change, Refused> {
        self.require_user(&permission.user)?;
        check_name("namespace", &permission.namespace)?;
        for pattern in [&permission.configure, &permission.write, &permission.read] {
            Pattern::compile(pattern)?;
        }
        Ok(Change {
            writes: vec![document::encode_permission(permission)],
        })
    }

    /// Plans that a user has no access to a namespace.
    ///
    /// # Errors
    /// [`Refused::NoSuchUser`].
    pub fn clear_permission(&self, namespace: &str, user: &str) -> Result<Change, Refused> {
        self.require_user(user)?;
        let key = Key::Permission {
            namespace: namespace.to_owned(),
            user: user.to_owned(),
        };
        Ok(Change {
            writes: vec![document::remove(&key)],
        })
    }

    /// Plans a topic permission, in the place of the one that the user has for that exchange.
    ///
    /// # Errors
    /// [`Refused`] for an unknown user, an unusable name or pattern.
    pub fn set_topic_permission(&self, permission: &TopicPermission) -> Result<Change, Refused> {
        self.require_user(&permission.user)?;
        check_name("namespace", &permission.namespace)?;
        if permission.exchange.len() > NAME_BYTES_MAX {
            return Err(Refused::Name { what: "exchange" });
        }
        for pattern in [&permission.write, &permission.read] {
            TopicPattern::compile(pattern, &permission.user, &permission.namespace)?;
        }
        Ok(Change {
            writes: vec![document::encode_topic_permission(permission)],
        })
    }

    /// Plans the end of a user's topic permission for an exchange, or for all exchanges.
    ///
    /// # Errors
    /// [`Refused::NoSuchUser`].
    pub fn clear_topic_permissions(
        &self,
        namespace: &str,
        user: &str,
        exchange: Option<&str>,
    ) -> Result<Change, Refused> {
        self.require_user(user)?;
        let writes = self.topic_permissions().into_iter().filter(|permission| {
            permission.namespace == namespace
                && permission.user == user
                && exchange.is_none_or(|exchange| permission.exchange == exchange)
        });
        Ok(Change {
            writes: writes.map(remove_topic_permission).collect(),
        })
    }

    /// Plans the end of all permissions in a namespace that goes.
    #[must_use]
    pub fn remove_namespace(&self, namespace: &str) -> Change {
        Change {
            writes: self.grants_of(|of, _| of == namespace),
        }
    }

    fn require_user(&self, name: &str) -> Result<(), Refused> {
        let known = self.snapshot.load().account(name).is_some();
        known.then_some(()).ok_or_else(|| Refused::NoSuchUser {
            name: name.to_owned(),
        })
    }

    /// Removals of all permissions whose namespace and user are selected.
    fn grants_of(&self, selected: impl Fn(&str, &str) -> bool) -> Vec<document::Write> {
        let permissions = self
            .permissions()
            .into_iter()
            .filter(|permission| selected(&permission.namespace, &permission.user))
            .map(|permission| {
                document::remove(&Key::Permission {
                    namespace: permission.namespace,
                    user: permission.user,
                })
            });
        let topic_permissions = self
            .topic_permissions()
            .into_iter()
            .filter(|permission| selected(&permission.namespace, &permission.user))
            .map(remove_topic_permission);
        permissions.chain(topic_permissions).collect()
    }
}

fn remove_topic_permission(permission: TopicPermission) -> document::Write {
    document::remove(&Key::TopicPermission {
        namespace: permission.namespace,
        user: permission.user,
        exchange: permission.exchange,
    })
}

fn check_name(what: &'static str, name: &str) -> Result<(), Refused> {
    let usable =
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    usable.then_some(()).ok_or(Refused::Name { what })
}
