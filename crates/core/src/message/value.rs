//! Typed values of headers and arguments: everything that a message or a declaration can carry
//! beside its body, wide enough that no peer's type is lost on the way through.
//!
//! It knows no wire format. Sessions translate their own encodings to and from [`Value`];
//! [`codec`] holds the one encoding that the core itself writes, for the catalog.

pub mod codec;
mod table;
mod text;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

pub use table::Table;
pub use text::Text;

use crate::name::Name;

/// How deep lists, maps and described values may be nested.
pub const DEPTH_MAX: usize = 32;

/// One typed value.
///
/// Equality, order and hash are total and look at the type first: `I32(1)` and `I64(1)` differ,
/// and floating-point numbers are compared by their bits. What should be equal across widths is
/// the business of [`Value::comparable`].
#[derive(Clone, Debug)]
pub enum Value {
    /// The absence of a value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed 8-bit integer.
    I8(i8),
    /// An unsigned 8-bit integer.
    U8(u8),
    /// A signed 16-bit integer.
    I16(i16),
    /// An unsigned 16-bit integer.
    U16(u16),
    /// A signed 32-bit integer.
    I32(i32),
    /// An unsigned 32-bit integer.
    U32(u32),
    /// A signed 64-bit integer.
    I64(i64),
    /// An unsigned 64-bit integer.
    U64(u64),
    /// An IEEE 754 binary32 number.
    F32(f32),
    /// An IEEE 754 binary64 number.
    F64(f64),
    /// `value` × 10^−`scale`.
    Decimal {
        /// Digits behind the decimal point.
        scale: u8,
        /// The digits; a peer that reads them as unsigned keeps the same 32 bits.
        value: i32,
    },
    /// An IEEE 754 decimal32 number, as received.
    Decimal32([u8; 4]),
    /// An IEEE 754 decimal64 number, as received.
    Decimal64([u8; 8]),
    /// An IEEE 754 decimal128 number, as received.
    Decimal128([u8; 16]),
    /// One Unicode character.
    Char(char),
    /// Milliseconds since 1970-01-01T00:00:00Z. A session whose peer counts seconds multiplies
    /// on the way in, divides on the way out, and refuses what does not fit.
    Timestamp(i64),
    /// A universally unique identifier.
    Uuid([u8; 16]),
    /// Text.
    Text(Text),
    /// A symbolic name: text from a constrained vocabulary.
    Symbol(Text),
    /// Bytes without further meaning.
    Binary(Bytes),
    /// Values of any types, in order.
    List(Vec<Value>),
    /// Values that the sender declared to be of one type, in order.
    Array(Vec<Value>),
    /// Named values, in order, duplicates kept.
    Map(Table),
    /// Values by keys of any type, in order, duplicates kept: a map whose keys are not all text.
    Pairs(Vec<(Value, Value)>),
    /// A value with a descriptor that names its meaning.
    Described(Box<Described>),
}

/// A value and the descriptor that names its meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Described {
    /// What the value means: a symbol or a number, usually.
    pub descriptor: Value,
    /// The value itself.
    pub value: Value,
}

/// A value reduced to what comparisons between peers look at: integers of all widths are one
/// type, so are both floating-point widths, and so are text, symbols and bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Comparable {
    /// Any integer.
    Integer(i128),
    /// Any floating-point number, as the bits of its 64-bit form.
    Float(u64),
    /// Text, symbol or binary.
    Bytes(Bytes),
    /// Every other value, equal only to itself.
    Exact(Value),
}

impl Value {
    /// The value as an integer, whatever its width.
    pub fn as_integer(&self) -> Option<i128> {
        match *self {
            Self::I8(number) => Some(number.into()),
            Self::U8(number) => Some(number.into()),
            Self::I16(number) => Some(number.into()),
            Self::U16(number) => Some(number.into()),
            Self::I32(number) => Some(number.into()),
            Self::U32(number) => Some(number.into()),
            Self::I64(number) => Some(number.into()),
            Self::U64(number) => Some(number.into()),
            _ => None,
        }
    }

    /// The value as text, when it is text or a symbol.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The value as comparisons between peers see it.
    pub fn comparable(&self) -> Comparable {
        if let Some(integer) = self.as_integer() {
            return Comparable::Integer(integer);
        }
        match self {
            Self::F32(number) => Comparable::Float(f64::from(*number).to_bits()),
            Self::F64(number) => Comparable::Float(number.to_bits()),
            Self::Text(text) | Self::Symbol(text) => Comparable::Bytes(text.clone().into_bytes()),
            Self::Binary(bytes) => Comparable::Bytes(bytes.clone()),
            other => Comparable::Exact(other.clone()),
        }
    }

    /// A copy that shares no memory with the buffer it was parsed from, for values that outlive
    /// their request.
    pub fn detached(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.detached()),
            Self::Symbol(text) => Self::Symbol(text.detached()),
            Self::Binary(bytes) => Self::Binary(Bytes::copy_from_slice(bytes)),
            Self::List(items) => Self::List(items.iter().map(Self::detached).collect()),
            Self::Array(items) => Self::Array(items.iter().map(Self::detached).collect()),
            Self::Map(table) => Self::Map(table.detached()),
            Self::Pairs(pairs) => Self::Pairs(
                pairs
                    .iter()
                    .map(|(key, value)| (key.detached(), value.detached()))
                    .collect(),
            ),
            Self::Described(described) => Self::Described(Box::new(Described {
                descriptor: described.descriptor.detached(),
                value: described.value.detached(),
            })),
            plain => plain.clone(),
        }
    }

    fn identity(&self) -> Identity<'_> {
        match self {
            Self::Null => Identity::Null,
            Self::Bool(truth) => Identity::Bool(*truth),
            Self::I8(number) => Identity::I8(*number),
            Self::U8(number) => Identity::U8(*number),
            Self::I16(number) => Identity::I16(*number),
            Self::U16(number) => Identity::U16(*number),
            Self::I32(number) => Identity::I32(*number),
            Self::U32(number) => Identity::U32(*number),
            Self::I64(number) => Identity::I64(*number),
            Self::U64(number) => Identity::U64(*number),
            Self::F32(number) => Identity::F32(number.to_bits()),
            Self::F64(number) => Identity::F64(number.to_bits()),
            Self::Decimal { scale, value } => Identity::Decimal(*scale, *value),
            Self::Decimal32(bytes) => Identity::Decimal32(bytes),
            Self::Decimal64(bytes) => Identity::Decimal64(bytes),
            Self::Decimal128(bytes) => Identity::Decimal128(bytes),
            Self::Char(character) => Identity::Char(*character),
            Self::Timestamp(milliseconds) => Identity::Timestamp(*milliseconds),
            Self::Uuid(bytes) => Identity::Uuid(bytes),
            Self::Text(text) => Identity::Text(text),
            Self::Symbol(text) => Identity::Symbol(text),
            Self::Binary(bytes) => Identity::Binary(bytes),
            Self::List(items) => Identity::List(items),
            Self::Array(items) => Identity::Array(items),
            Self::Map(table) => Identity::Map(table),
            Self::Pairs(pairs) => Identity::Pairs(pairs),
            Self::Described(described) => Identity::Described(described),
        }
    }
}

/// A borrowed value whose floating-point numbers are bits, so that equality, order and hash can
/// be derived and agree with each other.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity<'value> {
    Null,
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    F32(u32),
    F64(u64),
    Decimal(u8, i32),
    Decimal32(&'value [u8; 4]),
    Decimal64(&'value [u8; 8]),
    Decimal128(&'value [u8; 16]),
    Char(char),
    Timestamp(i64),
    Uuid(&'value [u8; 16]),
    Text(&'value Text),
    Symbol(&'value Text),
    Binary(&'value Bytes),
    List(&'value [Value]),
    Array(&'value [Value]),
    Map(&'value Table),
    Pairs(&'value [(Value, Value)]),
    Described(&'value Described),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::I32(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::I64(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::U64(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<Name> for Value {
    fn from(name: Name) -> Self {
        Self::Text(name.into())
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Self {
        Self::Map(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_looks_at_the_type_and_at_the_bits() {
        assert_ne!(Value::I32(1), Value::I64(1));
        assert_ne!(Value::F64(0.0), Value::F64(-0.0));
        assert_eq!(Value::F64(f64::NAN), Value::F64(f64::NAN));
        assert_ne!(Value::from("a"), Value::Symbol("a".into()));
    }

    #[test]
    fn comparison_between_peers_ignores_widths() {
        assert_eq!(Value::U8(7).comparable(), Value::I64(7).comparable());
        assert_eq!(Value::F32(0.5).comparable(), Value::F64(0.5).comparable());
        assert_eq!(
            Value::from("a").comparable(),
            Value::Binary(Bytes::from_static(b"a")).comparable()
        );
        assert_ne!(Value::I32(1).comparable(), Value::F64(1.0).comparable());
        assert_ne!(Value::I64(1).comparable(), Value::Timestamp(1).comparable());
    }

    #[test]
    fn a_detached_value_is_equal_and_shares_nothing() {
        let buffer = Bytes::from(b"abcdef".to_vec());
        let value = Value::List(vec![Value::Binary(buffer.slice(1..3))]);
        let detached = value.detached();
        assert_eq!(detached, value);
        drop(value);
        assert!(buffer.is_unique());
        assert_eq!(
            detached,
            Value::List(vec![Value::Binary(Bytes::from_static(b"bc"))])
        );
    }
}
