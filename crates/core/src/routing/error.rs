//! Why the router refuses.

use thiserror::Error;

use super::exchange::Difference;
use super::pattern::PatternError;
use crate::message::value::Text;
use crate::name::Name;

/// Why the router refuses a declaration, a binding or a message. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// There is no exchange of that name.
    #[error("no exchange '{0}'")]
    NoExchange(Name),
    /// The default exchange cannot be declared, deleted, bound or unbound.
    #[error("operation not permitted on the default exchange")]
    DefaultExchange,
    /// The type name is unknown.
    #[error("unknown exchange type '{0}'")]
    UnknownKind(Name),
    /// The type name is known, but this broker has no such exchanges.
    #[error("exchange type '{0}' is not supported")]
    UnsupportedKind(Name),
    /// An argument of a declaration or a binding makes no sense.
    #[error("invalid argument '{argument}': {fault}")]
    InvalidArgument {
        /// The name of the argument.
        argument: &'static str,
        /// What is wrong with it.
        fault: ArgumentFault,
    },
    /// An exchange of that name exists with other properties.
    #[error("exchange '{name}' has {difference}")]
    Inequivalent {
        /// The exchange.
        name: Name,
        /// The first property that differs.
        difference: Difference,
    },
    /// The weight that a hashing exchange takes from the binding key is not an integer.
    #[error("The binding key must be an integer: '{0}'")]
    WeightNotInteger(Text),
    /// The weight that a hashing exchange takes from the binding key is zero or less.
    #[error("The binding key must be greater than 0")]
    WeightTooSmall,
    /// The weight that a hashing exchange takes from the binding key is too large.
    #[error("The binding key must not exceed {0}")]
    WeightTooLarge(u32),
    /// Exchanges of this type take only the empty binding key.
    #[error("Non empty binding '{0}' key not permitted")]
    KeyNotPermitted(Text),
    /// Only topic exchanges can be bound by a pattern that is not text.
    #[error("only topic exchanges can be bound by a pattern")]
    PatternNotPermitted,
    /// The binding key of a topic exchange is not a usable pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The binding key is longer than the bound.
    #[error("a binding key may have at most {0} bytes")]
    KeyTooLong(usize),
    /// The namespace has as many exchanges as it may have.
    #[error("the limit of {0} exchanges is reached")]
    TooManyExchanges(u32),
    /// The namespace has as many bindings as it may have.
    #[error("the limit of {0} bindings is reached")]
    TooManyBindings(u32),
}

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArgumentFault {
    /// It is needed and missing.
    #[error("missing")]
    Missing,
    /// It is not text.
    #[error("expected text")]
    NotText,
    /// It is not an integer above zero.
    #[error("expected a positive integer")]
    NotPositive,
    /// Another argument excludes it.
    #[error("mutually exclusive with '{0}'")]
    Excludes(&'static str),
    /// It has none of the values it may have.
    #[error("'{value}' is none of {expected}")]
    NoneOf {
        /// What was given.
        value: Text,
        /// What may be given.
        expected: &'static str,
    },
}
