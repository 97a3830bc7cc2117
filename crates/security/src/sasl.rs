//! SASL mechanisms as state machines: responses go in, challenges and one verdict come out.
//!
//! A session offers the names that [`Mechanisms::offered`] gives, opens an [`Exchange`] for the
//! one that the client picks and steps it with each response until there is a verdict. "Finished"
//! and "authenticated" are one thing here: only [`Step::Success`] carries a principal.

mod amqplain;
mod plain;

use crate::certificate::{self, NameError, NameSource};
use crate::principal::{Authentication, Peer, Principal};
use crate::users::{Failure, UserStore};
use std::sync::Arc;

/// A way of authenticating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// Name and password in one response (RFC 4616).
    Plain,
    /// Name and password as fields of a table, as the oldest clients send them.
    AmqPlain,
    /// The name is in the certificate that the transport verified (RFC 4422 appendix A).
    External,
    /// No proof at all (RFC 4505): everybody is one configured user.
    Anonymous,
}

impl Mechanism {
    const ALL: [Self; 4] = [Self::AmqPlain, Self::Anonymous, Self::External, Self::Plain];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::External => "EXTERNAL",
            Self::Anonymous => "ANONYMOUS",
        }
    }
}

/// Which mechanisms a listener offers, and to whom.
#[derive(Clone)]
pub struct Mechanisms {
    store: Arc<UserStore>,
    config: MechanismsConfig,
}

/// The choice of mechanisms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MechanismsConfig {
    /// Mechanisms that may be used.
    pub enabled: Vec<Mechanism>,
    /// Where EXTERNAL finds the user's name.
    pub certificate_name: NameSource,
    /// Whom ANONYMOUS logs in; without one it is not offered.
    pub anonymous_user: Option<String>,
}

impl Default for MechanismsConfig {
    /// PLAIN, AMQPLAIN and, for peers with a certificate, EXTERNAL.
    fn default() -> Self {
        Self {
            enabled: vec![Mechanism::Plain, Mechanism::AmqPlain, Mechanism::External],
            certificate_name: NameSource::default(),
            anonymous_user: None,
        }
    }
}

impl Mechanisms {
    /// The mechanisms of a listener whose users are in `store`.
    #[must_use]
    pub const fn new(store: Arc<UserStore>, config: MechanismsConfig) -> Self {
        Self { store, config }
    }

    /// The mechanisms that this peer may use, in the order of their names.
    ///
    /// EXTERNAL is offered only to a peer that showed a certificate.
    pub fn offered(&self, peer: &Peer) -> impl Iterator<Item = Mechanism> {
        let usable = |mechanism: &Mechanism| {
            self.config.enabled.contains(mechanism)
                && match mechanism {
                    Mechanism::Plain | Mechanism::AmqPlain => true,
                    Mechanism::External => peer.certificate.is_some(),
                    Mechanism::Anonymous => self.config.anonymous_user.is_some(),
                }
        };
        Mechanism::ALL.into_iter().filter(usable)
    }

    /// Opens an exchange with the mechanism of this name, if it is offered to this peer.
    #[must_use]
    pub fn begin(&self, name: &str, peer: &Peer) -> Option<Exchange> {
        let mechanism = self
            .offered(peer)
            .find(|mechanism| mechanism.name() == name)?;
        Some(Exchange {
            mechanism,
            mechanisms: self.clone(),
            peer: peer.clone(),
        })
    }
}

/// One authentication in progress.
pub struct Exchange {
    mechanism: Mechanism,
    mechanisms: Mechanisms,
    peer: Peer,
}

/// What comes out of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The client is to answer this.
    Challenge(Vec<u8>),
    /// The client is who it says.
    Success(Principal),
    /// Nobody was authenticated; the exchange is over.
    Failure(Failure),
}

impl Exchange {
    /// The mechanism in use.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Takes the client's next response.
    ///
    /// May spend the milliseconds of a password hash: see [`UserStore::authenticate`].
    #[must_use]
    pub fn step(&mut self, response: &[u8]) -> Step {
        let outcome = match self.mechanism {
            Mechanism::Plain => self.password(plain::parse(response)),
            Mechanism::AmqPlain => self.password(amqplain::parse(response)),
            Mechanism::External => self.external(response),
            Mechanism::Anonymous => self.anonymous(),
        };
        match outcome {
            Ok(principal) => Step::Success(principal),
            Err(failure) => Step::Failure(failure),
        }
    }

    fn password(
        &self,
        credentials: Result<Credentials<'_>, Failure>,
    ) -> Result<Principal, Failure> {
        let Credentials { name, password } = credentials?;
        let store = &self.mechanisms.store;
        store.authenticate(name, password, &self.peer)
    }

    fn external(&self, response: &[u8]) -> Result<Principal, Failure> {
        let certificate = self.peer.certificate.as_ref().ok_or(NameError::Missing)?;
        let source = self.mechanisms.config.certificate_name;
        let authenticated = certificate::user_name(certificate, source)?;
        if !response.is_empty() && response != authenticated.as_bytes() {
            return Err(Failure::OtherIdentity {
                requested: String::from_utf8_lossy(response).into_owned(),
                authenticated,
            });
        }
        let store = &self.mechanisms.store;
        store.identify(&authenticated, Authentication::Certificate, &self.peer)
    }

    fn anonymous(&self) -> Result<Principal, Failure> {
        let user = self.mechanisms.config.anonymous_user.as_deref();
        let store = &self.mechanisms.store;
        store.identify(
            user.unwrap_or_default(),
            Authentication::Anonymous,
            &self.peer,
        )
    }
}

/// A name and a password, borrowed from a response.
#[derive(Debug, PartialEq, Eq)]
struct Credentials<'a> {
    name: &'a str,
    password: &'a [u8],
}

impl<'a> Credentials<'a> {
    fn new(name: &'a [u8], password: &'a [u8]) -> Result<Self, Failure> {
        let name = std::str::from_utf8(name).map_err(|_| Failure::Malformed {
            reason: "the user name is not UTF-8",
        })?;
        Ok(Self { name, password })
    }
}

/// Reads a response as every mechanism that has something to read.
#[cfg(test)]
pub(crate) fn parse_all(response: &[u8]) {
    let parsed = [plain::parse(response), amqplain::parse(response)];
    for credentials in parsed.into_iter().flatten() {
        assert!(credentials.name.len() + credentials.password.len() < response.len());
    }
}

#[cfg(test)]
mod tests;
