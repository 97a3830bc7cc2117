//! PerfTest, RabbitMQ's own load tool: fetched by Maven, run unchanged, its output read.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use regex::Regex;

use crate::bench::result::Numbers;
use crate::process;

/// The version that is run.
pub(super) const VERSION: &str = "2.22.1";
const DEPENDENCY_PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";
const FETCH_LIMIT: Duration = Duration::from_secs(900);

/// The unpacked tool.
#[derive(Debug)]
pub(super) struct PerfTest {
    jars: PathBuf,
    /// Processors to run on, as `taskset` names them.
    cores: Option<String>,
}

/// One use of it.
#[derive(Debug)]
pub(super) struct Load<'a> {
    /// The broker.
    pub(super) broker: SocketAddr,
    /// What to do, in the tool's own words.
    pub(super) arguments: Vec<String>,
    /// Where its output goes.
    pub(super) log: &'a Path,
    /// How long it may take.
    pub(super) limit: Duration,
}

impl PerfTest {
    /// Fetches the tool with what it depends on into `folder`, unless it is there.
    pub(super) fn fetch(folder: &Path, cores: Option<String>) -> anyhow::Result<Self> {
        let jars = folder.join("jars");
        let tool = jars.join(format!("perf-test-{VERSION}.jar"));
        if !tool.is_file() {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("pom.xml"), project())?;
            let mut maven = Command::new("mvn");
            maven
                .args(["-B", "-q"])
                .arg(format!("{DEPENDENCY_PLUGIN}:copy-dependencies"))
                .arg(format!("-DoutputDirectory={}", jars.display()))
                .current_dir(folder);
            process::complete(&mut maven, &folder.join("fetch.log"), FETCH_LIMIT)?;
            ensure!(tool.is_file(), "Maven did not fetch {}", tool.display());
        }
        Ok(Self { jars, cores })
    }

    /// Runs the tool to its end and reads what it measured.
    pub(super) fn run(&self, load: &Load) -> anyhow::Result<Output> {
        let mut command = self.command();
        command
            .args(["-Xms512m", "-Xmx2g", "-cp"])
            .arg(self.jars.join("*"))
            .arg("com.rabbitmq.perf.PerfTest")
            .arg("--uri")
            .arg(format!("amqp://guest:guest@{}", load.broker))
            .args(&load.arguments);
        process::complete(&mut command, load.log, load.limit)?;
        let text = fs::read_to_string(load.log)?;
        Output::parse(&text).with_context(|| format!("in {}", load.log.display()))
    }

    fn command(&self) -> Command {
        match &self.cores {
            None => Command::new("java"),
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cores, "java"]);
                command
            }
        }
    }
}

fn project() -> String {
    format!(
        r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sabir.bench</groupId>
  <artifactId>perf-test</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>com.rabbitmq</groupId>
      <artifactId>perf-test</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"#
    )
}

/// What the tool printed at its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Output {
    /// Messages per second that were published.
    pub(super) sent: f64,
    /// Messages per second that were consumed.
    pub(super) received: f64,
    /// Messages that the broker refused.
    pub(super) refused: u64,
    consumer: Option<Percentiles>,
    confirm: Option<Percentiles>,
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Percentiles {
    median: f64,
    p95: f64,
    p99: f64,
}

impl Output {
    fn parse(text: &str) -> anyhow::Result<Self> {
        if let Some(line) = text
            .lines()
            .find(|line| line.contains("Main thread caught exception"))
        {
            bail!("PerfTest failed: {line}");
        }
        ensure!(
            text.contains("reached message limit"),
            "PerfTest did not reach its count of messages"
        );
        Ok(Self {
            sent: number(text, r"sending rate avg: (\d+) msg/s")?.unwrap_or(0.0),
            received: number(text, r"receiving rate avg: (\d+) msg/s")?.unwrap_or(0.0),
            refused: refused(text)?,
            consumer: percentiles(text, "consumer")?,
            confirm: percentiles(text, "confirm")?,
        })
    }

    /// The latencies, by the keys of the metrics.
    pub(super) fn latencies(&self) -> Numbers {
        let mut numbers = Numbers::new();
        for (name, percentiles) in [("consumer", self.consumer), ("confirm", self.confirm)] {
            let Some(percentiles) = percentiles else {
                continue;
            };
            numbers.insert(format!("{name}_p50_us"), percentiles.median);
            numbers.insert(format!("{name}_p95_us"), percentiles.p95);
            numbers.insert(format!("{name}_p99_us"), percentiles.p99);
        }
        numbers
    }
}

fn number(text: &str, pattern: &str) -> anyhow::Result<Option<f64>> {
    let captures = Regex::new(pattern)?.captures(text);
    Ok(captures.and_then(|captures| captures.get(1)?.as_str().parse().ok()))
}

/// The sum of what the lines of every interval say.
fn refused(text: &str) -> anyhow::Result<u64> {
    let pattern = Regex::new(r"nacked: (\d+) msg/s")?;
    Ok(pattern
        .captures_iter(text)
        .filter_map(|captures| captures.get(1)?.as_str().parse::<u64>().ok())
        .sum())
}

/// The summary's latencies; the lines of every interval have a colon before the numbers.
fn percentiles(text: &str, name: &str) -> anyhow::Result<Option<Percentiles>> {
    let pattern = Regex::new(&format!(
        r"{name} latency min/median/75th/95th/99th (\d+)/(\d+)/(\d+)/(\d+)/(\d+) µs"
    ))?;
    let Some(captures) = pattern.captures(text) else {
        return Ok(None);
    };
    let at = |index: usize| -> Option<f64> { captures.get(index)?.as_str().parse().ok() };
    Ok(at(2)
        .zip(at(4))
        .zip(at(5))
        .map(|((median, p95), p99)| Percentiles { median, p95, p99 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
id: test, time 1.003 s, sent: 1738 msg/s, confirmed: 1432 msg/s, nacked: 0 msg/s, received: 556 msg/s, min/median/75th/95th/99th consumer latency: 1/2/3/4/5 µs, confirm latency: 6/7/8/9/10 µs
test stopped (Producer reached message limit, Consumer reached message limit)
id: test, sending rate avg: 1899 msg/s
id: test, receiving rate avg: 1898 msg/s
id: test, consumer latency min/median/75th/95th/99th 6147/283910/380494/750510/1090808 µs
id: test, confirm latency min/median/75th/95th/99th 14602/208956/269752/428946/667066 µs
";

    #[test]
    fn the_summary_is_read_and_not_the_intervals() {
        let output = Output::parse(OUTPUT).expect("read");
        assert_eq!((output.sent, output.received), (1899.0, 1898.0));
        let latencies = output.latencies();
        assert_eq!(latencies.get("consumer_p99_us"), Some(&1_090_808.0));
        assert_eq!(latencies.get("confirm_p50_us"), Some(&208_956.0));
        assert_eq!(output.refused, 0);
    }

    #[test]
    fn refused_messages_of_any_interval_are_seen() {
        let text = OUTPUT.replace("nacked: 0", "nacked: 12");
        assert_eq!(Output::parse(&text).expect("read").refused, 12);
    }

    #[test]
    fn a_run_that_stopped_for_another_reason_is_an_error() {
        let text = OUTPUT.replace("reached message limit", "reached time limit");
        assert!(Output::parse(&text).is_err());
    }

    #[test]
    fn a_run_without_consumers_has_no_consumer_latency() {
        let text = OUTPUT.replace("consumer latency min", "nothing min");
        let latencies = Output::parse(&text).expect("read").latencies();
        assert!(!latencies.contains_key("consumer_p99_us"));
        assert!(latencies.contains_key("confirm_p99_us"));
    }
}
