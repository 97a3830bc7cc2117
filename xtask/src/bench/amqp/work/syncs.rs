//! How often a broker syncs, counted by `strace`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::pipeline::{self, Flow, Shape};
use super::{Measured, Tools};
use crate::bench::amqp::broker::Broker;
use crate::bench::{metric, usage};
use crate::process::Group;

/// Counts the syncs of a pipeline after a warm-up.
pub(super) fn run(broker: &mut Broker, tools: &Tools, shape: Shape) -> anyhow::Result<Measured> {
    broker.start()?;
    pipeline::warm_up(broker, tools, shape)?;
    let report = broker.home().join("syncs.txt");
    let messages = tools.sizes.messages;
    let mut tracer = trace(broker, &report)?;
    let flow = Flow {
        queue: "syncs",
        messages,
        rate: None,
    };
    let output = pipeline::load(broker, tools, shape, flow);
    tracer.stop();
    output?;
    let text = fs::read_to_string(&report).context("strace wrote no report")?;
    let mut measured = Measured::default();
    let per_1000 = calls(&text) as f64 * 1000.0 / messages.max(1) as f64;
    measured.set(metric::SYNCS, per_1000);
    Ok(measured)
}

fn trace(broker: &Broker, report: &Path) -> anyhow::Result<Group> {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-c", "-e", "trace=fsync,fdatasync,sync,syncfs", "-o"])
        .arg(report);
    for process in usage::tree(broker.process()?) {
        command.args(["-p", &process.to_string()]);
    }
    Group::start(&mut command, &broker.home().join("strace.log"))
}

/// The calls of all lines of `strace -c`: share, seconds, time per call, calls, errors if any, name.
fn calls(report: &str) -> u64 {
    const CALLS: usize = 3;
    report
        .lines()
        .filter(|line| line.trim_end().ends_with("sync") || line.trim_end().ends_with("syncfs"))
        .filter_map(|line| line.split_whitespace().nth(CALLS)?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_added_without_the_total() {
        let report = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 90.00    0.008163         136        60           fdatasync
 10.00    0.000163         136         3         1 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.008163         136        63         1 total
";
        assert_eq!(calls(report), 63);
    }
}
