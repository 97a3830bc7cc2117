//! What came from the socket and waits for the session.

use crate::buffers::{self, CHUNK_BYTES};
use crate::stream::Stream;
use bytes::BytesMut;
use std::io;
use std::task::{Context, Poll};

/// How much is read before others get their turn.
const READ_BYTES_MAX: usize = 256 * 1024;

/// Less room than this is not worth a read.
const ROOM_BYTES_MIN: usize = 4 * 1024;

/// An incomplete frame up to this size is moved to memory of its own size while it waits.
const COMPACT_BYTES_MAX: usize = 4 * 1024;

/// Input of one connection. It holds a buffer only while there is something in it.
#[derive(Default)]
pub(super) struct Input {
    pub(super) buffer: BytesMut,
    /// How much more may be read in this go.
    left: usize,
    /// Bytes may be there although the socket has none.
    ahead: bool,
    ended: bool,
    begun: bool,
}

impl Input {
    /// Nothing yet. A handshake may already have read what came behind it.
    pub(super) fn of(stream: &Stream) -> Self {
        Self {
            ahead: stream.reads_ahead(),
            ..Self::default()
        }
    }

    /// Starts a new go.
    pub(super) const fn begin(&mut self) {
        self.left = READ_BYTES_MAX;
    }

    /// Whether there may be more to read in this go.
    pub(super) const fn wants_more(&self) -> bool {
        self.left > 0 && !self.ended
    }

    /// Whether the peer has closed its side.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the peer has sent anything.
    pub(super) const fn begun(&self) -> bool {
        self.begun
    }

    /// Reads once, so that at most `bytes_max` bytes are buffered. 0 bytes are the end.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut Stream,
        bytes_max: usize,
    ) -> io::Result<Poll<usize>> {
        if !self.ahead && stream.poll_readable(context)?.is_pending() {
            return Ok(Poll::Pending);
        }
        self.make_room();
        let room = bytes_max
            .saturating_sub(self.buffer.len())
            .min(self.left)
            .min(self.buffer.capacity() - self.buffer.len());
        match stream.poll_read(context, &mut self.buffer, room)? {
            Poll::Pending => {
                self.ahead = false;
                Ok(Poll::Pending)
            }
            Poll::Ready(bytes) => {
                self.ahead = stream.reads_ahead();
                self.ended = bytes == 0;
                self.begun |= bytes > 0;
                self.left = self.left.saturating_sub(bytes);
                Ok(Poll::Ready(bytes))
            }
        }
    }

    /// Gives the buffer up, unless a large part of a frame is in it.
    pub(super) fn release(&mut self) {
        if self.buffer.capacity() == 0 {
            return;
        }
        if self.buffer.is_empty() {
            buffers::give_back(std::mem::take(&mut self.buffer));
        } else if self.buffer.len() <= COMPACT_BYTES_MAX
            && self.buffer.capacity() > COMPACT_BYTES_MAX
        {
            let compact = BytesMut::from(&self.buffer[..]);
            buffers::give_back(std::mem::replace(&mut self.buffer, compact));
        }
    }

    fn make_room(&mut self) {
        if self.buffer.capacity() - self.buffer.len() >= ROOM_BYTES_MIN {
            return;
        }
        if self.buffer.len() <= CHUNK_BYTES / 2 {
            let mut fresh = buffers::borrow();
            fresh.extend_from_slice(&self.buffer);
            buffers::give_back(std::mem::replace(&mut self.buffer, fresh));
        } else {
            self.buffer.reserve(self.buffer.len().max(CHUNK_BYTES));
        }
    }
}
