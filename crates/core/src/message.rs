//! What travels: envelope, the sender's bytes and their format.

pub mod value;
