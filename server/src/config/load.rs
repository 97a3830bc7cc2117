//! Puts the sources together and says, of every value, where it comes from.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::Config;
use super::section::{Place, Reference, Setting};

const VARIABLE_PREFIX: &str = "SABIR_";
/// Variables that the command line reads; they are no settings of the broker.
const COMMAND_VARIABLES: [&str; 4] = [
    "SABIR_CONFIG",
    "SABIR_ADMIN_URL",
    "SABIR_USER",
    "SABIR_PASSWORD",
];

const SUGGESTION_DISTANCE_MAX: usize = 3;

/// Where values may come from, apart from the process environment.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The configuration file.
    pub(crate) file: Option<PathBuf>,
    /// Values given by flags: what the user wrote, the key, its value.
    pub(crate) flags: Vec<Override>,
}

/// One value from the environment or a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Override {
    /// As a person would name the source: `flag --listen`, `environment variable SABIR_…`.
    pub(crate) source: String,
    /// Dotted path of the key.
    pub(crate) path: String,
    /// The text that was given.
    pub(crate) text: String,
}

/// A checked configuration that remembers its sources.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) config: Config,
    sources: BTreeMap<String, String>,
}

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("the configuration file {0} does not exist")]
    NoFile(PathBuf),
    #[error("the configuration cannot be read: {}", .0.join("; "))]
    Unreadable(Vec<String>),
    #[error("the configuration is refused:\n  {}", .0.join("\n  "))]
    Refused(Vec<String>),
}

impl Loaded {
    /// The source of the value at `path`, `None` where it is the default.
    pub(crate) fn source(&self, path: &str) -> Option<&str> {
        self.sources.get(path).map(String::as_str)
    }
}

/// Reads all sources and checks the outcome.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    load_with(sources, from_environment(env::vars_os()))
}

fn load_with(sources: &Sources, environment: Vec<Override>) -> Result<Loaded, ConfigError> {
    let reference = reference(&Config::default());
    let mut figment = Figment::new();
    if let Some(file) = &sources.file {
        figment = figment.merge(file_provider(file)?);
    }
    for value in environment.iter().chain(&sources.flags) {
        figment = figment.merge(OverrideProvider {
            value,
            reference: &reference,
        });
    }
    let data = figment.data().map_err(unreadable)?;
    let paths = leaves(data.get(&Profile::Default).cloned().unwrap_or_default());
    let found: BTreeMap<String, String> = paths
        .into_iter()
        .map(|path| {
            let source = source_of(&figment, &path);
            (path, source)
        })
        .collect();
    refuse_unknown(&reference, &found)?;
    let config: Config = figment.extract().map_err(unreadable)?;
    refuse_faulty(&config, &found)?;
    Ok(Loaded {
        config,
        sources: found,
    })
}

/// The reference of a configuration: every key with its value in it.
pub(crate) fn reference(config: &Config) -> Reference {
    let mut reference = Reference::default();
    config.describe(&Place::root(), &mut reference);
    reference
}

/// The settings among environment variables: those whose name has a section and a key.
pub(crate) fn from_environment(
    variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Vec<Override> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(VARIABLE_PREFIX)?;
            path.contains("__").then(|| Override {
                source: format!("environment variable {name}"),
                path: path.to_lowercase().replace("__", "."),
                text: value.to_string_lossy().into_owned(),
            })
        })
        .collect()
}

/// Variables that look like settings but are none, since they name no section.
pub(crate) fn stray_variables() -> Vec<String> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| is_stray(name)).collect()
}

fn is_stray(name: &str) -> bool {
    name.starts_with(VARIABLE_PREFIX) && !name.contains("__") && !COMMAND_VARIABLES.contains(&name)
}

fn file_provider(file: &Path) -> Result<impl Provider, ConfigError> {
    if file.exists() {
        Ok(Toml::file_exact(file))
    } else {
        Err(ConfigError::NoFile(file.to_owned()))
    }
}

struct OverrideProvider<'a> {
    value: &'a Override,
    reference: &'a Reference,
}

impl Provider for OverrideProvider<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.value.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let literal = self
            .reference
            .key(&self.value.path)
            .is_some_and(|key| key.literal);
        let value = if literal {
            Value::from(self.value.text.clone())
        } else {
            let parsed: Result<Value, std::convert::Infallible> = self.value.text.parse();
            parsed.unwrap_or_else(|never| match never {})
        };
        let nested = self.value.path.rsplit('.').fold(value, |inner, part| {
            Value::from(Dict::from([(part.to_owned(), inner)]))
        });
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// The paths of all values that are no tables; an empty table counts as a value.
fn leaves(dict: Dict) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<(String, Value)> = dict.into_iter().collect();
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => {
                open.extend(
                    inner
                        .into_iter()
                        .map(|(name, value)| (format!("{path}.{name}"), value)),
                );
            }
            Value::Dict(..) => {}
            _ => found.push(path),
        }
    }
    found
}

fn source_of(figment: &Figment, path: &str) -> String {
    match figment.find_metadata(path) {
        Some(metadata) => named(metadata),
        None => "an unknown source".to_owned(),
    }
}

fn named(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(source) => format!("file {source}"),
        None => metadata.name.to_string(),
    }
}

fn refuse_unknown(
    reference: &Reference,
    found: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    let unknown: Vec<String> = found
        .iter()
        .filter(|(path, _)| reference.key(path).is_none())
        .map(|(path, source)| {
            let hint = nearest(reference, path)
                .map(|key| format!("; did you mean {key:?}?"))
                .unwrap_or_default();
            format!("unknown key {path:?} (from {source}){hint}")
        })
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(ConfigError::Refused(unknown))
    }
}

fn refuse_faulty(config: &Config, found: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let mut faults = Vec::new();
    config.check(&Place::root(), &mut faults);
    faults.extend(config.amqp091.tls.faults("amqp091.tls"));
    if faults.is_empty() {
        return Ok(());
    }
    let lines = faults
        .into_iter()
        .map(|fault| {
            let source = found
                .get(&fault.path)
                .map(|source| format!(" (from {source})"));
            format!(
                "{}: {}{}",
                fault.path,
                fault.reason,
                source.unwrap_or_default()
            )
        })
        .collect();
    Err(ConfigError::Refused(lines))
}

fn unreadable(error: figment::Error) -> ConfigError {
    let lines = error
        .into_iter()
        .map(|error| {
            let path = error.path.join(".");
            let at = if path.is_empty() {
                String::new()
            } else {
                format!("{path}: ")
            };
            let from = error
                .metadata
                .as_ref()
                .map(|metadata| format!(" (from {})", named(metadata)));
            format!("{at}{}{}", error.kind, from.unwrap_or_default())
        })
        .collect();
    ConfigError::Unreadable(lines)
}

fn nearest<'reference>(reference: &'reference Reference, path: &str) -> Option<&'reference str> {
    reference
        .keys
        .iter()
        .map(|key| (distance(&key.path, path), key.path.as_str()))
        .filter(|(distance, _)| *distance <= SUGGESTION_DISTANCE_MAX)
        .min()
        .map(|(_, path)| path)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (line, ours) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, theirs) in row.iter_mut().skip(1).zip(right.chars()) {
            let replaced = diagonal + usize::from(ours != theirs);
            diagonal = *cell;
            before = replaced.min(diagonal + 1).min(before + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
