//! Keys that take one of a few words, or a value that the broker can find out by itself.

use std::cmp::Ordering;
use std::env;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::Targets;

use super::section::{Value, quoted};
use super::units::ByteSize;

/// Defines an enum whose variants are words in the configuration.
macro_rules! words {
    (
        $(#[doc = $documentation:literal])+
        $name:ident, $form:literal {
            $($(#[doc = $variant_documentation:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $documentation])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum $name {
            $($(#[doc = $variant_documentation])+ #[serde(rename = $word)] $variant,)+
        }

        impl Value for $name {
            const FORM: &'static str = $form;
            const LITERAL: bool = true;

            fn toml(&self) -> String {
                quoted(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    };
}

words! {
    /// When a confirmed message counts as safe.
    DurabilityClass, "\"fsync\" or \"os\"" {
        /// After the disk has it.
        Fsync = "fsync",
        /// After the operating system has it.
        Os = "os",
    }
}

words! {
    /// How log lines look.
    LogFormat, "\"text\" or \"json\"" {
        /// For people.
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

words! {
    /// What a TLS listener asks of the client's certificate.
    ClientAuth, "\"none\", \"request\" or \"require\"" {
        /// Nothing.
        None = "none",
        /// It may present one.
        Request = "request",
        /// It must present one.
        Require = "require",
    }
}

words! {
    /// Which part of a client's certificate names its user.
    CertificateName, "\"common_name\" or \"distinguished_name\"" {
        /// The subject's common name.
        CommonName = "common_name",
        /// The whole subject.
        DistinguishedName = "distinguished_name",
    }
}

/// Which log lines are written: a level, and other levels for single modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LogLevel(pub(crate) String);

impl Value for LogLevel {
    const FORM: &'static str = "level, or levels by module";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(&self.0)
    }

    fn fault(&self) -> Option<String> {
        Targets::from_str(&self.0)
            .err()
            .map(|error| format!("{:?}: {error}", self.0))
    }
}

/// The directory that holds everything the broker keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) enum DataDirectory {
    /// The user's state directory.
    Automatic,
    /// This one.
    At(PathBuf),
}

impl DataDirectory {
    /// The directory, or `None` when it is not configured and the environment names none.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::At(path) => Some(path.clone()),
            Self::Automatic => absolute("XDG_STATE_HOME")
                .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
                .map(|state| state.join("sabir")),
        }
    }
}

impl From<String> for DataDirectory {
    fn from(text: String) -> Self {
        if text == "auto" {
            Self::Automatic
        } else {
            Self::At(text.into())
        }
    }
}

impl From<DataDirectory> for String {
    fn from(directory: DataDirectory) -> Self {
        match directory {
            DataDirectory::Automatic => "auto".to_owned(),
            DataDirectory::At(path) => path.display().to_string(),
        }
    }
}

impl Value for DataDirectory {
    const FORM: &'static str = "path or \"auto\"";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(&String::from(self.clone()))
    }

    fn fault(&self) -> Option<String> {
        match self {
            Self::At(path) if path.as_os_str().is_empty() => Some("an empty path".to_owned()),
            _ => None,
        }
    }
}

/// A path from the environment; the XDG base directory specification says to ignore a relative
/// one.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// A value that the broker may derive from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Automatic<T> {
    /// This one.
    Exactly(T),
    /// What suits the machine.
    Derived(AutomaticWord),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AutomaticWord {
    /// The only word there is.
    #[serde(rename = "auto")]
    Auto,
}

impl<T> Automatic<T> {
    /// The value is derived from the machine.
    pub(crate) const DERIVED: Self = Self::Derived(AutomaticWord::Auto);

    /// The configured value, if it is one.
    pub(crate) fn exactly(self) -> Option<T> {
        match self {
            Self::Exactly(value) => Some(value),
            Self::Derived(_) => None,
        }
    }
}

impl<T: PartialOrd> PartialOrd for Automatic<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Exactly(left), Self::Exactly(right)) => left.partial_cmp(right),
            _ => None,
        }
    }
}

impl Value for Automatic<u32> {
    const FORM: &'static str = "whole number or \"auto\"";
    const LITERAL: bool = false;

    fn toml(&self) -> String {
        self.exactly()
            .map_or_else(|| quoted("auto"), |count| count.toml())
    }

    fn within(&self, low: &Self, high: &Self) -> bool {
        *self == Self::DERIVED || (low..=high).contains(&self)
    }
}

impl Value for Automatic<ByteSize> {
    const FORM: &'static str = "size or \"auto\"";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        self.exactly()
            .map_or_else(|| quoted("auto"), |size| size.toml())
    }

    fn within(&self, low: &Self, high: &Self) -> bool {
        *self == Self::DERIVED || (low..=high).contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_the_word_auto() {
        type Count = Automatic<u32>;
        assert_eq!(
            serde_json::from_str::<Count>("7").unwrap(),
            Count::Exactly(7)
        );
        assert_eq!(
            serde_json::from_str::<Count>("\"auto\"").unwrap(),
            Count::DERIVED
        );
        assert!(serde_json::from_str::<Count>("\"many\"").is_err());
        let size = serde_json::from_str::<Automatic<ByteSize>>("\"1MiB\"").unwrap();
        assert_eq!(size, Automatic::Exactly(ByteSize::mib(1)));
    }

    #[test]
    fn bounds_hold_for_what_is_not_derived() {
        let within =
            |count: Automatic<u32>| count.within(&Automatic::Exactly(1), &Automatic::Exactly(9));
        assert!(within(Automatic::DERIVED) && within(Automatic::Exactly(9)));
        assert!(!within(Automatic::Exactly(0)) && !within(Automatic::Exactly(10)));
    }

    #[test]
    fn a_level_that_is_none_is_a_fault() {
        for good in ["info", "off", "warn,sabir_transport=debug"] {
            assert_eq!(LogLevel(good.to_owned()).fault(), None, "{good}");
        }
        assert!(LogLevel("sabir=loud".to_owned()).fault().is_some());
    }

    #[test]
    fn a_configured_data_directory_is_taken_as_it_is() {
        let directory = DataDirectory::from("relative/place".to_owned());
        assert_eq!(directory.path(), Some(PathBuf::from("relative/place")));
    }
}
