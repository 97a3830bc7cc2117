//! The brokers that are compared: started on the same file system, found on a free port, watched by their processes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::client::{Client, QueueKind};
use super::rabbitmq::{Configuration, RabbitMq};
use crate::bench::result::Side;
use crate::bench::usage::{self, Usage};
use crate::process::Group;

/// How long a broker may take until it accepts a publish, with a large backlog too.
const START_LIMIT: Duration = Duration::from_secs(900);
/// How long a broker may take to stop in order.
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// How long to wait between attempts to connect.
const RETRY: Duration = Duration::from_millis(2);
/// The queue of the first publish.
const PROBE_QUEUE: &str = "probe";

/// When a publish is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// After the disk has it: RabbitMQ's quorum queues, Sabir's default.
    Fsync,
    /// After the operating system has it: RabbitMQ's classic queues.
    Os,
}

impl Class {
    /// The kind of queue that has this class at the peer.
    pub(super) fn queue_kind(self) -> QueueKind {
        match self {
            Self::Fsync => QueueKind::Quorum,
            Self::Os => QueueKind::Classic,
        }
    }

    /// Its name in Sabir's configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
        }
    }
}

/// The programs of both sides.
#[derive(Debug)]
pub(super) struct Programs {
    /// The binary of Sabir.
    pub(super) sabir: PathBuf,
    /// The unpacked peer.
    pub(super) rabbitmq: RabbitMq,
    /// How the peer is configured.
    pub(super) configuration: Configuration,
    /// Processors of the broker, as `taskset` names them.
    pub(super) cores: Option<String>,
}

/// A broker with its data, running or between two runs.
#[derive(Debug)]
pub(super) struct Broker<'a> {
    programs: &'a Programs,
    side: Side,
    class: Class,
    home: PathBuf,
    /// Where it accepts clients.
    pub(super) address: SocketAddr,
    group: Option<Group>,
    /// Processor time of processes that have ended.
    ended: Duration,
}

/// A broker's start, up to the first thing it did for a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    /// When the process was started.
    pub(super) at: Instant,
    /// From then to the confirm of a persistent message.
    pub(super) first_publish: Duration,
}

impl<'a> Broker<'a> {
    /// An empty broker in the folder `home`, which is emptied; not yet running.
    pub(super) fn fresh(
        programs: &'a Programs,
        side: Side,
        class: Class,
        home: PathBuf,
    ) -> anyhow::Result<Self> {
        empty(&home)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        if side == Side::Peer {
            RabbitMq::configure(&home, address, programs.configuration)?;
        }
        Ok(Self {
            programs,
            side,
            class,
            home,
            address,
            group: None,
            ended: Duration::ZERO,
        })
    }

    /// Starts the process and waits until it has confirmed a persistent message.
    pub(super) fn start(&mut self) -> anyhow::Result<Started> {
        let log = self.home.join("output.log");
        let mut command = self.command()?;
        let at = Instant::now();
        let group = self.group.insert(Group::start(&mut command, &log)?);
        loop {
            match first_publish(self.address, self.class.queue_kind()) {
                Ok(()) => {
                    return Ok(Started {
                        at,
                        first_publish: at.elapsed(),
                    });
                }
                Err(error) if at.elapsed() > START_LIMIT => {
                    return Err(error.context("the broker accepts no publish"));
                }
                Err(_) => {}
            }
            if let Some(status) = group.wait(RETRY)? {
                bail!("the broker ended with {status}; see {}", log.display());
            }
        }
    }

    fn command(&self) -> anyhow::Result<Command> {
        let command = match self.side {
            Side::Ours => self.sabir(),
            Side::Peer => self.programs.rabbitmq.command(&self.home)?,
        };
        Ok(match &self.programs.cores {
            Some(cores) => on_cores(cores, &command),
            None => command,
        })
    }

    fn sabir(&self) -> Command {
        let mut command = Command::new(&self.programs.sabir);
        command
            .arg("serve")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("SABIR_AMQP091__LISTEN", self.address.to_string())
            .env("SABIR_ADMIN__LISTEN", "off")
            .env("SABIR_DATA__DIRECTORY", self.data())
            .env("SABIR_STORAGE__DURABILITY", self.class.name());
        command
    }

    /// The folder of the messages.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The folder of everything that belongs to this broker.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The process that leads the broker's tree.
    pub(super) fn process(&self) -> anyhow::Result<u32> {
        let group = self.group.as_ref().context("the broker is not running")?;
        Ok(group.id())
    }

    /// What the broker's processes have used.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        Ok(Usage::of_tree(self.process()?))
    }

    /// A client of the broker.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.address)
    }

    /// Processor time of all processes of the broker since it was made.
    pub(super) fn processor(&self) -> Duration {
        let running = self.usage().map_or(Duration::ZERO, |usage| usage.processor);
        self.ended + running
    }

    /// Stops the broker in order; its data stay.
    pub(super) fn stop(&mut self) {
        self.end(|group| group.stop_within(STOP_LIMIT));
    }

    /// Kills the broker as a crash would; its data stay.
    pub(super) fn kill(&mut self) {
        self.end(Group::kill);
    }

    fn end(&mut self, how: impl FnOnce(&mut Group)) {
        self.ended = self.processor();
        if let Some(mut group) = self.group.take() {
            let processes = usage::tree(group.id());
            how(&mut group);
            usage::wait_until_gone(&processes, STOP_LIMIT);
        }
    }

    /// Ends the broker and removes its data.
    pub(super) fn remove(mut self) -> anyhow::Result<()> {
        self.kill();
        empty(&self.home)
    }
}

fn first_publish(address: SocketAddr, kind: QueueKind) -> anyhow::Result<()> {
    let mut client = Client::connect(address)?;
    client.declare(&[PROBE_QUEUE.to_owned()], kind)?;
    client.publish(PROBE_QUEUE, b"first");
    client.confirmed()
}

/// The same command on these processors only.
fn on_cores(cores: &str, command: &Command) -> Command {
    let mut placed = Command::new("taskset");
    placed
        .env_clear()
        .args(["-c", cores])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            placed.env(name, value);
        }
    }
    placed
}

/// Makes `folder` exist without content.
fn empty(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("emptying {}", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}

/// A port that nobody listened on a moment ago.
pub(super) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_on_chosen_processors_keeps_its_arguments_and_environment() {
        let mut command = Command::new("program");
        command.arg("serve").env("NAME", "value");
        let placed = on_cores("0", &command);
        let words: Vec<_> = placed.get_args().collect();
        assert_eq!(words, ["-c", "0", "program", "serve"]);
        assert_eq!(placed.get_envs().count(), 1);
    }

    #[test]
    fn a_folder_is_emptied() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir_all(inner.join("old")).expect("created");
        empty(&inner).expect("emptied");
        assert_eq!(fs::read_dir(&inner).expect("read").count(), 0);
    }
}
