//! RabbitMQ's formats: base64 of a 4-byte salt followed by digest(salt ‖ password).
//!
//! They are cheap to try by brute force and only verified, never made.

use super::HashError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

const SALT_BYTES: usize = 4;

/// The digest of a salted hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha512,
    Md5,
}

impl Digest {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Md5];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
            Self::Md5 => "rabbit_password_hashing_md5",
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
            Self::Md5 => 16,
        }
    }

    fn of(self, salt: &[u8], password: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => digest::<Sha256>(salt, password),
            Self::Sha512 => digest::<Sha512>(salt, password),
            Self::Md5 => digest::<Md5>(salt, password),
        }
    }
}

fn digest<D: sha2::Digest>(salt: &[u8], password: &[u8]) -> Vec<u8> {
    D::new()
        .chain_update(salt)
        .chain_update(password)
        .finalize()
        .to_vec()
}

/// A salt and the digest of salt and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SaltedHash {
    digest: Digest,
    salt: [u8; SALT_BYTES],
    hash: Vec<u8>,
}

impl SaltedHash {
    pub(super) fn parse(digest: Digest, text: &str) -> Result<Self, HashError> {
        let malformed = |reason: String| HashError::Malformed {
            algorithm: digest.name(),
            reason,
        };
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| malformed(error.to_string()))?;
        let (salt, hash) = bytes
            .split_first_chunk::<SALT_BYTES>()
            .ok_or_else(|| malformed("no salt".to_owned()))?;
        if hash.len() != digest.bytes() {
            let expected = digest.bytes();
            return Err(malformed(format!(
                "{} digest bytes where {expected} belong",
                hash.len()
            )));
        }
        Ok(Self {
            digest,
            salt: *salt,
            hash: hash.to_vec(),
        })
    }

    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn text(&self) -> String {
        STANDARD.encode([&self.salt[..], &self.hash].concat())
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        self.digest
            .of(&self.salt, password)
            .ct_eq(&self.hash)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RabbitMQ's password documentation (salt 908DC60A, password `test12`), and
    /// the same input through the other two digests.
    const DOCUMENTED: [(Digest, &str); 3] = [
        (
            Digest::Sha256,
            "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
        ),
        (
            Digest::Sha512,
            "kI3GChuNuIYf8lRbCCxZjgjKwsY19ns6+uFO0zcXRBGA/XGJPYD8OWMy7EB8TaOmAzjP2azv84GbINYwX2cDWb4DHnc=",
        ),
        (Digest::Md5, "kI3GChNpte2FApYFXScl+0dIluk="),
    ];

    #[test]
    fn exported_hashes_know_their_password_and_keep_their_text() {
        for (digest, text) in DOCUMENTED {
            let hash = SaltedHash::parse(digest, text).unwrap();
            assert!(hash.verify(b"test12"), "{}", digest.name());
            assert!(!hash.verify(b"test13"), "{}", digest.name());
            assert_eq!(hash.text(), text);
        }
    }

    #[test]
    fn a_digest_of_another_length_is_refused() {
        for (digest, text) in [
            (Digest::Sha512, DOCUMENTED[0].1),
            (Digest::Sha256, ""),
            (Digest::Sha256, "kI3"),
            (Digest::Md5, "not base64!"),
        ] {
            assert!(SaltedHash::parse(digest, text).is_err(), "{text}");
        }
    }
}
