//! A broker process of a test: started on free ports and a directory of its own, ended with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub(crate) fn sabir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sabir"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SABIR_")) {
        command.env_remove(name);
    }
    command
}

/// What a finished command wrote to standard error.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running broker.
pub(crate) struct Broker {
    process: Child,
    admin: String,
    listeners: Value,
}

impl Broker {
    /// Starts a broker on this data directory and waits until it serves.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// The same with further flags.
    pub(crate) fn start_with(directory: &Path, flags: &[&str]) -> Self {
        let ready = directory.with_extension("ready");
        let mut process = Self::command(directory)
            .arg("--ready-file")
            .arg(&ready)
            .args(flags)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let listeners = wait_for(&ready, &mut process)["listeners"].take();
        std::fs::remove_file(&ready).unwrap();
        let admin = format!("http://{}", listeners["admin"].as_str().unwrap());
        Self {
            process,
            admin,
            listeners,
        }
    }

    /// The command that starts a broker on free ports.
    pub(crate) fn command(directory: &Path) -> Command {
        let mut command = sabir();
        command
            .args(["serve", "--listen", "amqp091=127.0.0.1:0"])
            .args(["--listen", "admin=127.0.0.1:0"])
            .args(["--set", "storage.journal_file_bytes=1MiB"])
            .arg("--data-directory")
            .arg(directory);
        command
    }

    /// Where a listener listens.
    pub(crate) fn address(&self, listener: &str) -> String {
        self.listeners[listener].as_str().unwrap().to_owned()
    }

    /// A command that talks to this broker.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut command = sabir();
        command.env("SABIR_ADMIN_URL", &self.admin).args(arguments);
        command
    }

    /// Runs a command that has to succeed; returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.client(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            errors(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that has to succeed; returns what it printed as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        serde_json::from_str(&self.run(&arguments)).unwrap()
    }

    /// Runs a command that has to fail; returns its exit code and what it said.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.client(arguments).output().unwrap();
        (output.status.code().unwrap(), errors(&output))
    }

    /// Ends the broker with SIGTERM.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A broker that has ended cannot be killed, which is as well.
        let _: std::io::Result<()> = self.process.kill();
        let _: std::io::Result<ExitStatus> = self.process.wait();
    }
}

fn wait_for(ready: &PathBuf, process: &mut Child) -> Value {
    let started = Instant::now();
    loop {
        if let Ok(text) = std::fs::read(ready) {
            return serde_json::from_slice(&text).unwrap();
        }
        assert!(process.try_wait().unwrap().is_none(), "the broker ended");
        assert!(started.elapsed() < PATIENCE, "the broker does not serve");
        thread::sleep(Duration::from_millis(10));
    }
}
