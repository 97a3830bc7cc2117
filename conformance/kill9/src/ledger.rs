//! What was confirmed and what arrived, and which promises that breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many examples of a broken promise are kept.
const EXAMPLES: usize = 10;

/// A message: its publisher and the publisher's own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// Who published it.
    pub publisher: u32,
    /// How many it had published before.
    pub sequence: u64,
}

impl Message {
    /// The body that says which message it is, with so many further bytes.
    pub fn body(self, padding: usize) -> String {
        let mut body = format!("{self}:");
        body.extend(std::iter::repeat_n('.', padding));
        body
    }

    /// Reads a body.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(body).ok()?.splitn(3, ':');
        let (publisher, sequence) = (parts.next()?, parts.next()?);
        let padding = parts.next()?;
        if padding.bytes().any(|byte| byte != b'.') {
            return None;
        }
        Some(Self { publisher: publisher.parse().ok()?, sequence: sequence.parse().ok()? })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.publisher, self.sequence)
    }
}

/// What publishers and consumers saw, over all connections.
#[derive(Debug, Default)]
pub struct Ledger {
    sent: BTreeMap<u32, u64>,
    confirmed: BTreeSet<Message>,
    arrived: BTreeSet<Message>,
    duplicates: usize,
    /// Messages that came twice, the second time as if it were the first.
    pub unflagged: Vec<String>,
    /// Messages that came after a later one of the same publisher.
    pub disorder: Vec<String>,
    /// Messages that nobody published.
    pub strange: Vec<String>,
    /// How the last connection that published ended.
    pub last_end: String,
}

impl Ledger {
    /// A publisher is about to send.
    pub fn send(&mut self, message: Message) {
        self.sent.insert(message.publisher, message.sequence);
    }

    /// The broker took responsibility.
    pub fn confirm(&mut self, message: Message) {
        self.confirmed.insert(message);
    }

    /// A message was delivered; `last` is what this consumer got before, on this connection, by publisher.
    pub fn arrive(&mut self, message: Message, redelivered: bool, last: &mut BTreeMap<u32, u64>) {
        if self.sent.get(&message.publisher).is_none_or(|sent| message.sequence > *sent) {
            example(&mut self.strange, message.to_string());
        }
        if let Some(before) = last.insert(message.publisher, message.sequence)
            && before >= message.sequence
        {
            example(&mut self.disorder, format!("{message} after {before}"));
        }
        if !self.arrived.insert(message) {
            self.duplicates += 1;
            if !redelivered {
                example(&mut self.unflagged, message.to_string());
            }
        }
    }

    /// A body that no publisher writes.
    pub fn unreadable(&mut self, body: &[u8]) {
        example(&mut self.strange, String::from_utf8_lossy(body).into_owned());
    }

    /// Number of confirmed messages.
    pub fn confirmed(&self) -> usize {
        self.confirmed.len()
    }

    /// True when all that was confirmed arrived.
    pub fn is_complete(&self) -> bool {
        self.confirmed.is_subset(&self.arrived)
    }

    /// True when any promise was broken.
    pub fn is_broken(&self) -> bool {
        let examples = [&self.unflagged, &self.disorder, &self.strange];
        !self.is_complete() || examples.iter().any(|examples| !examples.is_empty())
    }

    /// Some of the confirmed messages that did not arrive.
    pub fn lost(&self) -> String {
        let lost: Vec<String> = self.confirmed.difference(&self.arrived).map(|lost| lost.to_string()).collect();
        format!("{} lost, first {}", lost.len(), lost.iter().take(EXAMPLES).cloned().collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} sent, {} confirmed, {} arrived, {} again; the last publisher ended with: {}",
            self.sent.values().sum::<u64>(),
            self.confirmed.len(),
            self.arrived.len(),
            self.duplicates,
            self.last_end
        )
    }
}

fn example(examples: &mut Vec<String>, text: String) {
    if examples.len() < EXAMPLES {
        examples.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sequence: u64) -> Message {
        Message { publisher: 1, sequence }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.send(message(9));
        ledger
    }

    #[test]
    fn a_confirmed_message_that_does_not_arrive_is_lost() {
        let mut ledger = ledger();
        ledger.confirm(message(1));
        assert!(!ledger.is_complete());
        ledger.arrive(message(1), false, &mut BTreeMap::new());
        assert!(ledger.is_complete());
    }

    #[test]
    fn only_an_unflagged_duplicate_breaks_a_promise() {
        let mut ledger = ledger();
        ledger.arrive(message(1), false, &mut BTreeMap::new());
        ledger.arrive(message(1), true, &mut BTreeMap::new());
        assert!(ledger.unflagged.is_empty());
        ledger.arrive(message(1), false, &mut BTreeMap::new());
        assert_eq!(ledger.unflagged, ["1:1"]);
    }

    #[test]
    fn order_is_judged_within_one_connection() {
        let mut ledger = ledger();
        let mut last = BTreeMap::new();
        ledger.arrive(message(2), false, &mut last);
        ledger.arrive(message(2), true, &mut BTreeMap::new());
        assert!(ledger.disorder.is_empty());
        ledger.arrive(message(1), false, &mut last);
        assert_eq!(ledger.disorder, ["1:1 after 2"]);
    }

    #[test]
    fn a_message_that_was_never_sent_is_strange() {
        let mut ledger = ledger();
        ledger.arrive(message(10), false, &mut BTreeMap::new());
        assert_eq!(ledger.strange, ["1:10"]);
    }
}
