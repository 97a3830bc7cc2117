//! Class basic: publishing, delivering and acknowledging.

use crate::codec::table::FieldTable;

class! {
    class 60 ['a];

    /// Limits deliveries that wait for their acknowledgement.
    10 Qos {
        /// Octets; only 0, no limit, is offered.
        prefetch_size: u32,
        /// Deliveries; 0 is no limit.
        prefetch_count: u16,
        /// For the channel rather than for each new consumer.
        global: bool,
    }

    /// The limit holds.
    11 QosOk {}

    /// Starts a consumer.
    20 Consume<'a> {
        /// Reserved.
        ticket: u16,
        /// The queue; empty for the one declared last on the channel.
        queue: &'a str,
        /// The consumer's name within the channel.
        consumer_tag: &'a str,
        /// Do not deliver what this connection published; not honoured, as in RabbitMQ.
        no_local: bool,
        /// Deliveries count as acknowledged when sent.
        no_ack: bool,
        /// For this connection or consumer alone.
        exclusive: bool,
        /// No answer is wanted.
        nowait: bool,
        /// Extension arguments.
        arguments: FieldTable<'a>,
    }

    /// The consumer runs.
    21 ConsumeOk<'a> {
        /// The consumer's name within the channel.
        consumer_tag: &'a str,
    }

    /// Ends a consumer; from the server when its queue went away.
    30 Cancel<'a> {
        /// The consumer's name within the channel.
        consumer_tag: &'a str,
        /// No answer is wanted.
        nowait: bool,
    }

    /// The consumer ended.
    31 CancelOk<'a> {
        /// The consumer's name within the channel.
        consumer_tag: &'a str,
    }

    /// Publishes the content that follows.
    40 Publish<'a> {
        /// Reserved.
        ticket: u16,
        /// The exchange; empty for the default exchange.
        exchange: &'a str,
        /// The routing key.
        routing_key: &'a str,
        /// Return the message when no queue takes it.
        mandatory: bool,
        /// Return the message when no consumer takes it at once; not offered.
        immediate: bool,
    }

    /// Gives back a content that could not be routed.
    50 Return<'a> {
        /// A reply code.
        reply_code: u16,
        /// Its explanation.
        reply_text: &'a str,
        /// The exchange; empty for the default exchange.
        exchange: &'a str,
        /// The routing key.
        routing_key: &'a str,
    }

    /// Delivers the content that follows to a consumer.
    60 Deliver<'a> {
        /// The consumer's name within the channel.
        consumer_tag: &'a str,
        /// The number of a delivery or publish within the channel.
        delivery_tag: u64,
        /// The message may have been delivered before.
        redelivered: bool,
        /// The exchange; empty for the default exchange.
        exchange: &'a str,
        /// The routing key.
        routing_key: &'a str,
    }

    /// Asks for one message.
    70 Get<'a> {
        /// Reserved.
        ticket: u16,
        /// The queue; empty for the one declared last on the channel.
        queue: &'a str,
        /// Deliveries count as acknowledged when sent.
        no_ack: bool,
    }

    /// Delivers the content that follows to a `get`.
    71 GetOk<'a> {
        /// The number of a delivery or publish within the channel.
        delivery_tag: u64,
        /// The message may have been delivered before.
        redelivered: bool,
        /// The exchange; empty for the default exchange.
        exchange: &'a str,
        /// The routing key.
        routing_key: &'a str,
        /// Messages that are ready, or that were removed.
        message_count: u32,
    }

    /// The queue has nothing ready.
    72 GetEmpty<'a> {
        /// Reserved.
        cluster_id: &'a str,
    }

    /// Acknowledges deliveries; from the server confirms publishes.
    80 Ack {
        /// The number of a delivery or publish within the channel.
        delivery_tag: u64,
        /// All up to this one.
        multiple: bool,
    }

    /// Refuses one delivery.
    90 Reject {
        /// The number of a delivery or publish within the channel.
        delivery_tag: u64,
        /// Back to the queue rather than dropped or dead-lettered.
        requeue: bool,
    }

    /// Asks for everything unacknowledged again, without an answer.
    100 RecoverAsync {
        /// Back to the queue rather than dropped or dead-lettered.
        requeue: bool,
    }

    /// Asks for everything unacknowledged again.
    110 Recover {
        /// Back to the queue rather than dropped or dead-lettered.
        requeue: bool,
    }

    /// Answers `recover`.
    111 RecoverOk {}

    /// Refuses deliveries; from the server refuses publishes (RabbitMQ's extension).
    120 Nack {
        /// The number of a delivery or publish within the channel.
        delivery_tag: u64,
        /// All up to this one.
        multiple: bool,
        /// Back to the queue rather than dropped or dead-lettered.
        requeue: bool,
    }
}
