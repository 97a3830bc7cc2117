//! Writes the pages that are generated from definitions in the code.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::cargo;

/// The command line of the broker that prints a page, and where the page is kept.
const PAGES: [(&[&str], &str); 2] = [
    (&["config", "reference"], "docs/config.md"),
    (&["config", "reference", "--sample"], "packaging/sabir.toml"),
];

/// Writes every page that the definitions have changed.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    for (arguments, path) in PAGES {
        let output = cargo::command(root)
            .args([
                "run",
                "--quiet",
                "--package",
                "sabir",
                "--bin",
                "sabir",
                "--",
            ])
            .args(arguments)
            .output()
            .context("cargo run")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{path} cannot be generated: {errors}"
        );
        let path = root.join(path);
        if fs::read(&path).ok().as_deref() != Some(&output.stdout) {
            fs::write(&path, &output.stdout).with_context(|| path.display().to_string())?;
            println!("{} written", path.display());
        }
    }
    Ok(true)
}
