//! Tasks of development: `cargo xtask test` runs every test, `cargo xtask tidy` checks the rules
//! of the design.
//!
//! Each task is a module. A task knows the repository's layout, never the broker's code.

mod bench;
mod cargo;
mod conformance;
mod docs;
mod process;
mod sim;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every test: format, lints, rules, unit and property tests, simulation, real clients
    Test(test::Options),
    /// Check the rules of the design
    Tidy,
    /// Run the simulation by seeds
    Sim(sim::Options),
    /// Compare with other brokers
    Bench(bench::Options),
    /// Run real clients against a broker
    Conformance(conformance::Options),
    /// Write the pages that are generated from definitions
    Docs,
}

fn main() -> ExitCode {
    let outcome = root().and_then(|root| run(Xtask::parse().task, &root));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a task; tells whether all that it checked was good.
fn run(task: Task, root: &Path) -> anyhow::Result<bool> {
    match task {
        Task::Test(options) => test::run(root, &options),
        Task::Tidy => tidy::run(root),
        Task::Sim(options) => sim::run(root, &options),
        Task::Bench(options) => bench::run(root, &options),
        Task::Conformance(options) => {
            let totals = conformance::run(root, &options)?;
            println!("{totals}");
            Ok(totals.failed == 0)
        }
        Task::Docs => docs::run(root),
    }
}

/// The root of the repository: the folder above this crate's.
fn root() -> anyhow::Result<PathBuf> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder
        .parent()
        .context("xtask has no parent folder")?;
    Ok(root.to_owned())
}
