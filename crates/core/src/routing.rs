//! Exchanges, bindings and subjects: where a message goes.
