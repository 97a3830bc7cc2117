//! Real clients against a broker, talking to it only through sockets.
//!
//! Every folder of `conformance/` with a `suite.toml` is a suite: the client, pinned, the command that runs its
//! tests and where their report lands. This module installs what a suite needs into `conformance/.cache`, gives it a
//! fresh `sabir serve` (or the broker at `--url`), runs it within its time and counts. It knows no protocol and no
//! test by name; what is known to differ is in each suite's `skips.toml`.

mod broker;
mod documentation;
mod manifest;
mod relay;
mod report;
mod retry;
mod skips;
mod source;
mod suite;
mod toolchain;
mod verdict;

use std::fmt;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use self::broker::Target;
use self::manifest::Manifest;
use crate::process;

/// What to run, and against which broker.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct Options {
    /// AMQP URL of a broker that already runs; without it every suite gets a fresh `sabir serve`.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// AMQP URL for TLS of that broker.
    #[arg(long, value_name = "URL", requires = "url")]
    pub tls_url: Option<String>,
    /// The `sabir` binary to serve with; without it the one of the release or the debug build.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// Run only these suites.
    #[arg(long, value_name = "SUITE,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Run every suite, also those that otherwise run only when they are named.
    #[arg(long, conflicts_with = "only")]
    pub every: bool,
    /// Install and build what the suites need, then stop.
    #[arg(long)]
    pub prepare: bool,
    /// Write the tables of suites and skips into `docs/compatibility/amqp091.md`, then stop.
    #[arg(long)]
    pub document: bool,
}

/// Counts of test cases, of one suite or of many.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, and suites that could not run.
    pub failed: usize,
    /// Cases that did not count, each with a reason in `skips.toml`.
    pub skipped: usize,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Runs the suites that `options` selects and prints one line of counts for each.
///
/// # Errors
/// When the selection names no suite or a manifest cannot be read. A suite that fails is counted, not returned.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<Totals> {
    let folder = root.join("conformance");
    let manifests = select(Manifest::read_all(&folder)?, options)?;
    if options.document {
        documentation::write(root, &Manifest::read_all(&folder)?)?;
        return Ok(Totals::default());
    }
    process::stop_all_when_interrupted()?;
    let target = Target::from_options(root, options)?;
    let mut totals = Totals::default();
    for manifest in &manifests {
        totals += if options.prepare {
            prepare(&folder, manifest)
        } else {
            run_one(&folder, manifest, &target)
        };
    }
    Ok(totals)
}

fn select(manifests: Vec<Manifest>, options: &Options) -> anyhow::Result<Vec<Manifest>> {
    let only = &options.only;
    for name in only {
        let known = manifests.iter().any(|manifest| &manifest.name == name);
        ensure!(known, "no suite `{name}` in conformance/");
    }
    Ok(manifests
        .into_iter()
        .filter(|manifest| {
            only.contains(&manifest.name)
                || only.is_empty() && (options.every || !manifest.by_name_only)
        })
        .collect())
}

fn prepare(folder: &Path, manifest: &Manifest) -> Totals {
    let prepared = suite::prepare(folder, manifest).map(|_workspace| Totals::default());
    printed(&manifest.name, prepared)
}

fn run_one(folder: &Path, manifest: &Manifest, target: &Target) -> Totals {
    let outcome = suite::run(folder, manifest, target)
        .with_context(|| format!("suite {} did not run", manifest.name));
    printed(&manifest.name, outcome)
}

fn printed(name: &str, outcome: anyhow::Result<Totals>) -> Totals {
    let totals = outcome.unwrap_or_else(|error| {
        println!("{name}: {error:#}");
        Totals {
            failed: 1,
            ..Totals::default()
        }
    });
    println!("{name}: {totals}");
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_field_by_field() {
        let mut totals = Totals {
            passed: 1,
            failed: 2,
            skipped: 3,
        };
        totals += Totals {
            passed: 10,
            failed: 20,
            skipped: 30,
        };
        assert_eq!(totals.to_string(), "11 passed, 22 failed, 33 skipped");
    }

    #[test]
    fn an_unknown_suite_is_refused_by_name() {
        let options = Options {
            only: vec!["nonesuch".to_owned()],
            ..Options::default()
        };
        let refused = select(Vec::new(), &options);
        assert!(refused.is_err_and(|error| error.to_string().contains("nonesuch")));
    }

    #[test]
    fn a_suite_that_runs_by_name_only_runs_when_all_are_asked_for() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance");
        let runs = |options: &Options| {
            let manifests = Manifest::read_all(&folder).expect("manifests of the tree");
            let selected = select(manifests, options).expect("a selection");
            selected.iter().any(|manifest| manifest.name == "aio-pika")
        };
        assert!(!runs(&Options::default()));
        assert!(runs(&Options {
            every: true,
            ..Options::default()
        }));
    }
}
