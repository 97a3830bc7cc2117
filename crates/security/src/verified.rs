//! Memory of passwords that were verified, so that a slow hash is paid once and not per connect.
//!
//! What is kept is a keyed fingerprint (HMAC-SHA-256 under a key of this process) of user,
//! password and stored hash. A changed password has another stored hash and so another fingerprint:
//! what is remembered of the old one is never found again, and goes when its turn comes.

use crate::entropy::{Entropy, EntropyError};
use crate::password::PasswordHash;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

type Fingerprint = [u8; 32];

/// A whole block of the digest.
const KEY_BYTES: usize = 64;

/// A bounded set of verified passwords; the oldest goes first.
pub(crate) struct Verified {
    key: Zeroizing<[u8; KEY_BYTES]>,
    entries_max: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    known: HashSet<Fingerprint>,
    by_age: VecDeque<Fingerprint>,
}

impl Verified {
    pub(crate) fn new(entries_max: usize, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut *key)?;
        Ok(Self {
            key,
            entries_max,
            entries: Mutex::default(),
        })
    }

    /// Whether this password was verified against this hash before.
    pub(crate) fn knows(&self, user: &str, password: &[u8], hash: &PasswordHash) -> bool {
        let fingerprint = self.fingerprint(user, password, hash);
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.known.contains(&fingerprint)
    }

    /// Remembers that this password was verified against this hash.
    pub(crate) fn remember(&self, user: &str, password: &[u8], hash: &PasswordHash) {
        let fingerprint = self.fingerprint(user, password, hash);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if self.entries_max == 0 || !entries.known.insert(fingerprint) {
            return;
        }
        entries.by_age.push_back(fingerprint);
        if entries.by_age.len() > self.entries_max
            && let Some(oldest) = entries.by_age.pop_front()
        {
            entries.known.remove(&oldest);
        }
    }

    fn fingerprint(&self, user: &str, password: &[u8], hash: &PasswordHash) -> Fingerprint {
        let mut mac = Hmac::<Sha256>::new((&*self.key).into());
        for part in [user.as_bytes(), password, hash.text().as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::fixed::CountingEntropy;

    fn hash(text: &str) -> PasswordHash {
        PasswordHash::parse("rabbit_password_hashing_md5", text).unwrap()
    }

    const FIRST: &str = "kI3GChNpte2FApYFXScl+0dIluk=";
    const OTHER: &str = "AAAAABNpte2FApYFXScl+0dIluk=";

    #[test]
    fn only_the_same_user_password_and_hash_are_known() {
        let verified = Verified::new(8, &CountingEntropy::default()).unwrap();
        verified.remember("ann", b"secret", &hash(FIRST));
        assert!(verified.knows("ann", b"secret", &hash(FIRST)));
        assert!(!verified.knows("ann", b"secret", &hash(OTHER)));
        assert!(!verified.knows("ann", b"Secret", &hash(FIRST)));
        assert!(!verified.knows("anns", b"ecret", &hash(FIRST)));
    }

    #[test]
    fn the_oldest_entry_makes_room() {
        let verified = Verified::new(2, &CountingEntropy::default()).unwrap();
        for user in ["a", "b", "b", "c"] {
            verified.remember(user, b"secret", &hash(FIRST));
        }
        let known = ["a", "b", "c"].map(|user| verified.knows(user, b"secret", &hash(FIRST)));
        assert_eq!(known, [false, true, true]);
        let none = Verified::new(0, &CountingEntropy::default()).unwrap();
        none.remember("a", b"secret", &hash(FIRST));
        assert!(!none.knows("a", b"secret", &hash(FIRST)));
    }
}
