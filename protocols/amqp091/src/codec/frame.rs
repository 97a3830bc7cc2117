//! Frames: seven octets of type, channel and size, a payload, and the end octet 0xCE (section 4.2.3).

use bytes::{BufMut, Bytes, BytesMut};

use crate::violation::Violation;

/// Octets around a payload: type, channel, size and the end octet.
pub const FRAME_OVERHEAD: usize = 8;

/// The smallest maximum frame size that a peer may negotiate.
pub const FRAME_BYTES_MIN: u32 = 4096;

const FRAME_END: u8 = 0xCE;
const FRAME_HEADER: usize = 7;

/// The frame types of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A method with its arguments.
    Method,
    /// Class, size and properties of a content.
    Header,
    /// A piece of a content's body.
    Body,
    /// A sign of life.
    Heartbeat,
}

impl FrameKind {
    /// The type octet.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Method => 1,
            Self::Header => 2,
            Self::Body => 3,
            Self::Heartbeat => 8,
        }
    }

    const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Method),
            2 => Some(Self::Header),
            3 => Some(Self::Body),
            8 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// One frame, borrowed from the chunk that it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: FrameKind,
    /// The channel; 0 is the connection itself.
    pub channel: u16,
    /// The payload without the frame's own octets.
    pub payload: &'a [u8],
}

/// Cuts complete frames off the input and refuses oversized ones before they are buffered.
#[derive(Debug, Clone)]
pub struct FrameReader {
    payload_max: u32,
    one_at_a_time: bool,
}

impl FrameReader {
    /// A reader for the handshake: every call takes one frame, because each may change how the next is read.
    pub const fn new(frame_bytes_max: u32) -> Self {
        Self {
            payload_max: frame_bytes_max,
            one_at_a_time: true,
        }
    }

    /// Sets the negotiated maximum frame size.
    ///
    /// The limit applies to the payload alone: clients that forget the frame's own eight octets are common, and
    /// RabbitMQ lets them pass.
    pub const fn tune(&mut self, frame_bytes_max: u32) {
        self.payload_max = frame_bytes_max;
    }

    /// From here on a call takes all complete frames.
    pub const fn batch(&mut self) {
        self.one_at_a_time = false;
    }

    /// Takes the complete frames at the start of `input` as one chunk to iterate with [`Frames`]. `None` when the
    /// first frame is not complete yet. A malformed frame is reported when it has become the first.
    pub fn take(&self, input: &mut BytesMut) -> Result<Option<Bytes>, Violation> {
        let mut complete = 0;
        while let Some(rest) = input.get(complete..) {
            match self.measure(rest) {
                Ok(Some(length)) => complete += length,
                Err(violation) if complete == 0 => return Err(violation),
                Ok(None) | Err(_) => break,
            }
            if self.one_at_a_time {
                break;
            }
        }
        Ok((complete > 0).then(|| input.split_to(complete).freeze()))
    }

    /// The length of the first frame, or `None` when more octets are needed.
    fn measure(&self, input: &[u8]) -> Result<Option<usize>, Violation> {
        let Some(&[kind, high, low, a, b, c, d]) = input.first_chunk::<FRAME_HEADER>() else {
            return Ok(None);
        };
        let channel = u16::from_be_bytes([high, low]);
        let size = u32::from_be_bytes([a, b, c, d]);
        if FrameKind::from_octet(kind).is_none() {
            return Err(Violation::UnknownFrame { kind });
        }
        if size > self.payload_max {
            return Err(Violation::FrameTooLarge {
                kind,
                channel,
                size,
                max: self.payload_max,
            });
        }
        let length = size as usize + FRAME_OVERHEAD;
        match input.get(length - 1) {
            None => Ok(None),
            Some(&FRAME_END) => Ok(Some(length)),
            Some(&found) => Err(Violation::FrameEnd {
                kind,
                channel,
                found,
            }),
        }
    }
}

/// Iterates the frames of a chunk that [`FrameReader::take`] has checked.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Starts at the beginning of `chunk`.
    pub const fn new(chunk: &'a [u8]) -> Self {
        Self { rest: chunk }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let (&[kind, high, low, a, b, c, d], rest) =
            self.rest.split_first_chunk::<FRAME_HEADER>()?;
        let kind = FrameKind::from_octet(kind)?;
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        let (payload, rest) = rest.split_at_checked(size)?;
        self.rest = rest.get(1..)?;
        Some(Frame {
            kind,
            channel: u16::from_be_bytes([high, low]),
            payload,
        })
    }
}

/// Appends the octets before a payload.
pub(super) fn put_frame_header(out: &mut BytesMut, kind: FrameKind, channel: u16, size: u32) {
    let [high, low] = channel.to_be_bytes();
    let [a, b, c, d] = size.to_be_bytes();
    out.put_slice(&[kind.octet(), high, low, a, b, c, d]);
}

/// Appends the octet after a payload.
pub(super) fn put_frame_end(out: &mut BytesMut) {
    out.put_u8(FRAME_END);
}

/// Appends a heartbeat.
pub fn put_heartbeat(out: &mut BytesMut) {
    put_frame_header(out, FrameKind::Heartbeat, 0, 0);
    put_frame_end(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 0xCE];

    fn tuned() -> FrameReader {
        let mut reader = FrameReader::new(4096);
        reader.batch();
        reader
    }

    #[test]
    fn a_heartbeat_is_eight_octets() {
        let mut out = BytesMut::new();
        put_heartbeat(&mut out);
        assert_eq!(&out[..], &HEARTBEAT);
    }

    #[test]
    fn the_handshake_takes_one_frame_and_the_rest_takes_all() {
        let mut input = BytesMut::from(&HEARTBEAT.repeat(3)[..]);
        let one = FrameReader::new(4096).take(&mut input).unwrap().unwrap();
        assert_eq!(Frames::new(&one).count(), 1);
        let others = tuned().take(&mut input).unwrap().unwrap();
        assert_eq!(Frames::new(&others).count(), 2);
        assert!(input.is_empty());
    }

    #[test]
    fn an_oversized_frame_is_refused_from_its_header_alone() {
        let mut input = BytesMut::from(&[3, 0, 1, 0, 0, 0x10, 0x01][..]);
        let violation = tuned().take(&mut input).unwrap_err();
        assert_eq!(
            violation,
            Violation::FrameTooLarge {
                kind: 3,
                channel: 1,
                size: 4097,
                max: 4096
            }
        );
        let mut largest = BytesMut::from(&[3, 0, 1, 0, 0, 0x10, 0x00][..]);
        assert_eq!(tuned().take(&mut largest), Ok(None));
    }

    #[test]
    fn good_frames_before_a_bad_one_are_served_first() {
        let mut input = BytesMut::from(&HEARTBEAT[..]);
        input.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0xCD]);
        assert!(tuned().take(&mut input).unwrap().is_some());
        assert_eq!(
            tuned().take(&mut input),
            Err(Violation::FrameEnd {
                kind: 8,
                channel: 0,
                found: 0xCD
            })
        );
    }

    #[test]
    fn an_unknown_type_is_refused() {
        let mut input = BytesMut::from(&[4, 0, 0, 0, 0, 0, 0, 0xCE][..]);
        assert_eq!(
            tuned().take(&mut input),
            Err(Violation::UnknownFrame { kind: 4 })
        );
    }
}
