//! Every test of the project, counted.
//!
//! The order is the gate's: what is cheap and fails often comes first. A part that fails does not
//! keep the others from running, so that one run tells all that is wrong.

mod count;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cargo, conformance, tidy};
use count::Tally;

/// Which parts to run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Options {
    /// Leave out the real clients
    #[arg(long)]
    no_conformance: bool,
    /// Run only these suites of real clients
    #[arg(long, value_name = "SUITE,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Run every suite of real clients, the long ones too
    #[arg(long, conflicts_with = "only")]
    every_suite: bool,
}

/// The suites of real clients that hold every change; `--every-suite` runs the others too.
const GATE: [&str; 11] = [
    "snippet",
    "tutorials",
    "amqplib",
    "pika",
    "celery",
    "kombu",
    "lapin",
    "spring-amqp",
    "amqp091-go",
    "java-client",
    "kill9",
];

impl Options {
    fn suites(&self) -> Vec<String> {
        if self.every_suite {
            return Vec::new();
        }
        if self.only.is_empty() {
            return GATE.map(str::to_owned).to_vec();
        }
        self.only.clone()
    }
}

/// Runs every part, prints the counts of each and their sum as the last line.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let mut total = Tally::default();
    for (name, arguments) in [
        ("format", ["fmt", "--all", "--check"].as_slice()),
        ("lints", &CLIPPY),
    ] {
        heading(name);
        let good = cargo::succeeds(cargo::command(root).args(arguments))?;
        total += report(name, Tally::one(good));
    }
    heading("rules of the design");
    total += report("rules of the design", Tally::one(tidy::run(root)?));
    heading("unit, property and simulation tests");
    total += workspace_tests(root)?;
    if !options.no_conformance {
        total += real_clients(root, options)?;
    }
    println!("\n{total}");
    Ok(total.failed == 0)
}

const CLIPPY: [&str; 6] = [
    "clippy",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];

fn workspace_tests(root: &Path) -> anyhow::Result<Tally> {
    let mut command = cargo::command(root);
    command.args(["test", "--workspace", "--no-fail-fast"]);
    let suites = count::run(&mut command)?;
    println!();
    Ok(suites
        .into_iter()
        .filter(|(_, tally)| *tally != Tally::default())
        .fold(Tally::default(), |mut total, (name, tally)| {
            total += report(&name, tally);
            total
        }))
}

fn real_clients(root: &Path, options: &Options) -> anyhow::Result<Tally> {
    heading("real clients");
    let Some(binary) = build_broker(root)? else {
        return Ok(report("build of the broker", Tally::one(false)));
    };
    let totals = conformance::run(
        root,
        &conformance::Options {
            binary: Some(binary),
            only: options.suites(),
            every: options.every_suite,
            ..conformance::Options::default()
        },
    )?;
    let tally = Tally {
        passed: totals.passed,
        failed: totals.failed,
        ignored: totals.skipped,
    };
    Ok(report("real clients", tally))
}

/// Builds the broker with what the tests have built already; `None` when it does not build.
fn build_broker(root: &Path) -> anyhow::Result<Option<PathBuf>> {
    let mut command: Command = cargo::command(root);
    command.args(["build", "--package", "sabir", "--bin", "sabir"]);
    let good = cargo::succeeds(&mut command)?;
    let directory = cargo::metadata(root)?.target_directory;
    Ok(good.then(|| directory.join("debug/sabir")))
}

fn heading(text: &str) {
    println!("\n== {text}");
}

fn report(name: &str, tally: Tally) -> Tally {
    println!("{name}: {tally}");
    tally
}
