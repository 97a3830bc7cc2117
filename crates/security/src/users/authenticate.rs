//! From a name and a proof to a [`Principal`].

use super::snapshot::Account;
use super::{Change, Credential, DEFAULT_USER, Permission, Refused, UserSpec, UserStore};
use crate::password::PasswordHash;
use crate::principal::{Authentication, Peer, Principal};

/// Why nobody was authenticated.
///
/// The peer is told only that it failed; the rest is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such user, or the password is not the user's.
    #[error("user '{user}' - invalid credentials")]
    InvalidCredentials {
        /// The name that was given.
        user: String,
    },
    /// The user may only log in from this machine.
    #[error("user '{user}' can only connect via localhost")]
    LoopbackOnly {
        /// The name that was given.
        user: String,
    },
    /// The user was proven by other means than a password, but is not in the store.
    #[error("there is no user '{user}'")]
    UnknownUser {
        /// The name that was proven.
        user: String,
    },
    /// The exchange is not one of its mechanism.
    #[error("malformed response: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// One identity was proven and another asked for.
    #[error("'{authenticated}' may not act as '{requested}'")]
    OtherIdentity {
        /// The proven identity.
        authenticated: String,
        /// The identity asked for.
        requested: String,
    },
    /// The certificate, or the lack of one, gives no name.
    #[error(transparent)]
    Certificate(#[from] crate::certificate::NameError),
}

/// A hash that no password matches and that costs as much as a real one.
pub(super) fn decoy() -> PasswordHash {
    PasswordHash::parse(
        "argon2id",
        "$argon2id$v=19$m=19456,t=2,p=1$ZGVjb3lkZWNveWRlY295IQ$\
         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    )
    .expect("the text is a hash with the default parameters")
}

impl UserStore {
    /// The change that gives a new broker its first user: `guest`, administrator, with all
    /// permissions in `namespace`.
    ///
    /// Its password is public, so its hash is made cheap to verify.
    ///
    /// # Errors
    /// [`Refused`] when there are no random bytes for the salt.
    pub fn bootstrap(&self, namespace: &str) -> Result<Change, Refused> {
        let password = PasswordHash::create_cheap(DEFAULT_USER.as_bytes(), &*self.entropy)?;
        let mut change = self.put_user(&UserSpec {
            name: DEFAULT_USER,
            credential: Credential::Hash(password),
            tags: &["administrator"],
        })?;
        let everything = || ".*".to_owned();
        let permission = super::document::encode_permission(&Permission {
            namespace: namespace.to_owned(),
            user: DEFAULT_USER.to_owned(),
            configure: everything(),
            write: everything(),
            read: everything(),
        });
        change.writes.push(permission);
        Ok(change)
    }

    /// Checks a name and password.
    ///
    /// A first success, and every failure, costs as much as the default password hash
    /// (milliseconds of a core and 19 MiB), whether or not the user exists: call it where
    /// blocking is allowed unless [`UserStore::remembers`] says otherwise.
    ///
    /// # Errors
    /// [`Failure::InvalidCredentials`] and [`Failure::LoopbackOnly`].
    pub fn authenticate(
        &self,
        name: &str,
        password: &[u8],
        peer: &Peer,
    ) -> Result<Principal, Failure> {
        let snapshot = self.snapshot.load();
        let account = snapshot.account(name);
        match account {
            Some(account) if self.verify(account, password) => {
                self.principal(account, Authentication::Password, peer)
            }
            _ => Err(Failure::InvalidCredentials {
                user: name.to_owned(),
            }),
        }
        .inspect_err(|failure| self.burn(account, password, failure))
    }

    /// Whether this password was verified lately, so that [`UserStore::authenticate`] is quick.
    #[must_use]
    pub fn remembers(&self, name: &str, password: &[u8]) -> bool {
        let snapshot = self.snapshot.load();
        let hash = snapshot
            .account(name)
            .and_then(|account| account.user().password.as_ref());
        hash.is_some_and(|hash| self.verified.knows(name, password, hash))
    }

    /// The principal of a user whose identity was proven without the store.
    ///
    /// # Errors
    /// [`Failure::UnknownUser`] and [`Failure::LoopbackOnly`].
    pub fn identify(
        &self,
        name: &str,
        authentication: Authentication,
        peer: &Peer,
    ) -> Result<Principal, Failure> {
        let snapshot = self.snapshot.load();
        let account = snapshot.account(name).ok_or_else(|| Failure::UnknownUser {
            user: name.to_owned(),
        })?;
        self.principal(account, authentication, peer)
    }

    fn verify(&self, account: &Account, password: &[u8]) -> bool {
        let user = account.user();
        let Some(hash) = &user.password else {
            return false;
        };
        if self.verified.knows(&user.name, password, hash) {
            return true;
        }
        let matches = hash.verify(password);
        if matches {
            self.verified.remember(&user.name, password, hash);
        }
        matches
    }

    /// Spends what a real verification would have cost, where none took place.
    fn burn(&self, account: Option<&Account>, password: &[u8], failure: &Failure) {
        let hash = account.and_then(|account| account.user().password.as_ref());
        let spent = hash.is_some_and(PasswordHash::is_slow);
        if !spent && matches!(failure, Failure::InvalidCredentials { .. }) {
            let _never: bool = self.decoy.verify(password);
        }
    }

    fn principal(
        &self,
        account: &Account,
        authentication: Authentication,
        peer: &Peer,
    ) -> Result<Principal, Failure> {
        let name = &account.user().name;
        if !peer.loopback && self.config.loopback_only.contains(&**name) {
            return Err(Failure::LoopbackOnly {
                user: name.to_string(),
            });
        }
        Ok(Principal {
            name: name.clone(),
            roles: account.roles(),
            authentication,
            loopback: peer.loopback,
        })
    }
}
