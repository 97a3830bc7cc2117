//! Every way in which a peer can break the protocol, with the reply code that answers it.
//!
//! A violation knows no session: who sent the frame and which method was at fault is added by the session that closes.

use crate::codec::MethodId;
use crate::reply::ReplyCode;

/// The peer broke the protocol. The message is the explanation that follows the code's name in the reply text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A frame announces more payload than was negotiated.
    #[error(
        "type {kind}, channel {channel}: frame_too_large, {size} octets of payload, at most {max}"
    )]
    FrameTooLarge {
        /// The frame's type octet.
        kind: u8,
        /// The frame's channel.
        channel: u16,
        /// Announced payload bytes.
        size: u32,
        /// Accepted payload bytes.
        max: u32,
    },
    /// The octet after the payload is not 0xCE.
    #[error("type {kind}, channel {channel}: invalid_frame_end_marker, {found}")]
    FrameEnd {
        /// The frame's type octet.
        kind: u8,
        /// The frame's channel.
        channel: u16,
        /// The octet found.
        found: u8,
    },
    /// A frame type that the specification does not define.
    #[error("type {kind}: unknown_frame")]
    UnknownFrame {
        /// The frame's type octet.
        kind: u8,
    },
    /// A short string that is not UTF-8.
    #[error("Malformed UTF-8 in shortstr")]
    TextNotUtf8,
    /// The fields end before the method, header or table does.
    #[error("fields end in the middle of a value")]
    Truncated,
    /// Bytes follow the last field.
    #[error("{count} octets follow the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A field value type that neither the specification nor its errata define.
    #[error("unknown field value type {tag}")]
    UnknownFieldType {
        /// The type octet.
        tag: u8,
    },
    /// Tables and arrays nested too deep.
    #[error("tables nested deeper than {max}")]
    TableTooDeep {
        /// The accepted depth.
        max: usize,
    },
    /// Property flags that class basic does not define.
    #[error("undefined property flags {flags:#06x}")]
    PropertyFlags {
        /// The flags as sent.
        flags: u16,
    },
    /// A class or method that does not exist.
    #[error("unknown method {0}")]
    UnknownMethod(MethodId),
    /// A content frame where a method must come first.
    #[error("expected method frame, got non method frame instead")]
    ExpectedMethod,
    /// Something else where a content header must follow its method.
    #[error("expected content header for class {class}, got non content header frame instead")]
    ExpectedHeader {
        /// The method's class.
        class: u16,
    },
    /// A content header of another class than its method.
    #[error("expected content header for class {expected}, got one for class {found} instead")]
    HeaderClass {
        /// The method's class.
        expected: u16,
        /// The header's class.
        found: u16,
    },
    /// A content header whose weight is not zero.
    #[error("content header with weight {weight}")]
    HeaderWeight {
        /// The weight field.
        weight: u16,
    },
    /// Something else where a body frame must follow.
    #[error("expected content body, got non content body frame instead")]
    ExpectedBody,
    /// Body frames that add up to more than the header announced.
    #[error("content body frame exceeds remaining content size")]
    BodyOverrun,
    /// A body longer than the server takes.
    #[error("message size {size} is larger than configured max size {max}")]
    BodyTooLarge {
        /// Announced body bytes.
        size: u64,
        /// Accepted body bytes.
        max: u64,
    },
    /// A frame that is well formed and has no place in this state.
    #[error("type {kind}, channel {channel}")]
    UnexpectedFrame {
        /// The frame's type octet.
        kind: u8,
        /// The frame's channel.
        channel: u16,
    },
}

impl Violation {
    /// The reply code that closes the connection or the channel.
    pub const fn reply_code(&self) -> ReplyCode {
        match self {
            Self::FrameTooLarge { .. }
            | Self::FrameEnd { .. }
            | Self::UnknownFrame { .. }
            | Self::TextNotUtf8
            | Self::BodyOverrun => ReplyCode::FrameError,
            Self::Truncated
            | Self::TrailingBytes { .. }
            | Self::UnknownFieldType { .. }
            | Self::TableTooDeep { .. }
            | Self::PropertyFlags { .. }
            | Self::HeaderWeight { .. } => ReplyCode::SyntaxError,
            Self::ExpectedMethod
            | Self::ExpectedHeader { .. }
            | Self::HeaderClass { .. }
            | Self::ExpectedBody
            | Self::UnexpectedFrame { .. } => ReplyCode::UnexpectedFrame,
            Self::UnknownMethod(_) => ReplyCode::NotImplemented,
            Self::BodyTooLarge { .. } => ReplyCode::PreconditionFailed,
        }
    }

    /// Whether the whole connection ends rather than one channel.
    pub const fn closes_connection(&self) -> bool {
        self.reply_code().closes_connection()
    }
}
