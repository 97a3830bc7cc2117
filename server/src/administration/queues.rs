//! Queues.

use sabir_admin::api::Arguments;
use sabir_admin::api::queue::{Counters, DeleteConditions, Kind, Queue, QueueDeclaration};
use sabir_admin::backend::{Caller, Place};
use sabir_admin::failure::Failure;
use sabir_amqp091::codec::method::queue::Declare;
use sabir_amqp091::codec::table::FieldTable;
use sabir_amqp091::mapping;
use sabir_core::admin::{Listing, QueueRow, Report};
use sabir_core::event::Response;
use sabir_core::name::Name;
use sabir_core::queue::{Counters as CoreCounters, QueueKind, QueueSpec};
use sabir_core::request::Request;

use super::Administration;
use super::failure::{refused, unexpected, violated};
use super::values::{check_name, encoded, to_json};

/// The argument that names a queue's sort.
const KIND_ARGUMENT: &str = "x-queue-type";

pub(super) async fn list(
    administration: &Administration,
    namespace: Option<&str>,
) -> Result<Vec<Queue>, Failure> {
    match administration.report(Listing::Queues, namespace).await? {
        Report::Queues(rows) => Ok(rows.into_iter().map(shown).collect()),
        _ => Ok(Vec::new()),
    }
}

fn shown(row: QueueRow) -> Queue {
    Queue {
        namespace: row.namespace.to_string(),
        name: row.name.to_string(),
        kind: match row.kind {
            QueueKind::Classic => Kind::Classic,
            QueueKind::Quorum => Kind::Quorum,
            QueueKind::Stream => Kind::Stream,
        },
        durable: row.durable,
        exclusive: row.exclusive,
        auto_delete: row.auto_delete,
        arguments: to_json(&row.arguments),
        policy: row.policy.map(|name| name.to_string()),
        operator_policy: row.operator_policy.map(|name| name.to_string()),
        depth: row.ready.saturating_add(row.unsettled),
        ready: row.ready,
        unsettled: row.unsettled,
        bytes: row.bytes,
        consumers: row.consumers,
        counters: counters(row.counters),
        rates: None,
    }
}

/// The core's counters as they are shown.
pub(super) fn counters(counters: CoreCounters) -> Counters {
    Counters {
        published: counters.published,
        delivered: counters.delivered,
        redelivered: counters.redelivered,
        acknowledged: counters.acknowledged,
        dead_lettered: counters.dead_lettered,
        dropped: counters.dropped,
        refused: counters.refused,
    }
}

pub(super) async fn declare(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
    declaration: QueueDeclaration,
) -> Result<(), Failure> {
    check_name("queue", place.name)?;
    let request = Request::DeclareQueue {
        name: Name::from(place.name),
        generated_prefix: "",
        spec: spec(caller, place, declaration)?,
    };
    administration
        .request(caller, place.namespace, request)
        .await
        .map(drop)
}

fn spec(
    caller: &Caller,
    place: Place<'_>,
    declaration: QueueDeclaration,
) -> Result<QueueSpec, Failure> {
    let arguments = with_kind(declaration.kind, declaration.arguments)?;
    let bytes = encoded(&arguments)?;
    let arguments = FieldTable::parse(&bytes).map_err(|violation| violated(&violation))?;
    let declare = Declare {
        ticket: 0,
        queue: place.name,
        passive: false,
        durable: declaration.durable,
        exclusive: false,
        auto_delete: declaration.auto_delete,
        nowait: false,
        arguments,
    };
    let spelled = mapping::Place {
        virtual_host: Name::from(place.namespace),
        user: Name::from(caller.principal.as_str()),
        impersonates: false,
    };
    mapping::queue::spec(&declare, place.name, &spelled).map_err(|violation| violated(&violation))
}

/// The arguments with the one that names the sort, unless it is the usual sort.
fn with_kind(kind: Kind, mut arguments: Arguments) -> Result<Arguments, Failure> {
    let word = match kind {
        Kind::Classic => return Ok(arguments),
        Kind::Quorum => "quorum",
        Kind::Stream => "stream",
    };
    match arguments.insert(KIND_ARGUMENT.to_owned(), word.into()) {
        Some(other) if other != word => Err(Failure::Invalid(format!(
            "the kind is {word:?}, but {KIND_ARGUMENT} is {other}"
        ))),
        _ => Ok(arguments),
    }
}

/// Deletes a queue that exists; tells how many messages went with it.
pub(super) async fn delete(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
    conditions: DeleteConditions,
) -> Result<u64, Failure> {
    let mut session = administration.session(caller, place.namespace).await?;
    let name = Name::from(place.name);
    let found = session
        .request(Request::FindQueue { name: name.clone() })
        .await;
    found.map_err(|refusal| refused(&refusal))?;
    let delete = Request::DeleteQueue {
        name,
        if_unused: conditions.if_unused,
        if_empty: conditions.if_empty,
    };
    removed(
        session
            .request(delete)
            .await
            .map_err(|refusal| refused(&refusal))?,
    )
}

pub(super) async fn purge(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
) -> Result<u64, Failure> {
    let request = Request::Purge {
        queue: Name::from(place.name),
    };
    removed(
        administration
            .request(caller, place.namespace, request)
            .await?,
    )
}

fn removed(response: Response) -> Result<u64, Failure> {
    match response {
        Response::Removed { messages } => Ok(messages),
        other => Err(unexpected(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_kind_and_its_argument_have_to_agree() {
        let arguments = |json: serde_json::Value| json.as_object().unwrap().clone();
        let quorum = with_kind(Kind::Quorum, Arguments::new()).unwrap();
        assert_eq!(quorum, arguments(json!({"x-queue-type": "quorum"})));
        let same = arguments(json!({"x-queue-type": "stream"}));
        assert!(with_kind(Kind::Stream, same.clone()).is_ok());
        assert!(with_kind(Kind::Quorum, same).is_err());
    }
}
