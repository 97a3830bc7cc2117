//! Class queue: declaring, binding, purging and deleting queues.

use crate::codec::table::FieldTable;

class! {
    class 50 ['a];

    /// Creates a queue or checks that it exists.
    10 Declare<'a> {
        /// Reserved.
        ticket: u16,
        /// The queue; empty asks the server for a name.
        queue: &'a str,
        /// Only check that it exists.
        passive: bool,
        /// Survives a restart.
        durable: bool,
        /// For this connection or consumer alone.
        exclusive: bool,
        /// Goes when the last user goes.
        auto_delete: bool,
        /// No answer is wanted.
        nowait: bool,
        /// Extension arguments.
        arguments: FieldTable<'a>,
    }

    /// The queue exists as declared.
    11 DeclareOk<'a> {
        /// The queue, with the name that it got.
        queue: &'a str,
        /// Messages that are ready, or that were removed.
        message_count: u32,
        /// Consumers of the queue.
        consumer_count: u32,
    }

    /// Binds a queue to an exchange.
    20 Bind<'a> {
        /// Reserved.
        ticket: u16,
        /// The queue; empty for the one declared last on the channel.
        queue: &'a str,
        /// The exchange; empty for the default exchange.
        exchange: &'a str,
        /// The routing key.
        routing_key: &'a str,
        /// No answer is wanted.
        nowait: bool,
        /// Extension arguments.
        arguments: FieldTable<'a>,
    }

    /// The binding exists.
    21 BindOk {}

    /// Drops all messages that are ready.
    30 Purge<'a> {
        /// Reserved.
        ticket: u16,
        /// The queue; empty for the one declared last on the channel.
        queue: &'a str,
        /// No answer is wanted.
        nowait: bool,
    }

    /// The queue was purged.
    31 PurgeOk {
        /// Messages that are ready, or that were removed.
        message_count: u32,
    }

    /// Deletes a queue.
    40 Delete<'a> {
        /// Reserved.
        ticket: u16,
        /// The queue; empty for the one declared last on the channel.
        queue: &'a str,
        /// Only when nothing uses it.
        if_unused: bool,
        /// Only when nothing is in it.
        if_empty: bool,
        /// No answer is wanted.
        nowait: bool,
    }

    /// The queue is gone.
    41 DeleteOk {
        /// Messages that are ready, or that were removed.
        message_count: u32,
    }

    /// Removes a binding.
    50 Unbind<'a> {
        /// Reserved.
        ticket: u16,
        /// The queue; empty for the one declared last on the channel.
        queue: &'a str,
        /// The exchange; empty for the default exchange.
        exchange: &'a str,
        /// The routing key.
        routing_key: &'a str,
        /// Extension arguments.
        arguments: FieldTable<'a>,
    }

    /// The binding is gone.
    51 UnbindOk {}
}
