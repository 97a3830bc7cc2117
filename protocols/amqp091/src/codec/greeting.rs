//! The protocol header: the first eight octets of a connection (specification section 4.2.2).

use bytes::BytesMut;

/// What a client must send first, and what a server answers to a header that it does not speak.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// The header that clients of the 0-9 drafts send. RabbitMQ treats it as 0-9-1, and so do we.
const PROTOCOL_HEADER_DRAFT: [u8; 8] = *b"AMQP\x01\x01\x00\x09";

/// What the first octets of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// A header of 0-9-1, or of 0-9 which is served alike.
    Accepted {
        /// The minor protocol version to name in `connection.start`: 9 for both.
        version_minor: u8,
    },
    /// Another version of AMQP: 0-8, 0-10 or 1.0.
    OtherVersion([u8; 4]),
    /// No AMQP at all.
    Foreign(Foreign),
}

/// The protocols that most often arrive on the wrong port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A TLS client hello on a plain listener.
    Tls,
    /// An HTTP request.
    Http,
    /// Anything else.
    Unknown,
}

impl Greeting {
    /// Takes the header off `input`; `None` while too few octets are there to tell.
    ///
    /// Octets that cannot become a header are recognized at once rather than waited for.
    pub fn take(input: &mut BytesMut) -> Option<Self> {
        if let Some(&header) = input.first_chunk::<8>() {
            if let [b'A', b'M', b'Q', b'P', version @ ..] = header {
                let _: BytesMut = input.split_to(header.len());
                return Some(Self::of_version(header, version));
            }
            return Some(Self::Foreign(Foreign::of(input)));
        }
        let prefix = &PROTOCOL_HEADER[..4];
        let known = input.len().min(prefix.len());
        let possible = input.get(..known) == prefix.get(..known);
        (!possible && input.len() >= 6).then(|| Self::Foreign(Foreign::of(input)))
    }

    fn of_version(header: [u8; 8], version: [u8; 4]) -> Self {
        match header {
            PROTOCOL_HEADER | PROTOCOL_HEADER_DRAFT => Self::Accepted { version_minor: 9 },
            _ => Self::OtherVersion(version),
        }
    }
}

impl Foreign {
    fn of(input: &[u8]) -> Self {
        match input {
            [0x16, 0x03, _, _, _, 0x01, ..] => Self::Tls,
            [b'G', b'E', b'T', b' ', ..]
            | [b'P', b'O', b'S', b'T', ..]
            | [b'P', b'U', b'T', b' ', ..]
            | [b'H', b'E', b'A', b'D', ..] => Self::Http,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> Option<Greeting> {
        Greeting::take(&mut BytesMut::from(bytes))
    }

    #[test]
    fn the_current_header_and_the_draft_header_are_accepted() {
        let accepted = Some(Greeting::Accepted { version_minor: 9 });
        assert_eq!(take(b"AMQP\x00\x00\x09\x01"), accepted);
        assert_eq!(take(b"AMQP\x01\x01\x00\x09"), accepted);
    }

    #[test]
    fn other_versions_are_named() {
        assert_eq!(
            take(b"AMQP\x03\x01\x00\x00"),
            Some(Greeting::OtherVersion([3, 1, 0, 0]))
        );
        assert_eq!(
            take(b"AMQP\x01\x01\x08\x00"),
            Some(Greeting::OtherVersion([1, 1, 8, 0]))
        );
    }

    #[test]
    fn other_protocols_are_recognized() {
        assert_eq!(
            take(b"GET / HTTP/1.1\r\n"),
            Some(Greeting::Foreign(Foreign::Http))
        );
        assert_eq!(
            take(&[0x16, 3, 1, 0, 200, 1, 0, 0, 196]),
            Some(Greeting::Foreign(Foreign::Tls))
        );
        assert_eq!(take(b"PING\r\n"), Some(Greeting::Foreign(Foreign::Unknown)));
    }

    #[test]
    fn a_part_of_a_header_waits_for_the_rest() {
        for length in 0..8 {
            assert_eq!(take(&PROTOCOL_HEADER[..length]), None);
        }
    }

    #[test]
    fn what_follows_the_header_stays_in_the_input() {
        let mut input = BytesMut::from(&b"AMQP\x00\x00\x09\x01rest"[..]);
        assert!(Greeting::take(&mut input).is_some());
        assert_eq!(&input[..], b"rest");
    }
}
