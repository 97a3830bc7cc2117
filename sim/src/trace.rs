//! What happens in a run, in order: as a number that is the same for the same seed, and as text
//! for whoever looks for a defect.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Set in the environment, it makes runs print what happens.
const ALOUD: &str = "SABIR_SIM_TRACE";

/// What has happened so far.
pub(crate) struct Trace {
    hasher: DefaultHasher,
    aloud: bool,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hasher: DefaultHasher::new(),
            aloud: std::env::var_os(ALOUD).is_some(),
        }
    }

    /// Adds something that has happened.
    pub(crate) fn note(&mut self, what: impl Hash) {
        what.hash(&mut self.hasher);
    }

    /// Says something to the reader of the trace.
    pub(crate) fn say(&self, what: &str, about: impl Debug) {
        if self.aloud {
            eprintln!("{what}: {about:?}");
        }
    }

    /// A number for everything that has happened.
    pub(crate) fn number(&self) -> u64 {
        self.hasher.finish()
    }
}
