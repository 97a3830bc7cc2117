//! Messages: published and fetched in the encoding of AMQP 0-9-1.

use bytes::{Bytes, BytesMut};
use sabir_admin::api::message::{
    Fetch, FetchMode, Message, Payload, Properties, Publication, Published,
};
use sabir_admin::backend::{Caller, Place};
use sabir_admin::failure::Failure;
use sabir_amqp091::codec::assembly::Content;
use sabir_amqp091::codec::properties::Properties as AmqpProperties;
use sabir_amqp091::codec::table::FieldTable;
use sabir_amqp091::mapping;
use sabir_amqp091::mapping::message::{Intake, Notes, Route};
use sabir_core::admin::{AdminRequest, Report};
use sabir_core::authorize::{Authorizer, Operation, Resource};
use sabir_core::event::{Delivery, Response};
use sabir_core::message::{Message as CoreMessage, Record};
use sabir_core::name::Name;
use sabir_core::request::Request;

use super::Administration;
use super::failure::{refused, unexpected, violated};
use super::values::{check_length, encoded, to_json};

/// Delivery modes of AMQP.
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

pub(super) async fn publish(
    administration: &Administration,
    caller: &Caller,
    namespace: &str,
    publication: Publication,
) -> Result<Published, Failure> {
    let message = message(caller, namespace, publication)?;
    let mut session = administration.session(caller, namespace).await?;
    let routed = session
        .publish(message)
        .await
        .map_err(|refusal| refused(&refusal))?;
    Ok(Published { routed })
}

fn message(
    caller: &Caller,
    namespace: &str,
    publication: Publication,
) -> Result<CoreMessage, Failure> {
    check_length("the exchange's name", &publication.exchange)?;
    check_length("the routing key", &publication.routing_key)?;
    let body = publication
        .payload
        .bytes()
        .map_err(|error| Failure::Invalid(error.to_string()))?;
    let content = Content {
        method: Route {
            exchange: Name::from(publication.exchange),
            routing_key: Bytes::from(publication.routing_key),
            mandatory: true,
        },
        properties: head(&publication.properties)?,
        body: Bytes::from(body),
    };
    let place = mapping::Place {
        virtual_host: Name::from(namespace),
        user: Name::from(caller.principal.as_str()),
        impersonates: false,
    };
    let intake = Intake {
        place: &place,
        reply_address: None,
    };
    mapping::message::receive(content, intake).map_err(|violation| violated(&violation))
}

fn head(properties: &Properties) -> Result<Bytes, Failure> {
    let expiration = properties
        .expiration_ms
        .map(|milliseconds| milliseconds.to_string());
    let texts = [
        ("content_type", &properties.content_type),
        ("content_encoding", &properties.content_encoding),
        ("correlation_id", &properties.correlation_id),
        ("reply_to", &properties.reply_to),
        ("message_id", &properties.message_id),
        ("type", &properties.kind),
        ("user_id", &properties.user_id),
        ("app_id", &properties.app_id),
    ];
    for (name, text) in texts {
        check_length(name, text.as_deref().unwrap_or_default())?;
    }
    let headers = encoded(&properties.headers)?;
    let headers = FieldTable::parse(&headers).map_err(|violation| violated(&violation))?;
    let spelled = AmqpProperties {
        content_type: bytes_of(&properties.content_type),
        content_encoding: bytes_of(&properties.content_encoding),
        headers: (!properties.headers.is_empty()).then_some(headers),
        delivery_mode: Some(if properties.persistent {
            PERSISTENT
        } else {
            TRANSIENT
        }),
        priority: properties.priority,
        correlation_id: bytes_of(&properties.correlation_id),
        reply_to: bytes_of(&properties.reply_to),
        expiration: bytes_of(&expiration),
        message_id: bytes_of(&properties.message_id),
        timestamp: properties.timestamp,
        kind: bytes_of(&properties.kind),
        user_id: bytes_of(&properties.user_id),
        app_id: bytes_of(&properties.app_id),
        cluster_id: None,
    };
    let mut head = BytesMut::new();
    spelled.put(&mut head);
    Ok(head.freeze())
}

fn bytes_of(text: &Option<String>) -> Option<&[u8]> {
    text.as_deref().map(str::as_bytes)
}

pub(super) async fn fetch(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
    fetch: Fetch,
) -> Result<Vec<Message>, Failure> {
    match fetch.mode {
        FetchMode::Peek => peek(administration, caller, place, fetch.count).await,
        FetchMode::Take => take(administration, caller, place, fetch.count).await,
    }
}

async fn peek(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
    count: u32,
) -> Result<Vec<Message>, Failure> {
    let store = administration.accounts.store();
    let queue = Resource::queue(place.name);
    if !store.permits(&caller.principal, place.namespace, Operation::Browse, queue) {
        return Err(Failure::Denied(format!(
            "user {:?} may not look at the messages of queue {:?}",
            caller.principal, place.name
        )));
    }
    let request = AdminRequest::Peek {
        namespace: place.namespace.into(),
        queue: place.name.into(),
        count,
    };
    match administration.administer(request).await? {
        Response::Report(report) => match *report {
            Report::Messages(records) => records
                .iter()
                .map(|record| shown(record, Past::default()))
                .collect(),
            _ => Ok(Vec::new()),
        },
        other => Err(unexpected(&other)),
    }
}

async fn take(
    administration: &Administration,
    caller: &Caller,
    place: Place<'_>,
    count: u32,
) -> Result<Vec<Message>, Failure> {
    let mut session = administration.session(caller, place.namespace).await?;
    let mut messages = Vec::new();
    for _ in 0..count {
        let request = Request::Get {
            queue: place.name.into(),
            settled: true,
        };
        match session
            .request(request)
            .await
            .map_err(|refusal| refused(&refusal))?
        {
            Response::Got {
                delivery: Some(delivery),
                ..
            } => {
                messages.push(shown(&delivery.record, Past::of(&delivery))?);
            }
            Response::Got { delivery: None, .. } => break,
            other => return Err(unexpected(&other)),
        }
    }
    Ok(messages)
}

/// What has happened to a message that its record does not say.
#[derive(Debug, Clone, Copy, Default)]
struct Past {
    redelivered: bool,
    attempts: u32,
}

impl Past {
    fn of(delivery: &Delivery) -> Self {
        Self {
            redelivered: delivery.redelivered,
            attempts: delivery.attempts,
        }
    }
}

fn shown(record: &Record, past: Past) -> Result<Message, Failure> {
    let unreadable = |what: String| Failure::Unavailable(format!("a stored message: {what}"));
    let view = record
        .view()
        .map_err(|error| unreadable(error.to_string()))?;
    let mut scratch = BytesMut::new();
    let notes = Notes {
        attempts: past.attempts,
        stream_offset: None,
    };
    let head = mapping::message::head(&view, notes, &mut scratch);
    let properties = AmqpProperties::parse(head).map_err(|error| unreadable(error.to_string()))?;
    Ok(Message {
        exchange: view.exchange.to_owned(),
        routing_key: view.routing_key_text().into_owned(),
        redelivered: past.redelivered,
        properties: properties_of(&properties),
        payload: Payload::of(view.body),
    })
}

fn properties_of(properties: &AmqpProperties<'_>) -> Properties {
    let text =
        |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Properties {
        persistent: properties.delivery_mode == Some(PERSISTENT),
        content_type: text(properties.content_type),
        content_encoding: text(properties.content_encoding),
        priority: properties.priority,
        correlation_id: text(properties.correlation_id),
        reply_to: text(properties.reply_to),
        expiration_ms: text(properties.expiration).and_then(|text| text.parse().ok()),
        message_id: text(properties.message_id),
        timestamp: properties.timestamp,
        kind: text(properties.kind),
        user_id: text(properties.user_id),
        app_id: text(properties.app_id),
        headers: properties
            .headers
            .map(|headers| to_json(&mapping::table::to_core(headers)))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sabir_admin::backend::Role;
    use serde_json::json;

    fn caller() -> Caller {
        Caller {
            principal: "anna".to_owned(),
            role: Role::Administrator,
        }
    }

    fn publication(properties: Properties) -> Publication {
        Publication {
            routing_key: "q".to_owned(),
            properties,
            payload: Payload::of(b"body"),
            ..Publication::default()
        }
    }

    #[test]
    fn properties_survive_the_way_through_amqp() {
        let properties = Properties {
            persistent: true,
            content_type: Some("text/plain".to_owned()),
            priority: Some(3),
            expiration_ms: Some(60_000),
            message_id: Some("m".to_owned()),
            timestamp: Some(1),
            kind: Some("t".to_owned()),
            headers: json!({"a": 1, "b": ["c"]}).as_object().unwrap().clone(),
            ..Properties::default()
        };
        let message = message(&caller(), "/", publication(properties.clone())).unwrap();
        assert!(message.persistent);
        assert_eq!(message.priority, 3);
        assert_eq!(message.ttl_ms, Some(60_000));
        let read = AmqpProperties::parse(&message.head).unwrap();
        assert_eq!(properties_of(&read), properties);
    }

    #[test]
    fn a_message_may_not_carry_another_users_name() {
        let properties = Properties {
            user_id: Some("berta".to_owned()),
            ..Properties::default()
        };
        let refused = message(&caller(), "/", publication(properties));
        assert!(matches!(refused, Err(Failure::Invalid(_))));
    }

    #[test]
    fn a_text_that_amqp_would_cut_off_is_refused() {
        let properties = Properties {
            message_id: Some("m".repeat(256)),
            ..Properties::default()
        };
        let refused = message(&caller(), "/", publication(properties));
        assert!(matches!(refused, Err(Failure::Invalid(words)) if words.contains("message_id")));
    }
}
