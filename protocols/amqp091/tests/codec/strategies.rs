//! Arbitrary tables and properties.

use proptest::collection::vec;
use proptest::prelude::*;
use sabir_amqp091::codec::{Table, Value};

pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        (-1e30f32..1e30).prop_map(Value::F32),
        (-1e300f64..1e300).prop_map(Value::F64),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        vec(any::<u8>(), 0..40).prop_map(Value::LongString),
        any::<u64>().prop_map(Value::Timestamp),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        Just(Value::Void),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec(("[a-z-]{0,12}", inner), 0..6).prop_map(|fields| Value::Table(collect(fields))),
        ]
    })
}

pub(crate) fn table() -> impl Strategy<Value = Table> {
    vec(("[a-z-]{0,12}", value()), 0..8).prop_map(collect)
}

fn collect(fields: Vec<(String, Value)>) -> Table {
    fields
        .into_iter()
        .fold(Table::new(), |table, (name, value)| table.with(name, value))
}

/// The fourteen properties, each there or not.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) strings: [Option<Vec<u8>>; 10],
    pub(crate) headers: Option<Table>,
    pub(crate) octets: [Option<u8>; 2],
    pub(crate) timestamp: Option<u64>,
}

pub(crate) fn properties() -> impl Strategy<Value = Owned> {
    let string = || proptest::option::of(vec(any::<u8>(), 0..=255));
    let strings = proptest::array::uniform10(string());
    let octets = proptest::array::uniform2(proptest::option::of(any::<u8>()));
    (
        strings,
        proptest::option::of(table()),
        octets,
        proptest::option::of(any::<u64>()),
    )
        .prop_map(|(strings, headers, octets, timestamp)| Owned {
            strings,
            headers,
            octets,
            timestamp,
        })
}
