//! How quiet the machine was during a run: a benchmark on a busy machine measures the others.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::usage;

/// Runs whose disks differ by more than this are not compared.
const SYNC_RATIO_MAX: f64 = 2.0;
/// Runs during which others took more than this part of the machine are not compared.
const FOREIGN_SHARE_MAX: f64 = 0.1;
/// How long a machine is watched before the first run.
const WATCH_BEFORE: Duration = Duration::from_secs(3);
/// What one probe writes before it syncs.
const PROBE_BYTES: [u8; 4096] = [0x5a; 4096];

/// What else happened on the machine during a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Noise {
    /// Time of writing and syncing 4 KiB before the run, in microseconds.
    pub(super) sync_before_us: f64,
    /// The same after it.
    pub(super) sync_after_us: f64,
    /// Part of the machine's processors that neither the broker nor the load took.
    pub(super) foreign_share: f64,
}

/// Why runs with this noise cannot be compared; `None` when they can.
pub(super) fn objection<'a>(runs: impl Iterator<Item = &'a Noise> + Clone) -> Option<String> {
    let syncs = runs
        .clone()
        .flat_map(|noise| [noise.sync_before_us, noise.sync_after_us]);
    let (least, most) = syncs.fold((f64::MAX, 0.0_f64), |(least, most), time| {
        (least.min(time), most.max(time))
    });
    if least > 0.0 && most > least * SYNC_RATIO_MAX {
        return Some(format!(
            "the disk's sync time changed from {least:.0} to {most:.0} µs"
        ));
    }
    let share = runs
        .map(|noise| noise.foreign_share)
        .fold(0.0_f64, f64::max);
    (share > FOREIGN_SHARE_MAX).then(|| {
        format!(
            "others took {:.0} % of the processors during a run",
            share * 100.0
        )
    })
}

/// The median time, in microseconds, of writing and syncing 4 KiB in `folder`, tried for `time`.
pub(super) fn sync_probe(folder: &Path, time: Duration) -> anyhow::Result<f64> {
    let path = folder.join("sync-probe");
    let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    file.write_all(&PROBE_BYTES)?;
    file.sync_all()?;
    let end = Instant::now() + time;
    let mut times = Vec::new();
    while times.is_empty() || Instant::now() < end {
        let start = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&PROBE_BYTES)?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    drop(file);
    fs::remove_file(path)?;
    Ok(super::statistics::median(&times).unwrap_or(0.0))
}

/// Refuses a machine on which others work now.
pub(super) fn require_quiet() -> anyhow::Result<()> {
    let watch = Watch::start();
    std::thread::sleep(WATCH_BEFORE);
    let share = watch.foreign_share(Duration::ZERO);
    ensure!(
        share <= FOREIGN_SHARE_MAX,
        "others take {:.0} % of the machine: stop what else runs, or pass --accept-noise",
        share * 100.0
    );
    Ok(())
}

/// Watches what others do from its start to its end.
#[derive(Debug)]
pub(super) struct Watch {
    start: Instant,
    busy: Duration,
    own: Duration,
}

impl Watch {
    /// Starts to watch.
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            busy: usage::machine_busy_time(),
            own: usage::own_processor_time(),
        }
    }

    /// The part of the processors that others took, when the broker used `broker` of them.
    pub(super) fn foreign_share(&self, broker: Duration) -> f64 {
        let busy = usage::machine_busy_time().saturating_sub(self.busy);
        let own = usage::own_processor_time().saturating_sub(self.own);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let whole = self.start.elapsed().as_secs_f64() * cores as f64;
        busy.saturating_sub(own)
            .saturating_sub(broker)
            .as_secs_f64()
            / whole.max(f64::EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(before: f64, after: f64, share: f64) -> Noise {
        Noise {
            sync_before_us: before,
            sync_after_us: after,
            foreign_share: share,
        }
    }

    #[test]
    fn quiet_runs_are_compared() {
        let runs = [noise(100.0, 120.0, 0.02), noise(110.0, 190.0, 0.05)];
        assert_eq!(objection(runs.iter()), None);
    }

    #[test]
    fn a_disk_that_became_slower_is_an_objection() {
        let runs = [noise(100.0, 120.0, 0.0), noise(110.0, 210.0, 0.0)];
        assert!(objection(runs.iter()).is_some_and(|text| text.contains("100 to 210")));
    }

    #[test]
    fn a_busy_machine_is_an_objection() {
        let runs = [noise(100.0, 100.0, 0.3)];
        assert!(objection(runs.iter()).is_some_and(|text| text.contains("30 %")));
    }

    #[test]
    fn a_probe_takes_time_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let time = sync_probe(folder.path(), Duration::ZERO).expect("probed");
        assert!(time > 0.0);
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0);
    }
}
