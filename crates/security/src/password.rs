//! Password hashes: our own, and those that users bring along from elsewhere.
//!
//! New passwords are hashed with argon2id. The salted formats that RabbitMQ exports are verified
//! as they are, so that users move over without a new password.

mod argon;
mod salted;

use crate::entropy::{Entropy, EntropyError};
use argon::ArgonHash;
use salted::{Digest, SaltedHash};

/// The longest password that is looked at; a longer one never matches.
pub const PASSWORD_BYTES_MAX: usize = 4096;

/// A stored password hash of any supported algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Argon(Box<ArgonHash>),
    Salted(SaltedHash),
}

/// A password hash could not be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The algorithm's name is not one that can be verified here.
    #[error("unknown password hashing algorithm '{algorithm}'")]
    UnknownAlgorithm {
        /// The name as given.
        algorithm: String,
    },
    /// The text is not a hash of the named algorithm.
    #[error("malformed {algorithm} password hash: {reason}")]
    Malformed {
        /// The algorithm's name.
        algorithm: &'static str,
        /// What is wrong with the text.
        reason: String,
    },
    /// The password is empty or longer than [`PASSWORD_BYTES_MAX`].
    #[error("a password needs 1 to {PASSWORD_BYTES_MAX} bytes, not {bytes}")]
    Length {
        /// The length as given.
        bytes: usize,
    },
    /// There were no random bytes for the salt.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl PasswordHash {
    /// Hashes a new password with the default algorithm (argon2id).
    ///
    /// Takes milliseconds of one core and 19 MiB: not for an event loop's thread.
    ///
    /// # Errors
    /// [`HashError::Length`] for an empty or overlong password, [`HashError::Entropy`] without a
    /// salt.
    pub fn create(password: &[u8], entropy: &dyn Entropy) -> Result<Self, HashError> {
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
            return Err(HashError::Length {
                bytes: password.len(),
            });
        }
        ArgonHash::create(password, entropy).map(|hash| Self(Kind::Argon(Box::new(hash))))
    }

    /// Hashes a password that is public anyway, so that a slow hash would protect nothing.
    pub(crate) fn create_cheap(password: &[u8], entropy: &dyn Entropy) -> Result<Self, HashError> {
        ArgonHash::create_cheap(password, entropy).map(|hash| Self(Kind::Argon(Box::new(hash))))
    }

    /// Reads a hash from its algorithm's name and its text.
    ///
    /// The names are `argon2id` (text in PHC form) and RabbitMQ's
    /// `rabbit_password_hashing_sha256`, `…_sha512` and `…_md5` (text is base64 of a 4-byte salt
    /// followed by the digest of salt and password).
    ///
    /// # Errors
    /// [`HashError::UnknownAlgorithm`] or [`HashError::Malformed`].
    pub fn parse(algorithm: &str, text: &str) -> Result<Self, HashError> {
        if algorithm == argon::NAME {
            return ArgonHash::parse(text).map(|hash| Self(Kind::Argon(Box::new(hash))));
        }
        let digest = Digest::named(algorithm).ok_or_else(|| HashError::UnknownAlgorithm {
            algorithm: algorithm.to_owned(),
        })?;
        SaltedHash::parse(digest, text).map(|hash| Self(Kind::Salted(hash)))
    }

    /// The algorithm's name, as [`PasswordHash::parse`] takes it.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            Kind::Argon(_) => argon::NAME,
            Kind::Salted(hash) => hash.digest().name(),
        }
    }

    /// The hash as text, as [`PasswordHash::parse`] takes it.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.0 {
            Kind::Argon(hash) => hash.text(),
            Kind::Salted(hash) => hash.text(),
        }
    }

    /// Whether `password` is the one that was hashed, compared in constant time.
    ///
    /// As slow as the algorithm: milliseconds for argon2id.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        match &self.0 {
            Kind::Argon(hash) => hash.verify(password),
            Kind::Salted(hash) => hash.verify(password),
        }
    }

    /// Whether verifying costs so much that a failure of it cannot be told from one of the
    /// default algorithm.
    pub(crate) fn is_slow(&self) -> bool {
        match &self.0 {
            Kind::Argon(hash) => hash.is_slow(),
            Kind::Salted(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::fixed::CountingEntropy;

    #[test]
    fn a_new_hash_survives_its_text_and_knows_its_password() {
        let hash = PasswordHash::create(b"correct horse", &CountingEntropy::default()).unwrap();
        let read = PasswordHash::parse(hash.algorithm(), &hash.text()).unwrap();
        assert_eq!(read, hash);
        assert!(read.verify(b"correct horse"));
        assert!(!read.verify(b"wrong horse"));
    }

    #[test]
    fn an_empty_or_overlong_password_is_neither_hashed_nor_accepted() {
        let entropy = CountingEntropy::default();
        let longest = vec![b'x'; PASSWORD_BYTES_MAX];
        assert!(PasswordHash::create(&longest, &entropy).is_ok());
        let overlong = vec![b'x'; PASSWORD_BYTES_MAX + 1];
        for refused in [&b""[..], &overlong] {
            assert_eq!(
                PasswordHash::create(refused, &entropy),
                Err(HashError::Length {
                    bytes: refused.len()
                })
            );
        }
        let of_nothing = "YWJjZIjUJm/U5jONE7hF/PKJV50gnIl4I7khfaPhYZNvAxWJ";
        let hash = PasswordHash::parse("rabbit_password_hashing_sha256", of_nothing).unwrap();
        assert!(!hash.verify(b""));
    }

    #[test]
    fn an_unknown_algorithm_is_named_in_the_error() {
        let error = PasswordHash::parse("rot13", "x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown password hashing algorithm 'rot13'"
        );
    }
}
