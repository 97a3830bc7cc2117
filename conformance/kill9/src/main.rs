//! Kills a broker under load, again and again, and checks what it promised.
//!
//! Publishers wait for confirms, consumers acknowledge; both reconnect after every kill. What they saw meets in the
//! [`ledger`]. Results are printed as Rust's test harness prints them, one line per promise.
//!
//! Environment: `CONFORMANCE_BINARY` is the broker, `KILL9_CYCLES` how often it is killed (50).

mod alive;
mod broker;
mod consumer;
mod ledger;
mod publisher;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::sync::watch;
use tokio::task::JoinSet;

use broker::Broker;
use ledger::Ledger;

/// Queues under load; each has its own publishers and one consumer.
const QUEUES: u32 = 4;
/// Publishers of each queue.
const PUBLISHERS: u32 = 2;
/// Kills when the environment names no number.
const CYCLES: u32 = 50;
/// A kill comes after at least this many confirms since the start.
const CONFIRMED_PER_CYCLE: usize = 100;
/// Time within which that many confirms have to come.
const LOAD: Duration = Duration::from_secs(60);
/// Longest further time under load before a kill.
const FURTHER: Duration = Duration::from_millis(400);
/// Time within which every confirmed message has to arrive after the last start.
const DRAIN: Duration = Duration::from_secs(60);
/// What all tasks share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What was confirmed and what arrived.
    pub ledger: Arc<Mutex<Ledger>>,
    /// Where the broker is.
    pub url: Arc<str>,
}

impl Shared {
    /// Runs `note` on the ledger.
    pub fn note<Answer>(&self, note: impl FnOnce(&mut Ledger) -> Answer) -> Answer {
        note(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The name of a queue under load.
pub fn queue_name(queue: u32) -> String {
    format!("kill9.{queue}")
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            println!("test the_broker_starts_after_every_kill ... FAILED\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<ExitCode> {
    let cycles = match std::env::var("KILL9_CYCLES") {
        Ok(text) => text.parse().context("KILL9_CYCLES")?,
        Err(_unset) => CYCLES,
    };
    let mut broker = Broker::new()?;
    let started = Instant::now();
    broker.start().await?;
    let shared = Shared {
        ledger: Arc::default(),
        url: broker.url().into(),
    };
    let (publishing, publish) = watch::channel(true);
    let (consuming, consume) = watch::channel(true);
    let mut publishers = JoinSet::new();
    let mut consumers = JoinSet::new();
    for queue in 0..QUEUES {
        consumers.spawn(consumer::run(shared.clone(), queue, consume.clone()));
        for number in 0..PUBLISHERS {
            let publisher = queue * PUBLISHERS + number;
            publishers.spawn(publisher::run(shared.clone(), queue, publisher, publish.clone()));
        }
    }
    let slowest = kill_and_start(&mut broker, &shared, cycles).await?;
    publishing.send_replace(false);
    publishers.join_all().await;
    drain(&shared).await;
    consuming.send_replace(false);
    consumers.join_all().await;
    let left = consumer::left(&shared).await;
    if shared.note(|ledger| ledger.is_broken()) {
        println!("the broker's data is kept in {}", broker.keep());
    }
    broker.stop().await?;
    println!(
        "killed {cycles} times in {} s, slowest start {} ms, {left}; {}",
        started.elapsed().as_secs(),
        slowest.as_millis(),
        shared.note(|ledger| ledger.to_string())
    );
    Ok(judge(&shared))
}

/// Kills the broker at a different moment each time; gives the longest time that it took to be ready again.
async fn kill_and_start(broker: &mut Broker, shared: &Shared, cycles: u32) -> anyhow::Result<Duration> {
    let mut slowest = Duration::ZERO;
    for cycle in 0..cycles {
        let wanted = shared.note(|ledger| ledger.confirmed()) + CONFIRMED_PER_CYCLE;
        load(shared, wanted).await.with_context(|| format!("before kill {}", cycle + 1))?;
        // Steps of the golden ratio cover the interval evenly and never repeat.
        let part = (f64::from(cycle) * 0.618_033_988_749).fract();
        tokio::time::sleep(FURTHER.mul_f64(part)).await;
        broker.kill().await?;
        let begin = Instant::now();
        broker.start().await.with_context(|| format!("after kill {}", cycle + 1))?;
        slowest = slowest.max(begin.elapsed());
    }
    Ok(slowest)
}

/// Waits until that many messages are confirmed in all.
async fn load(shared: &Shared, confirmed: usize) -> anyhow::Result<()> {
    let end = Instant::now() + LOAD;
    while shared.note(|ledger| ledger.confirmed()) < confirmed {
        ensure!(Instant::now() < end, "too few confirms: {}", shared.note(|ledger| ledger.to_string()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Waits until everything that was confirmed arrived, or the time for that is over.
async fn drain(shared: &Shared) {
    let end = Instant::now() + DRAIN;
    while Instant::now() < end && !shared.note(|ledger| ledger.is_complete()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Prints a line for each promise.
fn judge(shared: &Shared) -> ExitCode {
    let promises = shared.note(|ledger| {
        [
            ("the_broker_starts_after_every_kill", false, String::new()),
            ("no_confirmed_message_is_lost", !ledger.is_complete(), ledger.lost()),
            ("no_duplicate_is_unflagged", !ledger.unflagged.is_empty(), ledger.unflagged.join(", ")),
            ("order_is_kept_per_publisher_and_queue", !ledger.disorder.is_empty(), ledger.disorder.join(", ")),
            ("nothing_arrives_that_was_not_published", !ledger.strange.is_empty(), ledger.strange.join(", ")),
        ]
    });
    for (name, broken, details) in &promises {
        println!("test {name} ... {}", if *broken { "FAILED" } else { "ok" });
        if *broken {
            println!("{name}: {details}");
        }
    }
    if promises.iter().any(|(_name, broken, _details)| *broken) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
