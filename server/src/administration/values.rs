//! JSON and the core's values, both ways.

use bytes::BytesMut;
use sabir_admin::api::Arguments;
use sabir_admin::failure::Failure;
use sabir_amqp091::codec::table::{FieldTable, Table as AmqpTable, Value as AmqpValue};
use sabir_amqp091::mapping;
use sabir_core::message::value::{Table, Value};
use serde_json::Value as Json;

use super::failure::violated;

/// The longest name that every protocol can spell.
const NAME_BYTES_MAX: usize = 255;

/// Refuses a name that is empty, too long or hard to see.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(Failure::Invalid(format!(
            "a {what} is named with 1 to {NAME_BYTES_MAX} bytes without control characters"
        )));
    }
    Ok(())
}

/// Refuses a text that is too long for a property or a name.
pub(super) fn check_length(what: &str, text: &str) -> Result<(), Failure> {
    if text.len() > NAME_BYTES_MAX {
        return Err(Failure::Invalid(format!(
            "{what} is longer than {NAME_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

/// Arguments as AMQP 0-9-1 encodes them.
pub(super) fn encoded(arguments: &Arguments) -> Result<BytesMut, Failure> {
    Ok(table(arguments)?.encode())
}

/// Arguments as the core has them.
pub(super) fn to_core(arguments: &Arguments) -> Result<Table, Failure> {
    let bytes = encoded(arguments)?;
    let fields = FieldTable::parse(&bytes).map_err(|violation| violated(&violation))?;
    mapping::table::arguments(fields).map_err(|violation| violated(&violation))
}

fn table(arguments: &Arguments) -> Result<AmqpTable, Failure> {
    let mut table = AmqpTable::new();
    for (name, value) in arguments {
        check_length("the name of an argument or header", name)?;
        table.push(name.as_str(), to_amqp(value)?);
    }
    Ok(table)
}

fn to_amqp(value: &Json) -> Result<AmqpValue, Failure> {
    Ok(match value {
        Json::Null => AmqpValue::Void,
        Json::Bool(truth) => AmqpValue::Bool(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => AmqpValue::I64(integer),
            (None, Some(float)) if !number.is_u64() => AmqpValue::F64(float),
            _ => return Err(Failure::Invalid(format!("{number} is too large"))),
        },
        Json::String(text) => AmqpValue::LongString(text.clone().into_bytes()),
        Json::Array(items) => {
            AmqpValue::Array(items.iter().map(to_amqp).collect::<Result<_, _>>()?)
        }
        Json::Object(fields) => AmqpValue::Table(table(fields)?),
    })
}

/// The core's table as JSON. Of entries with one name the last is shown.
pub(super) fn to_json(table: &Table) -> Arguments {
    let entries = table
        .iter()
        .map(|(name, value)| (name.to_string(), value_to_json(value)));
    entries.collect()
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::from(*truth),
        Value::F32(number) => Json::from(*number),
        Value::F64(number) => Json::from(*number),
        Value::Decimal { scale, value } => Json::from(decimal(*scale, *value)),
        Value::Char(character) => Json::from(character.to_string()),
        Value::Timestamp(milliseconds) => Json::from(*milliseconds),
        Value::Uuid(bytes) => Json::from(hexadecimal(bytes)),
        Value::Decimal32(bytes) => Json::from(hexadecimal(bytes)),
        Value::Decimal64(bytes) => Json::from(hexadecimal(bytes)),
        Value::Decimal128(bytes) => Json::from(hexadecimal(bytes)),
        Value::Text(text) | Value::Symbol(text) => Json::from(text.to_string()),
        Value::Binary(bytes) => Json::from(String::from_utf8_lossy(bytes)),
        Value::List(items) | Value::Array(items) => items.iter().map(value_to_json).collect(),
        Value::Map(table) => Json::Object(to_json(table)),
        Value::Pairs(pairs) => pairs
            .iter()
            .map(|(key, value)| Json::from(vec![value_to_json(key), value_to_json(value)]))
            .collect(),
        Value::Described(described) => value_to_json(&described.value),
        integer => integer.as_integer().map_or(Json::Null, integer_to_json),
    }
}

fn integer_to_json(integer: i128) -> Json {
    match (i64::try_from(integer), u64::try_from(integer)) {
        (Ok(signed), _) => Json::from(signed),
        (_, Ok(unsigned)) => Json::from(unsigned),
        _ => Json::from(integer.to_string()),
    }
}

/// The digits with their point.
fn decimal(scale: u8, value: i32) -> String {
    let width = usize::from(scale) + 1;
    let digits = format!("{:0width$}", value.unsigned_abs());
    let sign = if value < 0 { "-" } else { "" };
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arguments(json: Json) -> Arguments {
        json.as_object().unwrap().clone()
    }

    #[test]
    fn arguments_come_back_as_they_were() {
        let given = arguments(json!({
            "x-message-ttl": 60000,
            "x-overflow": "drop-head",
            "flag": true,
            "nothing": null,
            "ratio": 0.5,
            "list": [1, "two", {"three": 3}],
        }));
        assert_eq!(to_json(&to_core(&given).unwrap()), given);
    }

    #[test]
    fn numbers_that_no_type_can_hold_are_refused() {
        let given = arguments(json!({"x": u64::MAX}));
        assert!(matches!(to_core(&given), Err(Failure::Invalid(_))));
    }

    #[test]
    fn names_are_bounded() {
        assert!(check_name("queue", &"q".repeat(255)).is_ok());
        assert!(check_name("queue", &"q".repeat(256)).is_err());
        assert!(check_name("queue", "").is_err());
        assert!(check_name("queue", "a\nb").is_err());
        assert!(to_core(&arguments(json!({"k".repeat(256): 1}))).is_err());
    }

    #[test]
    fn decimals_keep_their_point() {
        assert_eq!(decimal(2, 314), "3.14");
        assert_eq!(decimal(3, -5), "-0.005");
        assert_eq!(decimal(0, 7), "7");
    }
}
