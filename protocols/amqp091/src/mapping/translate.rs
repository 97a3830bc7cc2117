//! How the core and other protocols read the head of a message that came over AMQP 0-9-1.

use sabir_core::message::Format;
use sabir_core::message::translate::Translate;
use sabir_core::message::value::Table;
use sabir_core::name::Name;

use super::message::FORMAT;
use super::table;
use crate::codec::properties::Properties;

/// The translation of [`FORMAT`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Translation;

impl Translate for Translation {
    fn format(&self) -> Format {
        FORMAT
    }

    fn headers(&self, head: &[u8]) -> Table {
        let properties = Properties::parse(head).unwrap_or_default();
        properties.headers.map(table::to_core).unwrap_or_default()
    }

    fn property(&self, head: &[u8], name: &str) -> Option<Name> {
        let properties = Properties::parse(head).ok()?;
        let bytes = match name {
            "content_type" => properties.content_type,
            "content_encoding" => properties.content_encoding,
            "correlation_id" => properties.correlation_id,
            "reply_to" => properties.reply_to,
            "expiration" => properties.expiration,
            "message_id" => properties.message_id,
            "type" => properties.kind,
            "user_id" => properties.user_id,
            "app_id" => properties.app_id,
            "timestamp" => {
                return properties
                    .timestamp
                    .map(|seconds| Name::from(seconds.to_string()));
            }
            _ => None,
        };
        bytes.map(|bytes| Name::from(String::from_utf8_lossy(bytes).into_owned()))
    }
}
