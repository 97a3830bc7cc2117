//! Class connection: handshake, tuning, opening and closing.

use crate::codec::table::FieldTable;

class! {
    class 10 ['a];

    /// The server names its version, itself and the mechanisms that it offers.
    10 Start<'a> {
        /// Major protocol version.
        version_major: u8,
        /// Minor protocol version.
        version_minor: u8,
        /// What the server says of itself.
        server_properties: FieldTable<'a>,
        /// Mechanisms, separated by spaces.
        mechanisms: &'a [u8],
        /// Locales, separated by spaces.
        locales: &'a [u8],
    }

    /// The client names itself and answers with a mechanism.
    11 StartOk<'a> {
        /// What the client says of itself, its capabilities included.
        client_properties: FieldTable<'a>,
        /// The chosen mechanism.
        mechanism: &'a str,
        /// The mechanism's response.
        response: &'a [u8],
        /// The chosen locale.
        locale: &'a str,
    }

    /// The server asks for another round of the mechanism.
    20 Secure<'a> {
        /// The mechanism's challenge.
        challenge: &'a [u8],
    }

    /// The client answers a round of the mechanism.
    21 SecureOk<'a> {
        /// The mechanism's response.
        response: &'a [u8],
    }

    /// The server proposes limits.
    30 Tune {
        /// Highest channel number; 0 is no limit.
        channel_max: u16,
        /// Largest frame in octets; 0 is no limit.
        frame_max: u32,
        /// Seconds between signs of life; 0 is never.
        heartbeat: u16,
    }

    /// The client settles the limits.
    31 TuneOk {
        /// Highest channel number; 0 is no limit.
        channel_max: u16,
        /// Largest frame in octets; 0 is no limit.
        frame_max: u32,
        /// Seconds between signs of life; 0 is never.
        heartbeat: u16,
    }

    /// The client chooses a virtual host.
    40 Open<'a> {
        /// The virtual host.
        virtual_host: &'a str,
        /// Reserved.
        capabilities: &'a str,
        /// Reserved.
        insist: bool,
    }

    /// The virtual host is open.
    41 OpenOk<'a> {
        /// Reserved.
        known_hosts: &'a str,
    }

    /// Either side ends the connection.
    50 Close<'a> {
        /// A reply code.
        reply_code: u16,
        /// Its explanation.
        reply_text: &'a str,
        /// Class of the method at fault, or 0.
        class_id: u16,
        /// The method at fault, or 0.
        method_id: u16,
    }

    /// Answers `close`; nothing follows.
    51 CloseOk {}

    /// The server no longer reads publishes (RabbitMQ's extension).
    60 Blocked<'a> {
        /// Why.
        reason: &'a str,
    }

    /// The server reads publishes again.
    61 Unblocked {}

    /// The client replaces its expiring credential (RabbitMQ's extension).
    70 UpdateSecret<'a> {
        /// The new credential.
        new_secret: &'a [u8],
        /// Why.
        reason: &'a str,
    }

    /// The new credential holds.
    71 UpdateSecretOk {}
}
