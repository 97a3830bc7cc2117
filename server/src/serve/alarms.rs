//! Watches memory and disk, and makes publishers wait while either is short. Consumers go on.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use sabir_admin::api::overview::Gauges;
use sabir_core::name::Name;

use super::Sizes;
use super::machine::{self, DiskRoom};
use crate::config::Config;
use crate::shard::{LOW_ON_DISK, Shard};

const PERIOD: Duration = Duration::from_millis(100);

/// The disk is looked at every so many periods.
const DISK_PERIODS: u32 = 10;

/// An alarm is over when this part of its mark is free again, so that it does not flutter.
const RELIEF: f64 = 0.05;

/// Something that is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shortage {
    /// The process uses too much memory.
    Memory,
    /// Too many records wait in memory to be moved to disk.
    Records,
    /// The disk is nearly full.
    Disk,
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Memory | Self::Records => "low on memory",
            Self::Disk => LOW_ON_DISK,
        })
    }
}

/// Where each alarm is raised.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marks {
    directory: PathBuf,
    memory_bytes_max: u64,
    record_bytes_max: u64,
    free_bytes_min: u64,
    free_fraction_min: f64,
}

impl Marks {
    /// The marks of a configuration on this machine.
    pub(super) fn new(config: &Config, sizes: Sizes, directory: PathBuf) -> Self {
        let memory = machine::memory_bytes();
        Self {
            directory,
            memory_bytes_max: memory.map_or(u64::MAX, |bytes| {
                part(bytes, config.limits.memory_fraction_max)
            }),
            // A message may be larger than a journal file, and stays in memory while it is in the newest.
            record_bytes_max: sizes
                .memtable
                .bytes()
                .saturating_add(config.limits.message_bytes_max.bytes()),
            free_bytes_min: config.storage.free_disk_bytes_min.bytes(),
            free_fraction_min: config.storage.free_disk_fraction_min,
        }
    }

    fn free_bytes_needed(&self, room: DiskRoom) -> u64 {
        self.free_bytes_min
            .max(part(room.total, self.free_fraction_min))
    }
}

/// The watch over memory and disk.
pub(crate) struct Alarms {
    raised: Arc<Raised>,
    watch: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Raised {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    shortages: Vec<Shortage>,
    gauges: Gauges,
    stop: bool,
}

impl Raised {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarms {
    /// Starts the watch.
    pub(super) fn start(shard: Arc<Shard>, marks: Marks) -> io::Result<Self> {
        let raised = Arc::new(Raised::default());
        let watch = thread::Builder::new()
            .name("sabir-alarms".to_owned())
            .spawn({
                let raised = Arc::clone(&raised);
                move || watch(&shard, &marks, &raised)
            })?;
        Ok(Self {
            raised,
            watch: Some(watch),
        })
    }

    /// What is in use now, beside its marks.
    pub(crate) fn gauges(&self) -> Gauges {
        self.raised.lock().gauges
    }

    /// What is short now, in words.
    pub(crate) fn raised(&self) -> Vec<String> {
        let mut words: Vec<String> = self
            .raised
            .lock()
            .shortages
            .iter()
            .map(ToString::to_string)
            .collect();
        words.dedup();
        words
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        self.raised.lock().stop = true;
        self.raised.stopped.notify_all();
        if let Some(watch) = self.watch.take() {
            let _: thread::Result<()> = watch.join();
        }
    }
}

fn watch(shard: &Shard, marks: &Marks, raised: &Raised) {
    let mut room = None;
    let mut period = 0;
    loop {
        if period % DISK_PERIODS == 0 {
            room = machine::disk_room(&marks.directory)
                .inspect_err(|error| tracing::warn!(%error, "the room on the disk is not known"))
                .ok();
        }
        period = period.wrapping_add(1);
        let (journaled, volatile) = shard.with(|broker| broker.memory_bytes());
        let readings = Readings {
            memory: machine::memory_bytes_used().unwrap_or(0),
            records: journaled.saturating_add(volatile),
            room,
            journal_full: shard.was_disk_full(),
        };
        let before = {
            let mut state = raised.lock();
            state.gauges = readings.gauges(marks);
            state.shortages.clone()
        };
        let now = shortages(marks, &readings, &before);
        if now != before {
            announce(shard, marks, &readings, &now);
            raised.lock().shortages = now;
        }
        let state = raised.lock();
        let waited = raised
            .stopped
            .wait_timeout_while(state, PERIOD, |state| !state.stop);
        if waited.unwrap_or_else(PoisonError::into_inner).0.stop {
            return;
        }
    }
}

struct Readings {
    memory: u64,
    records: u64,
    room: Option<DiskRoom>,
    journal_full: bool,
}

impl Readings {
    fn gauges(&self, marks: &Marks) -> Gauges {
        Gauges {
            memory_bytes: self.memory,
            memory_bytes_max: marks.memory_bytes_max,
            record_bytes: self.records,
            record_bytes_max: marks.record_bytes_max,
            disk_bytes_free: self.room.map(|room| room.free),
            disk_bytes_free_min: self.room.map(|room| marks.free_bytes_needed(room)),
        }
    }
}

/// What is short, given what was.
fn shortages(marks: &Marks, readings: &Readings, before: &[Shortage]) -> Vec<Shortage> {
    let over = |shortage: Shortage, used: u64, mark: u64| {
        let relieved = mark.saturating_sub(part(mark, RELIEF));
        used > if before.contains(&shortage) {
            relieved
        } else {
            mark
        }
    };
    let disk_short = readings.room.is_some_and(|room| {
        let needed = marks.free_bytes_needed(room);
        let relief = part(needed, RELIEF);
        room.free
            < if before.contains(&Shortage::Disk) {
                needed + relief
            } else {
                needed
            }
    });
    [
        (
            Shortage::Memory,
            over(Shortage::Memory, readings.memory, marks.memory_bytes_max),
        ),
        (
            Shortage::Records,
            over(Shortage::Records, readings.records, marks.record_bytes_max),
        ),
        (Shortage::Disk, disk_short || readings.journal_full),
    ]
    .into_iter()
    .filter_map(|(shortage, short)| short.then_some(shortage))
    .collect()
}

fn announce(shard: &Shard, marks: &Marks, readings: &Readings, now: &[Shortage]) {
    if now.is_empty() {
        tracing::info!("memory and disk suffice again: publishers go on");
        shard.set_blocked(None);
        return;
    }
    let mut words: Vec<String> = now.iter().map(ToString::to_string).collect();
    words.dedup();
    let reason = words.join(" & ").replace("& low on ", "& ");
    tracing::warn!(reason, gauges = ?readings.gauges(marks), "publishers have to wait");
    shard.set_blocked(Some(Name::from(reason)));
}

/// A fraction of a number of bytes. Sizes beyond 2^53 bytes lose their last digits, which no mark
/// needs.
fn part(bytes: u64, fraction: f64) -> u64 {
    (bytes as f64 * fraction) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn marks() -> Marks {
        Marks {
            directory: PathBuf::new(),
            memory_bytes_max: 100,
            record_bytes_max: 1000,
            free_bytes_min: 2 * GIB,
            free_fraction_min: 0.05,
        }
    }

    fn readings(memory: u64, records: u64, free: u64) -> Readings {
        Readings {
            memory,
            records,
            room: Some(DiskRoom {
                free,
                total: 100 * GIB,
            }),
            journal_full: false,
        }
    }

    #[test]
    fn each_alarm_is_raised_past_its_mark() {
        let short = |readings| shortages(&marks(), &readings, &[]);
        assert_eq!(short(readings(100, 1000, 5 * GIB)), []);
        assert_eq!(short(readings(101, 1000, 5 * GIB)), [Shortage::Memory]);
        assert_eq!(short(readings(100, 1001, 5 * GIB)), [Shortage::Records]);
        assert_eq!(short(readings(100, 1000, 5 * GIB - 1)), [Shortage::Disk]);
    }

    #[test]
    fn an_alarm_is_over_only_when_there_is_some_room() {
        let raised = [Shortage::Memory, Shortage::Disk];
        let short = |readings| shortages(&marks(), &readings, &raised);
        assert_eq!(short(readings(96, 0, 5 * GIB)), raised);
        assert_eq!(short(readings(95, 0, 6 * GIB)), []);
    }

    #[test]
    fn a_disk_that_cannot_be_asked_raises_nothing() {
        let unknown = Readings {
            memory: 0,
            records: 0,
            room: None,
            journal_full: false,
        };
        assert_eq!(shortages(&marks(), &unknown, &[]), []);
    }

    #[test]
    fn a_journal_that_does_not_fit_raises_the_alarm_of_the_disk() {
        let full = Readings {
            journal_full: true,
            ..readings(0, 0, 50 * GIB)
        };
        assert_eq!(shortages(&marks(), &full, &[]), [Shortage::Disk]);
    }
}
