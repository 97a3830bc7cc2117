//! Field tables (section 4.2.5.5) in RabbitMQ's reading of the value types, which all clients share.
//!
//! [`FieldTable`] is a checked view of encoded bytes: reading allocates nothing and keeps order and duplicates.
//! [`Table`] is its owned counterpart for tables that are built here.
//!
//! `s` is a signed 16-bit integer (not a short string), `l` and `L` are both signed 64-bit integers, `b`/`B`, `s`/`u`
//! and `I`/`i` are signed and unsigned pairs, `x` is a byte array.

mod owned;

use super::wire::Reader;
use crate::violation::Violation;

pub use owned::{Table, Value};

/// The deepest nesting of tables and arrays that is accepted, the outermost table included.
pub const TABLE_DEPTH_MAX: usize = 32;

/// The fields of an encoded table, checked to be well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldTable<'a> {
    bytes: &'a [u8],
}

impl<'a> FieldTable<'a> {
    /// Checks `bytes`, the encoded fields without the four octets of length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Violation> {
        check_table(bytes, 1)?;
        Ok(Self { bytes })
    }

    /// The encoded fields without the four octets of length.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there are no fields.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The fields in the order in which they were sent, duplicates included.
    pub const fn fields(&self) -> Fields<'a> {
        Fields {
            reader: Reader::new(self.bytes),
            bytes: self.bytes,
        }
    }

    /// The first field called `name`.
    pub fn find(&self, name: &str) -> Option<FieldValue<'a>> {
        self.fields()
            .find(|field| field.name == name.as_bytes())
            .map(|field| field.value)
    }
}

/// One field of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field<'a> {
    /// The name. Clients send UTF-8; nothing checks it.
    pub name: &'a [u8],
    /// The value.
    pub value: FieldValue<'a>,
    /// The whole field as encoded: name, type octet and value.
    pub raw: &'a [u8],
}

/// Iterates the fields of a table.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    reader: Reader<'a>,
    bytes: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.reader.is_empty() {
            return None;
        }
        let name = self.reader.short_bytes().ok()?;
        let value = read_value(&mut self.reader).ok()?;
        let (raw, rest) = self
            .bytes
            .split_at_checked(self.bytes.len() - self.reader.len())?;
        self.bytes = rest;
        Some(Field { name, value, raw })
    }
}

/// The values of an encoded array, checked to be well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldArray<'a> {
    bytes: &'a [u8],
}

impl<'a> FieldArray<'a> {
    /// The values in order.
    pub const fn values(&self) -> FieldValues<'a> {
        FieldValues {
            reader: Reader::new(self.bytes),
        }
    }
}

/// Iterates the values of an array.
#[derive(Debug, Clone)]
pub struct FieldValues<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for FieldValues<'a> {
    type Item = FieldValue<'a>;

    fn next(&mut self) -> Option<FieldValue<'a>> {
        if self.reader.is_empty() {
            None
        } else {
            read_value(&mut self.reader).ok()
        }
    }
}

/// A value of a field or of an array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l` and `L`
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: `value` × 10^-`scale`
    Decimal {
        /// Digits behind the point.
        scale: u8,
        /// All digits.
        value: u32,
    },
    /// `S`: text by convention, any bytes in fact.
    LongString(&'a [u8]),
    /// `T`: seconds since the epoch.
    Timestamp(u64),
    /// `F`
    Table(FieldTable<'a>),
    /// `A`
    Array(FieldArray<'a>),
    /// `x`
    Bytes(&'a [u8]),
    /// `V`
    Void,
}

impl<'a> FieldValue<'a> {
    /// The number, when the value is of any integer type.
    pub fn integer(&self) -> Option<i64> {
        match *self {
            Self::I8(value) => Some(value.into()),
            Self::U8(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::I64(value) => Some(value),
            _ => None,
        }
    }

    /// The text, when the value is a long string of UTF-8.
    pub fn text(&self) -> Option<&'a str> {
        match *self {
            Self::LongString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// RabbitMQ's name of the type, as its error texts spell it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::LongString(_) => "longstr",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Array(_) => "array",
            Self::Bytes(_) => "binary",
            Self::Void => "void",
        }
    }
}

fn check_table(bytes: &[u8], depth: usize) -> Result<(), Violation> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        reader.short_bytes()?;
        check_value(&mut reader, depth)?;
    }
    Ok(())
}

fn check_value(reader: &mut Reader<'_>, depth: usize) -> Result<(), Violation> {
    match read_value(reader)? {
        FieldValue::Table(table) => check_table(table.bytes, deeper(depth)?),
        FieldValue::Array(array) => check_array(array.bytes, deeper(depth)?),
        _ => Ok(()),
    }
}

fn check_array(bytes: &[u8], depth: usize) -> Result<(), Violation> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        check_value(&mut reader, depth)?;
    }
    Ok(())
}

const fn deeper(depth: usize) -> Result<usize, Violation> {
    if depth < TABLE_DEPTH_MAX {
        Ok(depth + 1)
    } else {
        Err(Violation::TableTooDeep {
            max: TABLE_DEPTH_MAX,
        })
    }
}

/// Reads one value; what is inside a table or an array is not looked at.
fn read_value<'a>(reader: &mut Reader<'a>) -> Result<FieldValue<'a>, Violation> {
    Ok(match reader.octet()? {
        b't' => FieldValue::Bool(reader.octet()? != 0),
        b'b' => FieldValue::I8(i8::from_be_bytes(reader.array()?)),
        b'B' => FieldValue::U8(reader.octet()?),
        b's' => FieldValue::I16(i16::from_be_bytes(reader.array()?)),
        b'u' => FieldValue::U16(u16::from_be_bytes(reader.array()?)),
        b'I' => FieldValue::I32(i32::from_be_bytes(reader.array()?)),
        b'i' => FieldValue::U32(reader.long()?),
        b'l' | b'L' => FieldValue::I64(i64::from_be_bytes(reader.array()?)),
        b'f' => FieldValue::F32(f32::from_be_bytes(reader.array()?)),
        b'd' => FieldValue::F64(f64::from_be_bytes(reader.array()?)),
        b'D' => FieldValue::Decimal {
            scale: reader.octet()?,
            value: reader.long()?,
        },
        b'S' => FieldValue::LongString(reader.long_bytes()?),
        b'T' => FieldValue::Timestamp(u64::from_be_bytes(reader.array()?)),
        b'F' => FieldValue::Table(FieldTable {
            bytes: reader.long_bytes()?,
        }),
        b'A' => FieldValue::Array(FieldArray {
            bytes: reader.long_bytes()?,
        }),
        b'x' => FieldValue::Bytes(reader.long_bytes()?),
        b'V' => FieldValue::Void,
        tag => return Err(Violation::UnknownFieldType { tag }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        (1..depth).fold(Vec::new(), |inner, _level| {
            let mut outer = vec![1, b'k', b'F'];
            outer.extend((inner.len() as u32).to_be_bytes());
            outer.extend(inner);
            outer
        })
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(FieldTable::parse(&nested(TABLE_DEPTH_MAX)).is_ok());
        assert_eq!(
            FieldTable::parse(&nested(TABLE_DEPTH_MAX + 1)),
            Err(Violation::TableTooDeep {
                max: TABLE_DEPTH_MAX
            })
        );
    }

    #[test]
    fn order_and_duplicates_are_kept() {
        let bytes = b"\x01ab\x01\x01bB\x02\x01at\x01";
        let table = FieldTable::parse(bytes).unwrap();
        let names: Vec<&[u8]> = table.fields().map(|field| field.name).collect();
        assert_eq!(names, [b"a", b"b", b"a"]);
        assert_eq!(table.find("a"), Some(FieldValue::I8(1)));
        let raw: Vec<u8> = table
            .fields()
            .flat_map(|field| field.raw.to_vec())
            .collect();
        assert_eq!(raw, bytes);
    }

    #[test]
    fn an_unknown_type_and_a_cut_value_are_refused() {
        assert_eq!(
            FieldTable::parse(b"\x01aZ"),
            Err(Violation::UnknownFieldType { tag: b'Z' })
        );
        assert_eq!(
            FieldTable::parse(b"\x01aI\x00\x00"),
            Err(Violation::Truncated)
        );
        assert_eq!(
            FieldTable::parse(b"\x01aS\xff\xff\xff\xffxy"),
            Err(Violation::Truncated)
        );
    }

    #[test]
    fn both_letters_of_a_long_are_signed() {
        let minus_one = [0xFF; 8];
        for tag in [b'l', b'L'] {
            let bytes = [&[1, b'a', tag][..], &minus_one].concat();
            assert_eq!(
                FieldTable::parse(&bytes).unwrap().find("a"),
                Some(FieldValue::I64(-1))
            );
        }
    }
}
