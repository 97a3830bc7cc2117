//! Who a client is and what it may do: users, credentials, SASL mechanisms and permissions.
//!
//! Everything here is a value or a state machine: no sockets, files, clocks or tasks, and
//! randomness comes in through [`Entropy`]. Users and permissions are kept as opaque documents
//! ([`Change`]) that the composition root persists and feeds back through [`UserStore::apply`],
//! so that what is in force is always what was written.
//!
//! It does not know any protocol: a session brings the name of a mechanism and the bytes of an
//! exchange ([`sasl`]), and the core asks its questions through
//! [`sabir_core::authorize::Authorizer`], which [`UserStore`] answers.

pub mod certificate;
mod entropy;
#[cfg(test)]
mod fuzz;
pub mod password;
mod pattern;
mod principal;
pub mod sasl;
pub mod users;
mod verified;

pub use entropy::{Entropy, EntropyError, SystemEntropy};
pub use password::PasswordHash;
pub use pattern::PatternError;
pub use principal::{Authentication, Peer, Principal, Role, Roles};
pub use users::{Change, Failure, Permission, Refused, StoreConfig, TopicPermission, UserStore};
