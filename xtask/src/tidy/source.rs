//! The Rust files of the repository, read once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders that hold the project's Rust code.
const FOLDERS: [&str; 8] = [
    "crates",
    "protocols",
    "bridges",
    "server",
    "sim",
    "xtask",
    "fuzz",
    "conformance",
];

/// Folders inside them that hold what tools have put there.
const SKIPPED: [&str; 4] = ["target", ".cache", "node_modules", "corpus"];

/// A file with its text.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the root, with forward slashes.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
}

impl Source {
    /// Lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The lines before the inline tests.
    pub(super) fn lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines()
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    /// Whether the whole file is tests or a benchmark.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/benches/")
    }
}

/// All Rust files, by path.
pub(super) fn read_all(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut open: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                if !SKIPPED.iter().any(|skipped| name == *skipped) {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(read(root, &path)?);
            }
        }
    }
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(sources)
}

fn read(root: &Path, path: &Path) -> anyhow::Result<Source> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let relative = path.strip_prefix(root).unwrap_or(path);
    Ok(Source {
        path: relative.to_string_lossy().replace('\\', "/"),
        text,
    })
}
