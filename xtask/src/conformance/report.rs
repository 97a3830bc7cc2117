//! Results of a suite, read from the format that its tool writes into one list of cases.

mod cargo_test;
mod go_test;
mod junit;

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::manifest::Format;

/// One test case and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// Name within the suite: `class::name` for JUnit, the tool's own otherwise.
    pub(super) name: String,
    /// How it ended.
    pub(super) outcome: Outcome,
}

/// How a case ended, with the tool's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It passed.
    Passed,
    /// It failed or had an error.
    Failed(String),
    /// The suite itself did not run it.
    Skipped(String),
}

/// Reads all cases; `results` is a file or a folder of files, `output` what the tool printed.
pub(super) fn read(format: Format, results: &Path, output: &Path) -> anyhow::Result<Vec<Case>> {
    match format {
        Format::Junit => read_junit(results),
        Format::GoTest => go_test::parse(&text_of(output)?),
        Format::CargoTest => Ok(cargo_test::parse(&text_of(output)?)),
    }
}

fn read_junit(results: &Path) -> anyhow::Result<Vec<Case>> {
    if results.is_file() {
        return junit::parse(&text_of(results)?);
    }
    let mut cases = Vec::new();
    let mut files = fs::read_dir(results)
        .with_context(|| format!("no report at {}", results.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    for file in files {
        if file.extension().is_some_and(|extension| extension == "xml") {
            cases.extend(junit::parse(&text_of(&file)?)?);
        }
    }
    Ok(cases)
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
