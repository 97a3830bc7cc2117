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

/// The publishes of a channel in confirm mode.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    /// The last number given.
    published: u64,
    /// All up to here are confirmed or refused.
    settled: u64,
    /// Ranges beyond that are, by their first number.
    ahead: BTreeMap<u64, u64>,
}

impl Confirms {
    /// The number of the next publish.
    pub(super) const fn next(&mut self) -> u64 {
        self.published += 1;
        self.published
    }

    /// Notes a settled range. Whether one frame may say so with `multiple`: nothing below it is open.
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
            Mode::Plain => self.mode = Mode::Confirm(Confirms::default()),
            Mode::Confirm(_) => {}
        }
        link.answer_unless(nowait, &mut self.lane, &confirm::SelectOk {});
        Ok(())
    }

    fn confirm(&mut self, link: &mut Link, first: u64, last: u64) {
        let Mode::Confirm(confirms) = &mut self.mode else {
            return;
        };
        let number = self.lane.number;
        if confirms.settle(first, last) {
            link.send(
                number,
                &basic::Ack {
                    delivery_tag: last,
                    multiple: last > first,
                },
            );
            return;
        }
        for delivery_tag in first..=last {
            link.send(
                number,
                &basic::Ack {
                    delivery_tag,
                    multiple: false,
                },
            );
        }
    }

    fn refuse(&mut self, link: &mut Link, ticket: u64) {
        let Mode::Confirm(confirms) = &mut self.mode else {
            return;
        };
        confirms.settle(ticket, ticket);
        link.send(
            self.lane.number,
            &basic::Nack {
                delivery_tag: ticket,
                multiple: false,
                requeue: false,
            },
        );
    }
}

impl AmqpSession {
    /// Messages are safe.
    pub(super) fn confirmed(&mut self, producer: ProducerId, first: u64, last: u64) {
        if let Some(channel) = self.channels.of_producer(producer) {
            channel.confirm(&mut self.link, first, last);
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
        match refusal {
            Refusal::Full { .. } | Refusal::Limit { .. } | Refusal::Unavailable { .. }
                if ticket > 0 =>
            {
                channel.refuse(&mut self.link, ticket);
            }
            // A queue that refuses publishes drops those of publishers that do not ask for confirms.
            Refusal::Full { .. } => {}
            refusal => {
                let number = channel.lane.number;
                self.fail(
                    now,
                    number,
                    Fault::from(refusal).at(super::channel::PUBLISH),
                    Turn::Now,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_with_nothing_open_below_is_confirmed_at_once() {
        let mut confirms = Confirms::default();
        assert!(confirms.settle(1, 3));
        assert!(!confirms.settle(6, 7));
        assert!(confirms.settle(4, 4));
        assert!(confirms.settle(5, 5));
        assert_eq!(confirms.settled, 7);
        assert!(confirms.settle(8, 9));
        assert!(confirms.ahead.is_empty());
    }
}
