//! Sabir and RabbitMQ by the same client, in turn, on the same machine.
//!
//! Every run has a fresh broker with empty folders on the same file system. Pairs of runs follow in the order ABBA, so
//! that a machine that becomes slower favours nobody; what is compared is the ratio within a pair. A run counts only if
//! every message that was confirmed was also consumed, or is still there.

mod broker;
mod client;
mod page;
mod perf_test;
mod rabbitmq;
mod scenario;
mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use self::broker::{Broker, Programs};
use self::perf_test::PerfTest;
use self::rabbitmq::{Configuration, RabbitMq};
use self::scenario::{SCENARIOS, Scenario};
use self::work::{Sizes, Tools};
use super::machine::{self, Environment};
use super::metric;
use super::noise::{self, Noise, Watch};
use super::result::{Comparison, Pair, Phase, Run, Side};
use crate::{cargo, process};

/// Where tools, brokers' data and the results of quick runs are kept; ignored by git.
const WORK_FOLDER: &str = ".work/bench";
/// Where results are published.
const RESULT_FOLDER: &str = "docs/benchmarks";
/// Part of the slower side's throughput that is offered for latencies.
const RATE_PART: f64 = 0.5;

/// What to compare and how often.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Options {
    /// The `sabir` binary; without it the release build is made
    #[arg(long, value_name = "PATH")]
    sabir: Option<PathBuf>,
    /// Run only these scenarios
    #[arg(long, value_name = "SCENARIO,…", value_delimiter = ',')]
    only: Vec<String>,
    /// How many pairs of runs that count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// The same for scenarios whose runs take many minutes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    long_pairs: u32,
    /// How RabbitMQ is configured
    #[arg(long, value_enum, default_value_t = Configuration::Default)]
    rabbitmq: Configuration,
    /// Messages of a pipeline at the greatest load (S1, S3)
    #[arg(long, value_name = "MESSAGES")]
    messages: Option<u64>,
    /// Messages before them that are not measured
    #[arg(long, value_name = "MESSAGES")]
    warm_up: Option<u64>,
    /// Seconds at a fixed rate, for latencies
    #[arg(long, value_name = "SECONDS")]
    rate_seconds: Option<u64>,
    /// Messages of the backlog (S13)
    #[arg(long, value_name = "MESSAGES")]
    backlog: Option<u64>,
    /// Durable queues (S14)
    #[arg(long, value_name = "QUEUES")]
    queues: Option<u64>,
    /// Idle connections (S15)
    #[arg(long, value_name = "CONNECTIONS")]
    connections: Option<u64>,
    /// Count syncs with strace too
    #[arg(long)]
    strace: bool,
    /// Processors of the broker, as taskset names them; all by default
    #[arg(long, value_name = "LIST")]
    broker_cores: Option<String>,
    /// Processors of the load tool, as taskset names them; all by default
    #[arg(long, value_name = "LIST")]
    load_cores: Option<String>,
    /// Small sizes and one pair, to see that everything works; the results stay out of docs/
    #[arg(long)]
    quick: bool,
    /// Measure on a machine that others use, and keep pairs that they disturbed
    #[arg(long)]
    accept_noise: bool,
    /// Measure Sabir alone
    #[arg(long)]
    alone: bool,
    /// Measure nothing: write the page again from the results that are there
    #[arg(long)]
    page_only: bool,
}

impl Options {
    fn sizes(&self) -> Sizes {
        let mut sizes = if self.quick {
            Sizes::quick()
        } else {
            Sizes::full()
        };
        sizes.messages = self.messages.unwrap_or(sizes.messages);
        sizes.warm_up = self.warm_up.unwrap_or(sizes.warm_up);
        sizes.rate_seconds = self.rate_seconds.unwrap_or(sizes.rate_seconds);
        sizes.backlog = self.backlog.unwrap_or(sizes.backlog);
        sizes.queues = self.queues.unwrap_or(sizes.queues);
        sizes.connections = self.connections.unwrap_or(sizes.connections);
        sizes
    }

    fn pairs(&self, scenario: &Scenario) -> usize {
        let pairs = match (self.quick, scenario.work.is_long()) {
            (true, _) => 1,
            (false, true) => self.long_pairs,
            (false, false) => self.pairs,
        };
        pairs as usize
    }

    fn accepts_noise(&self) -> bool {
        self.accept_noise || self.quick
    }

    fn selected(&self) -> anyhow::Result<Vec<&'static Scenario>> {
        if self.only.is_empty() {
            return Ok(SCENARIOS
                .iter()
                .filter(|scenario| !scenario.on_request || self.strace)
                .collect());
        }
        self.only
            .iter()
            .map(|id| {
                scenario::of_id(id).with_context(|| {
                    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.id).collect();
                    format!("no scenario `{id}`; there are {}", names.join(", "))
                })
            })
            .collect()
    }
}

/// Runs the scenarios, keeps their results and writes the page. False when a run lost or gained a message.
pub(super) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let folder = root.join(WORK_FOLDER);
    let results = match options.quick {
        true => folder.join("quick"),
        false => root.join(RESULT_FOLDER),
    };
    let raw = results.join("amqp");
    let mut good = true;
    if !options.page_only {
        let selected = options.selected()?;
        process::stop_all_when_interrupted()?;
        let bench = Bench::prepare(root, folder, options)?;
        for scenario in selected {
            let comparison = bench.compare(scenario, options)?;
            good &= !comparison.phases.iter().any(has_void);
            comparison.write(&raw)?;
        }
    }
    page::write(&results, &Comparison::read_all(&raw)?)?;
    println!("{} written", results.join("amqp.md").display());
    Ok(good)
}

fn has_void(phase: &Phase) -> bool {
    phase.pairs.iter().any(|pair| pair.void().is_some())
}

/// Everything that is needed to measure.
#[derive(Debug)]
struct Bench {
    folder: PathBuf,
    programs: Programs,
    perf_test: PerfTest,
    sizes: Sizes,
    alone: bool,
    environment: Environment,
}

impl Bench {
    fn prepare(root: &Path, folder: PathBuf, options: &Options) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        let sabir = match &options.sabir {
            Some(path) => fs::canonicalize(path)
                .with_context(|| format!("no binary at {}", path.display()))?,
            None => build(root)?,
        };
        let programs = Programs {
            sabir,
            rabbitmq: RabbitMq::fetch(&folder.join("rabbitmq"))?,
            configuration: options.rabbitmq,
            cores: options.broker_cores.clone(),
        };
        let perf_test = PerfTest::fetch(&folder.join("perf-test"), options.load_cores.clone())?;
        let environment = environment(root, &folder, &programs, options)?;
        if !options.accepts_noise() {
            noise::require_quiet()?;
        }
        Ok(Self {
            folder,
            programs,
            perf_test,
            sizes: options.sizes(),
            alone: options.alone,
            environment,
        })
    }

    fn compare(&self, scenario: &Scenario, options: &Options) -> anyhow::Result<Comparison> {
        println!("{} ({})", scenario.title, self.sizes.words(scenario.work));
        let at_most = self.phase(scenario, None, options)?;
        let rate = half_of_the_slower(&at_most).filter(|_| scenario.work.has_rate());
        let mut phases = vec![at_most];
        if let Some(rate) = rate {
            println!("  at {rate} messages per second");
            phases.push(self.phase(scenario, Some(rate), options)?);
        }
        Ok(Comparison {
            scenario: scenario.id.to_owned(),
            peer_configuration: self.programs.configuration.name().to_owned(),
            sizes: self.sizes.words(scenario.work),
            noise_accepted: options.accepts_noise(),
            environment: self.environment.clone(),
            phases,
        })
    }

    /// Pairs until enough of them count, at most twice as many as that.
    fn phase(
        &self,
        scenario: &Scenario,
        rate: Option<u64>,
        options: &Options,
    ) -> anyhow::Result<Phase> {
        let wanted = options.pairs(scenario);
        let mut phase = Phase {
            rate,
            pairs: Vec::new(),
        };
        while phase.kept().count() < wanted && phase.pairs.len() < wanted * 2 {
            let first = match phase.pairs.len() % 2 {
                0 => Side::Ours,
                _ => Side::Peer,
            };
            let mut pair = self.pair(scenario, rate, first)?;
            pair.judge(options.accepts_noise());
            if let Some(reason) = &pair.discarded {
                println!("  pair discarded: {reason}");
            }
            phase.pairs.push(pair);
        }
        Ok(phase)
    }

    fn pair(&self, scenario: &Scenario, rate: Option<u64>, first: Side) -> anyhow::Result<Pair> {
        let run = |side| self.run(scenario, side, rate);
        let (ours, peer) = match first {
            _ if self.alone || !scenario.compared => (run(Side::Ours)?, None),
            Side::Ours => {
                let ours = run(Side::Ours)?;
                (ours, Some(run(Side::Peer)?))
            }
            Side::Peer => {
                let peer = run(Side::Peer)?;
                (run(Side::Ours)?, Some(peer))
            }
        };
        Ok(Pair {
            first,
            ours,
            peer,
            discarded: None,
        })
    }

    fn run(&self, scenario: &Scenario, side: Side, rate: Option<u64>) -> anyhow::Result<Run> {
        let (name, home) = match side {
            Side::Ours => ("sabir", self.folder.join("data/sabir")),
            Side::Peer => ("rabbitmq", self.folder.join("data/rabbitmq")),
        };
        let tools = Tools {
            perf_test: &self.perf_test,
            sizes: &self.sizes,
            side,
            class: scenario.class,
            rate,
            log: self.folder.join(format!("{name}-load.log")),
        };
        let mut broker = Broker::fresh(&self.programs, side, scenario.class, home)?;
        rustix::fs::sync();
        let sync_before_us = noise::sync_probe(&self.folder, self.sizes.probe)?;
        let watch = Watch::start();
        let measured = work::run(scenario.work, &mut broker, &tools)
            .with_context(|| format!("{} with {name}", scenario.id))?;
        let foreign_share = watch.foreign_share(broker.processor());
        broker.remove()?;
        rustix::fs::sync();
        let run = Run {
            numbers: measured.numbers,
            noise: Noise {
                sync_before_us,
                sync_after_us: noise::sync_probe(&self.folder, self.sizes.probe)?,
                foreign_share,
            },
            void: measured.void.map(|reason| format!("{name}: {reason}")),
        };
        print_run(name, &run);
        Ok(run)
    }
}

/// What is offered for latencies: a part of what the slower side can do.
fn half_of_the_slower(phase: &Phase) -> Option<u64> {
    let summary = phase.summary(metric::THROUGHPUT)?;
    let slower = summary
        .peer
        .map_or(summary.ours, |peer| peer.min(summary.ours));
    let rate = (slower * RATE_PART) as u64;
    (rate > 0).then_some(rate)
}

fn print_run(name: &str, run: &Run) {
    let numbers: Vec<String> = run
        .numbers
        .iter()
        .map(|(key, value)| format!("{key} {value:.1}"))
        .collect();
    println!("  {name}: {}", numbers.join(", "));
}

/// Builds the binary as it is released.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let mut command = cargo::command(root);
    command.args(["build", "--release", "--package", "sabir", "--bin", "sabir"]);
    ensure!(cargo::succeeds(&mut command)?, "the broker does not build");
    Ok(cargo::metadata(root)?
        .target_directory
        .join("release/sabir"))
}

fn environment(
    root: &Path,
    folder: &Path,
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Environment> {
    let cores = |cores: &Option<String>| match cores {
        Some(cores) => format!("processors {cores}"),
        None => "all processors".to_owned(),
    };
    Ok(Environment {
        sabir: machine::first_line(Command::new(&programs.sabir).arg("--version")),
        peer: format!("RabbitMQ {}", programs.rabbitmq.version()?),
        load: format!("PerfTest {}", perf_test::VERSION),
        placement: format!(
            "broker on {}, load on {}",
            cores(&options.broker_cores),
            cores(&options.load_cores)
        ),
        ..Environment::detect(root, folder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::result::Numbers;

    fn run(throughput: f64) -> Run {
        Run {
            numbers: Numbers::from([(metric::THROUGHPUT.to_owned(), throughput)]),
            noise: Noise::default(),
            void: None,
        }
    }

    #[test]
    fn the_fixed_rate_is_half_of_the_slower_side() {
        let phase = Phase {
            rate: None,
            pairs: vec![Pair {
                first: Side::Ours,
                ours: run(30_000.0),
                peer: Some(run(10_000.0)),
                discarded: None,
            }],
        };
        assert_eq!(half_of_the_slower(&phase), Some(5_000));
    }

    #[test]
    fn a_phase_without_throughput_has_no_rate() {
        let phase = Phase {
            rate: None,
            pairs: Vec::new(),
        };
        assert_eq!(half_of_the_slower(&phase), None);
    }
}
