//! The small binary encoding of records, journal entries and catalog values: little-endian
//! base-128 numbers and length-prefixed bytes.

use crate::name::Name;

/// The bytes are not what this version of the program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed stored value")]
pub struct Malformed;

/// Appends values to a buffer.
#[derive(Debug)]
pub struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A number in 1 to 10 bytes, small ones in fewer.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A number that may be missing: 0 stands for none.
    pub fn optional_varint(&mut self, value: Option<u64>) {
        self.varint(value.map_or(0, |value| value.saturating_add(1)));
    }

    /// Length, then the bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Length, then the UTF-8 bytes.
    pub fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Text that may be missing.
    pub fn optional_text(&mut self, value: Option<&str>) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            self.text(value);
        }
    }
}

/// Takes values off the front of a slice; every length is checked against what is there.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number written by [`Writer::varint`].
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// A number written by [`Writer::optional_varint`].
    pub fn optional_varint(&mut self) -> Result<Option<u64>, Malformed> {
        Ok(self.varint()?.checked_sub(1))
    }

    /// One of `all`, written as its place there by [`Writer::optional_varint`].
    pub fn optional_of<T: Copy>(&mut self, all: &[T]) -> Result<Option<T>, Malformed> {
        let Some(index) = self.optional_varint()? else {
            return Ok(None);
        };
        let index = usize::try_from(index).map_err(|_| Malformed)?;
        all.get(index).copied().map(Some).ok_or(Malformed)
    }

    /// A count of things that take at least one byte each, at most `max`.
    pub fn count(&mut self, max: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        (count <= max && count <= self.0.len())
            .then_some(count)
            .ok_or(Malformed)
    }

    /// Exactly `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Length-prefixed bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        self.take(length)
    }

    /// Length-prefixed UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// Length-prefixed UTF-8 as a name of its own.
    pub fn name(&mut self) -> Result<Name, Malformed> {
        Ok(Name::from(self.text()?))
    }

    /// A name that may be missing.
    pub fn optional_name(&mut self) -> Result<Option<Name>, Malformed> {
        let present = self.byte()? != 0;
        present.then(|| self.name()).transpose()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
