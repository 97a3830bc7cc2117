//! What a refusal of the core means to an AMQP client: a reply code and RabbitMQ's words for it.

use sabir_core::authorize::Operation;
use sabir_core::refusal::{Kind, Refusal};

use super::place::{Place, kind_name};
use crate::reply::ReplyCode;

/// The reply code and the explanation that follows its name.
pub fn reply(refusal: &Refusal, place: &Place) -> (ReplyCode, String) {
    match refusal {
        Refusal::NotFound {
            kind: Kind::Namespace,
            name,
        } => (ReplyCode::NotAllowed, format!("vhost {name} not found")),
        Refusal::NotFound { kind, name } => (
            ReplyCode::NotFound,
            format!("no {}", place.entity(*kind, name)),
        ),
        Refusal::NotEquivalent {
            name,
            property: "exclusive",
            ..
        }
        | Refusal::Locked { queue: name } => (ReplyCode::ResourceLocked, locked(name, place)),
        Refusal::NotEquivalent {
            kind,
            name,
            property,
            received,
            current,
        } => {
            let entity = place.entity(*kind, name);
            (
                ReplyCode::PreconditionFailed,
                format!(
                    "inequivalent arg {}",
                    difference(property, received, current, &entity.to_string())
                ),
            )
        }
        Refusal::AccessDenied {
            operation,
            kind,
            name,
        } => denied(*operation, *kind, name, place),
        Refusal::ConsumedExclusively { queue } => (
            ReplyCode::AccessRefused,
            format!("{} in exclusive use", place.queue(queue)),
        ),
        Refusal::Reserved { kind, name } => (
            ReplyCode::AccessRefused,
            format!(
                "{} name '{name}' contains reserved prefix 'amq.*'",
                kind_name(*kind)
            ),
        ),
        Refusal::InUse { kind, name } => (
            ReplyCode::PreconditionFailed,
            format!("{} in use", place.entity(*kind, name)),
        ),
        Refusal::NotEmpty { queue } => (
            ReplyCode::PreconditionFailed,
            format!("{} not empty", place.queue(queue)),
        ),
        Refusal::Internal { exchange } => (
            ReplyCode::AccessRefused,
            format!("cannot publish to internal {}", place.exchange(exchange)),
        ),
        Refusal::Invalid { argument, reason } => (
            ReplyCode::PreconditionFailed,
            format!("invalid arg '{argument}': {reason}"),
        ),
        Refusal::Full { queue } => (
            ReplyCode::PreconditionFailed,
            format!("{} is full", place.queue(queue)),
        ),
        Refusal::Limit {
            what: "connections",
            limit,
        } => (
            ReplyCode::NotAllowed,
            format!(
                "access to vhost '{}' refused for user '{}': connection limit ({limit}) is reached",
                place.virtual_host, place.user
            ),
        ),
        Refusal::Limit { what, limit } => (
            ReplyCode::PreconditionFailed,
            format!(
                "limit of {what} in vhost '{}' ({limit}) is reached",
                place.virtual_host
            ),
        ),
        Refusal::NotOutstanding => (
            ReplyCode::PreconditionFailed,
            "unknown delivery tag".to_owned(),
        ),
        Refusal::NotSupported { what, kind, name } => (
            ReplyCode::NotImplemented,
            format!("{} {}", unsupported(what), place.entity(*kind, name)),
        ),
        Refusal::Unavailable { reason } => (ReplyCode::ResourceError, reason.clone()),
    }
}

/// RabbitMQ's words for what streams do not support.
fn unsupported(what: &str) -> String {
    match what {
        "taking single messages" => "basic.get not supported by stream queues".to_owned(),
        "purging" => "queue.purge not supported by stream queues".to_owned(),
        "consumption without acknowledgement" => {
            "automatic acknowledgement not supported by stream".to_owned()
        }
        other => format!("{other} not supported by"),
    }
}

fn locked(queue: &str, place: &Place) -> String {
    format!(
        "cannot obtain exclusive access to locked {}. It could be originally declared on another connection or the \
         exclusive property value does not match that of the original declaration.",
        place.queue(queue)
    )
}

fn denied(operation: Operation, kind: Kind, name: &str, place: &Place) -> (ReplyCode, String) {
    if kind == Kind::Namespace {
        return (
            ReplyCode::NotAllowed,
            format!(
                "access to vhost '{}' refused for user '{}'",
                place.virtual_host, place.user
            ),
        );
    }
    let name = if kind == Kind::Exchange && name.is_empty() {
        "amq.default"
    } else {
        name
    };
    let access = access_name(operation);
    (
        ReplyCode::AccessRefused,
        format!(
            "{access} access to {} refused for user '{}'",
            place.entity(kind, name),
            place.user
        ),
    )
}

/// The permission of RabbitMQ's three that an operation needs.
fn access_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Publish
        | Operation::BindTarget
        | Operation::Transact
        | Operation::Impersonate => "write",
        Operation::Consume
        | Operation::Browse
        | Operation::Purge
        | Operation::BindSource
        | Operation::JoinGroup
        | Operation::AdminRead
        | Operation::Replicate => "read",
        Operation::Connect
        | Operation::Describe
        | Operation::Create
        | Operation::Delete
        | Operation::Configure
        | Operation::AdminWrite => "configure",
    }
}

/// `'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'`; where only one side has an argument
/// it is shown with its type.
fn difference(property: &str, received: &str, current: &str, entity: &str) -> String {
    let name = match property {
        "type" | "durable" | "auto_delete" | "internal" => property.to_owned(),
        _ => argument_name(property),
    };
    if received == "none" || current == "none" {
        let (received, current) = (typed(received), typed(current));
        return format!("'{name}' for {entity}: received {received} but current is {current}");
    }
    format!("'{name}' for {entity}: received '{received}' but current is '{current}'")
}

/// The argument that sets a property.
fn argument_name(property: &str) -> String {
    if property == "alternate-exchange" {
        property.to_owned()
    } else {
        format!("x-{property}")
    }
}

/// A value with the type that clients usually send it with.
fn typed(value: &str) -> String {
    let kind = match value {
        "none" => return value.to_owned(),
        "true" | "false" => "bool",
        _ if value.parse::<i32>().is_ok() => "signedint",
        _ if value.parse::<i64>().is_ok() => "long",
        _ => "longstr",
    };
    format!("the value '{value}' of type '{kind}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(refusal: Refusal) -> String {
        let place = Place {
            virtual_host: "/".into(),
            user: "guest".into(),
            impersonates: false,
        };
        let (code, explanation) = reply(&refusal, &place);
        code.text(&explanation)
    }

    #[test]
    fn texts_are_those_that_clients_match() {
        let queue = || "q".into();
        assert_eq!(
            text(Refusal::NotFound {
                kind: Kind::Queue,
                name: queue()
            }),
            "NOT_FOUND - no queue 'q' in vhost '/'"
        );
        assert_eq!(
            text(Refusal::NotEquivalent {
                kind: Kind::Queue,
                name: queue(),
                property: "durable",
                received: "false".to_owned(),
                current: "true".to_owned(),
            }),
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"
        );
        assert_eq!(
            text(Refusal::NotEquivalent {
                kind: Kind::Queue,
                name: queue(),
                property: "message-ttl",
                received: "10".to_owned(),
                current: "none".to_owned(),
            }),
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
             received the value '10' of type 'signedint' but current is none"
        );
        assert_eq!(
            text(Refusal::NotEquivalent {
                kind: Kind::Queue,
                name: queue(),
                property: "message-ttl",
                received: "10".to_owned(),
                current: "20".to_owned(),
            }),
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '10' but current is '20'"
        );
        assert_eq!(
            text(Refusal::NotSupported {
                what: "purging",
                kind: Kind::Queue,
                name: queue(),
            }),
            "NOT_IMPLEMENTED - queue.purge not supported by stream queues queue 'q' in vhost '/'"
        );
        assert_eq!(
            text(Refusal::Locked { queue: queue() }),
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. \
             It could be originally declared on another connection or the exclusive property value does not match \
             that of the original declaration."
        );
        assert_eq!(
            text(Refusal::AccessDenied {
                operation: Operation::Publish,
                kind: Kind::Exchange,
                name: "".into()
            }),
            "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'guest'"
        );
        assert_eq!(
            text(Refusal::Reserved {
                kind: Kind::Queue,
                name: "amq.q".into()
            }),
            "ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'"
        );
    }
}
