//! Exchanges.

use sabir_admin::api::exchange::{Exchange, ExchangeDeclaration};
use sabir_admin::api::queue::DeleteConditions;
use sabir_admin::backend::{Caller, Place};
use sabir_admin::failure::Failure;
use sabir_core::admin::{ExchangeRow, Listing, Report};
use sabir_core::name::Name;
use sabir_core::request::Request;
use sabir_core::routing::ExchangeSpec;

use super::Administration;
use super::failure::refused;
use super::values::{check_name, to_core, to_json};

pub(super) async fn list(
    administration: &Administration,
    namespace: Option<&str>,
) -> Result<Vec<Exchange>, Failure> {
    match administration.report(Listing::Exchanges, namespace).await? {
        Report::Exchanges(rows) => Ok(rows.into_iter().map(shown).collect()),
        _ => Ok(Vec::new()),
    }
}

fn shown(row: ExchangeRow) -> Exchange {
    Exchange {
        namespace: row.namespace.to_string(),
        name: row.name.to_string(),
        kind: row.kind.to_string(),
        durable: row.durable,
        auto_delete: row.auto_delete,
        internal: row.internal,
        arguments: to_json(&row.arguments),
        policy: row.policy.map(|name| name.to_string()),
    }
}

pub(super) async fn declare(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
    declaration: ExchangeDeclaration,
) -> Result<(), Failure> {
    check_name("exchange", place.name)?;
    let arguments = to_core(&declaration.arguments)?;
    let mut spec = ExchangeSpec::parse(&declaration.kind, &arguments)
        .map_err(|error| Failure::Invalid(error.to_string()))?;
    spec.durable = declaration.durable;
    spec.auto_delete = declaration.auto_delete;
    spec.internal = declaration.internal;
    let request = Request::DeclareExchange {
        name: Name::from(place.name),
        spec,
    };
    administration
        .request(caller, place.namespace, request)
        .await
        .map(drop)
}

/// Deletes an exchange that exists.
pub(super) async fn delete(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
    conditions: DeleteConditions,
) -> Result<(), Failure> {
    if conditions.if_empty {
        return Err(Failure::Invalid(
            "an exchange holds no messages: if_empty is for queues".into(),
        ));
    }
    let mut session = administration.session(caller, place.namespace).await?;
    let name = Name::from(place.name);
    let found = session
        .request(Request::FindExchange { name: name.clone() })
        .await;
    found.map_err(|refusal| refused(&refusal))?;
    let delete = Request::DeleteExchange {
        name,
        if_unused: conditions.if_unused,
    };
    session
        .request(delete)
        .await
        .map_err(|refusal| refused(&refusal))
        .map(drop)
}
