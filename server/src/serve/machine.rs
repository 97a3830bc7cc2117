//! What the machine gives the process: memory, disk, file descriptors.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where control groups say how much memory the process may use: version 2, then version 1.
const MEMORY_LIMIT_FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// Used where the system does not say.
const DESCRIPTORS_ASSUMED: u64 = 1024;

/// Bytes of memory that the process may use: what its control group allows, at most what the
/// machine has. `None` where the system does not say.
pub(super) fn memory_bytes() -> Option<u64> {
    let groups = MEMORY_LIMIT_FILES
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let limits = groups.filter_map(|text| text.trim().parse::<u64>().ok());
    limits.chain(field("/proc/meminfo", "MemTotal:")).min()
}

/// Bytes of memory that the process has in use.
pub(super) fn memory_bytes_used() -> Option<u64> {
    field("/proc/self/status", "VmRSS:")
}

/// The value, in bytes, of a line such as `VmRSS:   1234 kB`.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    kibibytes(&text, name)
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.trim().strip_suffix("kB")?;
    number.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Room on the file system of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskRoom {
    /// Bytes that the process may still write.
    pub(super) free: u64,
    /// Bytes of the whole file system.
    pub(super) total: u64,
}

/// How much room the file system of a directory has.
pub(super) fn disk_room(directory: &Path) -> io::Result<DiskRoom> {
    let room = rustix::fs::statvfs(directory)?;
    Ok(DiskRoom {
        free: room.f_bavail.saturating_mul(room.f_frsize),
        total: room.f_blocks.saturating_mul(room.f_frsize),
    })
}

/// Raises the number of file descriptors that the process may open as far as it may, and tells it.
pub(super) fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    getrlimit(Resource::Nofile)
        .current
        .unwrap_or(DESCRIPTORS_ASSUMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_bytes() {
        let status = "Name:\tsabir\nVmRSS:\t    1234 kB\nThreads:\t9\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
        assert_eq!(kibibytes("VmRSS: many kB", "VmRSS:"), None);
    }

    #[test]
    fn this_machine_has_memory_and_room() {
        assert!(memory_bytes_used() < memory_bytes());
        let room = disk_room(Path::new(".")).unwrap();
        assert!(room.free <= room.total);
        assert!(disk_room(Path::new("/does/not/exist")).is_err());
    }
}
