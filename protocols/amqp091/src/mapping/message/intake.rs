//! From a published content to a message.

use bytes::{Bytes, BytesMut};
use sabir_core::message::Message;
use sabir_core::routing::Subject;

use super::{FORMAT, PERSISTENT, Route};
use crate::codec::assembly::Content;
use crate::codec::properties::Properties;
use crate::codec::table::{FieldTable, FieldValue};
use crate::mapping::Place;
use crate::violation::Violation;

/// The queue name that stands for the consumer of direct replies.
pub const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The longest time to live: ten years in milliseconds.
const EXPIRATION_MS_MAX: i128 = 315_360_000_000;

/// What a channel knows that the content does not say.
#[derive(Debug, Clone, Copy)]
pub struct Intake<'a> {
    /// Who publishes, and where.
    pub place: &'a Place,
    /// The address of the channel's consumer of direct replies.
    pub reply_address: Option<&'a str>,
}

/// Checks a content's properties and makes the message of it.
pub fn receive(content: Content<Route>, intake: Intake<'_>) -> Result<Message, Violation> {
    let Content {
        method: Route {
            exchange,
            routing_key,
            ..
        },
        properties: head,
        body,
    } = content;
    let properties = Properties::parse(&head)?;
    check_user(&properties, intake.place)?;
    let ttl_ms = properties.expiration.map(expiration).transpose()?;
    let headers = properties
        .headers
        .map_or(Ok(Headers::default()), Headers::read)?;
    let persistent = properties.delivery_mode == Some(PERSISTENT);
    let priority = properties.priority.unwrap_or_default();
    let head = rewritten(&properties, headers.blind, intake)?.unwrap_or_else(|| head.clone());
    Ok(Message {
        exchange,
        routing_key: Subject::from_bytes(routing_key),
        extra_keys: headers.keys,
        persistent,
        priority,
        ttl_ms,
        delay_ms: headers.delay_ms,
        deduplication_id: headers.deduplication_id,
        format: FORMAT,
        head,
        body,
        deaths: Vec::new(),
    })
}

fn check_user(properties: &Properties<'_>, place: &Place) -> Result<(), Violation> {
    match properties.user_id {
        Some(claimed) if claimed != place.user.as_bytes() && !place.impersonates => {
            Err(Violation::UserId {
                claimed: String::from_utf8_lossy(claimed).into_owned(),
                actual: place.user.to_string(),
            })
        }
        _ => Ok(()),
    }
}

/// The time to live that an expiration property means.
fn expiration(text: &[u8]) -> Result<u64, Violation> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = text
        .iter()
        .skip(sign)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, rest) = text.split_at(if digits == 0 { 0 } else { sign + digits });
    let fault = |reason: String| Violation::Expiration {
        text: String::from_utf8_lossy(text).into_owned(),
        reason,
    };
    if digits == 0 {
        return Err(fault("no_integer".to_owned()));
    }
    if !rest.is_empty() {
        return Err(fault(format!(
            "{{leftover_string,\"{}\"}}",
            String::from_utf8_lossy(rest)
        )));
    }
    let value: i128 = std::str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(i128::MAX);
    if value > EXPIRATION_MS_MAX {
        return Err(fault(format!("{{value_too_large,{value}}}")));
    }
    u64::try_from(value).map_err(|_| fault(format!("{{value_negative,{value}}}")))
}

/// The headers that the broker acts upon.
#[derive(Default)]
struct Headers {
    /// Routing keys of CC and BCC.
    keys: Vec<Bytes>,
    /// Whether there is a BCC header, which receivers must not see.
    blind: bool,
    /// `x-delay`; a negative one is none, and one that is no integer is not the broker's.
    delay_ms: Option<u64>,
    /// `x-deduplication-header`.
    deduplication_id: Option<Bytes>,
}

impl Headers {
    fn read(headers: FieldTable<'_>) -> Result<Self, Violation> {
        let mut read = Self::default();
        for field in headers.fields() {
            match field.name {
                b"CC" => read.add_keys("CC", field.value)?,
                b"BCC" => {
                    read.add_keys("BCC", field.value)?;
                    read.blind = true;
                }
                b"x-delay" => {
                    read.delay_ms = field
                        .value
                        .integer()
                        .and_then(|delay| u64::try_from(delay).ok())
                }
                b"x-deduplication-header" => {
                    read.deduplication_id = field
                        .value
                        .text()
                        .map(|text| Bytes::copy_from_slice(text.as_bytes()));
                }
                _ => {}
            }
        }
        Ok(read)
    }

    fn add_keys(&mut self, header: &'static str, value: FieldValue<'_>) -> Result<(), Violation> {
        let FieldValue::Array(keys) = value else {
            return Err(Violation::RouteHeader {
                header,
                kind: value.type_name(),
            });
        };
        // As in RabbitMQ, what is no string in the array is passed over.
        for key in keys.values() {
            if let FieldValue::LongString(key) = key {
                self.keys.push(Bytes::copy_from_slice(key));
            }
        }
        Ok(())
    }
}

/// The head with the BCC header taken out and the reply address filled in, when either is due.
fn rewritten(
    properties: &Properties<'_>,
    blind: bool,
    intake: Intake<'_>,
) -> Result<Option<Bytes>, Violation> {
    let replies = properties.reply_to == Some(REPLY_TO.as_bytes());
    if !blind && !replies {
        return Ok(None);
    }
    let mut properties = *properties;
    if replies {
        let address = intake.reply_address.ok_or(Violation::NoReplyConsumer)?;
        properties.reply_to = Some(address.as_bytes());
    }
    let mut fields = BytesMut::new();
    if let (true, Some(headers)) = (blind, properties.headers) {
        for field in headers.fields().filter(|field| field.name != b"BCC") {
            fields.extend_from_slice(field.raw);
        }
        properties.headers = Some(FieldTable::parse(&fields)?);
    }
    let mut head = BytesMut::new();
    properties.put(&mut head);
    Ok(Some(head.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &[u8]) -> String {
        expiration(text).unwrap_err().to_string()
    }

    #[test]
    fn an_expiration_is_a_number_of_milliseconds() {
        assert_eq!(expiration(b"0"), Ok(0));
        assert_eq!(expiration(b"60000"), Ok(60_000));
        assert_eq!(reason(b"abc"), "invalid expiration 'abc': no_integer");
        assert_eq!(reason(b""), "invalid expiration '': no_integer");
        assert_eq!(
            reason(b"10s"),
            "invalid expiration '10s': {leftover_string,\"s\"}"
        );
        assert_eq!(
            reason(b"-1"),
            "invalid expiration '-1': {value_negative,-1}"
        );
        assert_eq!(
            reason(b"315360000001"),
            "invalid expiration '315360000001': {value_too_large,315360000001}"
        );
    }
}
