//! Values through the catalog's encoding and back.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use sabir_core::message::value::codec::{decode_value, encode_value};
use sabir_core::message::value::{Described, Table, Text, Value};

fn plain() -> impl Strategy<Value = Value> {
    let text = || vec(any::<u8>(), 0..8).prop_map(|bytes| Text::from(Bytes::from(bytes)));
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        any::<(u8, i32)>().prop_map(|(scale, value)| Value::Decimal { scale, value }),
        any::<[u8; 4]>().prop_map(Value::Decimal32),
        any::<[u8; 8]>().prop_map(Value::Decimal64),
        any::<[u8; 16]>().prop_map(Value::Decimal128),
        any::<char>().prop_map(Value::Char),
        any::<i64>().prop_map(Value::Timestamp),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        text().prop_map(Value::Text),
        text().prop_map(Value::Symbol),
        vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Binary(bytes.into())),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    plain().prop_recursive(5, 40, 4, |inner| {
        let named =
            ("[a-c]{0,3}", inner.clone()).prop_map(|(name, value)| (Text::from(name), value));
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec(named, 0..4).prop_map(|entries| Value::Map(Table::from_iter(entries))),
            vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Pairs),
            (inner.clone(), inner).prop_map(|(descriptor, value)| {
                Value::Described(Box::new(Described { descriptor, value }))
            }),
        ]
    })
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

proptest! {
    #[test]
    fn a_value_is_read_back_as_it_was_written(value in values()) {
        let mut output = Vec::new();
        encode_value(&value, &mut output)?;
        let mut input = Bytes::from(output);
        let read = decode_value(&mut input)?;
        prop_assert!(input.is_empty());
        prop_assert_eq!(hash(&read), hash(&value));
        prop_assert_eq!(read.cmp(&value), std::cmp::Ordering::Equal);
        prop_assert_eq!(&read.detached(), &value);
        prop_assert_eq!(read, value);
    }

    #[test]
    fn a_value_that_ends_early_is_refused(value in values(), cut in any::<prop::sample::Index>()) {
        let mut output = Vec::new();
        encode_value(&value, &mut output)?;
        output.truncate(cut.index(output.len()));
        prop_assert!(decode_value(&mut Bytes::from(output)).is_err());
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in vec(any::<u8>(), 0..64)) {
        let _: Result<Value, _> = decode_value(&mut Bytes::from(bytes));
    }

    #[test]
    fn order_agrees_with_equality(left in values(), right in values()) {
        prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        prop_assert_eq!(left == right, left.cmp(&right).is_eq());
    }
}
