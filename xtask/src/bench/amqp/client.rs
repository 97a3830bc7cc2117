//! A small AMQP 0-9-1 client for what the load tool does not do: time a start, declare very many queues, hold very many
//! connections open.
//!
//! It blocks, it has one channel, and it knows only the methods it needs. It never measures throughput that is
//! compared.

mod wire;

use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use self::wire::{Answer, Arguments, Method, method};

/// How long the broker may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// How long a connection may take to be accepted.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Bytes to read at a time; small, because there are clients by the thousand.
const READ_BYTES: usize = 1024;
/// The largest frame that is accepted in the negotiation.
const FRAME_BYTES: u32 = 131_072;

/// Which kind of queue to declare; every one is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueKind {
    /// Replicated by consensus where the broker has it; synced before confirms.
    Quorum,
    /// Kept by one node.
    Classic,
}

/// A connection with one channel in confirm mode.
#[derive(Debug)]
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    /// What is encoded and not yet written.
    pending: Vec<u8>,
    published: u64,
    unconfirmed: BTreeSet<u64>,
}

impl Client {
    /// Connects as the guest user and opens a channel in confirm mode.
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut client = Self {
            stream: BufReader::with_capacity(READ_BYTES, stream),
            pending: wire::PROTOCOL_HEADER.to_vec(),
            published: 0,
            unconfirmed: BTreeSet::new(),
        };
        client.handshake()?;
        Ok(client)
    }

    fn handshake(&mut self) -> anyhow::Result<()> {
        self.expect(method::CONNECTION_START)?;
        let start_ok = Arguments::default()
            .table_empty()
            .short("PLAIN")
            .long(b"\0guest\0guest")
            .short("en_US");
        self.send(0, method::CONNECTION_START_OK, start_ok);
        let mut tune = self.expect(method::CONNECTION_TUNE)?;
        let (channels, frame_bytes) = (tune.u16()?, tune.u32()?);
        let frame_bytes = if frame_bytes == 0 {
            FRAME_BYTES
        } else {
            frame_bytes.min(FRAME_BYTES)
        };
        const NO_HEARTBEAT: u16 = 0;
        let tune_ok = Arguments::default()
            .u16(channels)
            .u32(frame_bytes)
            .u16(NO_HEARTBEAT);
        self.send(0, method::CONNECTION_TUNE_OK, tune_ok);
        let open = Arguments::default().short("/").short("").u8(0);
        self.send(0, method::CONNECTION_OPEN, open);
        self.expect(method::CONNECTION_OPEN_OK)?;
        self.send(1, method::CHANNEL_OPEN, Arguments::default().short(""));
        self.expect(method::CHANNEL_OPEN_OK)?;
        self.send(1, method::CONFIRM_SELECT, Arguments::default().u8(0));
        self.expect(method::CONFIRM_SELECT_OK)?;
        Ok(())
    }

    /// Declares durable queues with these names, all of them in flight at once.
    pub(super) fn declare(&mut self, names: &[String], kind: QueueKind) -> anyhow::Result<()> {
        const DURABLE: u8 = 2;
        for name in names {
            let arguments = Arguments::default().u16(0).short(name).u8(DURABLE);
            let arguments = match kind {
                QueueKind::Quorum => arguments.table_of_text("x-queue-type", "quorum"),
                QueueKind::Classic => arguments.table_of_text("x-queue-type", "classic"),
            };
            self.send(1, method::QUEUE_DECLARE, arguments);
        }
        for name in names {
            self.expect(method::QUEUE_DECLARE_OK)
                .with_context(|| format!("declaring {name}"))?;
        }
        Ok(())
    }

    /// How many messages a queue that exists holds for consumers.
    pub(super) fn depth(&mut self, name: &str) -> anyhow::Result<u64> {
        const PASSIVE: u8 = 1;
        let arguments = Arguments::default()
            .u16(0)
            .short(name)
            .u8(PASSIVE)
            .table_empty();
        self.send(1, method::QUEUE_DECLARE, arguments);
        let mut answer = self.expect(method::QUEUE_DECLARE_OK)?;
        answer.short()?;
        Ok(u64::from(answer.u32()?))
    }

    /// Deletes a queue.
    pub(super) fn delete(&mut self, name: &str) -> anyhow::Result<()> {
        let arguments = Arguments::default().u16(0).short(name).u8(0);
        self.send(1, method::QUEUE_DELETE, arguments);
        self.expect(method::QUEUE_DELETE_OK)?;
        Ok(())
    }

    /// Encodes a persistent message to a queue; it leaves with [`Client::flush`] or [`Client::confirmed`].
    pub(super) fn publish(&mut self, queue: &str, body: &[u8]) {
        let publish = Arguments::default().u16(0).short("").short(queue).u8(0);
        wire::method_frame(&mut self.pending, 1, method::BASIC_PUBLISH, &publish);
        wire::persistent_content(&mut self.pending, 1, body);
        self.published += 1;
        self.unconfirmed.insert(self.published);
    }

    /// Writes what is encoded.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.get_mut().write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// Waits until everything published is confirmed.
    pub(super) fn confirmed(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        while !self.unconfirmed.is_empty() {
            if let Some((received, _)) = self.receive()? {
                bail!("method {received:?} instead of a confirm");
            }
        }
        Ok(())
    }

    /// Takes one message and leaves it unacknowledged; `None` from an empty queue.
    pub(super) fn get(&mut self, queue: &str) -> anyhow::Result<Option<u64>> {
        let arguments = Arguments::default().u16(0).short(queue).u8(0);
        self.send(1, method::BASIC_GET, arguments);
        self.flush()?;
        loop {
            match self.receive()? {
                Some((method::BASIC_GET_EMPTY, _)) => return Ok(None),
                Some((method::BASIC_GET_OK, mut arguments)) => {
                    self.skip_content()?;
                    return Ok(Some(arguments.u64()?));
                }
                Some((other, _)) => bail!("method {other:?} instead of a message"),
                None => {}
            }
        }
    }

    fn skip_content(&mut self) -> anyhow::Result<()> {
        let mut left = wire::read_frame(&mut self.stream)?.announced_body_bytes()?;
        while left > 0 {
            left = left.saturating_sub(wire::read_frame(&mut self.stream)?.body_bytes()?);
        }
        Ok(())
    }

    /// Closes the connection in good order.
    pub(super) fn close(mut self) -> anyhow::Result<()> {
        let close = Arguments::default().u16(200).short("bye").u16(0).u16(0);
        self.send(0, method::CONNECTION_CLOSE, close);
        self.expect(method::CONNECTION_CLOSE_OK)?;
        Ok(())
    }

    fn send(&mut self, channel: u16, method: Method, arguments: Arguments) {
        wire::method_frame(&mut self.pending, channel, method, &arguments);
    }

    /// Writes what is pending and waits for one method.
    fn expect(&mut self, wanted: Method) -> anyhow::Result<Answer> {
        self.flush()?;
        loop {
            match self.receive()? {
                Some((method, arguments)) if method == wanted => return Ok(arguments),
                Some((method, _)) => bail!("method {method:?} instead of {wanted:?}"),
                None => {}
            }
        }
    }

    /// Reads one frame; `None` when it was a confirm or of no interest.
    fn receive(&mut self) -> anyhow::Result<Option<(Method, Answer)>> {
        let frame = wire::read_frame(&mut self.stream)?;
        if !frame.is_method() {
            return Ok(None);
        }
        let (method, mut arguments) = frame.method()?;
        match method {
            method::BASIC_ACK => {
                self.settle(arguments.u64()?, arguments.u8()? & 1 != 0);
                Ok(None)
            }
            method::CONNECTION_BLOCKED | method::CONNECTION_UNBLOCKED => Ok(None),
            method::CONNECTION_CLOSE | method::CHANNEL_CLOSE => {
                let code = arguments.u16()?;
                bail!("the broker closed with {code} {}", arguments.short()?)
            }
            _ => Ok(Some((method, arguments))),
        }
    }

    fn settle(&mut self, tag: u64, multiple: bool) {
        if multiple {
            self.unconfirmed = self.unconfirmed.split_off(&tag.saturating_add(1));
        } else {
            self.unconfirmed.remove(&tag);
        }
    }
}
