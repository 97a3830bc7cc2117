//! What is done to a broker in a scenario, and what is measured meanwhile.

mod backlog;
mod connections;
mod growth;
mod pipeline;
mod publishers;
mod queues;
mod sizes;
mod start;
mod syncs;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::broker::{Broker, Class};
use super::perf_test::PerfTest;
use crate::bench::metric;
use crate::bench::result::{Numbers, Side};
use crate::bench::usage::Usage;

pub(super) use sizes::Sizes;

/// Kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Start an empty broker.
    Start,
    /// One publisher and one consumer.
    Pipeline { body_bytes: u64, unconfirmed: u32 },
    /// The same at a rate of its own.
    Steady { body_bytes: u64, unconfirmed: u32 },
    /// The same with system calls counted.
    Syncs { body_bytes: u64, unconfirmed: u32 },
    /// Many publishers that wait for every confirm.
    Publishers { count: u32 },
    /// Fill a queue, crash, restart, drain.
    Backlog,
    /// Very many queues.
    Queues,
    /// Very many connections.
    Connections,
    /// Cost per message with few and with many queues and connections.
    Growth,
}

impl Work {
    /// Whether it is also done at a fixed rate, for latencies.
    pub(super) fn has_rate(self) -> bool {
        matches!(self, Self::Pipeline { .. } | Self::Publishers { .. })
    }

    /// Whether one run takes so long that it is repeated less often.
    pub(super) fn is_long(self) -> bool {
        matches!(self, Self::Backlog | Self::Queues | Self::Steady { .. })
    }
}

/// What a run needs besides its broker.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    /// The load tool.
    pub(super) perf_test: &'a PerfTest,
    /// How much to do.
    pub(super) sizes: &'a Sizes,
    /// Which broker it is.
    pub(super) side: Side,
    /// When confirms come.
    pub(super) class: Class,
    /// Messages per second to offer; `None` for as many as go through.
    pub(super) rate: Option<u64>,
    /// Where the load tool's output goes.
    pub(super) log: PathBuf,
}

/// What a run has shown.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Numbers by the keys of the metrics.
    pub(super) numbers: Numbers,
    /// Why they do not count, if they do not.
    pub(super) void: Option<String>,
}

impl Measured {
    fn set(&mut self, key: &str, value: f64) {
        self.numbers.insert(key.to_owned(), value);
    }

    /// Makes the run void when a queue does not hold what it should.
    fn require(&mut self, what: &str, expected: u64, found: u64) {
        if expected != found {
            self.void = Some(format!("{what}: {found} instead of {expected} messages"));
        }
    }

    /// What `messages` with `payload_bytes` in all cost between two looks at the broker.
    fn set_costs(&mut self, before: Usage, after: Usage, messages: u64, payload_bytes: u64) {
        let processor = after.processor.saturating_sub(before.processor);
        self.set(
            metric::PROCESSOR,
            micros(processor) / messages.max(1) as f64,
        );
        let written = after.written_bytes.saturating_sub(before.written_bytes);
        self.set(
            metric::WRITTEN,
            written as f64 / payload_bytes.max(1) as f64,
        );
        self.set(metric::PEAK_RSS, mib(after.resident_bytes_peak));
    }
}

/// Does the work with a broker that is not yet running.
pub(super) fn run(work: Work, broker: &mut Broker, tools: &Tools) -> anyhow::Result<Measured> {
    match work {
        Work::Start => start::run(broker, tools),
        Work::Pipeline {
            body_bytes,
            unconfirmed,
        } => pipeline::run(broker, tools, pipeline::Shape::new(body_bytes, unconfirmed)),
        Work::Steady {
            body_bytes,
            unconfirmed,
        } => pipeline::run_steady(broker, tools, pipeline::Shape::new(body_bytes, unconfirmed)),
        Work::Syncs {
            body_bytes,
            unconfirmed,
        } => syncs::run(broker, tools, pipeline::Shape::new(body_bytes, unconfirmed)),
        Work::Publishers { count } => publishers::run(broker, tools, count),
        Work::Backlog => backlog::run(broker, tools),
        Work::Queues => queues::run(broker, tools),
        Work::Connections => connections::run(broker, tools),
        Work::Growth => growth::run(broker, tools),
    }
}

/// The depth of `queues` together. Brokers count with some delay, so `expected` is waited for a little.
fn settled_depth(broker: &Broker, queues: &[String], expected: u64) -> anyhow::Result<u64> {
    const LIMIT: Duration = Duration::from_secs(10);
    const PAUSE: Duration = Duration::from_millis(200);
    let end = Instant::now() + LIMIT;
    let mut client = broker.client()?;
    loop {
        let mut depth = 0;
        for queue in queues {
            depth += client.depth(queue)?;
        }
        if depth == expected || Instant::now() >= end {
            client.close()?;
            return Ok(depth);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Number of the files below `folder` and the bytes of disk that they take, those with this ending only if one is given.
fn files(folder: &Path, ending: Option<&str>) -> (u64, u64) {
    const BLOCK_BYTES: u64 = 512;
    let Ok(entries) = fs::read_dir(folder) else {
        return (0, 0);
    };
    let mut total = (0, 0);
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let wanted = ending.is_none_or(|ending| path.to_string_lossy().ends_with(ending));
        let (count, bytes) = match metadata.is_dir() {
            true => files(&path, ending),
            false if wanted => (1, metadata.blocks() * BLOCK_BYTES),
            false => (0, 0),
        };
        total = (total.0 + count, total.1 + bytes);
    }
    total
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_in_every_folder_and_by_ending() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("inner")).expect("created");
        fs::write(folder.path().join("a.ext"), "12345").expect("written");
        fs::write(folder.path().join("inner/b.ext"), "1").expect("written");
        fs::write(folder.path().join("inner/c.other"), "1").expect("written");
        assert_eq!(files(folder.path(), None).0, 3);
        assert_eq!(files(folder.path(), Some(".ext")).0, 2);
    }

    #[test]
    fn a_missing_message_makes_a_run_void() {
        let mut measured = Measured::default();
        measured.require("left in the queue", 0, 0);
        assert_eq!(measured.void, None);
        measured.require("left in the queue", 0, 3);
        assert!(
            measured
                .void
                .is_some_and(|reason| reason.contains("3 instead of 0"))
        );
    }
}
