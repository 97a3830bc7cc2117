//! Frames of AMQP 0-9-1, as far as the small client needs them.

use std::io::Read;

use anyhow::{Context, ensure};

/// What a client says first.
pub(super) const PROTOCOL_HEADER: &[u8] = b"AMQP\0\0\x09\x01";

const METHOD_FRAME: u8 = 1;
const HEADER_FRAME: u8 = 2;
const BODY_FRAME: u8 = 3;
const FRAME_END: u8 = 0xce;
/// Larger frames than the negotiated ones are refused.
const FRAME_BYTES_MAX: u32 = 1 << 20;

/// Class and number of a method.
pub(super) type Method = (u16, u16);

/// The methods in use.
pub(super) mod method {
    use super::Method;

    pub(in super::super) const CONNECTION_START: Method = (10, 10);
    pub(in super::super) const CONNECTION_START_OK: Method = (10, 11);
    pub(in super::super) const CONNECTION_TUNE: Method = (10, 30);
    pub(in super::super) const CONNECTION_TUNE_OK: Method = (10, 31);
    pub(in super::super) const CONNECTION_OPEN: Method = (10, 40);
    pub(in super::super) const CONNECTION_OPEN_OK: Method = (10, 41);
    pub(in super::super) const CONNECTION_CLOSE: Method = (10, 50);
    pub(in super::super) const CONNECTION_CLOSE_OK: Method = (10, 51);
    pub(in super::super) const CONNECTION_BLOCKED: Method = (10, 60);
    pub(in super::super) const CONNECTION_UNBLOCKED: Method = (10, 61);
    pub(in super::super) const CHANNEL_OPEN: Method = (20, 10);
    pub(in super::super) const CHANNEL_OPEN_OK: Method = (20, 11);
    pub(in super::super) const CHANNEL_CLOSE: Method = (20, 40);
    pub(in super::super) const QUEUE_DECLARE: Method = (50, 10);
    pub(in super::super) const QUEUE_DECLARE_OK: Method = (50, 11);
    pub(in super::super) const QUEUE_DELETE: Method = (50, 40);
    pub(in super::super) const QUEUE_DELETE_OK: Method = (50, 41);
    pub(in super::super) const BASIC_PUBLISH: Method = (60, 40);
    pub(in super::super) const BASIC_GET: Method = (60, 70);
    pub(in super::super) const BASIC_GET_OK: Method = (60, 71);
    pub(in super::super) const BASIC_GET_EMPTY: Method = (60, 72);
    pub(in super::super) const BASIC_ACK: Method = (60, 80);
    pub(in super::super) const CONFIRM_SELECT: Method = (85, 10);
    pub(in super::super) const CONFIRM_SELECT_OK: Method = (85, 11);
}

/// Arguments of a method that is sent, in their order.
#[derive(Debug, Default)]
pub(super) struct Arguments(Vec<u8>);

impl Arguments {
    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// A short string; what is beyond 255 bytes is cut.
    pub(super) fn short(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        self.0.push(length);
        self.0.extend(bytes.iter().take(usize::from(length)));
        self
    }

    pub(super) fn long(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut arguments = self.u32(length);
        arguments.0.extend(bytes);
        arguments
    }

    pub(super) fn table_empty(self) -> Self {
        self.u32(0)
    }

    /// A table with one text.
    pub(super) fn table_of_text(self, key: &str, value: &str) -> Self {
        const LONG_TEXT: u8 = b'S';
        let entry = Self::default()
            .short(key)
            .u8(LONG_TEXT)
            .long(value.as_bytes());
        self.long(&entry.0)
    }
}

/// Arguments of a method that was received, read in their order.
#[derive(Debug)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    fn take(&mut self, count: usize) -> anyhow::Result<&[u8]> {
        let end = self.at.saturating_add(count);
        let taken = self
            .bytes
            .get(self.at..end)
            .context("a method ends too early")?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> anyhow::Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    pub(super) fn u8(&mut self) -> anyhow::Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> anyhow::Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> anyhow::Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> anyhow::Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn short(&mut self) -> anyhow::Result<String> {
        let length = self.u8()?;
        let bytes = self.take(usize::from(length))?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// A frame that was received.
#[derive(Debug)]
pub(super) struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

impl Frame {
    pub(super) fn is_method(&self) -> bool {
        self.kind == METHOD_FRAME
    }

    /// The method and its arguments.
    pub(super) fn method(self) -> anyhow::Result<(Method, Answer)> {
        let mut answer = Answer {
            bytes: self.payload,
            at: 0,
        };
        let method = (answer.u16()?, answer.u16()?);
        Ok((method, answer))
    }

    /// The length of the body that a content header announces.
    pub(super) fn announced_body_bytes(self) -> anyhow::Result<u64> {
        const CLASS_AND_WEIGHT: usize = 4;
        ensure!(self.kind == HEADER_FRAME, "a message without a header");
        let mut header = Answer {
            bytes: self.payload,
            at: CLASS_AND_WEIGHT,
        };
        header.u64()
    }

    /// The length of a piece of a body.
    pub(super) fn body_bytes(&self) -> anyhow::Result<u64> {
        ensure!(self.kind == BODY_FRAME, "a message without its body");
        Ok(self.payload.len() as u64)
    }
}

/// Reads one frame.
pub(super) fn read_frame(from: &mut impl Read) -> anyhow::Result<Frame> {
    let mut head = [0; 7];
    from.read_exact(&mut head)
        .context("the broker closed the connection")?;
    let [kind, _, _, length @ ..] = head;
    ensure!(
        kind != b'A',
        "the broker speaks another version of AMQP, or another protocol"
    );
    let length = u32::from_be_bytes(length);
    ensure!(
        length <= FRAME_BYTES_MAX,
        "a frame of {length} bytes is too long"
    );
    let mut payload = vec![0; length as usize];
    from.read_exact(&mut payload)?;
    let mut end = [0];
    from.read_exact(&mut end)?;
    ensure!(end == [FRAME_END], "a frame without an end");
    Ok(Frame { kind, payload })
}

/// Appends a method frame.
pub(super) fn method_frame(to: &mut Vec<u8>, channel: u16, method: Method, arguments: &Arguments) {
    let (class, number) = method;
    let head = Arguments::default().u16(class).u16(number);
    frame(to, METHOD_FRAME, channel, &[&head.0, &arguments.0]);
}

/// Appends header and body of a persistent message.
pub(super) fn persistent_content(to: &mut Vec<u8>, channel: u16, body: &[u8]) {
    const BASIC: u16 = 60;
    const HAS_DELIVERY_MODE: u16 = 0x1000;
    const PERSISTENT: u8 = 2;
    let mut header = Arguments::default().u16(BASIC).u16(0);
    header.0.extend((body.len() as u64).to_be_bytes());
    let header = header.u16(HAS_DELIVERY_MODE).u8(PERSISTENT);
    frame(to, HEADER_FRAME, channel, &[&header.0]);
    frame(to, BODY_FRAME, channel, &[body]);
}

fn frame(to: &mut Vec<u8>, kind: u8, channel: u16, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    to.push(kind);
    to.extend(channel.to_be_bytes());
    to.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    for part in parts {
        to.extend(*part);
    }
    to.push(FRAME_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        let arguments = Arguments::default().u16(7).short("queue").u8(3).u32(9);
        method_frame(&mut bytes, 1, method::QUEUE_DECLARE, &arguments);
        let frame = read_frame(&mut bytes.as_slice()).expect("a frame");
        let (method, mut answer) = frame.method().expect("a method");
        assert_eq!(method, method::QUEUE_DECLARE);
        assert_eq!(answer.u16().ok(), Some(7));
        assert_eq!(answer.short().ok().as_deref(), Some("queue"));
        assert_eq!((answer.u8().ok(), answer.u32().ok()), (Some(3), Some(9)));
        assert!(answer.u8().is_err());
    }

    #[test]
    fn content_announces_the_length_of_its_body() {
        let mut bytes = Vec::new();
        persistent_content(&mut bytes, 1, b"hello");
        let mut rest = bytes.as_slice();
        let header = read_frame(&mut rest).expect("a header");
        assert_eq!(header.announced_body_bytes().ok(), Some(5));
        let body = read_frame(&mut rest).expect("a body");
        assert_eq!(body.body_bytes().ok(), Some(5));
    }

    #[test]
    fn a_broker_that_speaks_another_version_is_named() {
        let refused = read_frame(&mut b"AMQP\x03\x01\0\0".as_slice());
        assert!(refused.is_err_and(|error| error.to_string().contains("version")));
    }

    #[test]
    fn too_long_frames_are_refused() {
        let refused = read_frame(&mut [1, 0, 0, 0xff, 0, 0, 0, 0].as_slice());
        assert!(refused.is_err_and(|error| error.to_string().contains("too long")));
    }
}
