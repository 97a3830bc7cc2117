//! Every bound of the transport, with its default.

use std::time::Duration;

/// What connections may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most connections of all listeners together; further ones are closed at once.
    /// Default 65,536.
    pub connections_max: usize,
    /// Most connections from one address, if there is such a limit. Default none.
    pub connections_per_address_max: Option<usize>,
    /// How long a peer may take from connecting to having proved who it is. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long a closing connection may take to accept its last bytes, and how long the peer may
    /// then take to close its side. Default 5 s.
    pub close_timeout: Duration,
    /// Most buffered input before the peer has proved who it is. Default 64 KiB.
    pub unauthenticated_bytes_max: usize,
    /// Most buffered input that a session has not made anything of; a session with larger frames
    /// than that is closed. Default 16 MiB.
    pub input_bytes_max: usize,
    /// With more than this waiting for the peer to take it, no events are given to the session;
    /// with twice as much, or when many events wait as well, no input either. Default 1 MiB.
    pub output_bytes_max: usize,
    /// Most bytes of events that wait for a session; a connection that lets more gather is closed
    /// as too slow. Default 64 MiB.
    pub events_bytes_max: u64,
    /// How many sessions may check passwords at the same time. Default: as many as there are
    /// processors.
    pub authentications_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 65_536,
            connections_per_address_max: None,
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            unauthenticated_bytes_max: 64 * 1024,
            input_bytes_max: 16 * 1024 * 1024,
            output_bytes_max: 1024 * 1024,
            events_bytes_max: 64 * 1024 * 1024,
            authentications_max: std::thread::available_parallelism().map_or(1, Into::into),
        }
    }
}
