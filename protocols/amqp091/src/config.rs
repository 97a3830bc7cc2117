//! The limits of AMQP 0-9-1 connections.

/// Limits of the listener's connections. All of them are told to clients or enforced with a reply code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Largest frame in bytes that is proposed and accepted; 4096 to 2147483647. Default 131072.
    pub frame_bytes_max: u32,
    /// Largest frame in bytes before the client has settled the limits; 4096 to 65536. Default 4096.
    pub handshake_frame_bytes_max: u32,
    /// Most channels of a connection; 1 to 65535. Default 2047.
    pub channels_max: u16,
    /// Seconds between signs of life that are proposed; 0 for never. Default 60.
    pub heartbeat_seconds: u16,
    /// Milliseconds that a client has from connecting until it has opened a virtual host. Default 10000.
    pub handshake_ms_max: u64,
    /// Milliseconds that a client has to answer a close before the socket is closed. Default 10000.
    pub close_ms_max: u64,
    /// Largest message body in bytes. A longer one closes its channel with 406. Default 134217728.
    pub message_bytes_max: u64,
    /// Milliseconds that a delivery may wait for its acknowledgement before its channel is closed with 406; 0 for ever.
    /// Default 1800000.
    pub acknowledgement_ms_max: u64,
    /// Most unacknowledged deliveries of a channel, whatever its prefetch. Default 1048576.
    pub unsettled_max: u32,
    /// Most consumers of a channel. One more is refused with 530. Default 65536.
    pub consumers_max: u32,
    /// Most bytes that the publishes of one open transaction may hold. More close the channel with 406. Default 268435456.
    pub transaction_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            frame_bytes_max: 131_072,
            handshake_frame_bytes_max: 4096,
            channels_max: 2047,
            heartbeat_seconds: 60,
            handshake_ms_max: 10_000,
            close_ms_max: 10_000,
            message_bytes_max: 128 * 1024 * 1024,
            acknowledgement_ms_max: 30 * 60 * 1000,
            unsettled_max: 1 << 20,
            consumers_max: 1 << 16,
            transaction_bytes_max: 256 * 1024 * 1024,
        }
    }
}
