//! RabbitMQ 4.3 as Debian packages it, unpacked into a folder of its own and started there.
//!
//! It needs root: the package runs in a changed root with a mount and a process namespace of its own, so that nothing
//! is installed on the machine and nothing of it outlives the benchmark. Its configuration is what the package ships:
//! no plugins, the default limits, one listener.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;

use super::broker::free_port;
use crate::process;

/// A folder with an unpacked Debian system that has RabbitMQ, to use instead of fetching one.
const ROOT_VARIABLE: &str = "SABIR_BENCH_RABBITMQ_ROOT";
/// The release of Debian that has the version.
const SUITE: &str = "sid";
const FETCH_LIMIT: Duration = Duration::from_secs(1800);
/// Where the broker finds its configuration and keeps its data, seen from inside.
const INSIDE: &str = "/mnt";

/// How RabbitMQ is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Configuration {
    /// As it comes
    Default,
    /// With a credit between its processes that lets a publisher be further ahead
    Tuned,
}

impl Configuration {
    /// Its name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Tuned => "tuned",
        }
    }

    fn advanced(self) -> &'static str {
        match self {
            Self::Default => "[].\n",
            Self::Tuned => "[{rabbit, [{credit_flow_default_credit, {5000, 2500}}]}].\n",
        }
    }
}

/// The unpacked system.
#[derive(Debug)]
pub(super) struct RabbitMq {
    root: PathBuf,
}

impl RabbitMq {
    /// Finds the unpacked system, or fetches it into `folder`.
    pub(super) fn fetch(folder: &Path) -> anyhow::Result<Self> {
        let root = match std::env::var_os(ROOT_VARIABLE) {
            Some(root) => PathBuf::from(root),
            None => folder.join("root"),
        };
        let found = Self { root };
        if found.version().is_err() {
            ensure!(
                std::env::var_os(ROOT_VARIABLE).is_none(),
                "{ROOT_VARIABLE} names {}, which has no RabbitMQ",
                found.root.display()
            );
            found.unpack(folder)?;
        }
        Ok(found)
    }

    fn unpack(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let mut command = Command::new("debootstrap");
        command
            .args(["--variant=minbase", "--include=rabbitmq-server", SUITE])
            .arg(&self.root)
            .args(mirror());
        process::complete(&mut command, &folder.join("debootstrap.log"), FETCH_LIMIT)
            .context("unpacking RabbitMQ (needs root and the package debootstrap)")?;
        self.version().map(drop)
    }

    /// The version, from the name of its folder.
    pub(super) fn version(&self) -> anyhow::Result<String> {
        let libraries = self.root.join("usr/lib/rabbitmq/lib");
        fs::read_dir(&libraries)
            .with_context(|| format!("no RabbitMQ in {}", self.root.display()))?
            .flatten()
            .find_map(|entry| {
                let name = entry.file_name();
                let version = name.to_str()?.strip_prefix("rabbitmq_server-")?;
                Some(version.to_owned())
            })
            .context("no RabbitMQ server in its folder")
    }

    /// Writes the configuration into the empty folder `home`, where the data will be too.
    pub(super) fn configure(
        home: &Path,
        address: SocketAddr,
        configuration: Configuration,
    ) -> anyhow::Result<()> {
        fs::write(
            home.join("rabbitmq.conf"),
            format!("listeners.tcp.1 = {address}\n"),
        )?;
        fs::write(home.join("advanced.config"), configuration.advanced())?;
        fs::write(home.join("enabled_plugins"), "[].\n")?;
        fs::write(home.join("environment"), "")?;
        Ok(())
    }

    /// The command that runs the broker with its data in `home`.
    ///
    /// In a process namespace everything ends with its first process, the port mapper that Erlang leaves behind too.
    pub(super) fn command(&self, home: &Path) -> anyhow::Result<Command> {
        const ENTER: &str = "mount -t proc proc \"$0/proc\" && mount --bind /dev \"$0/dev\" \
            && mount --bind \"$1\" \"$0$2\" && exec chroot \"$0\" /usr/lib/rabbitmq/bin/rabbitmq-server";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["--propagation", "private", "/bin/sh", "-c", ENTER])
            .args([&self.root, home])
            .arg(INSIDE)
            .env_clear()
            .env("RABBITMQ_DIST_PORT", free_port()?.to_string())
            .env("ERL_EPMD_PORT", free_port()?.to_string());
        for (name, value) in ENVIRONMENT {
            command.env(name, value);
        }
        Ok(command)
    }
}

/// What the broker is told besides its ports; everything under [`INSIDE`].
const ENVIRONMENT: [(&str, &str); 12] = [
    ("HOME", "/mnt"),
    ("LANG", "C.UTF-8"),
    ("RABBITMQ_NODENAME", "bench@localhost"),
    ("RABBITMQ_MNESIA_BASE", "/mnt/data"),
    ("RABBITMQ_LOG_BASE", "/mnt/log"),
    ("RABBITMQ_CONFIG_FILE", "/mnt/rabbitmq.conf"),
    ("RABBITMQ_ADVANCED_CONFIG_FILE", "/mnt/advanced.config"),
    ("RABBITMQ_ENABLED_PLUGINS_FILE", "/mnt/enabled_plugins"),
    ("RABBITMQ_CONF_ENV_FILE", "/mnt/environment"),
    ("ERL_EPMD_ADDRESS", "127.0.0.1"),
    (
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
        "-kernel inet_dist_use_interface {127,0,0,1}",
    ),
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
];

/// The mirror that the machine's own package manager uses, if it says so.
fn mirror() -> Option<String> {
    let output = Command::new("apt-cache").arg("policy").output().ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (address, part) = (words.next()?, words.next()?);
            let plain = part.ends_with("/main") && !part.contains('-');
            (address.starts_with("http") && plain).then(|| address.to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_unpacked_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let system = RabbitMq {
            root: folder.path().to_owned(),
        };
        assert!(system.version().is_err());
        let server = "usr/lib/rabbitmq/lib/rabbitmq_server-4.3.6";
        fs::create_dir_all(folder.path().join(server)).expect("created");
        assert_eq!(system.version().ok().as_deref(), Some("4.3.6"));
    }
}
