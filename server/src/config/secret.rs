//! A value that is never shown: given literally, or as the file or variable that holds it.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize, Serializer};

use super::section::{Value, quoted};

const HIDDEN: &str = "********";
const SECRET_BYTES_MAX: usize = 4096;

/// A password or the like. `file:PATH` and `env:NAME` are read when the secret is first needed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the secret's file {path} cannot be read: {source}")]
    File { path: String, source: io::Error },
    #[error("the secret's environment variable {0} is not set")]
    Variable(String),
    #[error("the secret is longer than {SECRET_BYTES_MAX} bytes")]
    TooLong,
}

impl Secret {
    /// Whether no secret was configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret itself. The line end that editors put at the end of a file is not part of it.
    pub(crate) fn reveal(&self) -> Result<String, SecretError> {
        let text = if let Some(path) = self.0.strip_prefix("file:") {
            let text = std::fs::read_to_string(path).map_err(|source| SecretError::File {
                path: path.to_owned(),
                source,
            })?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        } else if let Some(name) = self.0.strip_prefix("env:") {
            std::env::var(name).map_err(|_| SecretError::Variable(name.to_owned()))?
        } else {
            self.0.clone()
        };
        if text.len() > SECRET_BYTES_MAX {
            Err(SecretError::TooLong)
        } else {
            Ok(text)
        }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { HIDDEN })
    }
}

impl Value for Secret {
    const FORM: &'static str = "text, \"file:PATH\" or \"env:NAME\"";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(if self.is_empty() { "" } else { HIDDEN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::from("canary");
        assert!(!format!("{secret:?} {}", secret.toml()).contains("canary"));
        let json = serde_json::to_string(&secret).unwrap();
        assert!(!json.contains("canary"), "{json}");
    }

    #[test]
    fn a_secret_in_a_file_loses_the_line_end_only() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " pass word \n").unwrap();
        let secret = Secret(format!("file:{}", file.path().display()));
        assert_eq!(secret.reveal().unwrap(), " pass word ");
    }

    #[test]
    fn a_missing_source_is_an_error_and_not_an_empty_secret() {
        assert!(matches!(
            Secret::from("file:/does/not/exist").reveal(),
            Err(SecretError::File { .. })
        ));
        assert!(matches!(
            Secret::from("env:SABIR_TEST_NO_SUCH_VARIABLE").reveal(),
            Err(SecretError::Variable(_))
        ));
    }
}
