//! Many seeds: how many, and from which on, is read from the environment.

use std::panic::catch_unwind;

use sabir_sim::{Report, Setting, run};

/// Seeds of a usual test run.
const SEEDS: u64 = 200;

fn number(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(otherwise)
}

#[test]
fn nothing_breaks_that_must_not() {
    let first = number("SABIR_SIM_FIRST_SEED", 0);
    let seeds = first..first + number("SABIR_SIM_SEEDS", SEEDS);
    let verbose = std::env::var_os("SABIR_SIM_VERBOSE").is_some();
    let mut total = Report::default();
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        let Ok(report) = catch_unwind(|| run(&Setting::of(seed))) else {
            failed.push(seed);
            continue;
        };
        if verbose {
            println!("seed {seed}: {report:?}");
        }
        total.confirms += report.confirms;
        total.deliveries += report.deliveries;
        total.redeliveries += report.redeliveries;
        total.restarts += report.restarts;
    }
    println!("seeds {seeds:?}: {total:?}");
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3] {
        let setting = Setting::of(seed);
        assert_eq!(run(&setting), run(&setting));
    }
}
