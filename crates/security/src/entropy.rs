//! Where unpredictable bytes come from; an argument everywhere, so that tests are repeatable.

/// A source of unpredictable bytes for salts, keys and nonces.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` entirely.
    ///
    /// # Errors
    /// [`EntropyError`] when the source has none to give; the buffer must then not be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of entropy failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes: {reason}")]
pub struct EntropyError {
    /// What the source said.
    pub reason: String,
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(buffer).map_err(|error| EntropyError {
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
pub(crate) mod fixed {
    //! A repeatable source for tests.

    use super::{Entropy, EntropyError};
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Counts upwards, so that two salts differ and every run is the same.
    #[derive(Debug, Default)]
    pub(crate) struct CountingEntropy(AtomicU8);

    impl Entropy for CountingEntropy {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
            for byte in buffer {
                *byte = self.0.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    }
}
