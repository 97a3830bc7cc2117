//! The broker's process: started on one address and one data folder for the whole run, killed without warning.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Time within which a broker has to be ready.
const READY: Duration = Duration::from_secs(30);
/// Time within which a broker has to end when it is asked to.
const END: Duration = Duration::from_secs(15);

/// A broker that can be killed and started again.
#[derive(Debug)]
pub struct Broker {
    binary: PathBuf,
    folder: TempDir,
    address: String,
    process: Option<Child>,
}

impl Broker {
    /// Chooses a free address and a new data folder.
    pub fn new() -> anyhow::Result<Self> {
        let binary = std::env::var_os("CONFORMANCE_BINARY").context("CONFORMANCE_BINARY names the broker")?;
        let folder = tempfile::Builder::new().prefix("sabir-kill9-").tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        Ok(Self {
            binary: binary.into(),
            folder,
            address,
            process: None,
        })
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }

    /// Keeps the data folder beyond the run; gives its path.
    pub fn keep(&mut self) -> String {
        self.folder.disable_cleanup(true);
        self.folder.path().display().to_string()
    }

    /// Starts the process and waits until it serves.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let ready = self.folder.path().join("ready.json");
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("broker.log"))?;
        let mut process = Command::new(&self.binary)
            .args(["serve", "--ready-file"])
            .arg(&ready)
            .env("SABIR_AMQP091__LISTEN", &self.address)
            .env("SABIR_ADMIN__LISTEN", "127.0.0.1:0")
            .env("SABIR_DATA__DIRECTORY", self.folder.path().join("data"))
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .kill_on_drop(true)
            .spawn()?;
        let end = Instant::now() + READY;
        while !ready.exists() {
            if let Some(status) = process.try_wait()? {
                bail!("the broker ended with {status}: {}", self.last_words());
            }
            if Instant::now() > end {
                bail!("the broker was not ready in time: {}", self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Ends the process as a power cut would, as far as the process is concerned.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the broker runs")?;
        if let Some(status) = process.try_wait()? {
            bail!("the broker had ended by itself with {status}: {}", self.last_words());
        }
        process.kill().await?;
        Ok(())
    }

    /// Ends the process at the end of the run; it must still be there.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        tokio::time::timeout(END, self.kill()).await?
    }

    /// The end of the broker's log; the folder stays for a closer look.
    fn last_words(&mut self) -> String {
        let folder = self.keep();
        let log = fs::read_to_string(self.folder.path().join("broker.log")).unwrap_or_default();
        let mut lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.reverse();
        format!("{}; its data is kept in {folder}", lines.join(" | "))
    }
}
