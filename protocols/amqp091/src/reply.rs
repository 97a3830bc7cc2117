//! Reply codes of the specification (section 1.2, "constants") and whom they close.

/// A reply code that closes a channel or a connection, or accompanies a returned message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyCode {
    /// 200: a normal close.
    Success,
    /// 311: the body is larger than the peer accepts.
    ContentTooLarge,
    /// 312: a mandatory message had no queue to go to.
    NoRoute,
    /// 313: an immediate message had no consumer.
    NoConsumers,
    /// 320: an operator closed the connection.
    ConnectionForced,
    /// 402: the virtual host path is unknown.
    InvalidPath,
    /// 403: permission denied or the name is reserved.
    AccessRefused,
    /// 404: the named entity does not exist.
    NotFound,
    /// 405: another connection or consumer holds the entity exclusively.
    ResourceLocked,
    /// 406: arguments do not fit what exists.
    PreconditionFailed,
    /// 501: bytes that are no frame.
    FrameError,
    /// 502: a frame whose fields cannot be read.
    SyntaxError,
    /// 503: a method that is not valid here.
    CommandInvalid,
    /// 504: a method on a channel that is not open for it.
    ChannelError,
    /// 505: a frame out of sequence.
    UnexpectedFrame,
    /// 506: the server ran out of something.
    ResourceError,
    /// 530: forbidden by configuration or negotiation.
    NotAllowed,
    /// 540: the method or one of its options is not offered.
    NotImplemented,
    /// 541: the server failed.
    InternalError,
}

impl ReplyCode {
    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self.entry().0
    }

    /// The name that begins every reply text, e.g. `NOT_FOUND`.
    pub const fn name(self) -> &'static str {
        self.entry().1
    }

    /// Whether the code ends the whole connection ("hard error") rather than one channel.
    pub const fn closes_connection(self) -> bool {
        matches!(self.code(), 320 | 402 | 501..=599)
    }

    /// The full reply text, `NAME - explanation`, cut to what a short string holds.
    pub fn text(self, explanation: &str) -> String {
        let mut text = format!("{} - {explanation}", self.name());
        text.truncate(text.floor_char_boundary(usize::from(u8::MAX)));
        text
    }

    const fn entry(self) -> (u16, &'static str) {
        match self {
            Self::Success => (200, "OK"),
            Self::ContentTooLarge => (311, "CONTENT_TOO_LARGE"),
            Self::NoRoute => (312, "NO_ROUTE"),
            Self::NoConsumers => (313, "NO_CONSUMERS"),
            Self::ConnectionForced => (320, "CONNECTION_FORCED"),
            Self::InvalidPath => (402, "INVALID_PATH"),
            Self::AccessRefused => (403, "ACCESS_REFUSED"),
            Self::NotFound => (404, "NOT_FOUND"),
            Self::ResourceLocked => (405, "RESOURCE_LOCKED"),
            Self::PreconditionFailed => (406, "PRECONDITION_FAILED"),
            Self::FrameError => (501, "FRAME_ERROR"),
            Self::SyntaxError => (502, "SYNTAX_ERROR"),
            Self::CommandInvalid => (503, "COMMAND_INVALID"),
            Self::ChannelError => (504, "CHANNEL_ERROR"),
            Self::UnexpectedFrame => (505, "UNEXPECTED_FRAME"),
            Self::ResourceError => (506, "RESOURCE_ERROR"),
            Self::NotAllowed => (530, "NOT_ALLOWED"),
            Self::NotImplemented => (540, "NOT_IMPLEMENTED"),
            Self::InternalError => (541, "INTERNAL_ERROR"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReplyCode;

    #[test]
    fn soft_errors_close_a_channel_and_hard_errors_the_connection() {
        assert!(!ReplyCode::NotFound.closes_connection());
        assert!(!ReplyCode::PreconditionFailed.closes_connection());
        assert!(ReplyCode::ConnectionForced.closes_connection());
        assert!(ReplyCode::FrameError.closes_connection());
        assert!(ReplyCode::NotAllowed.closes_connection());
    }

    #[test]
    fn a_long_explanation_is_cut_at_a_character_boundary() {
        let text = ReplyCode::NotFound.text(&"é".repeat(200));
        assert!(text.len() <= 255);
        assert!(text.starts_with("NOT_FOUND - é"));
    }
}
