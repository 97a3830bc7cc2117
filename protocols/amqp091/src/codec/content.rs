//! Contents: the header frame with class, size and properties, and the body split over frames (section 4.2.6).

use bytes::{BufMut, BytesMut};

use super::frame::{FRAME_OVERHEAD, FrameKind, put_frame_end, put_frame_header};
use super::method::{Arguments, put_method};
use super::wire::{Reader, length_of};
use crate::violation::Violation;

/// Octets of a header payload before the properties: class, weight and body size.
const FIXED: usize = 12;

/// The payload of a content header frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The class that the content belongs to; 60 (basic) is the only one with contents.
    pub class: u16,
    /// Body bytes that follow in body frames.
    pub body_size: u64,
    /// Property flags and property list as sent. [`super::Properties::parse`] reads them.
    pub properties: &'a [u8],
}

impl<'a> ContentHeader<'a> {
    /// Reads a header frame's payload. The properties are not looked at.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(payload);
        let class = u16::from_be_bytes(reader.array()?);
        let weight = u16::from_be_bytes(reader.array()?);
        let body_size = u64::from_be_bytes(reader.array()?);
        if weight != 0 {
            return Err(Violation::HeaderWeight { weight });
        }
        let properties = payload.get(FIXED..).ok_or(Violation::Truncated)?;
        Ok(Self {
            class,
            body_size,
            properties,
        })
    }
}

/// Appends a method with its content: method frame, header frame and as many body frames as `frame_bytes_max` asks
/// for, with one reservation. `frame_bytes_max` 0 means unlimited. A header frame is never split: the protocol has no
/// way to, so properties longer than the peer's frames go out in one.
pub fn put_content<M: Arguments>(
    out: &mut BytesMut,
    channel: u16,
    method: &M,
    properties: &[u8],
    body: &[u8],
    frame_bytes_max: u32,
) {
    let piece = body_bytes_per_frame(frame_bytes_max);
    let frames = body.len().div_ceil(piece);
    let header = FRAME_OVERHEAD + FIXED + properties.len();
    out.reserve(METHOD_BYTES_MAX + header + body.len() + frames * FRAME_OVERHEAD);
    put_method(out, channel, method);
    put_header(out, channel, M::ID.class, body.len() as u64, properties);
    for part in body.chunks(piece) {
        put_frame_header(out, FrameKind::Body, channel, length_of(part));
        out.put_slice(part);
        put_frame_end(out);
    }
}

/// Appends a content header frame.
pub fn put_header(out: &mut BytesMut, channel: u16, class: u16, body_size: u64, properties: &[u8]) {
    put_frame_header(
        out,
        FrameKind::Header,
        channel,
        length_of(properties) + FIXED as u32,
    );
    out.put_u16(class);
    out.put_u16(0);
    out.put_u64(body_size);
    out.put_slice(properties);
    put_frame_end(out);
}

/// No method that carries a content is longer: three short strings and twenty octets of numbers.
const METHOD_BYTES_MAX: usize = 3 * 256 + 32;

fn body_bytes_per_frame(frame_bytes_max: u32) -> usize {
    match frame_bytes_max as usize {
        0 => u32::MAX as usize,
        max => max.saturating_sub(FRAME_OVERHEAD).max(1),
    }
}
