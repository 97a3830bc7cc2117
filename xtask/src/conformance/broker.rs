//! The broker that a suite meets: a fresh `sabir serve` that ends with the suite, or one that somebody else runs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use super::Options;
use super::manifest::Broker;
use super::process::Group;
use super::relay::Relay;

/// The port that RabbitMQ's clients use when they are told none.
const STANDARD_PORT: u16 = 5672;
/// Time within which a broker has to be ready.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where brokers come from in this run.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A fresh process of this binary for every suite.
    Fresh(PathBuf),
    /// A broker that runs already: its address, and its address for TLS.
    Running(SocketAddr, Option<SocketAddr>),
}

impl Target {
    /// Decides by the options; without an address or a path, the newest build is served.
    pub(super) fn from_options(root: &Path, options: &Options) -> anyhow::Result<Self> {
        if let Some(url) = &options.url {
            let tls = options.tls_url.as_deref().map(address_of).transpose()?;
            return Ok(Self::Running(address_of(url)?, tls));
        }
        let binary = match &options.binary {
            Some(path) => path.clone(),
            None => built_binary(root)?,
        };
        ensure!(binary.is_file(), "no binary at {}", binary.display());
        Ok(Self::Fresh(fs::canonicalize(binary)?))
    }

    /// True when the broker is not built from this tree, so that only differences listed for others apply.
    pub(super) fn is_reference(&self) -> bool {
        matches!(self, Self::Running(..))
    }

    /// The binary that is served, if it is ours.
    pub(super) fn binary(&self) -> Option<&Path> {
        match self {
            Self::Fresh(binary) => Some(binary),
            Self::Running(..) => None,
        }
    }
}

fn built_binary(root: &Path) -> anyhow::Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    ["release", "debug"]
        .iter()
        .map(|profile| target.join(profile).join("sabir"))
        .find(|path| path.is_file())
        .context(
            "no `sabir` binary: run `cargo build --release --bin sabir`, or pass --binary or --url",
        )
}

fn address_of(url: &str) -> anyhow::Result<SocketAddr> {
    let rest = url
        .strip_prefix("amqp://")
        .or_else(|| url.strip_prefix("amqps://"))
        .with_context(|| format!("{url} does not start with amqp:// or amqps://"))?;
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (
            name,
            port.parse().with_context(|| format!("port of {url}"))?,
        ),
        None => (host, STANDARD_PORT),
    };
    (name, port)
        .to_socket_addrs()?
        .find(SocketAddr::is_ipv4)
        .with_context(|| format!("{url} has no IPv4 address"))
}

/// A broker for the time of one suite.
#[derive(Debug)]
pub(super) struct Running {
    /// Where it accepts AMQP.
    pub(super) amqp: SocketAddr,
    /// Where it accepts AMQP over TLS.
    pub(super) tls: Option<SocketAddr>,
    /// Where it accepts administration, when it is ours.
    pub(super) admin: Option<String>,
    relay: Option<Relay>,
    process: Option<Group>,
    data: Option<TempDir>,
}

impl Running {
    /// Makes a broker available as `wanted` asks; output of ours goes to the file `log`.
    pub(super) fn start(target: &Target, wanted: Broker, log: &Path) -> anyhow::Result<Self> {
        match target {
            Target::Fresh(binary) => Self::serve(binary, wanted, log),
            Target::Running(address, tls) => Self::attach(*address, *tls, wanted),
        }
    }

    fn attach(
        address: SocketAddr,
        tls: Option<SocketAddr>,
        wanted: Broker,
    ) -> anyhow::Result<Self> {
        let standard = SocketAddr::from((Ipv4Addr::LOCALHOST, STANDARD_PORT));
        let relay = match wanted {
            Broker::StandardPort if address != standard => Some(Relay::start(standard, address)?),
            _ => None,
        };
        Ok(Self {
            amqp: relay.as_ref().map_or(address, Relay::address),
            tls,
            admin: None,
            relay,
            process: None,
            data: None,
        })
    }

    fn serve(binary: &Path, wanted: Broker, log: &Path) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new()
            .prefix("sabir-conformance-")
            .tempdir()?;
        let ready = data.path().join("ready.json");
        let port = match wanted {
            Broker::StandardPort => STANDARD_PORT,
            Broker::AnyAddress | Broker::Own => 0,
        };
        let (certificate, key) = certify(data.path())?;
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--ready-file")
            .arg(&ready)
            .env("SABIR_AMQP091__LISTEN", format!("127.0.0.1:{port}"))
            .env("SABIR_AMQP091__TLS__LISTEN", "127.0.0.1:0")
            .env("SABIR_AMQP091__TLS__CERTIFICATE", certificate)
            .env("SABIR_AMQP091__TLS__KEY", key)
            .env("SABIR_ADMIN__LISTEN", "127.0.0.1:0")
            .env("SABIR_DATA__DIRECTORY", data.path().join("data"));
        let mut process = Group::start(&mut command, log)?;
        let listeners = wait_ready(&mut process, &ready)
            .with_context(|| format!("the broker did not start; see {}", log.display()))?;
        Ok(Self {
            amqp: listeners.amqp091.parse()?,
            tls: listeners.amqps.as_deref().map(str::parse).transpose()?,
            admin: listeners.admin,
            relay: None,
            process: Some(process),
            data: Some(data),
        })
    }

    /// Stops what was started; a broker of ours that ended by itself meanwhile is an error.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        drop(self.relay.take());
        let ended = match &mut self.process {
            Some(process) => process.wait(Duration::ZERO)?,
            None => None,
        };
        drop(self.process.take());
        drop(self.data.take());
        match ended {
            Some(status) => bail!("the broker ended by itself during the suite with {status}"),
            None => Ok(()),
        }
    }
}

/// A key and a certificate for `localhost` that it signs itself, as files in `folder`.
fn certify(folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let signed =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    fs::write(&certificate, signed.cert.pem())?;
    fs::write(&key, signed.signing_key.serialize_pem())?;
    Ok((certificate, key))
}

/// What `sabir serve --ready-file` writes.
#[derive(Debug, Deserialize)]
struct Ready {
    listeners: Listeners,
}

#[derive(Debug, Deserialize)]
struct Listeners {
    amqp091: String,
    #[serde(alias = "amqp091.tls")]
    amqps: Option<String>,
    admin: Option<String>,
}

fn wait_ready(process: &mut Group, ready: &Path) -> anyhow::Result<Listeners> {
    let end = Instant::now() + START_LIMIT;
    while Instant::now() < end {
        if let Some(status) = process.wait(Duration::from_millis(20))? {
            bail!("it ended with {status}");
        }
        if let Ok(text) = fs::read_to_string(ready) {
            let ready: Ready = serde_json::from_str(&text).context("in the ready file")?;
            return Ok(ready.listeners);
        }
    }
    bail!("it was not ready after {} s", START_LIMIT.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_an_url_with_and_without_user_and_port() {
        let full = address_of("amqp://guest:guest@127.0.0.1:5699/%2f").expect("an address");
        assert_eq!(full, SocketAddr::from(([127, 0, 0, 1], 5699)));
        let short = address_of("amqp://127.0.0.1").expect("an address");
        assert_eq!(short.port(), STANDARD_PORT);
    }

    #[test]
    fn another_scheme_is_refused() {
        assert!(address_of("http://127.0.0.1").is_err());
    }
}
