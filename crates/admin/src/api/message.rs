//! Messages, as they are published and looked at through the administration API.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Arguments;

/// A message to publish.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Publication {
    /// The exchange; the default exchange has no name.
    pub exchange: String,
    /// The routing key; for the default exchange the name of the queue.
    pub routing_key: String,
    /// What the receiver is told of the message.
    pub properties: Properties,
    /// The payload.
    #[serde(flatten)]
    pub payload: Payload,
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Whether a queue took it. It is stored as safely as that queue promises.
    pub routed: bool,
}

/// The bytes of a message, in a form that JSON can carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The bytes, encoded.
    #[serde(default)]
    pub payload: String,
    /// How they are encoded.
    #[serde(default)]
    pub payload_encoding: Encoding,
}

/// How a payload is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The bytes are this text.
    #[default]
    Utf8,
    /// The bytes in base 64 (RFC 4648 §4).
    Base64,
}

/// A payload that is not what its encoding says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not base 64: {0}")]
pub struct NotBase64(String);

impl Payload {
    /// These bytes: as text where they are text.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self {
                payload: text.to_owned(),
                payload_encoding: Encoding::Utf8,
            },
            Err(_) => Self {
                payload: STANDARD.encode(bytes),
                payload_encoding: Encoding::Base64,
            },
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// When the text is not what the encoding says.
    pub fn bytes(&self) -> Result<Vec<u8>, NotBase64> {
        match self.payload_encoding {
            Encoding::Utf8 => Ok(self.payload.clone().into_bytes()),
            Encoding::Base64 => STANDARD
                .decode(&self.payload)
                .map_err(|error| NotBase64(error.to_string())),
        }
    }
}

/// What a sender says of a message. All are optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    /// Whether it survives a restart, in a queue that does.
    pub persistent: bool,
    /// Media type of the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Encoding of the payload, such as `gzip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// 0 (lowest) to 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// What it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Where an answer is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// How long it may wait, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_ms: Option<u64>,
    /// What identifies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When it was made, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// What sort of message it is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The user who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The application that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// Headers of the application.
    #[serde(skip_serializing_if = "Arguments::is_empty")]
    pub headers: Arguments,
}

/// How messages are fetched from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// Most messages, up to [`Fetch::COUNT_MAX`].
    #[serde(default = "one")]
    pub count: u32,
    /// What becomes of them.
    pub mode: FetchMode,
}

impl Fetch {
    /// Most messages of one request.
    pub const COUNT_MAX: u32 = 1000;
}

/// What becomes of messages that are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FetchMode {
    /// They stay as they are; no consumer notices.
    Peek,
    /// They leave the queue.
    Take,
}

/// A message as it was fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The exchange it was published to.
    pub exchange: String,
    /// Its routing key.
    pub routing_key: String,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// What its sender says of it.
    pub properties: Properties,
    /// The payload.
    #[serde(flatten)]
    pub payload: Payload,
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_survive_the_way_through_json() {
        for bytes in [b"text".as_slice(), b"", &[0xff, 0x00, 0x80]] {
            let json = serde_json::to_string(&Payload::of(bytes)).unwrap();
            let payload: Payload = serde_json::from_str(&json).unwrap();
            assert_eq!(payload.bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn a_payload_that_is_not_base_64_is_refused() {
        let payload = Payload {
            payload: "***".to_owned(),
            payload_encoding: Encoding::Base64,
        };
        assert!(payload.bytes().is_err());
    }
}
