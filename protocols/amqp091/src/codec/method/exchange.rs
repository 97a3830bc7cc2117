//! Class exchange: declaring, deleting and binding exchanges.

use crate::codec::table::FieldTable;

class! {
    class 40 ['a];

    /// Creates an exchange or checks that it exists.
    10 Declare<'a> {
        /// Reserved.
        ticket: u16,
        /// The exchange.
        exchange: &'a str,
        /// The exchange's type.
        kind: &'a str,
        /// Only check that it exists.
        passive: bool,
        /// Survives a restart.
        durable: bool,
        /// Goes when the last user goes.
        auto_delete: bool,
        /// Takes messages from exchanges only.
        internal: bool,
        /// No answer is wanted.
        nowait: bool,
        /// Extension arguments.
        arguments: FieldTable<'a>,
    }

    /// The exchange exists as declared.
    11 DeclareOk {}

    /// Deletes an exchange.
    20 Delete<'a> {
        /// Reserved.
        ticket: u16,
        /// The exchange.
        exchange: &'a str,
        /// Only when nothing uses it.
        if_unused: bool,
        /// No answer is wanted.
        nowait: bool,
    }

    /// The exchange is gone.
    21 DeleteOk {}

    /// Binds an exchange to an exchange (RabbitMQ's extension).
    30 Bind<'a> {
        /// Reserved.
        ticket: u16,
        /// The exchange that receives.
        destination: &'a str,
        /// The exchange that sends.
        source: &'a str,
        /// The routing key.
        routing_key: &'a str,
        /// No answer is wanted.
        nowait: bool,
        /// Extension arguments.
        arguments: FieldTable<'a>,
    }

    /// The binding exists.
    31 BindOk {}

    /// Removes a binding between exchanges (RabbitMQ's extension).
    40 Unbind<'a> {
        /// Reserved.
        ticket: u16,
        /// The exchange that receives.
        destination: &'a str,
        /// The exchange that sends.
        source: &'a str,
        /// The routing key.
        routing_key: &'a str,
        /// No answer is wanted.
        nowait: bool,
        /// Extension arguments.
        arguments: FieldTable<'a>,
    }

    /// The binding is gone.
    51 UnbindOk {}
}
