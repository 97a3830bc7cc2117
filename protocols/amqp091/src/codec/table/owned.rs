//! Tables that are built here rather than received.

use bytes::{BufMut, BytesMut};

use super::{FieldTable, FieldValue};
use crate::codec::wire::{put_long_bytes, put_short_text};

/// An owned field table. Order and duplicates are kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table(Vec<(String, Value)>);

/// An owned field value; [`FieldValue`] says which type octet each has.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is the owned form of the variant of FieldValue with its name"
)]
pub enum Value {
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    Decimal { scale: u8, value: u32 },
    LongString(Vec<u8>),
    Timestamp(u64),
    Table(Table),
    Array(Vec<Value>),
    Bytes(Vec<u8>),
    Void,
}

impl Table {
    /// A table without fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The table with one more field at its end.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.push(name, value);
        self
    }

    /// Appends a field.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// Appends the encoded fields without the four octets of length.
    pub fn put_fields(&self, out: &mut BytesMut) {
        for (name, value) in &self.0 {
            put_short_text(out, name);
            value.put(out);
        }
    }

    /// The encoded fields, to be viewed with [`FieldTable::parse`].
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        self.put_fields(&mut out);
        out
    }
}

impl Value {
    /// Appends type octet and value.
    pub fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Bool(value) => out.put_slice(&[b't', u8::from(*value)]),
            Self::I8(value) => put_tagged(out, b'b', value.to_be_bytes()),
            Self::U8(value) => put_tagged(out, b'B', value.to_be_bytes()),
            Self::I16(value) => put_tagged(out, b's', value.to_be_bytes()),
            Self::U16(value) => put_tagged(out, b'u', value.to_be_bytes()),
            Self::I32(value) => put_tagged(out, b'I', value.to_be_bytes()),
            Self::U32(value) => put_tagged(out, b'i', value.to_be_bytes()),
            Self::I64(value) => put_tagged(out, b'l', value.to_be_bytes()),
            Self::F32(value) => put_tagged(out, b'f', value.to_be_bytes()),
            Self::F64(value) => put_tagged(out, b'd', value.to_be_bytes()),
            Self::Decimal { scale, value } => {
                out.put_slice(&[b'D', *scale]);
                out.put_u32(*value);
            }
            Self::LongString(bytes) => put_block(out, b'S', bytes),
            Self::Timestamp(value) => put_tagged(out, b'T', value.to_be_bytes()),
            Self::Table(table) => put_block(out, b'F', &table.encode()),
            Self::Array(values) => put_block(out, b'A', &encode_array(values)),
            Self::Bytes(bytes) => put_block(out, b'x', bytes),
            Self::Void => out.put_u8(b'V'),
        }
    }
}

fn put_tagged<const N: usize>(out: &mut BytesMut, tag: u8, bytes: [u8; N]) {
    out.put_u8(tag);
    out.put_slice(&bytes);
}

fn put_block(out: &mut BytesMut, tag: u8, bytes: &[u8]) {
    out.put_u8(tag);
    put_long_bytes(out, bytes);
}

fn encode_array(values: &[Value]) -> BytesMut {
    let mut out = BytesMut::new();
    for value in values {
        value.put(&mut out);
    }
    out
}

impl From<FieldTable<'_>> for Table {
    /// Copies a table. Names that are not UTF-8 are converted with replacement characters.
    fn from(table: FieldTable<'_>) -> Self {
        let own = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        Self(
            table
                .fields()
                .map(|field| (own(field.name), field.value.into()))
                .collect(),
        )
    }
}

impl From<FieldValue<'_>> for Value {
    fn from(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Bool(value) => Self::Bool(value),
            FieldValue::I8(value) => Self::I8(value),
            FieldValue::U8(value) => Self::U8(value),
            FieldValue::I16(value) => Self::I16(value),
            FieldValue::U16(value) => Self::U16(value),
            FieldValue::I32(value) => Self::I32(value),
            FieldValue::U32(value) => Self::U32(value),
            FieldValue::I64(value) => Self::I64(value),
            FieldValue::F32(value) => Self::F32(value),
            FieldValue::F64(value) => Self::F64(value),
            FieldValue::Decimal { scale, value } => Self::Decimal { scale, value },
            FieldValue::LongString(bytes) => Self::LongString(bytes.to_vec()),
            FieldValue::Timestamp(value) => Self::Timestamp(value),
            FieldValue::Table(table) => Self::Table(table.into()),
            FieldValue::Array(array) => Self::Array(array.values().map(Self::from).collect()),
            FieldValue::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            FieldValue::Void => Self::Void,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::I32(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::LongString(value.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::LongString(value.into_bytes())
    }
}

impl From<Table> for Value {
    fn from(value: Table) -> Self {
        Self::Table(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(values: Vec<Self>) -> Self {
        Self::Array(values)
    }
}
