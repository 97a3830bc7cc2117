//! What a process and everything it started have used of the machine, from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::AddAssign;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a tree of processes has used since each of them started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    /// Time on a processor, of ended children too.
    pub(super) processor: Duration,
    /// Resident memory now.
    pub(super) resident_bytes: u64,
    /// The most resident memory that each process ever had.
    pub(super) resident_bytes_peak: u64,
    /// Bytes handed to the disk's queue, rewritten pages counted each time.
    pub(super) written_bytes: u64,
    /// Open file descriptors.
    pub(super) descriptors: u64,
}

impl Usage {
    /// The use of `leader` and of its descendants. A process that ends meanwhile is left out.
    pub(super) fn of_tree(leader: u32) -> Self {
        let mut total = Self::default();
        for process in tree(leader) {
            total += Self::of_process(process).unwrap_or_default();
        }
        total
    }

    fn of_process(process: u32) -> Option<Self> {
        let folder = format!("/proc/{process}");
        let status = fs::read_to_string(format!("{folder}/status")).ok()?;
        let io = fs::read_to_string(format!("{folder}/io")).ok()?;
        let stat = Stat::read(&format!("{folder}/stat"))?;
        Some(Self {
            processor: stat.processor,
            resident_bytes: field(&status, "VmRSS:").unwrap_or(0) * 1024,
            resident_bytes_peak: field(&status, "VmHWM:").unwrap_or(0) * 1024,
            written_bytes: field(&io, "write_bytes:").unwrap_or(0),
            descriptors: fs::read_dir(format!("{folder}/fd")).map_or(0, |all| all.count()) as u64,
        })
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.processor += other.processor;
        self.resident_bytes += other.resident_bytes;
        self.resident_bytes_peak += other.resident_bytes_peak;
        self.written_bytes += other.written_bytes;
        self.descriptors += other.descriptors;
    }
}

/// Lets this process, and what it starts, open so many files.
pub(super) fn allow_descriptors(count: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(limit.maximum.map_or(count, |maximum| maximum.min(count))),
        maximum: limit.maximum,
    };
    ensure!(
        raised.current == Some(count),
        "the limit of open files (ulimit -n) is below {count}"
    );
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Processor time of this process and of the children that it has waited for.
pub(super) fn own_processor_time() -> Duration {
    Stat::read("/proc/self/stat").map_or(Duration::ZERO, |stat| stat.processor)
}

/// Time that all processors of the machine together were busy since it started.
pub(super) fn machine_busy_time() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    busy_ticks(&text).map_or(Duration::ZERO, from_ticks)
}

/// Ticks of the first line of `/proc/stat` without idle and waiting for disks. Guests are part of `user`.
fn busy_ticks(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    const USER_NICE_SYSTEM_IRQ_SOFTIRQ_STEAL: [usize; 6] = [0, 1, 2, 5, 6, 7];
    Some(
        USER_NICE_SYSTEM_IRQ_SOFTIRQ_STEAL
            .iter()
            .filter_map(|index| ticks.get(*index))
            .sum(),
    )
}

/// `leader` and its descendants.
pub(super) fn tree(leader: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in processes() {
        if let Some(stat) = Stat::read(&format!("/proc/{process}/stat")) {
            children.entry(stat.parent).or_default().push(process);
        }
    }
    let mut found = BTreeSet::new();
    let mut waiting = vec![leader];
    while let Some(process) = waiting.pop() {
        if found.insert(process) {
            waiting.extend(children.get(&process).into_iter().flatten());
        }
    }
    found
}

/// Waits until none of `processes` runs any more, or `limit` passes.
pub(super) fn wait_until_gone(processes: &BTreeSet<u32>, limit: Duration) {
    const POLL: Duration = Duration::from_millis(5);
    let end = Instant::now() + limit;
    let runs = |process: &u32| Path::new("/proc").join(process.to_string()).exists();
    while processes.iter().any(runs) && Instant::now() < end {
        std::thread::sleep(POLL);
    }
}

fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// What `/proc/PID/stat` says of parent and time.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    processor: Duration,
}

impl Stat {
    fn read(path: &str) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    /// The second field, the name, is in parentheses and may itself contain some.
    fn parse(text: &str) -> Option<Self> {
        const PARENT: usize = 1;
        const TIMES: std::ops::Range<usize> = 11..15;
        let (_, rest) = text.rsplit_once(") ")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let ticks: u64 = words
            .get(TIMES)?
            .iter()
            .filter_map(|word| word.parse::<u64>().ok())
            .sum();
        Some(Self {
            parent: words.get(PARENT)?.parse().ok()?,
            processor: from_ticks(ticks),
        })
    }
}

fn from_ticks(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks.saturating_mul(1000) / per_second)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) (b) S 7 42 42 0 -1 0 1 2 3 4 100 200 10 20 20 0 1 0 99 0 0";
        let stat = Stat::parse(text).expect("fields");
        assert_eq!(stat.parent, 7);
        assert_eq!(stat.processor, from_ticks(330));
    }

    #[test]
    fn idle_and_waiting_processors_are_not_busy() {
        assert_eq!(
            busy_ticks("cpu  1 2 4 1000 1000 8 16 32 5 5\ncpu0 1"),
            Some(63)
        );
    }

    #[test]
    fn a_tree_holds_its_leader_and_a_child() {
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .expect("started");
        let found = tree(std::process::id());
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(found.contains(&std::process::id()) && found.contains(&child.id()));
    }

    #[test]
    fn memory_and_written_bytes_of_this_process_are_found() {
        let usage = Usage::of_tree(std::process::id());
        assert!(usage.resident_bytes > 0 && usage.resident_bytes_peak >= usage.resident_bytes);
        assert!(usage.descriptors > 0);
    }
}
