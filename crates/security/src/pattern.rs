//! Permission patterns: regular expressions over names, compiled once.
//!
//! The dialect is RabbitMQ's in what permissions use: unanchored search, look-around allowed,
//! and the empty pattern matches the empty name only. Matching that runs out of its step budget
//! does not match: it fails closed.

use arc_swap::ArcSwap;
use fancy_regex::{Regex, RegexBuilder};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest pattern that is compiled.
const PATTERN_BYTES_MAX: usize = 4096;

/// The largest compiled form of a pattern.
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// Steps that a pattern with look-around may take on one name.
const BACKTRACKS_MAX: usize = 100_000;

/// How many client identifiers one topic pattern keeps a compiled form for.
const CLIENTS_MAX: usize = 256;

/// A pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern is longer than is compiled.
    #[error("a pattern of {bytes} bytes is longer than {PATTERN_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The pattern is not a regular expression.
    #[error("invalid pattern '{pattern}': {reason}")]
    Invalid {
        /// The pattern as given.
        pattern: String,
        /// What the compiler said.
        reason: String,
    },
}

/// A compiled pattern with its source text.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    source: Box<str>,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Everything,
    EmptyName,
    Expression(Box<Regex>),
}

impl Pattern {
    pub(crate) fn compile(source: &str) -> Result<Self, PatternError> {
        let matcher = match source {
            "" | "^$" => Matcher::EmptyName,
            ".*" | "^.*$" | "^.*" | ".*$" => Matcher::Everything,
            _ => Matcher::Expression(Box::new(expression(source)?)),
        };
        Ok(Self {
            source: source.into(),
            matcher,
        })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::Everything => true,
            Matcher::EmptyName => name.is_empty(),
            Matcher::Expression(expression) => expression.is_match(name).unwrap_or(false),
        }
    }
}

fn expression(source: &str) -> Result<Regex, PatternError> {
    if source.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLong {
            bytes: source.len(),
        });
    }
    RegexBuilder::new(source)
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(PROGRAM_BYTES_MAX)
        .max_prog_size(PROGRAM_BYTES_MAX)
        .build()
        .map_err(|error| PatternError::Invalid {
            pattern: source.to_owned(),
            reason: error.to_string(),
        })
}

/// A pattern over routing keys that may mention `{username}`, `{vhost}` and `{client_id}`.
///
/// Values are inserted as literal text: a client identifier like `.*` must not widen the pattern
/// (CVE-2026-44838 is that mistake). The first two are known when the permission is compiled;
/// patterns that mention the client identifier are compiled when one is first seen.
#[derive(Debug)]
pub(crate) struct TopicPattern {
    source: Box<str>,
    form: TopicForm,
}

#[derive(Debug)]
enum TopicForm {
    Fixed(Pattern),
    PerClient {
        template: Box<str>,
        compiled: ArcSwap<BTreeMap<Box<str>, Arc<Pattern>>>,
    },
}

const CLIENT_ID: &str = "{client_id}";

impl TopicPattern {
    pub(crate) fn compile(
        source: &str,
        username: &str,
        namespace: &str,
    ) -> Result<Self, PatternError> {
        let expanded = insert(source, "{username}", username);
        let expanded = insert(&expanded, "{vhost}", namespace);
        let form = if source.contains(CLIENT_ID) {
            expression(&expanded.replace(CLIENT_ID, "client"))?;
            TopicForm::PerClient {
                template: expanded.into(),
                compiled: ArcSwap::default(),
            }
        } else {
            TopicForm::Fixed(Pattern::compile(&expanded)?)
        };
        Ok(Self {
            source: source.into(),
            form,
        })
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern matches this routing key for the session of this client.
    ///
    /// A pattern that mentions the client identifier matches nothing for a session without one.
    pub(crate) fn matches(&self, routing_key: &str, client_id: Option<&str>) -> bool {
        match (&self.form, client_id) {
            (TopicForm::Fixed(pattern), _) => pattern.matches(routing_key),
            (TopicForm::PerClient { .. }, None) => false,
            (TopicForm::PerClient { template, compiled }, Some(client_id)) => {
                per_client(template, compiled, client_id)
                    .is_some_and(|pattern| pattern.matches(routing_key))
            }
        }
    }
}

/// Puts `value` in the place of `placeholder`, as text that matches only itself.
///
/// Escaping also breaks the braces of a placeholder inside the value, so that inserting one value
/// after the other never expands what a value contains.
fn insert(template: &str, placeholder: &str, value: &str) -> String {
    template.replace(placeholder, &fancy_regex::escape(value))
}

fn per_client(
    template: &str,
    compiled: &ArcSwap<BTreeMap<Box<str>, Arc<Pattern>>>,
    client_id: &str,
) -> Option<Arc<Pattern>> {
    if let Some(pattern) = compiled.load().get(client_id) {
        return Some(Arc::clone(pattern));
    }
    let pattern = Pattern::compile(&insert(template, CLIENT_ID, client_id)).ok()?;
    let pattern = Arc::new(pattern);
    compiled.rcu(|known| {
        let mut known = if known.len() < CLIENTS_MAX {
            BTreeMap::clone(known)
        } else {
            BTreeMap::new()
        };
        known.insert(client_id.into(), Arc::clone(&pattern));
        known
    });
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(source: &str, name: &str) -> bool {
        Pattern::compile(source).unwrap().matches(name)
    }

    #[test]
    fn a_pattern_is_searched_and_the_empty_one_matches_only_nothing() {
        assert!(matches("orders", "all-orders-eu"));
        assert!(matches("^orders$", "orders"));
        assert!(!matches("^orders$", "all-orders-eu"));
        assert!(matches(".*", ""));
        assert!(matches("", ""));
        assert!(!matches("", "orders"));
    }

    #[test]
    fn look_around_is_understood() {
        assert!(matches("^(?!secret)", "orders"));
        assert!(!matches("^(?!secret)", "secret.orders"));
    }

    #[test]
    fn a_pattern_that_explodes_matches_nothing() {
        let name = "a".repeat(255);
        assert!(!matches("^(?=(a+)+b)(a|aa)+$", &name));
    }

    #[test]
    fn malformed_and_overlong_patterns_are_refused() {
        assert!(matches!(
            Pattern::compile("(orders"),
            Err(PatternError::Invalid { .. })
        ));
        assert!(Pattern::compile(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
        assert!(matches!(
            Pattern::compile(&"a".repeat(PATTERN_BYTES_MAX + 1)),
            Err(PatternError::TooLong { bytes: 4097 })
        ));
    }

    #[test]
    fn inserted_values_match_only_themselves() {
        let pattern = TopicPattern::compile("^{vhost}/{username}/{client_id}$", ".*", "a|b");
        let pattern = pattern.unwrap();
        assert!(pattern.matches("a|b/.*/.+", Some(".+")));
        assert!(!pattern.matches("a|b/.*/anything", Some(".+")));
        assert!(!pattern.matches("a", Some(".+")));
        assert!(!pattern.matches("a|b/someone/.+", Some(".+")));
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_is_not_expanded() {
        let pattern = TopicPattern::compile("^{username}$", "{vhost}", "shop").unwrap();
        assert!(pattern.matches("{vhost}", None));
        assert!(!pattern.matches("shop", None));
        let pattern = TopicPattern::compile("^{username}-{client_id}$", "{client_id}", "shop");
        let pattern = pattern.unwrap();
        assert!(pattern.matches("{client_id}-7", Some("7")));
        assert!(!pattern.matches("7-7", Some("7")));
    }

    #[test]
    fn a_pattern_with_the_client_identifier_needs_one() {
        let pattern = TopicPattern::compile("^{client_id}", "u", "v").unwrap();
        assert!(!pattern.matches("{client_id}", None));
        for client in 0..=CLIENTS_MAX {
            let client = client.to_string();
            assert!(pattern.matches(&client, Some(&client)));
            assert!(!pattern.matches("x", Some(&client)));
        }
    }
}
