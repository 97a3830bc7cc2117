//! Bindings.

use bytes::Bytes;
use sabir_admin::api::binding::{Binding, BindingRow, DestinationKind};
use sabir_admin::backend::Caller;
use sabir_admin::failure::Failure;
use sabir_core::admin::{Listing, Report};
use sabir_core::name::Name;
use sabir_core::request::{Binding as CoreBinding, Destination, Request};
use sabir_core::routing::Subject;

use super::Administration;
use super::values::{check_length, to_core, to_json};

pub(super) async fn list(
    administration: &Administration,
    namespace: Option<&str>,
) -> Result<Vec<BindingRow>, Failure> {
    let rows = rows(administration, namespace).await?;
    Ok(rows
        .into_iter()
        .map(|(namespace, binding)| BindingRow {
            namespace,
            binding: shown(&binding),
        })
        .collect())
}

async fn rows(
    administration: &Administration,
    namespace: Option<&str>,
) -> Result<Vec<(String, CoreBinding)>, Failure> {
    match administration.report(Listing::Bindings, namespace).await? {
        Report::Bindings(rows) => Ok(rows
            .into_iter()
            .map(|row| (row.namespace.to_string(), row.binding))
            .collect()),
        _ => Ok(Vec::new()),
    }
}

fn shown(binding: &CoreBinding) -> Binding {
    let (destination_kind, destination) = match &binding.destination {
        Destination::Queue(name) => (DestinationKind::Queue, name),
        Destination::Exchange(name) => (DestinationKind::Exchange, name),
    };
    Binding {
        source: binding.source.to_string(),
        destination_kind,
        destination: destination.to_string(),
        routing_key: String::from_utf8_lossy(binding.routing_key.as_bytes()).into_owned(),
        arguments: to_json(&binding.arguments),
    }
}

pub(super) async fn bind(
    administration: &Administration,
    caller: &Caller,
    namespace: &str,
    binding: Binding,
) -> Result<(), Failure> {
    check_length("the routing key", &binding.routing_key)?;
    let arguments = to_core(&binding.arguments)?;
    let destination = Name::from(binding.destination);
    let binding = CoreBinding {
        source: Name::from(binding.source),
        destination: match binding.destination_kind {
            DestinationKind::Queue => Destination::Queue(destination),
            DestinationKind::Exchange => Destination::Exchange(destination),
        },
        routing_key: Subject::from_bytes(Bytes::from(binding.routing_key)),
        arguments,
    };
    administration
        .request(caller, namespace, Request::Bind(binding))
        .await
        .map(drop)
}

/// Undoes the binding that is shown like this one. Its arguments may have types that JSON does
/// not tell apart, so the core's own are given back to it.
pub(super) async fn unbind(
    administration: &Administration,
    caller: &Caller,
    namespace: &str,
    binding: &Binding,
) -> Result<(), Failure> {
    let rows = rows(administration, Some(namespace)).await?;
    let found = rows.into_iter().find(|(_, row)| shown(row) == *binding);
    let (_, found) = found.ok_or_else(|| {
        Failure::NotFound(format!(
            "no binding from {:?} to {:?} with key {:?} and these arguments",
            binding.source, binding.destination, binding.routing_key
        ))
    })?;
    administration
        .request(caller, namespace, Request::Unbind(found))
        .await
        .map(drop)
}
