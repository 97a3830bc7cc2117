//! Buffers for busy connections, kept per thread, so that idle connections hold none.

use bytes::BytesMut;
use std::cell::RefCell;

/// The size of a buffer.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// How many buffers a thread keeps.
const KEPT_MAX: usize = 16;

thread_local! {
    static KEPT: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for at least [`CHUNK_BYTES`].
pub(crate) fn borrow() -> BytesMut {
    KEPT.with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(CHUNK_BYTES))
}

/// Takes a buffer back. Its contents are forgotten; memory that is still shared, or more than was
/// lent, is not kept.
pub(crate) fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.capacity() > 4 * CHUNK_BYTES || !buffer.try_reclaim(CHUNK_BYTES) {
        return;
    }
    KEPT.with_borrow_mut(|kept| {
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_lent_again_empty() {
        let mut buffer = borrow();
        buffer.extend_from_slice(b"secret");
        let place = buffer.as_ptr();
        give_back(buffer);
        let again = borrow();
        assert_eq!(again.as_ptr(), place);
        assert!(again.is_empty() && again.capacity() >= CHUNK_BYTES);
    }

    #[test]
    fn a_buffer_that_something_still_points_into_is_not_lent_again() {
        let mut buffer = borrow();
        buffer.extend_from_slice(b"message");
        let place = buffer.as_ptr();
        let message = buffer.split().freeze();
        give_back(buffer);
        let other = borrow();
        assert_ne!(other.as_ptr(), place);
        assert_eq!(&message[..], b"message");
    }
}
