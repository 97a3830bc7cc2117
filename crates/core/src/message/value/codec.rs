//! The encoding of values that the core writes for itself: one tag byte, then the value.
//!
//! Integers wider than a byte, counts and lengths are variable-length (LEB128, signed ones in
//! zigzag form). Equal values have equal bytes. Decoding never panics, allocates no more than
//! the input could hold, and slices text and bytes out of the input without copying.

use bytes::{Buf, BufMut, Bytes};
use thiserror::Error;

use super::{DEPTH_MAX, Described, Table, Text, Value};

/// Why bytes are not a value, or a value cannot become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes end inside a value.
    #[error("the encoded value ends early")]
    UnexpectedEnd,
    /// The tag is none that this version writes.
    #[error("unknown value tag {0:#04x}")]
    UnknownTag(u8),
    /// A variable-length integer does not fit its type.
    #[error("an encoded integer is too large")]
    IntegerTooLarge,
    /// The code point is not a Unicode character.
    #[error("{0:#x} is not a Unicode character")]
    InvalidCharacter(u32),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("values are nested deeper than {DEPTH_MAX}")]
    TooDeep,
}

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const I8: u8 = 3;
    pub(super) const U8: u8 = 4;
    pub(super) const I16: u8 = 5;
    pub(super) const U16: u8 = 6;
    pub(super) const I32: u8 = 7;
    pub(super) const U32: u8 = 8;
    pub(super) const I64: u8 = 9;
    pub(super) const U64: u8 = 10;
    pub(super) const F32: u8 = 11;
    pub(super) const F64: u8 = 12;
    pub(super) const DECIMAL: u8 = 13;
    pub(super) const DECIMAL32: u8 = 14;
    pub(super) const DECIMAL64: u8 = 15;
    pub(super) const DECIMAL128: u8 = 16;
    pub(super) const CHAR: u8 = 17;
    pub(super) const TIMESTAMP: u8 = 18;
    pub(super) const UUID: u8 = 19;
    pub(super) const TEXT: u8 = 20;
    pub(super) const SYMBOL: u8 = 21;
    pub(super) const BINARY: u8 = 22;
    pub(super) const LIST: u8 = 23;
    pub(super) const ARRAY: u8 = 24;
    pub(super) const MAP: u8 = 25;
    pub(super) const PAIRS: u8 = 26;
    pub(super) const DESCRIBED: u8 = 27;
}

/// Appends the encoded value.
///
/// # Errors
/// [`CodecError::TooDeep`]; `output` then ends in a part of the value.
pub fn encode_value(value: &Value, output: &mut impl BufMut) -> Result<(), CodecError> {
    put_value(value, output, DEPTH_MAX)
}

/// Appends the encoded table.
///
/// # Errors
/// [`CodecError::TooDeep`]; `output` then ends in a part of the table.
pub fn encode_table(table: &Table, output: &mut impl BufMut) -> Result<(), CodecError> {
    put_table(table, output, DEPTH_MAX)
}

/// Takes one value from the front of `input`.
///
/// # Errors
/// Any [`CodecError`]; how much of `input` is then consumed is unspecified.
pub fn decode_value(input: &mut Bytes) -> Result<Value, CodecError> {
    take_value(input, DEPTH_MAX)
}

/// Takes one table from the front of `input`.
///
/// # Errors
/// Any [`CodecError`]; how much of `input` is then consumed is unspecified.
pub fn decode_table(input: &mut Bytes) -> Result<Table, CodecError> {
    take_table(input, DEPTH_MAX)
}

fn put_value(value: &Value, output: &mut impl BufMut, depth: usize) -> Result<(), CodecError> {
    match value {
        Value::List(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::Pairs(_)
        | Value::Described(_) => {
            let inner = depth.checked_sub(1).ok_or(CodecError::TooDeep)?;
            put_container(value, output, inner)
        }
        plain => {
            put_plain(plain, output);
            Ok(())
        }
    }
}

fn put_container(value: &Value, output: &mut impl BufMut, depth: usize) -> Result<(), CodecError> {
    match value {
        Value::List(items) => put_items(tag::LIST, items, output, depth),
        Value::Array(items) => put_items(tag::ARRAY, items, output, depth),
        Value::Map(table) => {
            output.put_u8(tag::MAP);
            put_table(table, output, depth)
        }
        Value::Pairs(pairs) => {
            output.put_u8(tag::PAIRS);
            put_length(pairs.len(), output);
            pairs.iter().try_for_each(|(key, value)| {
                put_value(key, output, depth)?;
                put_value(value, output, depth)
            })
        }
        Value::Described(described) => {
            output.put_u8(tag::DESCRIBED);
            put_value(&described.descriptor, output, depth)?;
            put_value(&described.value, output, depth)
        }
        plain => {
            put_plain(plain, output);
            Ok(())
        }
    }
}

fn put_items(
    tag: u8,
    items: &[Value],
    output: &mut impl BufMut,
    depth: usize,
) -> Result<(), CodecError> {
    output.put_u8(tag);
    put_length(items.len(), output);
    items
        .iter()
        .try_for_each(|item| put_value(item, output, depth))
}

fn put_table(table: &Table, output: &mut impl BufMut, depth: usize) -> Result<(), CodecError> {
    put_length(table.len(), output);
    table.iter().try_for_each(|(name, value)| {
        put_bytes(name.as_bytes(), output);
        put_value(value, output, depth)
    })
}

/// Appends a value that holds no other value.
fn put_plain(value: &Value, output: &mut impl BufMut) {
    match value {
        Value::Bool(false) => output.put_u8(tag::FALSE),
        Value::Bool(true) => output.put_u8(tag::TRUE),
        Value::I8(number) => put_tagged(tag::I8, &number.to_be_bytes(), output),
        Value::U8(number) => put_tagged(tag::U8, &[*number], output),
        Value::I16(number) => put_signed(tag::I16, i64::from(*number), output),
        Value::U16(number) => put_unsigned(tag::U16, u64::from(*number), output),
        Value::I32(number) => put_signed(tag::I32, i64::from(*number), output),
        Value::U32(number) => put_unsigned(tag::U32, u64::from(*number), output),
        Value::I64(number) => put_signed(tag::I64, *number, output),
        Value::U64(number) => put_unsigned(tag::U64, *number, output),
        Value::F32(number) => put_tagged(tag::F32, &number.to_bits().to_be_bytes(), output),
        Value::F64(number) => put_tagged(tag::F64, &number.to_bits().to_be_bytes(), output),
        Value::Decimal { scale, value } => {
            put_tagged(tag::DECIMAL, &[*scale], output);
            output.put_i32(*value);
        }
        Value::Decimal32(bytes) => put_tagged(tag::DECIMAL32, bytes, output),
        Value::Decimal64(bytes) => put_tagged(tag::DECIMAL64, bytes, output),
        Value::Decimal128(bytes) => put_tagged(tag::DECIMAL128, bytes, output),
        Value::Char(character) => put_unsigned(tag::CHAR, u64::from(u32::from(*character)), output),
        Value::Timestamp(milliseconds) => put_signed(tag::TIMESTAMP, *milliseconds, output),
        Value::Uuid(bytes) => put_tagged(tag::UUID, bytes, output),
        Value::Text(text) => put_sized(tag::TEXT, text.as_bytes(), output),
        Value::Symbol(text) => put_sized(tag::SYMBOL, text.as_bytes(), output),
        Value::Binary(bytes) => put_sized(tag::BINARY, bytes, output),
        Value::Null
        | Value::List(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::Pairs(_)
        | Value::Described(_) => output.put_u8(tag::NULL),
    }
}

fn put_tagged(tag: u8, bytes: &[u8], output: &mut impl BufMut) {
    output.put_u8(tag);
    output.put_slice(bytes);
}

fn put_sized(tag: u8, bytes: &[u8], output: &mut impl BufMut) {
    output.put_u8(tag);
    put_bytes(bytes, output);
}

fn put_bytes(bytes: &[u8], output: &mut impl BufMut) {
    put_length(bytes.len(), output);
    output.put_slice(bytes);
}

fn put_length(length: usize, output: &mut impl BufMut) {
    put_varint(length as u64, output);
}

fn put_unsigned(tag: u8, number: u64, output: &mut impl BufMut) {
    output.put_u8(tag);
    put_varint(number, output);
}

fn put_signed(tag: u8, number: i64, output: &mut impl BufMut) {
    output.put_u8(tag);
    put_varint(zigzag(number), output);
}

fn put_varint(mut number: u64, output: &mut impl BufMut) {
    while number >= 0x80 {
        output.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    output.put_u8(number as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn take_value(input: &mut Bytes, depth: usize) -> Result<Value, CodecError> {
    let tag = take_byte(input)?;
    if (tag::LIST..=tag::DESCRIBED).contains(&tag) {
        let inner = depth.checked_sub(1).ok_or(CodecError::TooDeep)?;
        return take_container(tag, input, inner);
    }
    take_plain(tag, input)
}

fn take_container(tag: u8, input: &mut Bytes, depth: usize) -> Result<Value, CodecError> {
    Ok(match tag {
        tag::LIST => Value::List(take_items(input, depth)?),
        tag::ARRAY => Value::Array(take_items(input, depth)?),
        tag::MAP => Value::Map(take_table(input, depth)?),
        tag::PAIRS => Value::Pairs(take_pairs(input, depth)?),
        tag::DESCRIBED => Value::Described(Box::new(Described {
            descriptor: take_value(input, depth)?,
            value: take_value(input, depth)?,
        })),
        unknown => return Err(CodecError::UnknownTag(unknown)),
    })
}

fn take_items(input: &mut Bytes, depth: usize) -> Result<Vec<Value>, CodecError> {
    let count = take_length(input)?;
    (0..count).map(|_| take_value(input, depth)).collect()
}

fn take_pairs(input: &mut Bytes, depth: usize) -> Result<Vec<(Value, Value)>, CodecError> {
    let count = take_length(input)?;
    (0..count)
        .map(|_| Ok((take_value(input, depth)?, take_value(input, depth)?)))
        .collect()
}

fn take_table(input: &mut Bytes, depth: usize) -> Result<Table, CodecError> {
    let count = take_length(input)?;
    (0..count)
        .map(|_| Ok((Text::from(take_bytes(input)?), take_value(input, depth)?)))
        .collect()
}

fn take_plain(tag: u8, input: &mut Bytes) -> Result<Value, CodecError> {
    Ok(match tag {
        tag::NULL => Value::Null,
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::I8 => Value::I8(i8::from_be_bytes(take_array(input)?)),
        tag::U8 => Value::U8(take_byte(input)?),
        tag::I16 => Value::I16(take_signed(input)?),
        tag::U16 => Value::U16(take_unsigned(input)?),
        tag::I32 => Value::I32(take_signed(input)?),
        tag::U32 => Value::U32(take_unsigned(input)?),
        tag::I64 => Value::I64(take_signed(input)?),
        tag::U64 => Value::U64(take_varint(input)?),
        tag::F32 => Value::F32(f32::from_be_bytes(take_array(input)?)),
        tag::F64 => Value::F64(f64::from_be_bytes(take_array(input)?)),
        tag::DECIMAL => Value::Decimal {
            scale: take_byte(input)?,
            value: i32::from_be_bytes(take_array(input)?),
        },
        tag::DECIMAL32 => Value::Decimal32(take_array(input)?),
        tag::DECIMAL64 => Value::Decimal64(take_array(input)?),
        tag::DECIMAL128 => Value::Decimal128(take_array(input)?),
        tag::CHAR => Value::Char(take_char(input)?),
        tag::TIMESTAMP => Value::Timestamp(take_signed(input)?),
        tag::UUID => Value::Uuid(take_array(input)?),
        tag::TEXT => Value::Text(Text::from(take_bytes(input)?)),
        tag::SYMBOL => Value::Symbol(Text::from(take_bytes(input)?)),
        tag::BINARY => Value::Binary(take_bytes(input)?),
        unknown => return Err(CodecError::UnknownTag(unknown)),
    })
}

fn take_char(input: &mut Bytes) -> Result<char, CodecError> {
    let code = take_unsigned(input)?;
    char::from_u32(code).ok_or(CodecError::InvalidCharacter(code))
}

fn take_byte(input: &mut Bytes) -> Result<u8, CodecError> {
    input.try_get_u8().map_err(|_| CodecError::UnexpectedEnd)
}

fn take_array<const LENGTH: usize>(input: &mut Bytes) -> Result<[u8; LENGTH], CodecError> {
    let mut array = [0; LENGTH];
    input
        .try_copy_to_slice(&mut array)
        .map_err(|_| CodecError::UnexpectedEnd)?;
    Ok(array)
}

fn take_bytes(input: &mut Bytes) -> Result<Bytes, CodecError> {
    let length = take_length(input)?;
    Ok(input.split_to(length))
}

/// A length or count, which the rest of the input must be able to hold: no element is shorter
/// than one byte.
fn take_length(input: &mut Bytes) -> Result<usize, CodecError> {
    let length = usize::try_from(take_varint(input)?).map_err(|_| CodecError::IntegerTooLarge)?;
    if length > input.len() {
        return Err(CodecError::UnexpectedEnd);
    }
    Ok(length)
}

fn take_unsigned<T: TryFrom<u64>>(input: &mut Bytes) -> Result<T, CodecError> {
    T::try_from(take_varint(input)?).map_err(|_| CodecError::IntegerTooLarge)
}

fn take_signed<T: TryFrom<i64>>(input: &mut Bytes) -> Result<T, CodecError> {
    T::try_from(unzigzag(take_varint(input)?)).map_err(|_| CodecError::IntegerTooLarge)
}

fn take_varint(input: &mut Bytes) -> Result<u64, CodecError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(input)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(CodecError::IntegerTooLarge);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(CodecError::IntegerTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]))
    }

    #[test]
    fn nesting_is_bounded_in_both_directions() {
        let mut output = Vec::new();
        assert_eq!(encode_value(&nested(DEPTH_MAX), &mut output), Ok(()));
        assert_eq!(
            decode_value(&mut Bytes::from(output.clone())),
            Ok(nested(DEPTH_MAX))
        );
        assert_eq!(
            encode_value(&nested(DEPTH_MAX + 1), &mut Vec::new()),
            Err(CodecError::TooDeep)
        );
        let mut deeper = vec![tag::LIST, 1];
        deeper.extend_from_slice(&output);
        assert_eq!(
            decode_value(&mut Bytes::from(deeper)),
            Err(CodecError::TooDeep)
        );
    }

    #[test]
    fn a_claimed_length_beyond_the_input_is_refused() {
        let mut input = Bytes::from_static(&[tag::LIST, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(decode_value(&mut input), Err(CodecError::UnexpectedEnd));
    }

    #[test]
    fn an_integer_that_does_not_fit_is_refused() {
        let mut input = Bytes::from_static(&[tag::U16, 0x80, 0x80, 0x04]);
        assert_eq!(decode_value(&mut input), Err(CodecError::IntegerTooLarge));
        let mut input =
            Bytes::from_static(&[tag::U64, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]);
        assert_eq!(decode_value(&mut input), Err(CodecError::IntegerTooLarge));
    }

    #[test]
    fn decoding_leaves_what_follows() {
        let mut output = Vec::new();
        assert_eq!(encode_value(&Value::from("a"), &mut output), Ok(()));
        output.push(9);
        let mut input = Bytes::from(output);
        assert_eq!(decode_value(&mut input), Ok(Value::from("a")));
        assert_eq!(input.as_ref(), [9]);
    }
}
