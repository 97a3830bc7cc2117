//! One definition per key: from it come the type, the default, the bounds, the check and the
//! reference that people read.
//!
//! It knows no section; each section's file uses [`section!`](crate::config::section).

use std::path::PathBuf;

use super::units::{ByteSize, TimeSpan};

/// A part of the configuration: a value, or a section that holds further parts.
pub(crate) trait Setting {
    /// Adds itself, with its present value, to the reference.
    fn describe(&self, place: &Place<'_>, reference: &mut Reference);

    /// Adds what is wrong with its value, if anything.
    fn check(&self, place: &Place<'_>, faults: &mut Vec<Fault>);
}

/// A single value: how it is written and within which bounds it is accepted.
pub(crate) trait Value {
    /// What a reader may write there, in words.
    const FORM: &'static str;

    /// Whether an environment variable or a flag is taken literally rather than read as TOML.
    const LITERAL: bool;

    /// The value as TOML.
    fn toml(&self) -> String;

    /// Whether the value is accepted between these bounds.
    fn within(&self, low: &Self, high: &Self) -> bool
    where
        Self: PartialOrd,
    {
        (low..=high).contains(&self)
    }

    /// What is wrong with the value in itself, apart from the bounds of its key.
    fn fault(&self) -> Option<String> {
        None
    }
}

/// Where a setting stands, and what its definition says about it.
pub(crate) struct Place<'definition> {
    /// Dotted path, empty for the whole configuration.
    pub(crate) path: String,
    /// The documentation of the definition.
    pub(crate) documentation: &'definition str,
    /// The accepted range, as TOML values.
    pub(crate) bounds: Option<(String, String)>,
}

impl Place<'_> {
    /// The root of the configuration.
    pub(crate) fn root() -> Self {
        Self {
            path: String::new(),
            documentation: "",
            bounds: None,
        }
    }

    /// The path of a part of this place.
    pub(crate) fn join(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

/// A value that the broker refuses to start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The key at fault.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// All sections and keys, in the order of their definitions.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    /// The sections; the root has none.
    pub(crate) sections: Vec<SectionEntry>,
    /// The keys of all sections.
    pub(crate) keys: Vec<KeyEntry>,
}

/// A section in the reference.
#[derive(Debug)]
pub(crate) struct SectionEntry {
    /// Dotted path.
    pub(crate) path: String,
    /// What the section is about.
    pub(crate) documentation: String,
}

/// A key in the reference.
#[derive(Debug)]
pub(crate) struct KeyEntry {
    /// Dotted path; a part in angle brackets stands for a name that the user chooses.
    pub(crate) path: String,
    /// What the key does.
    pub(crate) documentation: String,
    /// What may be written there.
    pub(crate) form: &'static str,
    /// Whether the environment and flags give it literally.
    pub(crate) literal: bool,
    /// The value it was described with, as TOML.
    pub(crate) value: String,
    /// The accepted range, as TOML values.
    pub(crate) bounds: Option<(String, String)>,
}

impl KeyEntry {
    /// The path of the section that holds the key, and the key's own name.
    pub(crate) fn section_and_name(&self) -> (&str, &str) {
        self.path.rsplit_once('.').unwrap_or(("", &self.path))
    }

    /// The environment variable that sets the key.
    pub(crate) fn variable(&self) -> String {
        format!("SABIR_{}", self.path.replace('.', "__").to_uppercase())
    }

    /// Whether this entry describes the key at `path`.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut own = self.path.split('.');
        let mut given = path.split('.');
        loop {
            match (own.next(), given.next()) {
                (None, None) => return true,
                (Some(own), Some(given)) if own == given || own.starts_with('<') => {}
                _ => return false,
            }
        }
    }
}

impl Reference {
    /// The entry that describes the key at `path`.
    pub(crate) fn key(&self, path: &str) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.matches(path))
    }

    /// The keys directly in the section at `path`.
    pub(crate) fn keys_of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a KeyEntry> {
        self.keys
            .iter()
            .filter(move |key| key.section_and_name().0 == path)
    }
}

impl<V: Value> Setting for V {
    fn describe(&self, place: &Place<'_>, reference: &mut Reference) {
        reference.keys.push(KeyEntry {
            path: place.path.clone(),
            documentation: tidy(place.documentation),
            form: V::FORM,
            literal: V::LITERAL,
            value: self.toml(),
            bounds: place.bounds.clone(),
        });
    }

    fn check(&self, place: &Place<'_>, faults: &mut Vec<Fault>) {
        faults.extend(self.fault().map(|reason| Fault {
            path: place.path.clone(),
            reason,
        }));
    }
}

/// Documentation as written in a definition, without the blank that follows each `///`.
pub(crate) fn tidy(documentation: &str) -> String {
    let lines: Vec<&str> = documentation.lines().map(str::trim).collect();
    lines.join("\n").trim().to_owned()
}

/// Defines a section: a struct whose every key has documentation, a default and, with `in`,
/// bounds.
macro_rules! section {
    (
        $(#[doc = $section_documentation:literal])+
        $name:ident {
            $(
                $(#[doc = $documentation:literal])+
                $key:ident: $kind:ty = $default:expr $(, in $low:expr => $high:expr)?;
            )*
        }
    ) => {
        $(#[doc = $section_documentation])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $name {
            $(
                $(#[doc = $documentation])+
                pub(crate) $key: $kind,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::config::section::Setting for $name {
            fn describe(
                &self,
                place: &$crate::config::section::Place<'_>,
                reference: &mut $crate::config::section::Reference,
            ) {
                use $crate::config::section::{Place, SectionEntry, tidy};
                if !place.path.is_empty() {
                    reference.sections.push(SectionEntry {
                        path: place.path.clone(),
                        documentation: tidy(concat!($($section_documentation, "\n"),+)),
                    });
                }
                $(
                    let bounds = $crate::config::section::bounds!($($low, $high)?);
                    self.$key.describe(
                        &Place {
                            path: place.join(stringify!($key)),
                            documentation: concat!($($documentation, "\n"),+),
                            bounds,
                        },
                        reference,
                    );
                )*
            }

            fn check(
                &self,
                place: &$crate::config::section::Place<'_>,
                faults: &mut Vec<$crate::config::section::Fault>,
            ) {
                use $crate::config::section::Place;
                $(
                    let key = Place {
                        path: place.join(stringify!($key)),
                        documentation: "",
                        bounds: None,
                    };
                    $($crate::config::section::within(&key, &self.$key, &$low, &$high, faults);)?
                    self.$key.check(&key, faults);
                )*
            }
        }
    };
}

/// The bounds of a key as TOML values, where its definition has any.
macro_rules! bounds {
    () => {
        None
    };
    ($low:expr, $high:expr) => {{
        use $crate::config::section::Value;
        Some(($low.toml(), $high.toml()))
    }};
}

pub(crate) use {bounds, section};

/// Adds a fault when a value is outside its bounds.
pub(crate) fn within<V: Value + PartialOrd>(
    place: &Place<'_>,
    value: &V,
    low: &V,
    high: &V,
    faults: &mut Vec<Fault>,
) {
    if !value.within(low, high) {
        let (value, low, high) = (value.toml(), low.toml(), high.toml());
        faults.push(Fault {
            path: place.path.clone(),
            reason: format!("{value} is outside {low} to {high}"),
        });
    }
}

/// A text as a TOML string. A JSON string is one: TOML took over its escapes.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Value for bool {
    const FORM: &'static str = "true or false";
    const LITERAL: bool = false;

    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Value for u32 {
    const FORM: &'static str = "whole number";
    const LITERAL: bool = false;

    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Value for f64 {
    const FORM: &'static str = "number";
    const LITERAL: bool = false;

    fn toml(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for String {
    const FORM: &'static str = "text";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(self)
    }
}

impl Value for PathBuf {
    const FORM: &'static str = "path";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(&self.display().to_string())
    }
}

impl Value for Vec<String> {
    const FORM: &'static str = "list of texts";
    const LITERAL: bool = false;

    fn toml(&self) -> String {
        let texts: Vec<String> = self.iter().map(|text| quoted(text)).collect();
        format!("[{}]", texts.join(", "))
    }
}

impl Value for ByteSize {
    const FORM: &'static str = "size";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Value for TimeSpan {
    const FORM: &'static str = "duration";
    const LITERAL: bool = true;

    fn toml(&self) -> String {
        quoted(&self.to_string())
    }
}
