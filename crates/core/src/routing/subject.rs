//! Subjects: the names under which messages are published in a topic space.

use std::borrow::Borrow;

use bytes::Bytes;

const SEPARATOR: u8 = b'.';

/// A list of tokens, kept as the text in which `.` separates them.
///
/// The empty text has no tokens; every other text has one more token than separators, and
/// tokens may be empty. A dialect with another separator is mapped by exchanging that separator
/// and `.` in the whole text, which loses nothing because it is its own inverse.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Bytes);

impl Subject {
    /// The subject with this text. Its length is bounded by whoever took it off the wire.
    pub fn from_bytes(text: Bytes) -> Self {
        Self(text)
    }

    /// The subject that a dialect with another separator writes as `text`.
    pub fn from_separated(text: Bytes, separator: u8) -> Self {
        Self(exchange(text, separator))
    }

    /// The subject as a dialect with this separator writes it.
    pub fn to_separated(&self, separator: u8) -> Bytes {
        exchange(self.0.clone(), separator)
    }

    /// The tokens in order.
    pub fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        tokens(&self.0)
    }

    /// Whether the first token begins with `$`, which leading wildcards of some dialects spare.
    pub fn is_system(&self) -> bool {
        is_system(&self.0)
    }

    /// The text with `.` between the tokens.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text with `.` between the tokens, shared rather than copied.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Borrow<[u8]> for Subject {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// The tokens of a dotted text.
pub(super) fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut parts = text.split(|byte| *byte == SEPARATOR);
    if text.is_empty() {
        parts.next();
    }
    parts
}

/// Whether the first token of a dotted text begins with `$`.
pub(super) fn is_system(text: &[u8]) -> bool {
    text.first() == Some(&b'$')
}

/// Whether a token could not be told from several.
pub(super) fn holds_separator(token: &[u8]) -> bool {
    token.contains(&SEPARATOR)
}

/// Exchanges `.` and the separator; shares the text when it holds neither.
fn exchange(text: Bytes, separator: u8) -> Bytes {
    let untouched = separator == SEPARATOR
        || !text
            .iter()
            .any(|byte| *byte == SEPARATOR || *byte == separator);
    if untouched {
        return text;
    }
    text.iter()
        .map(|&byte| match byte {
            SEPARATOR => separator,
            byte if byte == separator => SEPARATOR,
            byte => byte,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dotted(text: &'static str) -> Subject {
        Subject::from_bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn tokens_may_be_empty_but_the_empty_subject_has_none() {
        let lengths = |text| dotted(text).tokens().map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(""), [0; 0]);
        assert_eq!(lengths("."), [0, 0]);
        assert_eq!(lengths("a..bc"), [1, 0, 2]);
    }

    #[test]
    fn another_separator_changes_places_with_the_dot() {
        let topic = Bytes::from_static(b"/site/v1.0/x");
        let subject = Subject::from_separated(topic.clone(), b'/');
        assert_eq!(subject.as_bytes(), b".site.v1/0.x");
        assert_eq!(subject.tokens().count(), 4);
        assert_eq!(subject.to_separated(b'/'), topic);
        assert_eq!(subject.to_separated(b'.'), subject.clone().into_bytes());
    }

    #[test]
    fn a_leading_dollar_marks_a_system_subject() {
        assert!(dotted("$SYS.broker").is_system());
        assert!(!dotted("a.$SYS").is_system());
    }
}
