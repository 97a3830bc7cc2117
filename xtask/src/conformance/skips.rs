//! `skips.toml`: the cases of a suite that do not count, each with its reason.
//!
//! A skip is a statement about a broker or about the machine; a failure that no entry names fails the run, and so
//! does a case that the suite skipped itself without an entry.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// All entries of a suite.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skips {
    /// In the order of the file.
    #[serde(default, rename = "skip")]
    pub(super) entries: Vec<Skip>,
}

/// Cases that do not count.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    /// Name of the case, with `*` for any characters.
    pub(super) test: String,
    /// Why, for a reader who runs RabbitMQ today.
    pub(super) reason: String,
    /// Which broker it is about.
    #[serde(default)]
    pub(super) on: Subject,
    /// What the tool is told so that it does not start the case at all.
    pub(super) exclude: Option<String>,
}

/// What a skip is a statement about.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Subject {
    /// The suite or the machine, whatever the broker.
    #[default]
    Any,
    /// Sabir differs.
    Sabir,
    /// The reference broker differs from what its own client's suite expects.
    Reference,
}

impl Skips {
    /// Reads the entries that apply; a suite without the file has none.
    pub(super) fn read(folder: &Path, reference: bool) -> anyhow::Result<Self> {
        let mut skips = Self::read_all(folder)?;
        let other = if reference {
            Subject::Sabir
        } else {
            Subject::Reference
        };
        skips.entries.retain(|skip| skip.on != other);
        Ok(skips)
    }

    /// Reads all entries, whatever broker they are about.
    pub(super) fn read_all(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("skips.toml");
        if !path.is_file() {
            return Ok(Self::default());
        }
        toml::from_str(&fs::read_to_string(&path)?)
            .with_context(|| format!("in {}", path.display()))
    }

    /// The first entry that names the case.
    pub(super) fn matching(&self, name: &str) -> Option<&Skip> {
        self.entries.iter().find(|skip| matches(&skip.test, name))
    }

    /// What the tool is told not to start.
    pub(super) fn excluded(&self) -> Vec<&str> {
        self.entries
            .iter()
            .filter_map(|skip| skip.exclude.as_deref())
            .collect()
    }
}

/// True when `name` has the pieces of `pattern` between its `*` in their order, anchored at both ends.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(head) else {
        return false;
    };
    rest.char_indices()
        .map(|(index, _letter)| index)
        .chain([rest.len()])
        .any(|index| rest.get(index..).is_some_and(|end| matches(tail, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(matches("*::test_kqueue", "a.B::test_kqueue"));
        assert!(matches("a.*::b*", "a.x.y::bcd"));
        assert!(matches("*", ""));
        assert!(!matches("a.*::b", "a.x::bc"));
        assert!(!matches("abc", "abcd"));
    }

    #[test]
    fn entries_about_the_other_broker_do_not_apply() {
        let text = "[[skip]]\ntest='a'\nreason='r'\non='sabir'\n[[skip]]\ntest='b'\nreason='r'\non='reference'\n[[skip]]\ntest='c'\nreason='r'";
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("skips.toml"), text).expect("written");
        let ours = Skips::read(folder.path(), false).expect("entries");
        assert!(ours.matching("a").is_some() && ours.matching("c").is_some());
        assert!(ours.matching("b").is_none());
        let reference = Skips::read(folder.path(), true).expect("entries");
        assert!(reference.matching("a").is_none() && reference.matching("b").is_some());
    }
}
