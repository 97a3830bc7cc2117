//! The rules of the design that a program can check.
//!
//! - [`edges`]: which crate may depend on which.
//! - [`bans`]: words and calls that have no place in a part of the tree.
//! - [`shape`]: files that hold a map only, and files that have grown long.
//!
//! A rule stands here because it is an invariant, not a taste. Length is only reported.

mod bans;
mod edges;
mod shape;
mod source;

use std::path::Path;

use crate::cargo;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// File and line, or a crate.
    place: String,
    /// Which rule, and how it is broken.
    problem: String,
}

/// Checks every rule and prints what breaks one; tells whether nothing does.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let sources = source::read_all(root)?;
    let mut findings = edges::check(&cargo::metadata(root)?);
    findings.extend(bans::check(&sources));
    findings.extend(shape::check(&sources));
    findings.sort();
    for Finding { place, problem } in &findings {
        println!("{place}: {problem}");
    }
    for long in shape::long_files(&sources) {
        println!("note: {}: {}", long.place, long.problem);
    }
    println!("{} files, {} findings", sources.len(), findings.len());
    Ok(findings.is_empty())
}
