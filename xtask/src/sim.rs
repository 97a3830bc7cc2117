//! Runs the simulation.

use std::path::Path;

use crate::cargo;

/// How much to simulate.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many seeds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
}

/// Runs the simulation's tests, optimized, over the seeds. The tests read them from the
/// environment and print the seed that fails.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let mut command = cargo::command(root);
    command
        .args([
            "test",
            "--release",
            "--package",
            "sabir-sim",
            "--",
            "--nocapture",
        ])
        .env("SABIR_SIM_SEEDS", options.seeds.to_string())
        .env("SABIR_SIM_FIRST_SEED", options.first.to_string());
    cargo::succeeds(&mut command)
}
