//! Exchanges, bindings and subjects: where a message goes.
//!
//! It knows names, keys, patterns and typed values; it does not know what a queue holds, who may
//! do what, or how any protocol writes a subject or a header. Results never depend on the
//! iteration order of a hash map, on time or on ambient randomness.

mod binding;
mod error;
mod exchange;
mod hash;
mod headers;
mod kind;
mod marks;
mod matcher;
mod outcome;
mod pattern;
mod route;
mod router;
mod stable;
mod subject;
mod target;
mod topic;

pub use binding::{BINDING_KEY_BYTES_MAX, BindingKey, BindingSpec};
pub use error::{ArgumentFault, RoutingError};
pub use exchange::{
    ALTERNATE_EXCHANGE, Difference, Exchange, ExchangeSpec, RESERVED_PREFIX, is_reserved,
};
pub use kind::{HISTORY_LENGTH_DEFAULT, HashBy, Kind, Property};
pub use outcome::{Attributes, RouteInput, Targets};
pub use pattern::{PATTERN_TOKENS_MAX, Pattern, PatternError, PatternToken};
pub use router::{Declared, Removal, Router, RouterLimits};
pub use subject::Subject;
pub use target::{MailboxId, QueueId, Target};
