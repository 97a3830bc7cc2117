//! The users: kept as documents in the core's catalog, in force in the user store.
//!
//! A change is planned by the store, written down by the core, and put in force only then.

use std::net::IpAddr;
use std::str::Utf8Error;
use std::sync::Arc;

use bytes::Bytes;
use sabir_core::admin::AdminRequest;
use sabir_core::name::Name;
use sabir_core::refusal::Refusal;
use sabir_security::users::{Credential, DEFAULT_USER, DocumentError, UserSpec};
use sabir_security::{
    Change, EntropyError, Failure, Peer, Permission, Principal, Refused, StoreConfig,
    SystemEntropy, UserStore,
};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinError, spawn_blocking};

use super::node::SessionIds;
use crate::administration::conversation::Conversation;
use crate::config::Config;
use crate::config::secret::SecretError;
use crate::config::security::User as UserConfig;
use crate::shard::Shard;

/// Documents of the users are those whose key begins so.
const KEY_PREFIX: &str = "security/";

/// The namespace that a new broker has.
const FIRST_NAMESPACE: &str = "/";

/// Why users could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("no random numbers: {0}")]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("a stored document has a key that is no text: {0}")]
    Key(#[from] Utf8Error),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Core(#[from] Refusal),
    #[error("security.users.{user}.password: {source}")]
    Secret { user: String, source: SecretError },
    #[error("the password was not hashed: {0}")]
    Hashing(#[from] JoinError),
}

/// A store without users, as the configuration wants it.
pub(super) fn new_store(config: &Config) -> Result<UserStore, AccountError> {
    let mut store = StoreConfig::default();
    if !config.security.guest_loopback_only {
        store.loopback_only.remove(DEFAULT_USER);
    }
    Ok(UserStore::new(store, Arc::new(SystemEntropy))?)
}

/// The users of the broker.
pub(crate) struct Accounts {
    store: Arc<UserStore>,
    shard: Arc<Shard>,
    sessions: Arc<SessionIds>,
    /// One change at a time: a plan holds only for the state that it was made from.
    changing: Mutex<()>,
    /// A password check takes 19 MiB and milliseconds of a processor.
    checks: Arc<Semaphore>,
}

impl Accounts {
    /// The users that the core has kept.
    pub(super) fn load(
        store: Arc<UserStore>,
        shard: Arc<Shard>,
        sessions: Arc<SessionIds>,
    ) -> Result<Self, AccountError> {
        let documents = shard.with(|broker| {
            let ours = broker.documents().filter_map(|(key, value)| {
                Some((
                    key.strip_prefix(KEY_PREFIX.as_bytes())?.to_vec(),
                    value.to_vec(),
                ))
            });
            ours.collect::<Vec<_>>()
        });
        let texts = documents
            .into_iter()
            .map(|(key, value)| Ok((std::str::from_utf8(&key)?.to_owned(), value)))
            .collect::<Result<Vec<_>, Utf8Error>>()?;
        store.load(texts)?;
        let processors = std::thread::available_parallelism().map_or(1, Into::into);
        Ok(Self {
            store,
            shard,
            sessions,
            changing: Mutex::default(),
            checks: Arc::new(Semaphore::new(processors)),
        })
    }

    /// What is in force.
    pub(crate) fn store(&self) -> &Arc<UserStore> {
        &self.store
    }

    /// Makes what a new broker starts with, and the configured users that do not exist.
    pub(super) async fn prepare(&self, config: &Config) -> Result<(), AccountError> {
        let name = Name::from(FIRST_NAMESPACE);
        let mut conversation = self.conversation();
        conversation
            .administer(AdminRequest::CreateNamespace { name })
            .await?;
        if self.store.is_empty() && config.security.guest {
            self.change(|store| store.bootstrap(FIRST_NAMESPACE))
                .await?;
        }
        for (name, user) in &config.security.users {
            if self.store.user(name).is_none() {
                self.create(name, user).await?;
                tracing::info!(user = name, "user created as configured");
            }
        }
        Ok(())
    }

    async fn create(&self, name: &str, user: &UserConfig) -> Result<(), AccountError> {
        let password = user
            .password
            .reveal()
            .map_err(|source| AccountError::Secret {
                user: name.to_owned(),
                source,
            })?;
        let tags: Vec<&str> = user.tags.iter().map(String::as_str).collect();
        let credential = Credential::Password(password.as_bytes());
        self.change(|store| {
            store.put_user(&UserSpec {
                name,
                credential,
                tags: &tags,
            })
        })
        .await?;
        for namespace in &user.namespaces {
            let request = AdminRequest::CreateNamespace {
                name: Name::from(namespace.as_str()),
            };
            self.conversation().administer(request).await?;
            let everything = || ".*".to_owned();
            let permission = Permission {
                namespace: namespace.clone(),
                user: name.to_owned(),
                configure: everything(),
                write: everything(),
                read: everything(),
            };
            self.change(|store| store.set_permission(&permission))
                .await?;
        }
        Ok(())
    }

    /// Plans a change, has it written down and puts it in force. `plan` may take the time of a
    /// password hash.
    pub(crate) async fn change(
        &self,
        plan: impl FnOnce(&UserStore) -> Result<Change, Refused>,
    ) -> Result<(), AccountError> {
        let _one_at_a_time = self.changing.lock().await;
        let change = tokio::task::block_in_place(|| plan(&self.store))?;
        let requests = change.writes.iter().map(|write| AdminRequest::PutDocument {
            key: Name::from(format!("{KEY_PREFIX}{}", write.key)),
            value: write.value.clone().map(Bytes::from),
        });
        self.conversation()
            .administer_all(requests.collect())
            .await?;
        self.store.apply(&change)?;
        Ok(())
    }

    /// Checks a name and a password, away from the threads that serve connections.
    pub(crate) async fn authenticate(
        &self,
        name: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<Result<Principal, Failure>, AccountError> {
        let peer = Peer::at(address);
        if self.store.remembers(name, password.as_bytes()) {
            return Ok(self.store.authenticate(name, password.as_bytes(), &peer));
        }
        let place = Arc::clone(&self.checks).acquire_owned().await;
        let store = Arc::clone(&self.store);
        let (name, password) = (name.to_owned(), password.to_owned());
        let checked = spawn_blocking(move || {
            let _place = place;
            store.authenticate(&name, password.as_bytes(), &peer)
        });
        Ok(checked.await?)
    }

    fn conversation(&self) -> Conversation {
        Conversation::begin(Arc::clone(&self.shard), &self.sessions)
    }
}
