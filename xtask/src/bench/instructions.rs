//! Counts of instructions of single steps: exact, so that a machine's mood does not matter.
//!
//! The steps are in `benches/instructions.rs` of the crates; `gungraun` runs them under valgrind. The counts are
//! compared with those that are kept in the repository, and a step that became more expensive is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use regex::Regex;

use crate::{cargo, process};

/// Packages with such a benchmark.
const PACKAGES: [&str; 2] = ["sabir-core", "sabir-amqp091"];
/// Where the counts are kept.
const COUNTS: &str = "docs/benchmarks/instructions.json";
/// Where the runner is installed; ignored by git.
const TOOLS: &str = ".work/bench/tools";
const INSTALL_LIMIT: Duration = Duration::from_secs(1800);
/// Part by which a count may grow.
const GROWTH_MAX: f64 = 0.03;

/// What to do with the counts.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Options {
    /// Keep the new counts instead of comparing them
    #[arg(long)]
    save: bool,
}

/// Instructions by the name of the step.
type Counts = BTreeMap<String, u64>;

/// Counts, prints and compares or keeps; tells whether no step became more expensive.
pub(super) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let runner = runner(root)?;
    let mut counts = Counts::new();
    for package in PACKAGES {
        counts.extend(count(root, &runner, package)?);
    }
    let path = root.join(COUNTS);
    let kept: Counts = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("reading {COUNTS}"))?,
        Err(_) => Counts::new(),
    };
    for (step, count) in &counts {
        println!("{step}: {}", compared(*count, kept.get(step).copied()));
    }
    if options.save {
        let mut text = serde_json::to_string_pretty(&counts)?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("writing {COUNTS}"))?;
        return Ok(true);
    }
    let grown = grown(&counts, &kept);
    for step in &grown {
        println!("{step} became more expensive");
    }
    Ok(grown.is_empty())
}

fn compared(count: u64, before: Option<u64>) -> String {
    match before {
        Some(before) if before > 0 => {
            let change = count as f64 / before as f64 - 1.0;
            format!("{count} instructions ({:+.1} %)", change * 100.0)
        }
        _ => format!("{count} instructions (new)"),
    }
}

/// The steps whose counts grew by more than they may.
fn grown<'a>(counts: &'a Counts, kept: &Counts) -> Vec<&'a str> {
    counts
        .iter()
        .filter(|(step, count)| {
            let before = kept.get(*step).copied();
            before.is_some_and(|before| **count as f64 > before as f64 * (1.0 + GROWTH_MAX))
        })
        .map(|(step, _)| step.as_str())
        .collect()
}

fn count(root: &Path, runner: &Path, package: &str) -> anyhow::Result<Counts> {
    let mut command = cargo::command(root);
    command
        .args(["bench", "--quiet", "--package", package])
        .args(["--bench", "instructions"])
        .env("GUNGRAUN_RUNNER", runner)
        .env("GUNGRAUN_COLOR", "never")
        .stderr(Stdio::inherit());
    let output = command.output().context("cargo bench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "the benchmarks of {package} failed:\n{text}"
    );
    let counts = parse(package, &text)?;
    ensure!(!counts.is_empty(), "{package} has counted nothing");
    Ok(counts)
}

/// A line with the path of a step is followed by what was counted; the path begins with the benchmark's file.
fn parse(package: &str, text: &str) -> anyhow::Result<Counts> {
    let step = Regex::new(r"^instructions::\w+::(\w+)(?: (\w+):.*)?$")?;
    let instructions = Regex::new(r"^\s+Instructions:\s+(\d+)\|")?;
    let mut name = None;
    let mut counts = Counts::new();
    for line in text.lines() {
        if let Some(found) = step.captures(line) {
            let function = found.get(1).map_or("", |part| part.as_str());
            let case = found.get(2).map_or("", |part| part.as_str());
            name = Some(format!("{package} {function} {case}").trim().to_owned());
        } else if let Some(found) = instructions.captures(line)
            && let Some(name) = name.take()
        {
            let count = found.get(1).context("a count")?.as_str().parse()?;
            counts.insert(name, count);
        }
    }
    Ok(counts)
}

/// The program that runs steps under valgrind, in the version of the library; installed when it is missing.
fn runner(root: &Path) -> anyhow::Result<PathBuf> {
    let valgrind = Command::new("valgrind").arg("--version").output();
    ensure!(
        valgrind.is_ok_and(|output| output.status.success()),
        "valgrind is missing: install the package of that name"
    );
    let version = library_version(&fs::read_to_string(root.join("Cargo.lock"))?)?;
    let tools = root.join(TOOLS).join(&version);
    let runner = tools.join("bin/gungraun-runner");
    if !runner.is_file() {
        fs::create_dir_all(&tools)?;
        let mut command = cargo::command(root);
        command
            .args(["install", "gungraun-runner", "--locked", "--version"])
            .arg(&version)
            .arg("--root")
            .arg(&tools);
        process::complete(&mut command, &tools.join("install.log"), INSTALL_LIMIT)?;
    }
    Ok(runner)
}

fn library_version(lock: &str) -> anyhow::Result<String> {
    let lock: toml::Table = toml::from_str(lock).context("in Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    packages
        .into_iter()
        .flatten()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some("gungraun"))
        .and_then(|package| package.get("version")?.as_str())
        .map(ToOwned::to_owned)
        .context("Cargo.lock has no gungraun")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
instructions::core::publish kib:Shard::with_publishes(1024)
  Instructions:                        1734|1700                 (+2.00000%) [+1.02000x]
  L1 Hits:                             2359|2359                 (No change)
instructions::core::seal
  Instructions:                         200|N/A                  (*********)
";

    #[test]
    fn counts_are_read_by_package_step_and_case() {
        let counts = parse("sabir-core", OUTPUT).expect("read");
        let expected = [
            ("sabir-core publish kib".to_owned(), 1734),
            ("sabir-core seal".to_owned(), 200),
        ];
        assert_eq!(counts, Counts::from(expected));
    }

    #[test]
    fn a_step_may_grow_a_little() {
        let kept = Counts::from([("a".to_owned(), 1000), ("b".to_owned(), 1000)]);
        let counts = Counts::from([
            ("a".to_owned(), 1030),
            ("b".to_owned(), 1031),
            ("new".to_owned(), 9),
        ]);
        assert_eq!(grown(&counts, &kept), ["b"]);
    }

    #[test]
    fn the_runner_has_the_version_of_the_library() {
        let lock = "[[package]]\nname = \"gungraun\"\nversion = \"0.20.0\"\n";
        assert_eq!(library_version(lock).ok().as_deref(), Some("0.20.0"));
        assert!(library_version("").is_err());
    }
}
