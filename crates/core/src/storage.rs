//! What the core asks of a storage engine.
