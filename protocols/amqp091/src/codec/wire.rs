//! The primitive types of method arguments (section 4.2.5): integers, bits that share an octet, strings, tables.

use bytes::{BufMut, BytesMut};

use super::table::FieldTable;
use crate::violation::Violation;

/// Reads arguments one after another.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    octet: u8,
    bits_left: u8,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            octet: 0,
            bits_left: 0,
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (&array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Violation::Truncated)?;
        self.rest = rest;
        self.bits_left = 0;
        Ok(array)
    }

    pub(super) fn octets(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (octets, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Violation::Truncated)?;
        self.rest = rest;
        self.bits_left = 0;
        Ok(octets)
    }

    pub(super) fn octet(&mut self) -> Result<u8, Violation> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(super) fn long(&mut self) -> Result<u32, Violation> {
        self.array().map(u32::from_be_bytes)
    }

    /// A string behind an octet of length, as bytes.
    pub(super) fn short_bytes(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.octet()?;
        self.octets(usize::from(length))
    }

    /// A string behind four octets of length.
    pub(super) fn long_bytes(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.long()?;
        self.octets(length as usize)
    }

    pub(super) fn short_text(&mut self) -> Result<&'a str, Violation> {
        std::str::from_utf8(self.short_bytes()?).map_err(|_not_utf8| Violation::TextNotUtf8)
    }

    fn bit(&mut self) -> Result<bool, Violation> {
        if self.bits_left == 0 {
            self.octet = self.octet()?;
            self.bits_left = 8;
        }
        let bit = self.octet & 1 == 1;
        self.octet >>= 1;
        self.bits_left -= 1;
        Ok(bit)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Checks that nothing is left over.
    pub(super) const fn finish(&self) -> Result<(), Violation> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(Violation::TrailingBytes { count }),
        }
    }
}

/// Appends arguments one after another.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
    bits_used: u8,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(out: &'a mut BytesMut) -> Self {
        Self { out, bits_used: 0 }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bits_used = 0;
        self.out.put_slice(bytes);
    }

    fn bit(&mut self, bit: bool) {
        if self.bits_used == 0 {
            self.out.put_u8(0);
        }
        if let Some(last) = self.out.last_mut() {
            *last |= u8::from(bit) << self.bits_used;
        }
        self.bits_used = (self.bits_used + 1) % 8;
    }
}

/// Appends a short string. What is longer than 255 octets is cut at a character boundary: names that came from a
/// 0-9-1 peer never are, and the mapping of foreign names keeps the whole name elsewhere.
pub(super) fn put_short_text(out: &mut BytesMut, text: &str) {
    let kept = text
        .get(..text.floor_char_boundary(usize::from(u8::MAX)))
        .unwrap_or_default();
    out.put_u8(u8::try_from(kept.len()).unwrap_or(u8::MAX));
    out.put_slice(kept.as_bytes());
}

/// Appends a long string. Only lengths below 4 GiB exist in this process.
pub(super) fn put_long_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(length_of(bytes));
    out.put_slice(bytes);
}

/// The length of something that fits in memory and in a frame.
pub(super) fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len())
        .expect("strings and tables are bounded by the frame size long before 4 GiB")
}

/// One argument of a method.
pub trait Argument<'a>: Sized {
    /// Reads the argument.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Violation>;
    /// Appends the argument.
    fn write(&self, writer: &mut Writer<'_>);
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl<'a> Argument<'a> for $type {
            fn read(reader: &mut Reader<'a>) -> Result<Self, Violation> {
                reader.array().map(<$type>::from_be_bytes)
            }

            fn write(&self, writer: &mut Writer<'_>) {
                writer.bytes(&self.to_be_bytes());
            }
        }
    )*};
}

integer!(u8, u16, u32, u64);

impl<'a> Argument<'a> for bool {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        reader.bit()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bit(*self);
    }
}

impl<'a> Argument<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        reader.short_text()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bits_used = 0;
        put_short_text(writer.out, self);
    }
}

impl<'a> Argument<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        reader.long_bytes()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bits_used = 0;
        put_long_bytes(writer.out, self);
    }
}

impl<'a> Argument<'a> for FieldTable<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        FieldTable::parse(reader.long_bytes()?)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bits_used = 0;
        put_long_bytes(writer.out, self.as_bytes());
    }
}
