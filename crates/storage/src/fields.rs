//! Fixed fields and variable-length numbers.

/// Fills a fixed stretch of bytes from the front. The callers' layouts are constant and fit.
pub(crate) struct Writer<'a>(pub(crate) &'a mut [u8]);

impl Writer<'_> {
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let (target, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        target.copy_from_slice(bytes);
        self.0 = rest;
    }
}

/// Takes fields off the front of bytes that may end anywhere.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(crate) fn slice(&mut self, length: u64) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(field)
    }

    /// Seven bits per byte, lowest first; at most ten bytes.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number that may be below zero, as the sum of `base` and a small difference.
    pub(crate) fn near(&mut self, base: u64) -> Option<u64> {
        let zigzag = self.varint()?;
        let magnitude = zigzag >> 1;
        let difference = if zigzag & 1 == 0 {
            magnitude
        } else {
            !magnitude
        };
        Some(base.wrapping_add(difference))
    }
}

/// The counterpart of [`Reader::varint`].
pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

/// The counterpart of [`Reader::near`].
pub(crate) fn put_near(bytes: &mut Vec<u8>, base: u64, number: u64) {
    let difference = number.wrapping_sub(base).cast_signed();
    let zigzag = (difference << 1) ^ (difference >> 63);
    put_varint(bytes, zigzag.cast_unsigned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for number in [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ] {
            for base in [0, 5, 1 << 40, u64::MAX] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, number);
                put_near(&mut bytes, base, number);
                let mut reader = Reader(&bytes);
                assert_eq!(reader.varint(), Some(number));
                assert_eq!(reader.near(base), Some(number));
                assert!(reader.0.is_empty());
            }
        }
    }

    #[test]
    fn endless_and_short_numbers_are_refused() {
        assert_eq!(Reader(&[0x80; 11]).varint(), None);
        assert_eq!(Reader(&[0x80]).varint(), None);
        assert_eq!(
            Reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).varint(),
            None
        );
        assert_eq!(Reader(&[1]).slice(2), None);
    }
}
