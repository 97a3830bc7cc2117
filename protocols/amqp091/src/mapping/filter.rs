//! Which records of a stream a consumer wants: those with certain values of the header `x-stream-filter-value`.
//!
//! RabbitMQ passes over whole chunks that have none of the values and leaves the rest to the client. Here each record
//! is looked at, so a client that looks again finds nothing to leave out.

use sabir_core::message::RecordView;

use super::message::own_properties;
use crate::codec::table::{FieldTable, FieldValue};

/// The header by which senders sort their messages.
const HEADER: &str = "x-stream-filter-value";

/// What a consumer wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    values: Vec<String>,
    unfiltered: bool,
}

impl Filter {
    /// The filter that the arguments of a consumer ask for; the argument that cannot be read is the error.
    pub fn read(arguments: FieldTable<'_>) -> Result<Option<Self>, &'static str> {
        let unfiltered = match arguments.find("x-stream-match-unfiltered") {
            None => false,
            Some(FieldValue::Bool(unfiltered)) => unfiltered,
            Some(_) => return Err("x-stream-match-unfiltered"),
        };
        let name = "x-stream-filter";
        let Some(value) = arguments.find(name) else {
            return Ok(None);
        };
        let values: Option<Vec<String>> = match value {
            FieldValue::Array(values) => values
                .values()
                .map(|value| value.text().map(str::to_owned))
                .collect(),
            value => value.text().map(|text| vec![text.to_owned()]),
        };
        let values = values.ok_or(name)?;
        Ok((!values.is_empty()).then_some(Self { values, unfiltered }))
    }

    /// Whether the consumer wants the record.
    pub fn passes(&self, record: &RecordView<'_>) -> bool {
        let value = own_properties(record)
            .and_then(|properties| properties.headers)
            .and_then(|headers| headers.find(HEADER))
            .and_then(|value| value.text());
        match value {
            None => self.unfiltered,
            Some(value) => self.values.iter().any(|wanted| wanted == value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::table::{Table, Value};

    fn read(arguments: Table) -> Result<Option<Filter>, &'static str> {
        let encoded = arguments.encode();
        Filter::read(FieldTable::parse(&encoded).unwrap())
    }

    #[test]
    fn a_filter_is_one_value_or_several() {
        let one = Table::new().with("x-stream-filter", "a");
        assert_eq!(
            read(one),
            Ok(Some(Filter {
                values: vec!["a".to_owned()],
                unfiltered: false
            }))
        );
        let several = Value::Array(vec!["a".into(), "b".into()]);
        let arguments = Table::new()
            .with("x-stream-filter", several)
            .with("x-stream-match-unfiltered", true);
        assert_eq!(
            read(arguments),
            Ok(Some(Filter {
                values: vec!["a".to_owned(), "b".to_owned()],
                unfiltered: true
            }))
        );
        assert_eq!(read(Table::new()), Ok(None));
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        let number = Table::new().with("x-stream-filter", 3);
        assert_eq!(read(number), Err("x-stream-filter"));
        let text = Table::new().with("x-stream-match-unfiltered", "yes");
        assert_eq!(read(text), Err("x-stream-match-unfiltered"));
    }
}
