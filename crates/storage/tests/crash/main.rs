//! Power cuts at every operation of a workload, with many choices of what the disk kept.
//!
//! The invariants: what was confirmed is there exactly once; what was not is there as a whole block
//! or not at all, and without a gap; nothing is invented; recovery can itself be interrupted
//! anywhere; nothing is confirmed after a failed write or sync; damage is reported, never served.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod client;

use client::{Model, Node};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use sabir_core::storage::StorageError;
use sabir_storage::disk::{Fault, SimDisk};
use sabir_storage::index::SimIndex;

const SEEDS_PER_CUT: u64 = 64;

/// A run of the workload up to its end or the first error.
struct Run {
    disk: SimDisk,
    index: SimIndex,
    model: Model,
    result: Result<(), StorageError>,
}

fn run(fault: Option<(u64, Fault)>) -> Run {
    let disk = SimDisk::new();
    if let Some((operation, fault)) = fault {
        disk.inject(operation, fault);
    }
    let index = SimIndex::new(&disk);
    let mut model = Model::default();
    let result = Node::start(&disk, &index).and_then(|mut node| workload(&mut node, &mut model));
    Run {
        disk,
        index,
        model,
        result,
    }
}

/// Small, large and multi-log blocks, several per sync, over a handful of files.
fn workload(node: &mut Node, model: &mut Model) -> Result<(), StorageError> {
    for step in 0..14_u64 {
        match step % 7 {
            0 => node.append(model, &[1, 2, 3], 100)?,
            1 => node.append(model, &[1], 5000)?,
            2 => node.append(model, &[2, 9], 1500)?,
            3 if step == 10 => node.append(model, &[4], 20_000)?,
            3 => node.append(model, &[4], 10)?,
            4 => node.append(model, &[1, 4], 4000)?,
            5 => node.append(model, &[7], 0)?,
            _ => node.append(model, &[2], 3000)?,
        }
        if step % 3 != 1 {
            node.sync(model)?;
        }
    }
    Ok(())
}

/// Restarts after a power cut and checks; for some seeds goes on and does so again.
fn restart_twice(cut: &Run, seed: u64) {
    let mut model = cut.model.clone();
    let disk = cut.disk.after_power_cut(seed);
    let index = cut.index.after_power_cut(&disk, seed);
    let mut node = Node::start(&disk, &index).unwrap();
    model.check(&node);
    if !seed.is_multiple_of(4) {
        return;
    }
    node.append(&mut model, &[1, 5], 3000).unwrap();
    node.sync(&mut model).unwrap();
    node.append(&mut model, &[1], 300).unwrap();
    let seed = seed.wrapping_mul(31);
    let disk = disk.after_power_cut(seed);
    let index = index.after_power_cut(&disk, seed);
    model.check(&Node::start(&disk, &index).unwrap());
}

fn every_cut(part: u64, parts: u64) {
    let operations = run(None).disk.operations();
    assert!(operations > 100, "{operations}");
    for operation in (part..operations).step_by(usize::try_from(parts).unwrap()) {
        let cut = run(Some((operation, Fault::PowerOff)));
        assert!(cut.result.is_err());
        for seed in 0..SEEDS_PER_CUT {
            restart_twice(&cut, operation * SEEDS_PER_CUT + seed);
        }
    }
}

#[test]
fn every_power_cut_is_survived_even_operations() {
    every_cut(0, 2);
}

#[test]
fn every_power_cut_is_survived_odd_operations() {
    every_cut(1, 2);
}

#[test]
fn recovery_can_be_interrupted_anywhere() {
    let operations = run(None).disk.operations();
    for operation in (0..operations).step_by(5) {
        let cut = run(Some((operation, Fault::PowerOff)));
        let disk = cut.disk.after_power_cut(operation);
        let index = cut.index.after_power_cut(&disk, operation);
        let clean = disk.fork();
        Node::start(&clean, &index.after_power_cut(&clean, 0)).unwrap();
        for inner in 0..clean.operations() {
            let interrupted = disk.fork();
            interrupted.inject(inner, Fault::PowerOff);
            let beside = index.after_power_cut(&interrupted, 0);
            assert!(Node::start(&interrupted, &beside).is_err());
            for seed in 0..2 {
                let again = interrupted.after_power_cut(seed);
                let beside = beside.after_power_cut(&again, seed);
                cut.model
                    .clone()
                    .check(&Node::start(&again, &beside).unwrap());
            }
        }
    }
}

#[test]
fn a_dying_process_loses_nothing_that_reached_the_disk() {
    let whole = run(None);
    let disk = whole.disk.after_process_crash();
    let index = whole.index.after_power_cut(&disk, 0);
    let mut model = whole.model.clone();
    model.check(&Node::start(&disk, &index).unwrap());
    assert_eq!(model.appended.len(), whole.model.appended.len());
}

#[test]
fn nothing_is_confirmed_after_a_failure() {
    let operations = run(None).disk.operations();
    for operation in 0..operations {
        let failed = run(Some((operation, Fault::InputOutput)));
        let Err(first) = &failed.result else {
            panic!("operation {operation} cannot fail")
        };
        assert!(!matches!(first, StorageError::Poisoned { .. }));
        for seed in 0..4 {
            let disk = failed.disk.after_power_cut(seed);
            let index = failed.index.after_power_cut(&disk, seed);
            failed
                .model
                .clone()
                .check(&Node::start(&disk, &index).unwrap());
            let disk = failed.disk.after_process_crash();
            let index = failed.index.after_power_cut(&disk, seed);
            let restarted = Node::start(&disk, &index).unwrap();
            failed.model.clone().check(&restarted);
            drop(restarted);
            let disk = disk.after_power_cut(seed);
            let index = index.after_power_cut(&disk, seed);
            failed
                .model
                .clone()
                .check(&Node::start(&disk, &index).unwrap());
        }
    }
}

/// One step of a random workload.
#[derive(Clone, Debug)]
enum Step {
    Append { logs: Vec<u64>, size: usize },
    Sync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![4 => 0..500_usize, 3 => 500..9_000_usize, 1 => 9_000..40_000_usize];
    let append = (btree_set(0..5_u64, 1..4), size).prop_map(|(logs, size)| Step::Append {
        logs: logs.into_iter().collect(),
        size,
    });
    vec(prop_oneof![2 => append, 1 => Just(Step::Sync)], 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_workloads_survive_power_cuts(
        lives in vec((steps(), any::<u64>(), any::<u64>()), 1..4),
    ) {
        let mut disk = SimDisk::new();
        let mut index = SimIndex::new(&disk);
        let mut model = Model::default();
        for (steps, operation, seed) in lives {
            disk.inject(operation % (steps.len() as u64 * 8), Fault::PowerOff);
            let life = Node::start(&disk, &index).and_then(|mut node| {
                model.check(&node);
                steps.iter().try_for_each(|step| match step {
                    Step::Append { logs, size } => node.append(&mut model, logs, *size),
                    Step::Sync => node.sync(&mut model),
                })
            });
            drop(life);
            disk = disk.after_power_cut(seed);
            index = index.after_power_cut(&disk, seed);
        }
        model.check(&Node::start(&disk, &index).unwrap());
    }
}
