//! Field tables to the core's tables and back.

use bytes::Bytes;
use sabir_core::message::value::{Table, Text, Value};

use crate::codec::table::{FieldTable, FieldValue};
use crate::violation::Violation;

/// Most values, nested ones included, that the arguments of a declaration may have.
pub const ARGUMENTS_MAX: usize = 1024;

/// The core's form of the arguments of a method, in memory of their own.
pub fn arguments(table: FieldTable<'_>) -> Result<Table, Violation> {
    let count = count_of(table);
    if count > ARGUMENTS_MAX {
        return Err(Violation::TooMany {
            what: "arguments",
            count,
            max: ARGUMENTS_MAX,
        });
    }
    Ok(to_core(table))
}

/// The core's form of a table, in memory of its own. Its size is bounded by the frame that it came in.
pub fn to_core(table: FieldTable<'_>) -> Table {
    table
        .fields()
        .map(|field| (text(field.name), value_to_core(field.value)))
        .collect()
}

fn value_to_core(value: FieldValue<'_>) -> Value {
    match value {
        FieldValue::Bool(truth) => Value::Bool(truth),
        FieldValue::I8(number) => Value::I8(number),
        FieldValue::U8(number) => Value::U8(number),
        FieldValue::I16(number) => Value::I16(number),
        FieldValue::U16(number) => Value::U16(number),
        FieldValue::I32(number) => Value::I32(number),
        FieldValue::U32(number) => Value::U32(number),
        FieldValue::I64(number) => Value::I64(number),
        FieldValue::F32(number) => Value::F32(number),
        FieldValue::F64(number) => Value::F64(number),
        FieldValue::Decimal { scale, value } => Value::Decimal {
            scale,
            value: value.cast_signed(),
        },
        FieldValue::LongString(bytes) => Value::Text(text(bytes)),
        FieldValue::Timestamp(seconds) => Value::Timestamp(milliseconds(seconds)),
        FieldValue::Table(table) => Value::Map(to_core(table)),
        FieldValue::Array(array) => Value::List(array.values().map(value_to_core).collect()),
        FieldValue::Bytes(bytes) => Value::Binary(Bytes::copy_from_slice(bytes)),
        FieldValue::Void => Value::Null,
    }
}

/// Seconds as the core's milliseconds. Times that milliseconds cannot tell, past the year 292 million, become the
/// last one that they can; the sender's bytes keep them.
fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000)
}

fn text(bytes: &[u8]) -> Text {
    Text::from(Bytes::copy_from_slice(bytes))
}

fn count_of(table: FieldTable<'_>) -> usize {
    table
        .fields()
        .map(|field| count_of_value(field.value))
        .sum()
}

fn count_of_value(value: FieldValue<'_>) -> usize {
    match value {
        FieldValue::Table(table) => 1 + count_of(table),
        FieldValue::Array(array) => 1 + array.values().map(count_of_value).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::table;

    #[test]
    fn seconds_become_milliseconds() {
        let encoded = table::Table::new()
            .with("t", table::Value::Timestamp(5))
            .encode();
        let core = to_core(FieldTable::parse(&encoded).unwrap());
        assert_eq!(core.get("t"), Some(&Value::Timestamp(5000)));
    }

    #[test]
    fn arguments_are_bounded() {
        let many = |count| {
            table::Table::new()
                .with("a", vec![table::Value::Void; count])
                .encode()
        };
        assert!(arguments(FieldTable::parse(&many(ARGUMENTS_MAX - 1)).unwrap()).is_ok());
        assert!(arguments(FieldTable::parse(&many(ARGUMENTS_MAX)).unwrap()).is_err());
    }
}
