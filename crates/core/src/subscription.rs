//! Progress over a log, kept record by record: what was delivered, to whom, and what is done.

pub(crate) mod consumer;
pub(crate) mod ledger;
pub(crate) mod roster;
