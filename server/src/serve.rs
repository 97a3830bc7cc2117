//! `sabir serve`: puts the parts together, runs until a signal, and ends in order.
//!
//! It decides nothing about messages: it opens the data directory, the listeners and the
//! administration API over the same core, and tells people where they are.

mod accounts;
mod alarms;
mod allocator;
mod amqp091;
mod listeners;
mod log;
mod machine;
mod node;
mod ready;
mod signals;
mod sizes;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sabir_core::storage::StorageError;
use sabir_transport::{BindError, Clock, Limits, Service, Transport};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::administration::Administration;
use crate::config::Config;
use crate::config::units::ByteSize;
use crate::shard::{StartError, Threads};
pub(crate) use accounts::{AccountError, Accounts};
pub(crate) use alarms::Alarms;
use alarms::Marks;
use amqp091::Amqp091;
use listeners::Listeners;
use node::Node;
pub(crate) use node::{SessionIds, journal_options};
use signals::{Signal, Signals};
pub(crate) use sizes::Sizes;

/// Part of the file descriptors that connections may take.
const DESCRIPTORS_FOR_CONNECTIONS: f64 = 0.8;

/// How long writing everything down may take beyond the time for connections.
const WRITE_DOWN: Duration = Duration::from_secs(2);

/// How long the administration API has to end after the listeners.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// The name of the administration API among the listeners.
const ADMIN: &str = "admin";

/// Why the broker did not start, or did not stop in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(
        "data.directory is \"auto\", but neither XDG_STATE_HOME nor HOME is set: set data.directory"
    )]
    NoDataDirectory,
    #[error("the system does not let the broker start: {0}")]
    System(#[from] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "storage.memtable_bytes_max ({memtable}) holds fewer than three journal files of {file}: \
         memory would be full before a file is"
    )]
    MemoryTooSmall { memtable: ByteSize, file: ByteSize },
    #[error("the users cannot be set up: {0}")]
    Accounts(#[from] AccountError),
    #[error(transparent)]
    Listen(#[from] BindError),
    #[error("the administration API cannot listen on {address}: {source}")]
    ListenAdmin {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("the ready file {path} cannot be written: {source}")]
    ReadyFile { path: PathBuf, source: io::Error },
    #[error("storage has failed, and nothing is confirmed any more: {0}")]
    StorageFailed(String),
    #[error("the data could not be written down in order: {0}")]
    Stop(StorageError),
    #[error(
        "the disk is too slow to stop in order: nothing is lost, but the next start has to recover"
    )]
    StopTimeout,
}

/// Runs the broker until it is told to stop.
pub(crate) fn run(config: &Config, ready_file: Option<PathBuf>) -> Result<(), ServeError> {
    log::start(&config.log);
    allocator::give_back_large_blocks();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(config, ready_file));
    runtime.shutdown_timeout(Duration::from_millis(500));
    outcome
}

async fn serve(config: &Config, ready_file: Option<PathBuf>) -> Result<(), ServeError> {
    let directory = config.data.directory.path();
    let directory = directory.ok_or(ServeError::NoDataDirectory)?;
    let clock = Clock::start();
    let sizes = Sizes::on_this_machine(&config.storage);
    sizes.check()?;
    let node = Node::start(config, sizes, directory.clone(), clock)?;
    // Until here a signal simply ends the process: recovery begins anew at the next start.
    let mut signals = Signals::listen()?;
    let mut failure = node.failure.clone();
    let drain_timeout = config.shutdown.drain_timeout.duration();
    let serving = async {
        let marks = Marks::new(config, sizes, directory.clone());
        let running = Running::start(config, &node, clock, marks).await?;
        if let Some(path) = ready_file {
            ready::write(&path, &running.addresses)
                .map_err(|source| ServeError::ReadyFile { path, source })?;
        }
        running.print(&directory);
        running.until_stopped(&mut signals).await;
        tracing::info!("stopping: connections have to end");
        let told = Instant::now();
        running.drain(drain_timeout).await;
        Ok::<Instant, ServeError>(told)
    };
    let outcome = tokio::select! {
        outcome = serving => outcome,
        reason = failed(&mut failure) => Err(ServeError::StorageFailed(reason)),
    };
    if let Err(failed @ ServeError::StorageFailed(_)) = outcome {
        return Err(failed);
    }
    let told = outcome
        .as_ref()
        .map_or_else(|_| Instant::now(), |told| *told);
    let stopped = stop(
        node.threads,
        &mut failure,
        told + drain_timeout + WRITE_DOWN,
    )
    .await;
    outcome?;
    stopped?;
    tracing::info!("stopped");
    Ok(())
}

/// Writes everything down, unless that takes too long: then the next start recovers.
async fn stop(
    threads: Threads,
    failure: &mut watch::Receiver<Option<String>>,
    deadline: Instant,
) -> Result<(), ServeError> {
    let stopping = tokio::task::spawn_blocking(move || threads.stop());
    tokio::select! {
        stopped = stopping => stopped.map_err(io::Error::from)?.map_err(ServeError::Stop),
        reason = failed(failure) => Err(ServeError::StorageFailed(reason)),
        () = tokio::time::sleep_until(deadline) => Err(ServeError::StopTimeout),
    }
}

/// Completes when storage has failed.
async fn failed(failure: &mut watch::Receiver<Option<String>>) -> String {
    let reason = failure
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|reason| reason.clone());
    match reason {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

/// Everything that is open to clients.
struct Running {
    addresses: BTreeMap<String, String>,
    listeners: Listeners,
    admin: Option<(JoinHandle<()>, watch::Sender<bool>)>,
    alarms: Arc<Alarms>,
}

impl Running {
    async fn start(
        config: &Config,
        node: &Node,
        clock: Clock,
        marks: Marks,
    ) -> Result<Self, ServeError> {
        node.accounts.prepare(config).await?;
        let transport = Transport::new(clock, limits(config));
        let bound = listeners::bind(config, &transport)?;
        let admin = bind_admin(config).await?;
        let mut addresses = bound.addresses();
        if let Some(listener) = &admin {
            addresses.insert(ADMIN.to_owned(), listener.local_addr()?);
        }
        let addresses: BTreeMap<String, String> = addresses
            .into_iter()
            .map(|(name, address)| (name, address.to_string()))
            .collect();
        let alarms = Arc::new(Alarms::start(Arc::clone(&node.shard), marks)?);
        let administration = Administration::new(
            Arc::clone(&node.shard),
            Arc::clone(&node.sessions),
            Arc::clone(&node.accounts),
            Arc::clone(&alarms),
            addresses.clone(),
        );
        let amqp091: Arc<dyn Service> = Arc::new(Amqp091::new(config, node, random()?));
        Ok(Self {
            addresses,
            listeners: bound.serve(&amqp091),
            admin: admin.map(|listener| serve_admin(config, listener, administration)),
            alarms,
        })
    }

    /// Tells people where everything is.
    fn print(&self, directory: &std::path::Path) {
        let mut text = format!("Sabir {} is ready\n", env!("CARGO_PKG_VERSION"));
        for (name, address) in &self.addresses {
            let shown = match name.as_str() {
                "amqp091" => format!("amqp://{address}"),
                "amqp091.tls" => format!("amqps://{address}"),
                ADMIN => format!("http://{address}  (administration; the console will be here)"),
                _ => address.clone(),
            };
            text.push_str(&format!("  {name:<12} {shown}\n"));
        }
        text.push_str(&format!("  {:<12} {}\n", "data", directory.display()));
        // Nobody need read it: a closed standard output is no reason not to serve.
        let _: io::Result<()> = io::Write::write_all(&mut io::stdout(), text.as_bytes());
        tracing::info!(listeners = ?self.addresses, "ready");
    }

    async fn until_stopped(&self, signals: &mut Signals) {
        while signals.next().await == Signal::Reload {
            self.listeners.reload();
        }
    }

    async fn drain(self, within: Duration) {
        let cut = self.listeners.drain(within).await;
        if cut > 0 {
            tracing::warn!(connections = cut, "connections that did not end were cut");
        }
        if let Some((task, stop)) = self.admin {
            stop.send_replace(true);
            let abort = task.abort_handle();
            if timeout(ADMIN_DRAIN, task).await.is_err() {
                abort.abort();
            }
        }
        drop(self.alarms);
    }
}

async fn bind_admin(config: &Config) -> Result<Option<TcpListener>, ServeError> {
    let Some(address) = config.admin.listen.address() else {
        return Ok(None);
    };
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "administration is open to the network, and passwords go unencrypted");
    }
    let bound = TcpListener::bind(address).await;
    bound
        .map(Some)
        .map_err(|source| ServeError::ListenAdmin { address, source })
}

fn serve_admin(
    config: &Config,
    listener: TcpListener,
    administration: Administration,
) -> (JoinHandle<()>, watch::Sender<bool>) {
    let limits = sabir_admin::http::Limits {
        request_bytes_max: at_most_usize(config.admin.request_bytes_max.bytes()),
        request_timeout: config.admin.request_timeout.duration(),
    };
    let router = sabir_admin::http::router(Arc::new(administration), limits);
    let (stop, mut stopped) = watch::channel(false);
    let task = tokio::spawn(sabir_admin::http::serve(listener, router, async move {
        // An error means that nobody is left who could say it.
        let _: Result<_, watch::error::RecvError> = stopped.wait_for(|stop| *stop).await;
    }));
    (task, stop)
}

fn limits(config: &Config) -> Limits {
    let descriptors = machine::raise_descriptors();
    let section = &config.limits;
    let connections = section.connections_max.exactly().unwrap_or_else(|| {
        let part = descriptors.min(u64::from(u32::MAX)) as f64 * DESCRIPTORS_FOR_CONNECTIONS;
        part as u32
    });
    let per_address = section.connections_per_address_max.exactly();
    Limits {
        connections_max: usize::try_from(connections).unwrap_or(usize::MAX),
        connections_per_address_max: per_address.and_then(|count| usize::try_from(count).ok()),
        handshake_timeout: section.handshake_timeout.duration(),
        ..Limits::default()
    }
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}

fn at_most_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
