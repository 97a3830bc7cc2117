//! Consumers: basic.consume, basic.cancel, basic.qos, basic.get, and the consumer of direct replies.

use sabir_core::id::{ConsumerId, ProducerId, Timestamp};
use sabir_core::name::Name;
use sabir_core::request::{Command, Consume, Request};

use super::AmqpSession;
use super::awaited::{Answer, Cancelled};
use super::channel::Channel;
use super::fault::Fault;
use super::link::Link;
use crate::codec::method::{Arguments, basic};
use crate::mapping::consumer;
use crate::mapping::filter::Filter;
use crate::mapping::message::REPLY_TO;
use crate::mapping::table;
use crate::violation::Violation;

/// A consumer of the connection.
#[derive(Debug)]
pub(super) struct Consumer {
    /// The channel it belongs to.
    pub(super) producer: ProducerId,
    pub(super) tag: String,
    /// Its queue keeps its records, so deliveries tell their offset. Known from the arguments or from the reply.
    pub(super) keeps_records: bool,
    /// Which of them it wants.
    pub(super) filter: Option<Filter>,
}

/// The consumer of direct replies of a channel.
#[derive(Debug)]
pub(super) struct Replies {
    pub(super) consumer: ConsumerId,
    /// Where replies are published to, once the core has said.
    pub(super) address: Option<Name>,
}

impl Channel {
    pub(super) fn consume(
        &mut self,
        now: Timestamp,
        link: &mut Link,
        consume: basic::Consume<'_>,
    ) -> Result<(), Fault> {
        let tag = consume.consumer_tag;
        if self.consumers.contains_key(tag) {
            return Err(Violation::ConsumerTagInUse(tag.to_owned()).into());
        }
        let max = link.config.consumers_max;
        if self.consumers.len() >= max as usize {
            return Err(Violation::TooManyConsumers(max).into());
        }
        if consume.queue == REPLY_TO {
            return self.consume_replies(link, consume);
        }
        let queue = self.queue_or_last(consume.queue)?;
        let options = consumer::options(consume.arguments, now, &queue, &link.place)?;
        let arguments = table::arguments(consume.arguments)?;
        // As in RabbitMQ, a channel's limit also stops consumers whose deliveries do not count towards it.
        self.set_window(link);
        let consumer = self.add_consumer(link, tag);
        if let Some(added) = link.consumers.get_mut(&consumer) {
            added.keeps_records = consume.arguments.find("x-stream-offset").is_some();
            added.filter = options.filter;
        }
        let request = Request::Consume(Consume {
            consumer,
            tag: link
                .consumers
                .get(&consumer)
                .map(|added| Name::from(added.tag.as_str()))
                .unwrap_or_default(),
            queue,
            settled: consume.no_ack,
            exclusive: consume.exclusive,
            priority: options.priority,
            unsettled_max: if consume.no_ack {
                0
            } else {
                self.prefetch.into()
            },
            window: Some(self.window()),
            credit: None,
            start: options.start,
            arguments,
        });
        let answer = Answer::Consuming {
            consumer,
            nowait: consume.nowait,
        };
        self.ask_after_publishes(link, basic::Consume::ID, request, answer);
        Ok(())
    }

    fn add_consumer(&mut self, link: &mut Link, tag: &str) -> ConsumerId {
        let tag = if tag.is_empty() {
            link.new_consumer_tag()
        } else {
            tag.to_owned()
        };
        let consumer = link.new_consumer();
        self.consumers.insert(tag.clone(), consumer);
        let added = Consumer {
            producer: self.lane.producer,
            tag,
            keeps_records: false,
            filter: None,
        };
        link.consumers.insert(consumer, added);
        consumer
    }

    fn consume_replies(
        &mut self,
        link: &mut Link,
        consume: basic::Consume<'_>,
    ) -> Result<(), Fault> {
        if !consume.no_ack {
            return Err(Violation::ReplyConsumerAcknowledges.into());
        }
        if self.replies.is_some() {
            return Err(Violation::ReplyConsumerSet.into());
        }
        let consumer = self.add_consumer(link, consume.consumer_tag);
        self.replies = Some(Replies {
            consumer,
            address: None,
        });
        let request = Request::OpenMailbox {
            address_prefix: REPLY_ADDRESS_PREFIX,
            consumer,
        };
        let answer = Answer::Consuming {
            consumer,
            nowait: consume.nowait,
        };
        link.request(&mut self.lane, basic::Consume::ID, request, answer);
        Ok(())
    }

    /// Tells the core the limit that the channel's consumers share, once.
    fn set_window(&mut self, link: &mut Link) {
        if !std::mem::replace(&mut self.window_set, true) {
            self.limit_window(link, 0);
        }
    }

    fn limit_window(&self, link: &mut Link, prefetch: u16) {
        let max = link.config.unsettled_max;
        let unsettled_max = if prefetch == 0 {
            max
        } else {
            u32::from(prefetch)
        };
        link.output.commands.push(Command::Window {
            session: link.session,
            window: self.window(),
            unsettled_max,
        });
    }

    pub(super) fn qos(&mut self, link: &mut Link, qos: basic::Qos) -> Result<(), Fault> {
        if qos.prefetch_size != 0 {
            return Err(Violation::PrefetchSize(qos.prefetch_size).into());
        }
        if qos.global {
            self.window_set = true;
            self.limit_window(link, qos.prefetch_count);
        } else {
            // As in RabbitMQ, a limit for new consumers lifts that of the channel.
            self.prefetch = qos.prefetch_count;
            if self.window_set {
                self.limit_window(link, 0);
            }
        }
        link.answer(&mut self.lane, &basic::QosOk {});
        Ok(())
    }

    pub(super) fn cancel(
        &mut self,
        link: &mut Link,
        cancel: basic::Cancel<'_>,
    ) -> Result<(), Fault> {
        let tag = cancel.consumer_tag;
        let Some(consumer) = self.consumers.remove(tag) else {
            link.answer_unless(
                cancel.nowait,
                &mut self.lane,
                &basic::CancelOk { consumer_tag: tag },
            );
            return Ok(());
        };
        if self
            .replies
            .as_ref()
            .is_some_and(|replies| replies.consumer == consumer)
        {
            self.replies = None;
        }
        let cancelled = Cancelled {
            consumer,
            tag: tag.to_owned(),
            nowait: cancel.nowait,
        };
        // What the channel has published before may be for this consumer still.
        self.ask_after_publishes(
            link,
            basic::Cancel::ID,
            Request::Cancel { consumer },
            Answer::Cancelled(cancelled),
        );
        Ok(())
    }

    pub(super) fn get(&mut self, link: &mut Link, get: basic::Get<'_>) -> Result<(), Fault> {
        let queue = self.queue_or_last(get.queue)?;
        let request = Request::Get {
            queue,
            settled: get.no_ack,
        };
        self.ask_after_publishes(link, basic::Get::ID, request, Answer::Got);
        Ok(())
    }
}

/// Begins the addresses of direct replies.
const REPLY_ADDRESS_PREFIX: &str = "amq.rabbitmq.reply-to.";

impl AmqpSession {
    /// The broker ended a consumer: its queue is gone.
    pub(super) fn cancelled(&mut self, consumer: ConsumerId) {
        let Some(ended) = self.link.consumers.remove(&consumer) else {
            return;
        };
        let Some(channel) = self.channels.of_producer(ended.producer) else {
            return;
        };
        if channel.consumers.get(&ended.tag) != Some(&consumer) {
            return;
        }
        channel.consumers.remove(&ended.tag);
        if self.link.capabilities.consumer_cancel_notify {
            let cancel = basic::Cancel {
                consumer_tag: &ended.tag,
                nowait: true,
            };
            self.link.send(channel.lane.number, &cancel);
        }
    }
}
