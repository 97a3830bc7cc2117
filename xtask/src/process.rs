//! Child processes that end: each runs in a group of its own, for a bounded time, and is stopped by its id, also when
//! this process is interrupted.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Time that a process gets to end after it was asked to.
const GRACE: Duration = Duration::from_secs(12);
/// How often a running process is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Exit code after an interruption.
const INTERRUPTED: i32 = 130;

/// Groups that were started and not yet stopped.
static LIVE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// From here on, an interruption stops every group before it ends this process.
pub(crate) fn stop_all_when_interrupted() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            for group in LIVE.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                signal(*group, Signal::KILL);
            }
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

fn signal(group: u32, signal: Signal) {
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        // The group may have ended already; that is what is wanted.
        let _ended: rustix::io::Result<()> = kill_process_group(group, signal);
    }
}

/// A running process and everything that it started.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
}

impl Group {
    /// Starts `command` as the leader of a new process group, with its output in the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?;
        LIVE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(child.id());
        Ok(Self { child })
    }

    /// The group's id, which is its leader's process id.
    #[allow(dead_code, reason = "measurements read the group's usage by it")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process ends, or gives `None` when `limit` passes first.
    pub(crate) fn wait(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks the group to end, waits, and kills what is left of it.
    pub(crate) fn stop(&mut self) {
        self.stop_within(GRACE);
    }

    /// The same for a process that may take longer to end in order.
    pub(crate) fn stop_within(&mut self, grace: Duration) {
        signal(self.child.id(), Signal::TERM);
        if !matches!(self.wait(grace), Ok(Some(_))) {
            self.kill();
        }
        signal(self.child.id(), Signal::KILL);
        LIVE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.child.id());
    }

    /// Ends the group at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        signal(self.child.id(), Signal::KILL);
        let _status: std::io::Result<ExitStatus> = self.child.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs `command` to its end within `limit`; its failure is an error that names the log.
pub(crate) fn complete(command: &mut Command, log: &Path, limit: Duration) -> anyhow::Result<()> {
    let mut group = Group::start(command, log)?;
    match group.wait(limit)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!(
            "{} ended with {status}; see {}",
            shown(command),
            log.display()
        ),
        None => bail!(
            "{} took over {} s; see {}",
            shown(command),
            limit.as_secs(),
            log.display()
        ),
    }
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy()),
    );
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_takes_too_long_is_stopped_with_what_it_started() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let log = folder.path().join("log");
        let started = Instant::now();
        let refused = complete(
            Command::new("sh").args(["-c", "sleep 60 & wait"]),
            &log,
            Duration::from_millis(50),
        );
        assert!(refused.is_err_and(|error| error.to_string().contains("took over")));
        assert!(started.elapsed() < GRACE);
    }

    #[test]
    fn a_failure_names_the_command_and_the_log() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let log = folder.path().join("log");
        let refused = complete(&mut Command::new("false"), &log, Duration::from_secs(5));
        assert!(refused.is_err_and(|error| error.to_string().contains("false ended with")));
    }
}
