//! Patterns: what a subscriber wants to hear of a topic space.

use bytes::Bytes;
use thiserror::Error;

use super::subject::{Subject, holds_separator, is_system, tokens};
use crate::message::value::{Text, Value};

/// How many tokens a pattern may have.
pub const PATTERN_TOKENS_MAX: usize = 256;

/// One token of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternToken {
    /// Exactly this token.
    Literal(Bytes),
    /// Any one token.
    One,
    /// Any tokens, also none.
    ManyFromZero,
    /// Any tokens, at least one.
    ManyFromOne,
}

/// A list of tokens to compare subjects with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    tokens: Vec<PatternToken>,
    spares_system: bool,
}

/// Why tokens are not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// More tokens than [`PATTERN_TOKENS_MAX`].
    #[error("a pattern of more than {PATTERN_TOKENS_MAX} tokens")]
    TooManyTokens,
    /// A literal holds the separator `.`, so that no token can equal it.
    #[error("a literal token of a pattern holds a separator")]
    LiteralHoldsSeparator,
    /// A stored value is not a pattern.
    #[error("the stored value is not a pattern")]
    NotAPattern,
}

impl Pattern {
    /// The pattern of these tokens.
    ///
    /// # Errors
    /// [`PatternError::TooManyTokens`], [`PatternError::LiteralHoldsSeparator`].
    pub fn new(tokens: impl IntoIterator<Item = PatternToken>) -> Result<Self, PatternError> {
        let tokens: Vec<_> = tokens.into_iter().take(PATTERN_TOKENS_MAX + 1).collect();
        if tokens.len() > PATTERN_TOKENS_MAX {
            return Err(PatternError::TooManyTokens);
        }
        let splits = |token: &PatternToken| match token {
            PatternToken::Literal(literal) => holds_separator(literal),
            _ => false,
        };
        if tokens.iter().any(splits) {
            return Err(PatternError::LiteralHoldsSeparator);
        }
        Ok(Self {
            tokens,
            spares_system: false,
        })
    }

    /// Parses dotted words in which `*` is any one word and `#` any words, also none. There is
    /// no escape: these two words have no literal form in this dialect.
    ///
    /// # Errors
    /// [`PatternError::TooManyTokens`].
    pub fn from_dotted_words(text: &[u8]) -> Result<Self, PatternError> {
        Self::new(tokens(text).map(|word| match word {
            b"*" => PatternToken::One,
            b"#" => PatternToken::ManyFromZero,
            word => PatternToken::Literal(Bytes::copy_from_slice(word)),
        }))
    }

    /// The same pattern, whose leading wildcard no longer matches subjects that begin with `$`.
    #[must_use]
    pub fn sparing_system_subjects(mut self) -> Self {
        self.spares_system = true;
        self
    }

    /// The tokens in order.
    pub fn tokens(&self) -> &[PatternToken] {
        &self.tokens
    }

    /// Whether the pattern has a leading wildcard that passes over subjects beginning with `$`.
    pub fn spares_system_subjects(&self) -> bool {
        let leads_with_literal = matches!(self.tokens.first(), Some(PatternToken::Literal(_)));
        self.spares_system && !leads_with_literal
    }

    /// Whether the pattern matches the subject. Takes time in proportion to the product of both
    /// lengths at worst.
    pub fn matches(&self, subject: &Subject) -> bool {
        if self.spares_system_subjects() && is_system(subject.as_bytes()) {
            return false;
        }
        let steps = self.steps();
        let tokens: Vec<&[u8]> = subject.tokens().collect();
        match_steps(&steps, &tokens)
    }

    /// The pattern as steps in their canonical order: in a run of wildcards, all that take one
    /// token come first, then at most one that takes any number. Patterns that match the same
    /// subjects by reordering wildcards have the same steps.
    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::with_capacity(self.tokens.len() + 1);
        let mut open = false;
        for token in &self.tokens {
            match token {
                PatternToken::Literal(literal) => {
                    close_run(&mut steps, &mut open);
                    steps.push(Step::Literal(literal));
                }
                PatternToken::One => steps.push(Step::One),
                PatternToken::ManyFromZero => open = true,
                PatternToken::ManyFromOne => {
                    steps.push(Step::One);
                    open = true;
                }
            }
        }
        close_run(&mut steps, &mut open);
        steps
    }

    /// The pattern as a value, for the catalog.
    pub fn to_value(&self) -> Value {
        let tokens = self.tokens.iter().map(|token| match token {
            PatternToken::Literal(literal) => Value::Binary(literal.clone()),
            PatternToken::One => Value::Symbol(Text::from_static("one")),
            PatternToken::ManyFromZero => Value::Symbol(Text::from_static("many-from-zero")),
            PatternToken::ManyFromOne => Value::Symbol(Text::from_static("many-from-one")),
        });
        let mut items = vec![Value::Bool(self.spares_system)];
        items.extend(tokens);
        Value::List(items)
    }

    /// The pattern that [`Pattern::to_value`] wrote.
    ///
    /// # Errors
    /// Any [`PatternError`].
    pub fn from_value(value: &Value) -> Result<Self, PatternError> {
        let Value::List(items) = value else {
            return Err(PatternError::NotAPattern);
        };
        let Some((Value::Bool(spares_system), tokens)) = items.split_first() else {
            return Err(PatternError::NotAPattern);
        };
        let tokens: Vec<_> = tokens
            .iter()
            .map(token_from_value)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            spares_system: *spares_system,
            ..Self::new(tokens)?
        })
    }

    /// How many bytes the literals have together.
    pub(super) fn literal_bytes(&self) -> usize {
        let literals = self.tokens.iter().map(|token| match token {
            PatternToken::Literal(literal) => literal.len(),
            _ => 0,
        });
        literals.sum()
    }

    /// A copy that shares no memory with the buffer the pattern was parsed from.
    pub(super) fn detached(&self) -> Self {
        let tokens = self.tokens.iter().map(|token| match token {
            PatternToken::Literal(literal) => {
                PatternToken::Literal(Bytes::copy_from_slice(literal))
            }
            wildcard => wildcard.clone(),
        });
        Self {
            tokens: tokens.collect(),
            spares_system: self.spares_system,
        }
    }
}

/// One step of a pattern in canonical order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'pattern> {
    /// Takes exactly this token.
    Literal(&'pattern Bytes),
    /// Takes any one token.
    One,
    /// Takes any number of tokens, also none.
    Many,
}

fn close_run(steps: &mut Vec<Step<'_>>, open: &mut bool) {
    if std::mem::take(open) {
        steps.push(Step::Many);
    }
}

fn token_from_value(value: &Value) -> Result<PatternToken, PatternError> {
    match value {
        Value::Binary(literal) => Ok(PatternToken::Literal(literal.clone())),
        Value::Symbol(symbol) if *symbol == "one" => Ok(PatternToken::One),
        Value::Symbol(symbol) if *symbol == "many-from-zero" => Ok(PatternToken::ManyFromZero),
        Value::Symbol(symbol) if *symbol == "many-from-one" => Ok(PatternToken::ManyFromOne),
        _ => Err(PatternError::NotAPattern),
    }
}

/// Greedy matching: when a step fails, only the latest `Many` has to take one token more,
/// because what an earlier one could take, the latest can take as well.
fn match_steps(mut steps: &[Step<'_>], mut tokens: &[&[u8]]) -> bool {
    let mut retry: Option<(&[Step<'_>], &[&[u8]])> = None;
    loop {
        match (steps.split_first(), tokens.split_first()) {
            (Some((Step::Many, rest)), _) => {
                retry = Some((rest, tokens));
                steps = rest;
                continue;
            }
            (Some((Step::One, rest)), Some((_, others))) => {
                (steps, tokens) = (rest, others);
                continue;
            }
            (Some((Step::Literal(literal), rest)), Some((token, others)))
                if literal.as_ref() == *token =>
            {
                (steps, tokens) = (rest, others);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((rest, taken_from)) = retry else {
            return false;
        };
        let Some((_, others)) = taken_from.split_first() else {
            return false;
        };
        retry = Some((rest, others));
        (steps, tokens) = (rest, others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Pattern {
        Pattern::from_dotted_words(text.as_bytes()).unwrap()
    }

    fn matches(pattern: &Pattern, subject: &'static str) -> bool {
        let subject = Subject::from_bytes(Bytes::from_static(subject.as_bytes()));
        pattern.matches(&subject)
    }

    #[test]
    fn star_takes_one_word_and_hash_any_number() {
        let pattern = words("a.*.#.z");
        assert!(matches(&pattern, "a.b.z"));
        assert!(matches(&pattern, "a..z"));
        assert!(matches(&pattern, "a.b.z.y.z"));
        assert!(!matches(&pattern, "a.z"));
        assert!(!matches(&pattern, "a.b.z.y"));
    }

    #[test]
    fn the_empty_subject_is_matched_by_hash_and_by_the_empty_pattern_only() {
        assert!(matches(&words("#"), ""));
        assert!(matches(&words(""), ""));
        assert!(!matches(&words("*"), ""));
        assert!(!matches(&words(""), "."));
    }

    #[test]
    fn many_from_one_needs_one() {
        let literal = PatternToken::Literal(Bytes::from_static(b"a"));
        let pattern = Pattern::new([literal, PatternToken::ManyFromOne]).unwrap();
        assert!(!matches(&pattern, "a"));
        assert!(matches(&pattern, "a.b"));
        assert!(matches(&pattern, "a.b.c"));
    }

    #[test]
    fn a_sparing_pattern_passes_over_system_subjects_only_with_a_leading_wildcard() {
        assert!(matches(&words("#"), "$SYS.a"));
        assert!(!matches(&words("#").sparing_system_subjects(), "$SYS.a"));
        assert!(!matches(&words("*.a").sparing_system_subjects(), "$SYS.a"));
        assert!(matches(
            &words("$SYS.#").sparing_system_subjects(),
            "$SYS.a"
        ));
        assert!(matches(&words("a.#").sparing_system_subjects(), "a.$SYS"));
    }

    #[test]
    fn runs_of_wildcards_have_one_canonical_order() {
        let left = words("#.*.#.a.#.#");
        let right = words("*.#.a.#");
        assert_eq!(left.steps(), right.steps());
    }

    #[test]
    fn tokens_are_bounded_and_literals_hold_no_separator() {
        let many = "a.".repeat(PATTERN_TOKENS_MAX);
        assert_eq!(
            Pattern::from_dotted_words(many.as_bytes()),
            Err(PatternError::TooManyTokens)
        );
        let literal = PatternToken::Literal(Bytes::from_static(b"a.b"));
        assert_eq!(
            Pattern::new([literal]),
            Err(PatternError::LiteralHoldsSeparator)
        );
    }

    #[test]
    fn a_stored_pattern_is_read_back() {
        let pattern = words("a.*.#").sparing_system_subjects();
        assert_eq!(Pattern::from_value(&pattern.to_value()), Ok(pattern));
        assert_eq!(
            Pattern::from_value(&Value::Null),
            Err(PatternError::NotAPattern)
        );
    }
}
