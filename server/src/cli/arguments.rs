//! Values that commands share: arguments, headers, secrets and payloads.

use std::io::{self, Read};
use std::path::Path;

use sabir_admin::api::Arguments;
use serde_json::Value;

use super::error::CliError;

const SECRET_BYTES_MAX: u64 = 4096;
const PAYLOAD_BYTES_MAX: u64 = 1 << 30;

/// `name=value`. The value is JSON where it is JSON, else text.
pub(super) fn name_and_value(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

/// All of them; a name that is given twice is a mistake.
pub(super) fn collect(pairs: Vec<(String, Value)>) -> Result<Arguments, CliError> {
    let mut arguments = Arguments::new();
    for (name, value) in pairs {
        if arguments.contains_key(&name) {
            return Err(CliError::Usage(format!("{name:?} is given twice")));
        }
        arguments.insert(name, value);
    }
    Ok(arguments)
}

/// The first line of a file, or of standard input where the path is `-`.
pub(super) fn secret(path: &Path) -> Result<String, CliError> {
    let bytes = contents(path, SECRET_BYTES_MAX)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CliError::Usage(format!("{} is not text", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The bytes of a file, or of standard input where the path is `-`.
pub(super) fn payload(path: &Path) -> Result<Vec<u8>, CliError> {
    contents(path, PAYLOAD_BYTES_MAX)
}

fn contents(path: &Path, bytes_max: u64) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::File {
        path: path.display().to_string(),
        source,
    };
    let mut bytes = Vec::new();
    let mut reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    reader
        .by_ref()
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(CliError::Usage(format!(
            "{} is longer than {bytes_max} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_where_they_can_be() {
        assert_eq!(
            name_and_value("x-ttl=5"),
            Ok(("x-ttl".to_owned(), Value::from(5)))
        );
        assert_eq!(
            name_and_value("mode=lazy"),
            Ok(("mode".to_owned(), Value::from("lazy")))
        );
        assert_eq!(
            name_and_value("text=\"5\""),
            Ok(("text".to_owned(), Value::from("5")))
        );
        assert_eq!(
            name_and_value("a=b=c"),
            Ok(("a".to_owned(), Value::from("b=c")))
        );
        assert!(name_and_value("nothing").is_err());
        assert!(name_and_value("=1").is_err());
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused() {
        let twice = vec![("a".to_owned(), Value::Null), ("a".to_owned(), Value::Null)];
        assert!(matches!(collect(twice), Err(CliError::Usage(_))));
    }
}
