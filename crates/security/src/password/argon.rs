//! argon2id, the default: 19 MiB, two passes, one lane (the first OWASP recommendation).

use super::HashError;
use crate::entropy::Entropy;
use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

/// The algorithm's name, as stored and as in PHC text.
pub(super) const NAME: &str = "argon2id";

const SALT_BYTES: usize = 16;

/// The most memory that a stored hash may ask for, so that a document cannot exhaust the machine.
const MEMORY_KIB_MAX: u32 = 256 * 1024;

/// The most passes that a stored hash may ask for.
const PASSES_MAX: u32 = 64;

/// An argon2id hash with its salt and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArgonHash(phc::PasswordHash);

impl ArgonHash {
    pub(super) fn create(password: &[u8], entropy: &dyn Entropy) -> Result<Self, HashError> {
        Self::create_with(Params::DEFAULT, password, entropy)
    }

    /// A hash with the least parameters that the algorithm has.
    pub(super) fn create_cheap(password: &[u8], entropy: &dyn Entropy) -> Result<Self, HashError> {
        let params = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, 1, None);
        Self::create_with(params.map_err(malformed)?, password, entropy)
    }

    fn create_with(
        params: Params,
        password: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Self, HashError> {
        let mut salt = [0; SALT_BYTES];
        entropy.fill(&mut salt)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(password, &salt)
            .map(Self)
            .map_err(malformed)
    }

    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let hash = phc::PasswordHash::new(text).map_err(malformed)?;
        if hash.algorithm.as_str() != NAME {
            return Err(malformed(format!("it is a {} hash", hash.algorithm)));
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(malformed("salt or output is missing"));
        }
        let params = Params::try_from(&hash).map_err(malformed)?;
        if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX {
            return Err(malformed(format!(
                "more than {MEMORY_KIB_MAX} KiB or {PASSES_MAX} passes"
            )));
        }
        Ok(Self(hash))
    }

    pub(super) fn text(&self) -> String {
        self.0.to_string()
    }

    /// Whether verifying costs at least what the default parameters cost.
    pub(super) fn is_slow(&self) -> bool {
        Params::try_from(&self.0).is_ok_and(|params| {
            params.m_cost() >= Params::DEFAULT_M_COST && params.t_cost() >= Params::DEFAULT_T_COST
        })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        Argon2::default().verify_password(password, &self.0).is_ok()
    }
}

fn malformed(reason: impl ToString) -> HashError {
    HashError::Malformed {
        algorithm: NAME,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_asks_for_too_much_is_refused() {
        let greedy = "$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(ArgonHash::parse(greedy).is_err());
        let patient = greedy.replace("m=4194304,t=2", "m=8,t=65");
        assert!(ArgonHash::parse(&patient).is_err());
        let modest = greedy.replace("m=4194304,t=2", "m=8,t=64");
        assert!(ArgonHash::parse(&modest).is_ok());
    }

    #[test]
    fn garbage_and_other_algorithms_are_refused() {
        for text in [
            "",
            "argon2id",
            "$argon2id$v=19$m=8,t=1,p=1",
            "$argon2i$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(ArgonHash::parse(text).is_err(), "{text}");
        }
    }
}
