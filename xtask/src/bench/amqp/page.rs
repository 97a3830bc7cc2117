//! The page of results, with its charts, written from the raw numbers.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::scenario::{Bound, Goal, SCENARIOS, Scenario};
use crate::bench::machine::Environment;
use crate::bench::metric::{self, METRICS, Metric};
use crate::bench::plot::{Chart, Group, number};
use crate::bench::result::{Comparison, Phase, Summary};

/// A chart of the page: its file, its quantity, and whether it is taken at the fixed rate.
const CHARTS: [(&str, &str, bool); 4] = [
    ("throughput", metric::THROUGHPUT, false),
    ("processor", metric::PROCESSOR, false),
    ("latency", metric::CONFIRM_P99, true),
    ("memory", metric::PEAK_RSS, false),
];

/// Writes `amqp.md` and its charts into `folder`.
pub(super) fn write(folder: &Path, comparisons: &[Comparison]) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, key, at_rate) in CHARTS {
        let path = folder.join(format!("amqp-{name}.svg"));
        let svg = chart(comparisons, key, at_rate);
        fs::write(&path, svg).with_context(|| format!("writing {}", path.display()))?;
    }
    let path = folder.join("amqp.md");
    let text = page(comparisons)?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// A group for each comparison on a quiet machine that has the quantity for both brokers.
fn chart(comparisons: &[Comparison], key: &str, at_rate: bool) -> String {
    let metric = metric::of_key(key);
    let groups: Vec<Group> = in_order(comparisons)
        .filter(|(_, comparison)| !comparison.noise_accepted)
        .filter_map(|(scenario, comparison)| {
            let mut phases = comparison.phases.iter();
            let phase = phases.find(|phase| phase.rate.is_some() == at_rate)?;
            let summary = phase.summary(key)?;
            Some(Group {
                label: format!("{}{}", scenario.title, variant(comparison)),
                ours: summary.ours,
                peer: summary.peer?,
            })
        })
        .collect();
    Chart {
        title: metric.map_or(key, |metric| metric.label),
        unit: metric.map_or("", |metric| metric.unit),
        peer: "RabbitMQ",
        groups: &groups,
    }
    .svg()
}

fn variant(comparison: &Comparison) -> String {
    match comparison.peer_configuration.as_str() {
        "default" => String::new(),
        other => format!(" ({other})"),
    }
}

/// The comparisons of known scenarios in the order of the scenarios.
fn in_order(comparisons: &[Comparison]) -> impl Iterator<Item = (&'static Scenario, &Comparison)> {
    SCENARIOS.iter().flat_map(move |scenario| {
        comparisons
            .iter()
            .filter(|comparison| comparison.scenario == scenario.id)
            .map(move |comparison| (scenario, comparison))
    })
}

const INTRODUCTION: &str = "\
# AMQP 0-9-1: Sabir and RabbitMQ

Written by `cargo xtask bench amqp` from the raw numbers in [`amqp/`](amqp/); nobody edits it. The same command measures
again on another machine.

## How it is measured

- The load is RabbitMQ's own PerfTest, unchanged, with the same arguments for both brokers. What it cannot do (time a
  start, declare very many queues, hold very many connections) a small client does, the same for both.
- Both brokers run on the same machine as the load, in turn, each run with a fresh process and empty folders on the same
  file system, and after a warm-up that is not measured. Pairs of runs follow in the order ABBA.
- The same durability: quorum queues against Sabir's default `fsync`, where a confirm means that the disk has the
  message; classic queues against `storage.durability = \"os\"`, where it means that the operating system has it.
- RabbitMQ runs without plugins, as its package configures it (*default*); *tuned* is with
  `credit_flow_default_credit = {5000, 2500}`.
- CPU is user and system time of all processes of the broker, memory their resident set, bytes written what they handed
  to the disk's queue (`/proc`).
- Latencies count at the fixed rate: half of what the slower of the two can do.
- A run is void unless every message was confirmed and, where there is a consumer, consumed. A pair is discarded when one
  of its runs is void, when the disk's sync time changed more than twofold around it, or when others used more than a
  tenth of the machine meanwhile. Discarded pairs are counted below each table and are in the raw numbers.
- *ratio* is Sabir divided by RabbitMQ: the median over the pairs, then the pair that is worst for Sabir.
";

fn page(comparisons: &[Comparison]) -> anyhow::Result<String> {
    let mut text = INTRODUCTION.to_owned();
    environments(&mut text, comparisons)?;
    writeln!(text, "\n## Overview\n")?;
    for (name, key, at_rate) in CHARTS {
        let label = metric::of_key(key).map_or(key, |metric| metric.label);
        let when = if at_rate { " at the fixed rate" } else { "" };
        writeln!(text, "![{label}{when}](amqp-{name}.svg)\n")?;
    }
    let mut last = None;
    for (scenario, comparison) in in_order(comparisons) {
        if last.replace(scenario.id) != Some(scenario.id) {
            writeln!(text, "## {}\n\n{}\n", scenario.title, scenario.text)?;
        }
        section(&mut text, scenario, comparison)?;
    }
    let trimmed = text.trim_end().len();
    text.truncate(trimmed);
    text.push('\n');
    Ok(text)
}

/// What each scenario was measured on, those on the same together.
fn environments(text: &mut String, comparisons: &[Comparison]) -> anyhow::Result<()> {
    let mut seen: Vec<(&Environment, Vec<String>)> = Vec::new();
    for (scenario, comparison) in in_order(comparisons) {
        let name = format!("{}{}", scenario.id, variant(comparison));
        match seen
            .iter_mut()
            .find(|(known, _)| *known == &comparison.environment)
        {
            Some((_, names)) => names.push(name),
            None => seen.push((&comparison.environment, vec![name])),
        }
    }
    writeln!(text, "\n## What it was measured on\n")?;
    writeln!(
        text,
        "| scenarios | date | commit | versions | machine | placement |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|")?;
    for (on, names) in seen {
        writeln!(
            text,
            "| {} | {} | `{}` | {}; {}; {} | {}, {}, Linux {}, {} | {} |",
            names.join(", "),
            on.date,
            on.commit,
            on.sabir,
            on.peer,
            on.load,
            on.processors,
            on.memory,
            on.kernel,
            on.filesystem,
            on.placement
        )?;
    }
    Ok(())
}

const NOISY: &str =
    "Measured on a machine that others used, with disturbed pairs kept: a trial, not a result.";

fn section(text: &mut String, scenario: &Scenario, comparison: &Comparison) -> anyhow::Result<()> {
    let Comparison {
        peer_configuration,
        sizes,
        ..
    } = comparison;
    match comparison.is_paired() {
        true => writeln!(text, "RabbitMQ *{peer_configuration}*; {sizes}.\n")?,
        false => writeln!(text, "{sizes}.\n")?,
    }
    if comparison.noise_accepted {
        writeln!(text, "**{NOISY}**\n")?;
    }
    for phase in &comparison.phases {
        if let Some(rate) = phase.rate {
            writeln!(text, "At {} messages per second:\n", number(rate as f64))?;
        }
        table(text, scenario, phase)?;
        footnote(text, phase)?;
    }
    Ok(())
}

fn table(text: &mut String, scenario: &Scenario, phase: &Phase) -> anyhow::Result<()> {
    let goal_of = |metric: &Metric| {
        let mut goals = scenario.goals.iter();
        goals.find(|goal| goal.key == metric.key && goal.at_rate == phase.rate.is_some())
    };
    let paired = phase.is_paired();
    if paired {
        writeln!(text, "| | Sabir | RabbitMQ | ratio | aim |")?;
        writeln!(text, "|---|--:|--:|--:|---|")?;
    } else {
        writeln!(text, "| | Sabir | aim |\n|---|--:|---|")?;
    }
    for metric in METRICS {
        let Some(summary) = phase.summary(metric.key) else {
            continue;
        };
        let label = match metric.unit {
            "" => metric.label.to_owned(),
            unit => format!("{}, {unit}", metric.label),
        };
        let aim = goal_of(metric).map_or_else(String::new, |goal| aim(goal, &summary));
        let ours = number(summary.ours);
        if paired {
            let peer = summary.peer.map_or_else(String::new, number);
            let ratio = ratio(&summary);
            writeln!(text, "| {label} | {ours} | {peer} | {ratio} | {aim} |")?;
        } else {
            writeln!(text, "| {label} | {ours} | {aim} |")?;
        }
    }
    writeln!(text)?;
    Ok(())
}

fn ratio(summary: &Summary) -> String {
    match summary.ratio {
        Some((median, worst)) => format!("{median:.3} ({worst:.3})"),
        None => String::new(),
    }
}

/// The bound, and whether the median reaches it.
fn aim(goal: &Goal, summary: &Summary) -> String {
    let median = summary.ratio.map(|(median, _)| median);
    let (bound, reached) = match goal.bound {
        Bound::RatioAtLeast(least) => (
            format!("≥ {least} × RabbitMQ"),
            median.is_some_and(|median| median >= least),
        ),
        Bound::RatioAtMost(most) => (
            format!("≤ {most} × RabbitMQ"),
            median.is_some_and(|median| median <= most),
        ),
        Bound::AtMost(most) => (format!("≤ {}", number(most)), summary.ours <= most),
    };
    let by_ratio = !matches!(goal.bound, Bound::AtMost(_));
    let word = match (by_ratio && median.is_none(), reached) {
        (true, _) => "not compared",
        (false, true) => "reached",
        (false, false) => "missed",
    };
    format!("{bound}: {word}")
}

fn footnote(text: &mut String, phase: &Phase) -> anyhow::Result<()> {
    let discarded: Vec<&str> = phase.discarded().collect();
    let kept = phase.kept().count();
    let pairs = if kept == 1 { "pair" } else { "pairs" };
    let share = phase.foreign_share() * 100.0;
    write!(
        text,
        "{kept} {pairs}; others took at most {share:.0} % of the processors"
    )?;
    match discarded.as_slice() {
        [] => writeln!(text, "; none discarded.\n")?,
        reasons => writeln!(
            text,
            "; {} discarded: {}.\n",
            reasons.len(),
            reasons.join("; ")
        )?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::noise::Noise;
    use crate::bench::result::{Numbers, Pair, Run, Side};

    fn run(processor: f64) -> Run {
        Run {
            numbers: Numbers::from([(metric::PROCESSOR.to_owned(), processor)]),
            noise: Noise::default(),
            void: None,
        }
    }

    fn comparison(ours: f64, peer: f64) -> Comparison {
        Comparison {
            scenario: "s1".to_owned(),
            peer_configuration: "default".to_owned(),
            sizes: "few messages".to_owned(),
            noise_accepted: false,
            environment: Environment::default(),
            phases: vec![Phase {
                rate: None,
                pairs: vec![Pair {
                    first: Side::Ours,
                    ours: run(ours),
                    peer: Some(run(peer)),
                    discarded: None,
                }],
            }],
        }
    }

    #[test]
    fn an_aim_that_is_missed_is_called_missed() {
        let reached = page(&[comparison(1.0, 10.0)]).expect("a page");
        assert!(reached.contains("| 0.100 (0.100) | ≤ 0.15 × RabbitMQ: reached |"));
        let missed = page(&[comparison(2.0, 10.0)]).expect("a page");
        assert!(missed.contains("≤ 0.15 × RabbitMQ: missed"));
    }

    #[test]
    fn results_of_scenarios_that_are_gone_are_left_out() {
        let mut gone = comparison(1.0, 2.0);
        gone.scenario = "gone".to_owned();
        assert!(!page(&[gone]).expect("a page").contains("few messages"));
    }
}
