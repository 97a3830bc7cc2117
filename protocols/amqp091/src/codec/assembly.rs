//! Puts a method, its content header and its body frames together again, for one channel.

use bytes::{Bytes, BytesMut};

use super::content::ContentHeader;
use super::frame::{Frame, FrameKind};
use crate::violation::Violation;

/// The class that every content belongs to.
const CLASS_BASIC: u16 = 60;

/// A body that comes in pieces gets at most this much memory before the bytes for it have arrived.
const BODY_RESERVE_MAX: u64 = 1024 * 1024;

/// A method `M` with everything that followed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content<M> {
    /// What the caller kept of the method.
    pub method: M,
    /// Property flags and list as sent.
    pub properties: Bytes,
    /// The whole body. A body that came in one frame is a slice of the chunk that it came in.
    pub body: Bytes,
}

/// Where a channel stands between a method and the end of its content.
#[derive(Debug)]
pub enum Assembly<M> {
    /// No content is under way: a method frame comes next.
    Idle,
    /// A method announced a content: its header comes next.
    Header(M),
    /// The header came: body frames come next.
    Body {
        /// What the caller kept of the method.
        method: M,
        /// Property flags and list as sent.
        properties: Bytes,
        /// The pieces so far.
        body: BytesMut,
        /// Body bytes that are still to come.
        remaining: u64,
    },
}

impl<M> Assembly<M> {
    /// Whether the next frame must be a method.
    pub const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// What is wrong with a method frame that comes now.
    pub const fn method_violation(&self) -> Option<Violation> {
        match self {
            Self::Idle => None,
            Self::Header(_) => Some(Violation::ExpectedHeader { class: CLASS_BASIC }),
            Self::Body { .. } => Some(Violation::ExpectedBody),
        }
    }

    /// Takes the next content frame, which lies in `chunk`. Gives the content when it is complete. After a violation
    /// the assembly is idle.
    pub fn push(
        &mut self,
        chunk: &Bytes,
        frame: Frame<'_>,
        body_bytes_max: u64,
    ) -> Result<Option<Content<M>>, Violation> {
        match (std::mem::replace(self, Self::Idle), frame.kind) {
            (Self::Idle, _) => Err(Violation::ExpectedMethod),
            (Self::Header(method), FrameKind::Header) => {
                let header = ContentHeader::parse(frame.payload)?;
                let properties = chunk.slice_ref(header.properties);
                self.begin(method, header, properties, body_bytes_max)
            }
            (Self::Header(_), _) => Err(Violation::ExpectedHeader { class: CLASS_BASIC }),
            (
                Self::Body {
                    method,
                    properties,
                    body,
                    remaining,
                },
                FrameKind::Body,
            ) => self.extend(
                chunk,
                frame.payload,
                Partial {
                    method,
                    properties,
                    body,
                    remaining,
                },
            ),
            (Self::Body { .. }, _) => Err(Violation::ExpectedBody),
        }
    }

    fn begin(
        &mut self,
        method: M,
        header: ContentHeader<'_>,
        properties: Bytes,
        body_bytes_max: u64,
    ) -> Result<Option<Content<M>>, Violation> {
        if header.class != CLASS_BASIC {
            return Err(Violation::HeaderClass {
                expected: CLASS_BASIC,
                found: header.class,
            });
        }
        if header.body_size > body_bytes_max {
            return Err(Violation::BodyTooLarge {
                size: header.body_size,
                max: body_bytes_max,
            });
        }
        if header.body_size == 0 {
            return Ok(Some(Content {
                method,
                properties,
                body: Bytes::new(),
            }));
        }
        *self = Self::Body {
            method,
            properties,
            body: BytesMut::new(),
            remaining: header.body_size,
        };
        Ok(None)
    }

    fn extend(
        &mut self,
        chunk: &Bytes,
        piece: &[u8],
        partial: Partial<M>,
    ) -> Result<Option<Content<M>>, Violation> {
        let Partial {
            method,
            properties,
            mut body,
            remaining,
        } = partial;
        let left = remaining
            .checked_sub(piece.len() as u64)
            .ok_or(Violation::BodyOverrun)?;
        if left == 0 && body.is_empty() {
            return Ok(Some(Content {
                method,
                properties,
                body: chunk.slice_ref(piece),
            }));
        }
        if body.is_empty() {
            body.reserve(usize::try_from(remaining.min(BODY_RESERVE_MAX)).unwrap_or_default());
        }
        body.extend_from_slice(piece);
        if left == 0 {
            return Ok(Some(Content {
                method,
                properties,
                body: body.freeze(),
            }));
        }
        *self = Self::Body {
            method,
            properties,
            body,
            remaining: left,
        };
        Ok(None)
    }
}

struct Partial<M> {
    method: M,
    properties: Bytes,
    body: BytesMut,
    remaining: u64,
}
