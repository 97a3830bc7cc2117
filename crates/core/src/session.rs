//! The contract between a protocol's session, the transport that moves its bytes and the core.

use crate::{event::Event, id::Timestamp, request::Command};
use bytes::BytesMut;

/// The protocol state of one connection, as a value: bytes, events and the time go in; bytes,
/// commands and the next deadline come out. It performs no input or output.
pub trait Session: Send {
    /// Takes complete frames off the front of `input` and leaves an incomplete one there.
    fn receive(&mut self, now: Timestamp, input: &mut BytesMut);

    /// The peer sends no more.
    fn end_of_input(&mut self, now: Timestamp);

    /// The core has news.
    fn handle(&mut self, now: Timestamp, event: Event);

    /// When [`Session::timeout`] wants to be called.
    fn next_timeout(&self) -> Option<Timestamp>;

    /// The deadline has passed.
    fn timeout(&mut self, now: Timestamp);

    /// The broker is about to stop: say goodbye.
    fn shutdown(&mut self, now: Timestamp);

    /// What has come out since the caller last emptied it.
    fn output(&mut self) -> &mut Output;

    /// Whether the client has proved who it is. Before that it gets little memory and time, and
    /// [`Session::receive`] may spend milliseconds of processor time on a password.
    fn is_established(&self) -> bool;

    /// Whether it publishes: such sessions are not read while the broker is short of memory or disk.
    fn publishes(&self) -> bool;
}

/// What a session wants done. The caller takes the contents and leaves it empty.
#[derive(Debug, Default)]
pub struct Output {
    /// For the peer.
    pub bytes: BytesMut,
    /// For the core, in order.
    pub commands: Vec<Command>,
    /// Bytes of deliveries (their [`crate::event::Delivery::cost`]) that `bytes` contains; once
    /// the socket has taken them, the caller reports them with [`Command::Written`].
    pub delivered_bytes: u64,
    /// The connection is to be closed after `bytes` is sent; the text says why, for the log.
    pub close: Option<String>,
}

/// The way to the core. Cloned handles lead to the same core.
pub trait Door: Send + Sync {
    /// Hands over commands; they are carried out in order. `commands` is left empty.
    fn submit(&self, commands: &mut Vec<Command>);
}

/// Where the events of one session go.
pub trait Outbox: Send + Sync {
    /// Adds events in order and wakes whoever drives the session. Leaves `events` empty.
    fn deliver(&self, events: &mut Vec<Event>);
}
