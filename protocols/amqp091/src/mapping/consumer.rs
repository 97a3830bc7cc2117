//! The arguments of a consumer.

use sabir_core::id::{Offset, Timestamp};
use sabir_core::request::Start;

use super::Place;
use super::filter::Filter;
use super::queue::duration_ms;
use crate::codec::table::{FieldTable, FieldValue};
use crate::violation::Violation;

/// What the arguments of `basic.consume` ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Higher ones are served first.
    pub priority: i32,
    /// Where to begin in a queue that keeps its records.
    pub start: Start,
    /// Which of its records are wanted.
    pub filter: Option<Filter>,
}

/// Reads the arguments of a consumer of `queue`, at `now`.
pub fn options(
    arguments: FieldTable<'_>,
    now: Timestamp,
    queue: &str,
    place: &Place,
) -> Result<Options, Violation> {
    let fault = |argument: &str, reason: String| Violation::Argument {
        what: format!("arg '{argument}'"),
        entity: place.queue(queue).to_string(),
        reason,
    };
    let priority = match arguments.find("x-priority") {
        None => 0,
        Some(value) => {
            let priority = value
                .integer()
                .and_then(|priority| i32::try_from(priority).ok());
            priority.ok_or_else(|| {
                fault(
                    "x-priority",
                    format!("\"expected integer, got {}\"", value.type_name()),
                )
            })?
        }
    };
    let start = match arguments.find("x-stream-offset") {
        None => Start::Next,
        Some(value) => {
            start(value, now).ok_or_else(|| fault("x-stream-offset", invalid_offset(value)))?
        }
    };
    let filter = Filter::read(arguments)
        .map_err(|argument| fault(argument, "invalid_stream_filter_arg".to_owned()))?;
    Ok(Options {
        priority,
        start,
        filter,
    })
}

fn start(value: FieldValue<'_>, now: Timestamp) -> Option<Start> {
    if let FieldValue::Timestamp(seconds) = value {
        return seconds
            .checked_mul(1000)
            .map(|milliseconds| Start::Time(Timestamp(milliseconds)));
    }
    if let Some(offset) = value.integer() {
        // As in RabbitMQ, an offset below the first means the first.
        return Some(
            u64::try_from(offset).map_or(Start::First, |offset| Start::Offset(Offset(offset))),
        );
    }
    match value.text()? {
        "first" => Some(Start::First),
        "last" => Some(Start::Last),
        "next" => Some(Start::Next),
        ago => duration_ms(ago).map(|ago| Start::Time(Timestamp(now.since(Timestamp(ago))))),
    }
}

fn invalid_offset(value: FieldValue<'_>) -> String {
    let kind = value.type_name();
    match value.text() {
        Some(text) => format!("{{invalid_stream_offset_arg,{{{kind},<<\"{text}\">>}}}}"),
        None => format!("{{invalid_stream_offset_arg,{kind}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::table::{Table, Value};

    fn read(name: &str, value: impl Into<Value>) -> Result<Options, Violation> {
        let encoded = Table::new().with(name, value).encode();
        let arguments = FieldTable::parse(&encoded).unwrap();
        options(arguments, Timestamp(7_200_000), "q", &Place::default())
    }

    #[test]
    fn a_stream_is_read_from_a_word_a_number_a_time_or_an_interval() {
        let start = |value: Value| {
            read("x-stream-offset", value)
                .map(|options| options.start)
                .ok()
        };
        assert_eq!(start("first".into()), Some(Start::First));
        assert_eq!(start("last".into()), Some(Start::Last));
        assert_eq!(start("next".into()), Some(Start::Next));
        assert_eq!(start(Value::I64(5)), Some(Start::Offset(Offset(5))));
        assert_eq!(
            start(Value::Timestamp(3)),
            Some(Start::Time(Timestamp(3000)))
        );
        assert_eq!(start("1h".into()), Some(Start::Time(Timestamp(3_600_000))));
        assert_eq!(start("yesterday".into()), None);
        assert_eq!(start(Value::I64(-1)), Some(Start::First));
        let fault = read("x-stream-offset", "yesterday").unwrap_err();
        assert!(
            fault
                .to_string()
                .ends_with("{invalid_stream_offset_arg,{longstr,<<\"yesterday\">>}}"),
            "{fault}"
        );
    }

    #[test]
    fn a_priority_is_an_integer() {
        assert_eq!(read("x-priority", -3).unwrap().priority, -3);
        assert!(read("x-priority", "high").is_err());
    }
}
