//! Publisher confirms: which publishes are settled, and how few frames say so.

use std::collections::BTreeMap;

use sabir_core::id::{ProducerId, Timestamp};
use sabir_core::refusal::Refusal;

use super::AmqpSession;
use super::channel::{Channel, Mode};
use super::close::Turn;
use super::fault::Fault;
use super::link::Link;
use crate::codec::method::{basic, confirm};
use crate::violation::Violation;

/// The publishes of a channel by ticket. All are counted, whether the client wants confirms or not: what looks at queues
/// has to wait until what was published before is in them.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The last ticket given.
    last: u64,
    /// All up to here are confirmed or refused.
    settled: u64,
    /// Ranges beyond that are, by their first ticket.
    ahead: BTreeMap<u64, u64>,
}

impl Published {
    /// The ticket of the next publish.
    pub(super) const fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether nothing is open.
    pub(super) const fn all_settled(&self) -> bool {
        self.settled >= self.last
    }

    /// Notes a settled range. Whether nothing below it is open.
    fn settle(&mut self, first: u64, last: u64) -> bool {
        let contiguous = first == self.settled + 1;
        self.ahead.insert(first, last);
        while let Some(entry) = self
            .ahead
            .first_entry()
            .filter(|entry| *entry.key() <= self.settled + 1)
        {
            self.settled = self.settled.max(entry.remove());
        }
        contiguous
    }
}

impl Channel {
    pub(super) fn select_confirms(&mut self, link: &mut Link, nowait: bool) -> Result<(), Fault> {
        match self.mode {
            Mode::Transaction(_) => return Err(Violation::ConfirmAfterTransaction.into()),
            Mode::Plain => {
                self.mode = Mode::Confirm {
                    after: self.published.last,
                };
            }
            Mode::Confirm { .. } => {}
        }
        link.answer_unless(nowait, &mut self.lane, &confirm::SelectOk {});
        Ok(())
    }

    /// The number by which the client knows a publish, if it wants to hear of it.
    const fn delivery_tag(&self, ticket: u64) -> Option<u64> {
        match self.mode {
            Mode::Confirm { after } if ticket > after => Some(ticket - after),
            _ => None,
        }
    }

    fn confirm(&mut self, link: &mut Link, first: u64, last: u64) {
        let contiguous = self.published.settle(first, last);
        let Some(last) = self.delivery_tag(last) else {
            return;
        };
        let first = self.delivery_tag(first).unwrap_or(1);
        let tags = if contiguous {
            last..=last
        } else {
            first..=last
        };
        for delivery_tag in tags {
            let multiple = contiguous && last > first;
            let ack = basic::Ack {
                delivery_tag,
                multiple,
            };
            link.send(self.lane.number, &ack);
        }
    }

    fn nack(&self, link: &mut Link, delivery_tag: u64) {
        let nack = basic::Nack {
            delivery_tag,
            multiple: false,
            requeue: false,
        };
        link.send(self.lane.number, &nack);
    }
}

impl AmqpSession {
    /// Messages are safe.
    pub(super) fn confirmed(
        &mut self,
        now: Timestamp,
        producer: ProducerId,
        first: u64,
        last: u64,
    ) {
        if let Some(channel) = self.channels.of_producer(producer) {
            channel.confirm(&mut self.link, first, last);
            let number = channel.lane.number;
            self.resume(now, number);
        }
    }

    /// A message was not taken: its publisher is told, or its channel is closed when the publish itself was wrong.
    pub(super) fn refused(
        &mut self,
        now: Timestamp,
        producer: ProducerId,
        ticket: u64,
        refusal: Refusal,
    ) {
        let Some(channel) = self.channels.of_producer(producer) else {
            return;
        };
        let number = channel.lane.number;
        if ticket > 0 {
            channel.published.settle(ticket, ticket);
        }
        match (&refusal, channel.delivery_tag(ticket)) {
            (
                Refusal::Full { .. } | Refusal::Limit { .. } | Refusal::Unavailable { .. },
                Some(delivery_tag),
            ) => channel.nack(&mut self.link, delivery_tag),
            // A queue that refuses publishes drops those of publishers that do not ask for confirms.
            (Refusal::Full { .. }, None) => {}
            _ => {
                let fault = Fault::from(refusal).at(super::channel::PUBLISH);
                return self.fail(now, number, fault, Turn::Now);
            }
        }
        self.resume(now, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_with_nothing_open_below_is_confirmed_at_once() {
        let mut confirms = Published::default();
        assert!(confirms.settle(1, 3));
        assert!(!confirms.settle(6, 7));
        assert!(confirms.settle(4, 4));
        assert!(confirms.settle(5, 5));
        assert_eq!(confirms.settled, 7);
        assert!(confirms.settle(8, 9));
        assert!(confirms.ahead.is_empty());
    }
}
