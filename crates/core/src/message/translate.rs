//! How the core and other protocols read a message in a format that they do not know.

use super::{Format, value::Table};
use crate::name::Name;

/// What a protocol crate registers for a message format of its own.
pub trait Translate: Send + Sync {
    /// The format it reads.
    fn format(&self) -> Format;

    /// The application headers in `head`, in the sender's order; empty when there are none or
    /// they cannot be read.
    fn headers(&self, head: &[u8]) -> Table;

    /// A property of the message by its field name (`message_id`, `correlation_id`, `timestamp`,
    /// `type`, `user_id` …) as text.
    fn property(&self, head: &[u8], name: &str) -> Option<Name>;
}

/// The formats of this process.
#[derive(Default)]
pub struct Formats(Vec<Box<dyn Translate>>);

impl Formats {
    /// Adds a format. Of two with the same tag the first stays.
    pub fn register(&mut self, translate: Box<dyn Translate>) {
        self.0.push(translate);
    }

    /// The translation of `format`.
    #[must_use]
    pub fn of(&self, format: Format) -> Option<&dyn Translate> {
        self.0
            .iter()
            .find(|known| known.format() == format)
            .map(AsRef::as_ref)
    }
}

impl std::fmt::Debug for Formats {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let formats = self.0.iter().map(|known| known.format());
        formatter.debug_list().entries(formats).finish()
    }
}
