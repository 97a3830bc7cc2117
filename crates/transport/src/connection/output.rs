//! What the session said and the socket has not taken yet.

use crate::buffers;
use crate::stream::Stream;
use bytes::{Buf as _, BytesMut};
use sabir_core::session::Session;
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

/// Deliveries that have left are reported when this many bytes of them have gathered, or when
/// everything has left.
const REPORT_BYTES_MIN: u64 = 64 * 1024;

/// Positions of deliveries that are kept apart; beyond that, the last ones count as one.
const MARKS_MAX: usize = 32;

/// Output of one connection, and how far into it the deliveries reach.
#[derive(Default)]
pub(super) struct Output {
    buffer: BytesMut,
    /// Why the connection is to be closed once everything is written.
    pub(super) closing: Option<String>,
    /// Bytes ever appended and ever written.
    appended: u64,
    written: u64,
    /// Where the deliveries of each append end, and what they cost.
    marks: VecDeque<Mark>,
    /// Cost of deliveries that were written and not reported.
    unreported: u64,
    unflushed: bool,
}

struct Mark {
    end: u64,
    cost: u64,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Lends the session a buffer to write into.
    pub(super) fn prepare(&self, session: &mut dyn Session) {
        let bytes = &mut session.output().bytes;
        if bytes.capacity() == 0 {
            *bytes = buffers::borrow();
        }
    }

    /// Takes what the session has written.
    pub(super) fn collect(&mut self, session: &mut dyn Session) {
        let output = session.output();
        self.appended += output.bytes.len() as u64;
        if self.buffer.is_empty() {
            std::mem::swap(&mut self.buffer, &mut output.bytes);
        } else {
            self.buffer.extend_from_slice(&output.bytes);
            output.bytes.clear();
        }
        let cost = std::mem::take(&mut output.delivered_bytes);
        if cost > 0 {
            self.mark(cost);
        }
        if self.closing.is_none() {
            self.closing = output.close.take();
        }
    }

    /// Writes as much as the socket takes. False when it took nothing.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut Stream,
    ) -> io::Result<bool> {
        let mut moved = false;
        while !self.buffer.is_empty() {
            let Poll::Ready(bytes) = stream.poll_write(context, &self.buffer)? else {
                break;
            };
            self.buffer.advance(bytes);
            self.written += bytes as u64;
            self.unflushed = true;
            moved = true;
        }
        if self.unflushed && stream.poll_flush(context)?.is_ready() {
            self.unflushed = false;
        }
        self.count_written();
        Ok(moved)
    }

    /// The cost of deliveries that have left, when it is time to report it.
    pub(super) fn take_written(&mut self) -> Option<u64> {
        let due =
            self.unreported >= REPORT_BYTES_MIN || (self.unreported > 0 && self.buffer.is_empty());
        due.then(|| std::mem::take(&mut self.unreported))
    }

    /// Gives up buffers that are empty.
    pub(super) fn release(&mut self, session: &mut dyn Session) {
        if self.buffer.is_empty() {
            buffers::give_back(std::mem::take(&mut self.buffer));
            self.marks = VecDeque::new();
        }
        let output = session.output();
        if output.bytes.is_empty() {
            buffers::give_back(std::mem::take(&mut output.bytes));
        }
        if output.commands.is_empty() {
            output.commands = Vec::new();
        }
    }

    fn mark(&mut self, cost: u64) {
        let end = self.appended;
        let full = self.marks.len() >= MARKS_MAX;
        if let Some(last) = self.marks.back_mut().filter(|_| full) {
            last.end = end;
            last.cost += cost;
        } else {
            self.marks.push_back(Mark { end, cost });
        }
    }

    fn count_written(&mut self) {
        while let Some(mark) = self.marks.front()
            && mark.end <= self.written
        {
            self.unreported += mark.cost;
            self.marks.pop_front();
        }
    }
}
