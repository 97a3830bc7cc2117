//! basic.ack, basic.nack, basic.reject and basic.recover; and deliveries that nobody acknowledges.

use sabir_core::id::Timestamp;
use sabir_core::request::{Outcome, Settlement};

use super::AmqpSession;
use super::channel::{Channel, Mode};
use super::close::Turn;
use super::fault::Fault;
use super::link::Link;
use super::unsettled::Taken;
use crate::violation::Violation;

/// What becomes of a delivery that its consumer does not want.
pub(super) const fn unwanted(requeue: bool) -> Outcome {
    if requeue {
        Outcome::Release { failed: true }
    } else {
        Outcome::Reject
    }
}

impl Channel {
    /// Settles the delivery with this tag, or all up to it; tag 0 with `multiple` means all there are.
    pub(super) fn acknowledge(
        &mut self,
        link: &mut Link,
        tag: u64,
        multiple: bool,
        outcome: Outcome,
    ) -> Result<(), Fault> {
        if !multiple && !matches!(self.mode, Mode::Transaction(_)) {
            let entry = self
                .unsettled
                .take(tag)
                .ok_or(Violation::UnknownDeliveryTag(tag))?;
            let (log, offset) = (entry.id.log, entry.id.offset);
            link.settle(Settlement {
                log,
                first: offset,
                last: offset,
                outcome,
            });
            return Ok(());
        }
        let taken = self
            .take(tag, multiple)
            .ok_or(Violation::UnknownDeliveryTag(tag))?;
        self.settle(link, taken, outcome);
        Ok(())
    }

    fn take(&mut self, tag: u64, multiple: bool) -> Option<Taken> {
        match (tag, multiple) {
            (0, true) => Some(self.unsettled.take_all()),
            (_, true) => self.unsettled.take_through(tag),
            (_, false) => self.unsettled.take(tag).map(|entry| Taken(vec![entry])),
        }
    }

    fn settle(&mut self, link: &mut Link, taken: Taken, outcome: Outcome) {
        if let Mode::Transaction(transaction) = &mut self.mode {
            transaction.acknowledge(taken, outcome);
            return;
        }
        for settlement in taken.settlements(outcome) {
            link.settle(settlement);
        }
    }

    /// Gives everything that is not acknowledged back to its queue.
    pub(super) fn recover(&mut self, link: &mut Link, requeue: bool) -> Result<(), Fault> {
        if !requeue {
            return Err(Violation::RecoverWithoutRequeue.into());
        }
        let taken = self.unsettled.take_all();
        for settlement in taken.settlements(unwanted(true)) {
            link.settle(settlement);
        }
        Ok(())
    }
}

impl AmqpSession {
    /// Closes the channels whose oldest delivery has waited longer than is allowed.
    pub(super) fn search_overdue(&mut self, now: Timestamp) {
        if self.next_search.is_none_or(|search| now < search) {
            return;
        }
        let timeout_ms = self.link.config.acknowledgement_ms_max;
        let mut overdue = Vec::new();
        let mut oldest: Option<Timestamp> = None;
        for channel in self.channels.iter_mut() {
            match channel.unsettled.oldest() {
                Some(delivered) if now.since(delivered) >= timeout_ms => {
                    overdue.push(channel.lane.number)
                }
                Some(delivered) => {
                    oldest = Some(oldest.map_or(delivered, |oldest| oldest.min(delivered)))
                }
                None => {}
            }
        }
        self.next_search = oldest.map(|oldest| oldest.after(timeout_ms));
        self.link.delivered = false;
        for channel in overdue {
            let fault = Violation::AcknowledgementTimeout {
                channel,
                milliseconds: timeout_ms,
            };
            self.fail(now, channel, fault.into(), Turn::Behind);
        }
    }
}
