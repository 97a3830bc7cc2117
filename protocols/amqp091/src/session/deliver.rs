//! Messages on their way to the client: basic.deliver and basic.get-ok.

use sabir_core::event::Delivery;
use sabir_core::id::Timestamp;
use sabir_core::request::{Command, Outcome, Settlement};
use sabir_core::wire::Malformed;

use super::AmqpSession;
use super::channel::Channel;
use super::close::Ending;
use super::consume::Consumer;
use super::fault::Fault;
use super::link::Link;
use crate::codec::content::put_content;
use crate::codec::method::basic;
use crate::mapping::message::{Notes, head};

impl AmqpSession {
    /// Sends a message to its consumer, or gives it back when there is no such consumer any more.
    pub(super) fn deliver(&mut self, now: Timestamp, delivery: Delivery) {
        let consumer = self.link.consumers.get(&delivery.consumer);
        let unwanted = consumer.is_some_and(|consumer| consumer.passes_over(&delivery));
        let producer = consumer.map(|consumer| consumer.producer);
        let Some(channel) = producer.and_then(|producer| self.channels.of_producer(producer))
        else {
            self.link.note_unsent(&delivery);
            return self.link.give_back(&delivery);
        };
        if unwanted {
            self.link.note_unsent(&delivery);
            return self.link.settle_unsent(&delivery, Outcome::Ack);
        }
        if channel
            .send_delivery(now, &mut self.link, &delivery)
            .is_err()
        {
            self.close_connection(now, Fault::internal(DAMAGED), Ending::Answered);
        }
    }
}

impl Consumer {
    /// Whether a record of a stream is none of those that the consumer asked for.
    fn passes_over(&self, delivery: &Delivery) -> bool {
        let filter = self.filter.as_ref().filter(|_| self.keeps_records);
        filter.is_some_and(|filter| {
            delivery
                .record
                .view()
                .is_ok_and(|record| !filter.passes(&record))
        })
    }
}

/// Shown when a stored message is none.
const DAMAGED: &str = "a stored message cannot be read";

impl Channel {
    fn send_delivery(
        &mut self,
        now: Timestamp,
        link: &mut Link,
        delivery: &Delivery,
    ) -> Result<(), Malformed> {
        let delivery_tag = self.tag_of(now, link, delivery);
        let Some(consumer) = link.consumers.get(&delivery.consumer) else {
            return Ok(());
        };
        let record = delivery.record.view()?;
        let routing_key = record.routing_key_text();
        let method = basic::Deliver {
            consumer_tag: &consumer.tag,
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: record.exchange,
            routing_key: &routing_key,
        };
        let stream_offset = delivery
            .id
            .filter(|_| consumer.keeps_records)
            .map(|id| id.offset.0);
        let notes = Notes {
            attempts: delivery.attempts,
            stream_offset,
        };
        let head = head(&record, notes, &mut link.scratch);
        let out = &mut link.output.bytes;
        put_content(
            out,
            self.lane.number,
            &method,
            head,
            record.body,
            link.frame_bytes_max,
        );
        link.output.delivered_bytes += delivery.cost();
        Ok(())
    }

    /// Answers `basic.get` with a message.
    pub(super) fn send_got(
        &mut self,
        now: Timestamp,
        link: &mut Link,
        delivery: &Delivery,
        ready: u64,
    ) -> Result<(), Fault> {
        let delivery_tag = self.tag_of(now, link, delivery);
        let record = delivery
            .record
            .view()
            .map_err(|_| Fault::internal(DAMAGED))?;
        let routing_key = record.routing_key_text();
        let method = basic::GetOk {
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: record.exchange,
            routing_key: &routing_key,
            message_count: u32::try_from(ready).unwrap_or(u32::MAX),
        };
        let notes = Notes {
            attempts: delivery.attempts,
            stream_offset: None,
        };
        let head = head(&record, notes, &mut link.scratch);
        let out = &mut link.output.bytes;
        put_content(
            out,
            self.lane.number,
            &method,
            head,
            record.body,
            link.frame_bytes_max,
        );
        Ok(())
    }

    fn tag_of(&mut self, now: Timestamp, link: &mut Link, delivery: &Delivery) -> u64 {
        match delivery.id {
            Some(id) if !delivery.settled => {
                link.delivered = true;
                self.unsettled.push(id, now)
            }
            _ => self.unsettled.next_tag(),
        }
    }
}

impl Link {
    /// Makes a message that nobody here wants any more ready again.
    pub(super) fn give_back(&mut self, delivery: &Delivery) {
        self.settle_unsent(delivery, Outcome::Release { failed: false });
    }

    /// The core counts what it hands out until it is told that it has left.
    fn note_unsent(&mut self, delivery: &Delivery) {
        let (session, bytes) = (self.session, delivery.cost());
        self.output
            .commands
            .push(Command::Written { session, bytes });
    }

    fn settle_unsent(&mut self, delivery: &Delivery, outcome: Outcome) {
        if let Some(id) = delivery.id.filter(|_| !delivery.settled) {
            self.settle(Settlement {
                log: id.log,
                first: id.offset,
                last: id.offset,
                outcome,
            });
        }
    }
}
