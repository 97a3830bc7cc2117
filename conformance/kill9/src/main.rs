//! Kills a broker under load, again and again, and checks what it promised.
//!
//! Publishers wait for confirms, consumers acknowledge; both reconnect after every kill. What they saw meets in the
//! [`ledger`]. Results are printed as Rust's test harness prints them, one line per promise.
//!
//! Environment: `CONFORMANCE_BINARY` is the broker, `KILL9_CYCLES` how often it is killed (50).

mod broker;
mod consumer;
mod ledger;
mod publisher;

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
/// Shortest and longest time under load between two kills.
const LOAD: [Duration; 2] = [Duration::from_millis(150), Duration::from_millis(750)];
/// Time within which every confirmed message has to arrive after the last start.
const DRAIN: Duration = Duration::from_secs(60);
/// A run that confirms less than this per cycle has not tested anything.
const CONFIRMED_PER_CYCLE_MIN: usize = 20;

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
async fn main() -> anyhow::Result<()> {
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
    let slowest = kill_and_start(&mut broker, cycles).await?;
    publishing.send_replace(false);
    publishers.join_all().await;
    drain(&shared).await;
    consuming.send_replace(false);
    consumers.join_all().await;
    broker.stop().await?;
    println!(
        "killed {cycles} times in {} s, slowest start {} ms; {}",
        started.elapsed().as_secs(),
        slowest.as_millis(),
        shared.note(|ledger| ledger.to_string())
    );
    judge(&shared, cycles)
}

/// Kills the broker at a different moment each time; gives the longest time that it took to be ready again.
async fn kill_and_start(broker: &mut Broker, cycles: u32) -> anyhow::Result<Duration> {
    let [shortest, longest] = LOAD;
    let mut slowest = Duration::ZERO;
    for cycle in 0..cycles {
        // Steps of the golden ratio cover the interval evenly and never repeat.
        let part = (f64::from(cycle) * 0.618_033_988_749).fract();
        tokio::time::sleep(shortest + (longest - shortest).mul_f64(part)).await;
        broker.kill().await?;
        let begin = Instant::now();
        broker.start().await.with_context(|| format!("after kill {}", cycle + 1))?;
        slowest = slowest.max(begin.elapsed());
    }
    Ok(slowest)
}

/// Waits until everything that was confirmed arrived, or the time for that is over.
async fn drain(shared: &Shared) {
    let end = Instant::now() + DRAIN;
    while Instant::now() < end && !shared.note(|ledger| ledger.is_complete()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn judge(shared: &Shared, cycles: u32) -> anyhow::Result<()> {
    let enough = CONFIRMED_PER_CYCLE_MIN * cycles as usize;
    let promises = shared.note(|ledger| {
        [
            ("the_load_was_real", ledger.confirmed() < enough, ledger.to_string()),
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
    ensure!(promises.iter().all(|(_name, broken, _details)| !broken), "a promise was broken");
    Ok(())
}
