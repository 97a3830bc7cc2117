//! The declaration of an exchange as the core's specification of one.

use sabir_core::routing::{ExchangeSpec, RoutingError};

use super::{Place, table};
use crate::codec::method::exchange::Declare;
use crate::violation::Violation;

/// What a declaration asks for.
pub fn spec(declare: &Declare<'_>, name: &str, place: &Place) -> Result<ExchangeSpec, Violation> {
    let arguments = table::arguments(declare.arguments)?;
    let mut spec = ExchangeSpec::parse(declare.kind, &arguments)
        .map_err(|error| violation(error, declare.kind, name, place))?;
    spec.durable = declare.durable;
    spec.auto_delete = declare.auto_delete;
    spec.internal = declare.internal;
    Ok(spec)
}

fn violation(error: RoutingError, kind: &str, name: &str, place: &Place) -> Violation {
    match error {
        RoutingError::UnknownKind(_) | RoutingError::UnsupportedKind(_) => {
            Violation::UnknownExchangeType(kind.to_owned())
        }
        RoutingError::InvalidArgument { argument, fault } => Violation::Argument {
            what: format!("arg '{argument}'"),
            entity: place.exchange(name).to_string(),
            reason: fault.to_string(),
        },
        other => Violation::Argument {
            what: "declaration".to_owned(),
            entity: place.exchange(name).to_string(),
            reason: other.to_string(),
        },
    }
}
