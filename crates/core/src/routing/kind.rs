//! The kinds of exchanges, and the names and arguments that ask for them.

use super::error::{ArgumentFault, RoutingError};
use crate::message::value::{Table, Text, Value};
use crate::name::Name;

const HASH_HEADER: &str = "hash-header";
const HASH_PROPERTY: &str = "hash-property";
const DELAYED_TYPE: &str = "x-delayed-type";
const HISTORY_LENGTH: &str = "x-recent-history-length";

/// How many messages an exchange with history keeps when its declaration does not say.
pub const HISTORY_LENGTH_DEFAULT: u32 = 20;

/// How an exchange chooses among its bindings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those whose key equals the routing key.
    Direct,
    /// All.
    Fanout,
    /// Those whose pattern matches the routing key.
    Topic,
    /// Those whose arguments match the headers.
    Headers,
    /// One, chosen by a hash that moves few keys when bindings change; the binding key is the
    /// weight.
    ConsistentHash {
        /// What is hashed.
        by: HashBy,
    },
    /// One at random.
    Random,
    /// One at random among the queues of this node.
    LocalRandom,
    /// One, chosen by the hash of the routing key modulo the number of bindings.
    ModulusHash,
    /// All; besides, the latest messages are kept for targets that are bound later. Keeping
    /// and replaying them is the core's part.
    RecentHistory {
        /// How many messages are kept.
        length: u32,
    },
    /// Those that the inner kind chooses, after the delay that the message asks for. Holding
    /// the message back is the core's part.
    Delayed {
        /// How bindings are chosen when the message is due; never `Delayed` itself.
        inner: Box<Kind>,
    },
}

/// What a consistent-hash exchange hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The routing key.
    RoutingKey,
    /// The value of the header of this name.
    Header(Text),
    /// A property of the message.
    Property(Property),
}

/// A property of a message that exchanges can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    /// The sender's identification of the message.
    MessageId,
    /// The sender's identification of the request it answers.
    CorrelationId,
    /// The sender's time.
    Timestamp,
}

impl Property {
    /// The name under which arguments and translations know the property.
    pub fn field_name(self) -> &'static str {
        match self {
            Self::MessageId => "message_id",
            Self::CorrelationId => "correlation_id",
            Self::Timestamp => "timestamp",
        }
    }
}

impl Kind {
    /// The kind with this type name and these arguments.
    ///
    /// # Errors
    /// [`RoutingError::UnknownKind`], [`RoutingError::UnsupportedKind`],
    /// [`RoutingError::InvalidArgument`].
    pub fn parse(type_name: &str, arguments: &Table) -> Result<Self, RoutingError> {
        match type_name {
            "direct" => Ok(Self::Direct),
            "fanout" => Ok(Self::Fanout),
            "topic" => Ok(Self::Topic),
            "headers" => Ok(Self::Headers),
            "x-consistent-hash" => parse_consistent_hash(arguments),
            "x-random" => Ok(Self::Random),
            "x-local-random" => Ok(Self::LocalRandom),
            "x-modulus-hash" => Ok(Self::ModulusHash),
            "x-recent-history" => parse_recent_history(arguments),
            "x-delayed-message" => parse_delayed(arguments),
            "x-jms-topic" => Err(RoutingError::UnsupportedKind(type_name.into())),
            _ => Err(RoutingError::UnknownKind(type_name.into())),
        }
    }

    /// The type name of the kind.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash { .. } => "x-consistent-hash",
            Self::Random => "x-random",
            Self::LocalRandom => "x-local-random",
            Self::ModulusHash => "x-modulus-hash",
            Self::RecentHistory { .. } => "x-recent-history",
            Self::Delayed { .. } => "x-delayed-message",
        }
    }
}

/// The text argument of that name, if it is given.
pub(super) fn text_argument(
    arguments: &Table,
    argument: &'static str,
) -> Result<Option<Text>, RoutingError> {
    match arguments.get(argument) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.detached())),
        Some(_) => Err(invalid(argument, ArgumentFault::NotText)),
    }
}

/// The argument of that name as a name, if it is given.
pub(super) fn name_argument(
    arguments: &Table,
    argument: &'static str,
) -> Result<Option<Name>, RoutingError> {
    let Some(text) = text_argument(arguments, argument)? else {
        return Ok(None);
    };
    Name::from_utf8(text.into_bytes())
        .map(Some)
        .ok_or_else(|| invalid(argument, ArgumentFault::NotText))
}

fn invalid(argument: &'static str, fault: ArgumentFault) -> RoutingError {
    RoutingError::InvalidArgument { argument, fault }
}

fn parse_consistent_hash(arguments: &Table) -> Result<Kind, RoutingError> {
    let header = text_argument(arguments, HASH_HEADER)?;
    let property = text_argument(arguments, HASH_PROPERTY)?;
    let by = match (header, property) {
        (None, None) => HashBy::RoutingKey,
        (Some(header), None) => HashBy::Header(header),
        (None, Some(property)) => HashBy::Property(parse_property(property)?),
        (Some(_), Some(_)) => {
            return Err(invalid(HASH_PROPERTY, ArgumentFault::Excludes(HASH_HEADER)));
        }
    };
    Ok(Kind::ConsistentHash { by })
}

fn parse_property(value: Text) -> Result<Property, RoutingError> {
    [
        Property::MessageId,
        Property::CorrelationId,
        Property::Timestamp,
    ]
    .into_iter()
    .find(|property| value == *property.field_name())
    .ok_or_else(|| {
        let expected = "message_id, correlation_id, timestamp";
        invalid(HASH_PROPERTY, ArgumentFault::NoneOf { value, expected })
    })
}

fn parse_recent_history(arguments: &Table) -> Result<Kind, RoutingError> {
    let length = match arguments.get(HISTORY_LENGTH) {
        None => HISTORY_LENGTH_DEFAULT,
        Some(value) => value
            .as_integer()
            .and_then(|length| u32::try_from(length).ok())
            .filter(|length| *length > 0)
            .ok_or_else(|| invalid(HISTORY_LENGTH, ArgumentFault::NotPositive))?,
    };
    Ok(Kind::RecentHistory { length })
}

fn parse_delayed(arguments: &Table) -> Result<Kind, RoutingError> {
    let inner = text_argument(arguments, DELAYED_TYPE)?
        .ok_or_else(|| invalid(DELAYED_TYPE, ArgumentFault::Missing))?;
    let none_of = |value| {
        let expected = "the exchange types without delay";
        invalid(DELAYED_TYPE, ArgumentFault::NoneOf { value, expected })
    };
    match inner.as_str() {
        None | Some("x-delayed-message") => Err(none_of(inner)),
        Some(type_name) => match Kind::parse(type_name, arguments) {
            Ok(kind) => Ok(Kind::Delayed {
                inner: Box::new(kind),
            }),
            Err(RoutingError::UnknownKind(_)) => Err(none_of(inner)),
            Err(other) => Err(other),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, Value)]) -> Table {
        entries
            .iter()
            .map(|(name, value)| (Text::from(*name), value.clone()))
            .collect()
    }

    #[test]
    fn every_kind_is_parsed_from_the_name_it_gives() {
        let arguments = table(&[(DELAYED_TYPE, "topic".into())]);
        for type_name in [
            "direct",
            "fanout",
            "topic",
            "headers",
            "x-consistent-hash",
            "x-random",
            "x-local-random",
            "x-modulus-hash",
            "x-recent-history",
            "x-delayed-message",
        ] {
            let kind = Kind::parse(type_name, &arguments).unwrap();
            assert_eq!(kind.type_name(), type_name);
        }
    }

    #[test]
    fn unknown_and_unsupported_names_are_told_apart() {
        let arguments = Table::new();
        assert_eq!(
            Kind::parse("x-jms-topic", &arguments),
            Err(RoutingError::UnsupportedKind("x-jms-topic".into()))
        );
        assert_eq!(
            Kind::parse("topics", &arguments),
            Err(RoutingError::UnknownKind("topics".into()))
        );
    }

    #[test]
    fn a_hash_takes_a_header_or_a_property_but_not_both() {
        let header = table(&[(HASH_HEADER, "tenant".into())]);
        let by = HashBy::Header("tenant".into());
        assert_eq!(
            Kind::parse("x-consistent-hash", &header),
            Ok(Kind::ConsistentHash { by })
        );
        let both = table(&[
            (HASH_HEADER, "tenant".into()),
            (HASH_PROPERTY, "message_id".into()),
        ]);
        assert!(Kind::parse("x-consistent-hash", &both).is_err());
        let unknown = table(&[(HASH_PROPERTY, "app_id".into())]);
        assert!(Kind::parse("x-consistent-hash", &unknown).is_err());
    }

    #[test]
    fn history_needs_a_positive_integer() {
        let parse =
            |length: Value| Kind::parse("x-recent-history", &table(&[(HISTORY_LENGTH, length)]));
        assert_eq!(parse(Value::I64(5)), Ok(Kind::RecentHistory { length: 5 }));
        assert!(parse(Value::I32(0)).is_err());
        assert!(parse(Value::I64(-1)).is_err());
        assert!(parse("5".into()).is_err());
    }

    #[test]
    fn a_delay_needs_an_inner_type_that_is_not_itself() {
        let parse = |arguments: &[_]| Kind::parse("x-delayed-message", &table(arguments));
        assert!(parse(&[]).is_err());
        assert!(parse(&[(DELAYED_TYPE, "x-delayed-message".into())]).is_err());
        assert!(parse(&[(DELAYED_TYPE, "nothing".into())]).is_err());
        assert!(parse(&[(DELAYED_TYPE, Value::I32(1))]).is_err());
        let inner = Box::new(Kind::Fanout);
        assert_eq!(
            parse(&[(DELAYED_TYPE, "fanout".into())]),
            Ok(Kind::Delayed { inner })
        );
    }
}
