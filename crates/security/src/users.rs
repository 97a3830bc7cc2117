//! The users, what they know and what they may do.
//!
//! [`UserStore`] holds one immutable snapshot that readers take without a lock. A change goes
//! three steps: a method plans it and returns the documents ([`Change`]), the composition root
//! persists them, and [`UserStore::apply`] puts them in force. What is in force is therefore
//! never ahead of what would be found after a restart.

mod authenticate;
mod authorize;
mod document;
mod plan;
mod snapshot;

use crate::entropy::{Entropy, EntropyError};
use crate::password::PasswordHash;
use crate::verified::Verified;
use arc_swap::ArcSwap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

pub use authenticate::Failure;
pub use document::{Change, DocumentError, DocumentFault, Write};
pub use plan::{Credential, NAME_BYTES_MAX, Refused, TAGS_MAX, UserSpec};
use snapshot::Snapshot;

/// The name and the password of the user that a new broker starts with.
pub const DEFAULT_USER: &str = "guest";

/// How the store treats users, beyond what is stored about them.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Users that may log in from this machine only; default: `guest`.
    pub loopback_only: BTreeSet<String>,
    /// How many verified passwords are remembered, so that reconnects skip the slow hash;
    /// default 4096, 0 for none.
    pub verified_max: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            loopback_only: BTreeSet::from([DEFAULT_USER.to_owned()]),
            verified_max: 4096,
        }
    }
}

/// Users and permissions in force.
pub struct UserStore {
    config: StoreConfig,
    entropy: Arc<dyn Entropy>,
    snapshot: ArcSwap<Snapshot>,
    changing: Mutex<()>,
    verified: Verified,
    decoy: PasswordHash,
}

/// One user, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name that the user logs in with.
    pub name: Arc<str>,
    /// Labels; those named by [`crate::Role::tag`] grant that role.
    pub tags: Vec<String>,
    /// The password's hash; without one the user cannot log in with a password.
    pub password: Option<PasswordHash>,
}

/// What a user may do in a namespace: a pattern over resource names for each kind of access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The namespace that the permission is for.
    pub namespace: String,
    /// The user that it is given to.
    pub user: String,
    /// Names of what may be created, deleted and changed.
    pub configure: String,
    /// Names of what may be published to, or be the target of a binding.
    pub write: String,
    /// Names of what may be consumed from, or be the source of a binding.
    pub read: String,
}

/// A further limit for one exchange: patterns over routing keys.
///
/// The patterns may mention `{username}`, `{vhost}` and `{client_id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPermission {
    /// The namespace that the permission is for.
    pub namespace: String,
    /// The user that it limits.
    pub user: String,
    /// The exchange that it is about.
    pub exchange: String,
    /// Routing keys that may be published with.
    pub write: String,
    /// Routing keys that may be bound with.
    pub read: String,
}

impl UserStore {
    /// A store without users.
    ///
    /// # Errors
    /// [`EntropyError`] when there are no random bytes for the key of this process.
    pub fn new(config: StoreConfig, entropy: Arc<dyn Entropy>) -> Result<Self, EntropyError> {
        let verified = Verified::new(config.verified_max, &*entropy)?;
        Ok(Self {
            config,
            entropy,
            snapshot: ArcSwap::default(),
            changing: Mutex::default(),
            verified,
            decoy: authenticate::decoy(),
        })
    }

    /// Puts stored documents in force, in addition to what is.
    ///
    /// The order of the documents does not matter. Everything is applied or, on an error,
    /// nothing.
    ///
    /// # Errors
    /// [`DocumentError`] names the first document that cannot be read.
    pub fn load(
        &self,
        documents: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<(), DocumentError> {
        let writes = documents.into_iter().map(|(key, value)| Write {
            key,
            value: Some(value),
        });
        self.apply(&Change {
            writes: writes.collect(),
        })
    }

    /// Puts a persisted change in force, for open sessions too.
    ///
    /// # Errors
    /// [`DocumentError`] names the first document that cannot be read; nothing is applied then.
    pub fn apply(&self, change: &Change) -> Result<(), DocumentError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.snapshot.load().with(change)?;
        self.snapshot.store(Arc::new(next));
        Ok(())
    }

    /// Whether there is no user at all, as on the first start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshot.load().users().next().is_none()
    }

    /// All users by name.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        let snapshot = self.snapshot.load();
        let mut users: Vec<User> = snapshot.users().map(snapshot::Account::listed).collect();
        users.sort_by(|left, right| left.name.cmp(&right.name));
        users
    }

    /// The user of this name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<User> {
        let snapshot = self.snapshot.load();
        snapshot.account(name).map(snapshot::Account::listed)
    }

    /// All permissions by namespace and user.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        let mut permissions = self.snapshot.load().permissions();
        permissions.sort_by(|left, right| {
            (&left.namespace, &left.user).cmp(&(&right.namespace, &right.user))
        });
        permissions
    }

    /// All topic permissions by namespace, user and exchange.
    #[must_use]
    pub fn topic_permissions(&self) -> Vec<TopicPermission> {
        let mut permissions = self.snapshot.load().topic_permissions();
        permissions.sort_by(|left, right| {
            (&left.namespace, &left.user, &left.exchange).cmp(&(
                &right.namespace,
                &right.user,
                &right.exchange,
            ))
        });
        permissions
    }
}

#[cfg(test)]
mod tests;
