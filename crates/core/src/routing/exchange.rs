//! Exchanges: what they are declared to be, and what leads from them.

use std::collections::BTreeSet;
use std::fmt;

use super::binding::BindingId;
use super::error::RoutingError;
use super::kind::{Kind, name_argument};
use super::matcher::Matcher;
use crate::message::value::Table;
use crate::name::Name;

/// The argument that names the alternate exchange.
pub const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

/// Begins the names that are kept for the broker's own exchanges and queues.
pub const RESERVED_PREFIX: &str = "amq.";

/// Whether the name is kept for the broker's own use. Enforcing it is up to the caller, because
/// naming what exists is permitted where making it is not.
pub fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(RESERVED_PREFIX.as_bytes())
}

/// What an exchange is declared to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeSpec {
    /// How it chooses among its bindings.
    pub kind: Kind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with the last binding that leads from it.
    pub auto_delete: bool,
    /// Whether only bindings lead to it, not publishers.
    pub internal: bool,
    /// Where messages go that none of its bindings matches.
    pub alternate: Option<Name>,
    /// The arguments as given.
    pub arguments: Table,
}

impl ExchangeSpec {
    /// A durable exchange of that kind without arguments.
    pub fn durable(kind: Kind) -> Self {
        Self {
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            alternate: None,
            arguments: Table::new(),
        }
    }

    /// A transient exchange with this type name and these arguments, from which kind and
    /// alternate exchange are taken; the flags can be set afterwards.
    ///
    /// # Errors
    /// [`RoutingError::UnknownKind`], [`RoutingError::UnsupportedKind`],
    /// [`RoutingError::InvalidArgument`].
    pub fn parse(type_name: &str, arguments: &Table) -> Result<Self, RoutingError> {
        Ok(Self {
            kind: Kind::parse(type_name, arguments)?,
            durable: false,
            auto_delete: false,
            internal: false,
            alternate: name_argument(arguments, ALTERNATE_EXCHANGE)?,
            arguments: arguments.clone(),
        })
    }

    /// A copy that shares no memory with the buffer the declaration was parsed from.
    pub(super) fn detached(&self) -> Self {
        Self {
            alternate: self.alternate.as_ref().map(Name::detached),
            arguments: self.arguments.detached(),
            ..self.clone()
        }
    }

    /// The first property in which a declaration (`self`) differs from what exists.
    /// Arguments other than the alternate exchange may differ.
    pub fn difference(&self, current: &Self) -> Option<Difference> {
        let differing = |property, received: &str, current: &str| Difference {
            property,
            received: Some(received.into()),
            current: Some(current.into()),
        };
        let (received_type, current_type) = (self.kind.type_name(), current.kind.type_name());
        if received_type != current_type {
            return Some(differing("type", received_type, current_type));
        }
        for (property, received, current) in [
            ("durable", self.durable, current.durable),
            ("auto_delete", self.auto_delete, current.auto_delete),
            ("internal", self.internal, current.internal),
        ] {
            if received != current {
                return Some(differing(property, flag(received), flag(current)));
            }
        }
        (self.alternate != current.alternate).then(|| Difference {
            property: ALTERNATE_EXCHANGE,
            received: self.alternate.clone(),
            current: current.alternate.clone(),
        })
    }
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A property in which a declaration differs from what exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The property: `type`, `durable`, `auto_delete`, `internal` or an argument's name.
    pub property: &'static str,
    /// The value asked for, if one was.
    pub received: Option<Name>,
    /// The value in force, if there is one.
    pub current: Option<Name>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |value: &Option<Name>| {
            value
                .as_ref()
                .map_or_else(|| "none".to_owned(), |name| format!("'{name}'"))
        };
        write!(
            formatter,
            "{} {}, not {}",
            self.property,
            or_none(&self.current),
            or_none(&self.received)
        )
    }
}

/// An exchange of a namespace.
#[derive(Debug)]
pub struct Exchange {
    name: Name,
    spec: ExchangeSpec,
    pub(super) policy_alternate: Option<Name>,
    pub(super) matcher: Matcher,
    /// The bindings that lead from it.
    pub(super) outgoing: BTreeSet<BindingId>,
}

impl Exchange {
    pub(super) fn new(name: Name, spec: ExchangeSpec) -> Self {
        Self {
            matcher: Matcher::new(&spec.kind),
            name,
            spec,
            policy_alternate: None,
            outgoing: BTreeSet::new(),
        }
    }

    /// Its name; empty for the default exchange.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What it is declared to be.
    pub fn spec(&self) -> &ExchangeSpec {
        &self.spec
    }

    /// Where messages go that none of its bindings matches: by its declaration or else by
    /// policy.
    pub fn alternate(&self) -> Option<&Name> {
        self.spec
            .alternate
            .as_ref()
            .or(self.policy_alternate.as_ref())
    }

    /// How many bindings lead from it, those of the default exchange not counted.
    pub fn outgoing_count(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether it is to go with its last binding and has none.
    pub(super) fn has_outlived_use(&self) -> bool {
        self.spec.auto_delete && self.outgoing.is_empty()
    }
}

/// The exchanges that every namespace has from the start, besides the default exchange.
pub(super) fn predeclared() -> impl Iterator<Item = (Name, ExchangeSpec)> {
    [
        ("amq.direct", Kind::Direct, false),
        ("amq.fanout", Kind::Fanout, false),
        ("amq.topic", Kind::Topic, false),
        ("amq.headers", Kind::Headers, false),
        ("amq.match", Kind::Headers, false),
        ("amq.rabbitmq.trace", Kind::Topic, true),
    ]
    .into_iter()
    .map(|(name, kind, internal)| {
        let spec = ExchangeSpec {
            internal,
            ..ExchangeSpec::durable(kind)
        };
        (Name::from_static(name), spec)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::value::Value;

    #[test]
    fn kind_and_alternate_come_from_type_name_and_arguments() {
        let mut arguments = Table::new();
        arguments.insert(ALTERNATE_EXCHANGE, "unrouted");
        let spec = ExchangeSpec::parse("fanout", &arguments).unwrap();
        assert_eq!(spec.kind, Kind::Fanout);
        assert_eq!(spec.alternate, Some("unrouted".into()));
        arguments.insert(ALTERNATE_EXCHANGE, Value::I32(1));
        assert!(ExchangeSpec::parse("fanout", &arguments).is_err());
    }

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let current = ExchangeSpec::durable(Kind::Direct);
        assert_eq!(current.difference(&current), None);
        let mut received = current.clone();
        received.durable = false;
        let difference = received.difference(&current).unwrap();
        assert_eq!(difference.to_string(), "durable 'true', not 'false'");
        received.kind = Kind::Topic;
        let difference = received.difference(&current).unwrap();
        assert_eq!(difference.to_string(), "type 'direct', not 'topic'");
    }

    #[test]
    fn arguments_other_than_the_alternate_exchange_may_differ() {
        let current = ExchangeSpec::durable(Kind::Direct);
        let mut received = current.clone();
        received.arguments.insert("x-note", "anything");
        assert_eq!(received.difference(&current), None);
        received.alternate = Some("unrouted".into());
        let difference = received.difference(&current).unwrap();
        assert_eq!(
            difference.to_string(),
            "alternate-exchange none, not 'unrouted'"
        );
    }

    #[test]
    fn reserved_names_begin_with_the_prefix() {
        assert!(is_reserved(b"amq.direct"));
        assert!(!is_reserved(b"amqp.direct"));
        assert!(!is_reserved(b""));
    }
}
