//! Bodies that say what they are, so that one that was changed or mixed up is found.

use bytes::Bytes;

/// Bytes before the padding: number, publisher and place in the publisher's sequence.
const HEAD_BYTES: usize = 24;

/// Who published a message, and as which of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    /// Unique in a run.
    pub(crate) number: u64,
    /// The publishing session.
    pub(crate) publisher: u64,
    /// The publisher's messages are numbered.
    pub(crate) sequence: u64,
}

impl Payload {
    /// The body, with `padding` bytes that depend on the number.
    pub(crate) fn body(self, padding: usize) -> Bytes {
        let mut body = Vec::with_capacity(HEAD_BYTES + padding);
        for number in [self.number, self.publisher, self.sequence] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend((0..padding).map(|index| pad(self.number, index)));
        Bytes::from(body)
    }

    /// What a body says; nothing when it is not as it was published.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = body.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let payload = Self {
            number: number(0)?,
            publisher: number(8)?,
            sequence: number(16)?,
        };
        let padding = body.get(HEAD_BYTES..)?;
        let sound = padding
            .iter()
            .enumerate()
            .all(|(index, byte)| *byte == pad(payload.number, index));
        sound.then_some(payload)
    }
}

fn pad(number: u64, index: usize) -> u8 {
    (number.wrapping_mul(31).wrapping_add(index as u64) % 251) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_body_is_found() {
        let payload = Payload {
            number: 7,
            publisher: 8,
            sequence: 9,
        };
        let body = payload.body(100);
        assert_eq!(Payload::read(&body), Some(payload));
        let mut changed = body.to_vec();
        changed[60] ^= 1;
        assert_eq!(Payload::read(&changed), None);
        assert_eq!(Payload::read(&body[..20]), None);
    }
}
