//! What the results were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Machine, versions and time of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Environment {
    /// Day of the measurement.
    pub(super) date: String,
    /// Commit of this repository, `+` when there were uncommitted changes to it.
    pub(super) commit: String,
    /// Version of Sabir.
    pub(super) sabir: String,
    /// Version of the peer.
    pub(super) peer: String,
    /// Version of the load tool.
    pub(super) load: String,
    /// Processors of the machine.
    pub(super) processors: String,
    /// Its memory.
    pub(super) memory: String,
    /// Its kernel.
    pub(super) kernel: String,
    /// Where both brokers kept their data.
    pub(super) filesystem: String,
    /// How processors were given to broker and load.
    pub(super) placement: String,
}

impl Environment {
    /// What can be seen of the machine and the repository; versions are the caller's to add.
    pub(super) fn detect(root: &Path, data: &Path) -> Self {
        Self {
            date: first_line(Command::new("date").args(["-u", "+%Y-%m-%d"])),
            commit: commit(root),
            processors: processors(),
            memory: memory(),
            kernel: kernel(),
            filesystem: filesystem(data),
            ..Self::default()
        }
    }
}

/// The first line that a command prints, or nothing when it cannot be run.
pub(super) fn first_line(command: &mut Command) -> String {
    let output = command
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn commit(root: &Path) -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        first_line(command.args(arguments).current_dir(root))
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]);
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_empty() {
        commit
    } else {
        format!("{commit}+")
    }
}

fn processors() -> String {
    let text = read("/proc/cpuinfo");
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model.trim());
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} × {model}")
}

/// The kernel's version without what a distribution or a builder added.
fn kernel() -> String {
    let release = read("/proc/sys/kernel/osrelease");
    let version = release.trim().split('-').next();
    version.unwrap_or_default().to_owned()
}

fn memory() -> String {
    let text = read("/proc/meminfo");
    let kib: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    format!("{} GiB", kib.div_ceil(1 << 20))
}

/// The type of the file system with the longest mount point above `path`.
fn filesystem(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mounts = read("/proc/mounts");
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (point, kind) = (words.next()?, words.next()?);
            path.starts_with(point).then_some((point.len(), kind))
        })
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_without_naming_it() {
        let environment = Environment::detect(Path::new("."), Path::new("/proc"));
        assert_eq!(environment.filesystem, "proc");
        assert!(environment.memory.ends_with(" GiB"));
        assert!(!environment.kernel.is_empty());
    }
}
