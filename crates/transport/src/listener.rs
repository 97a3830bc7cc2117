//! Bound addresses, the accept loop, and the end of it.

use crate::admission::{Admission, Permit};
use crate::connection::Connection;
use crate::rate::RateLimit;
use crate::service::{Service, TlsFacts};
use crate::shared::{Common, Shared};
use crate::stream::Stream;
use crate::tls::{Tls, TlsError, TlsFiles};
use crate::{Clock, Limits};
use sabir_security::Peer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{io, mem};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::server::TlsStream;

/// Connections that the kernel completes before they are accepted.
const BACKLOG: u32 = 1024;

/// How long accepting pauses when the process or the system has no more to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What all listeners of a broker share.
pub struct Transport {
    common: Arc<Common>,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// The address as asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A bound address that nobody is accepted on yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    common: Arc<Common>,
}

/// A listener at work.
pub struct Serving {
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    stop: watch::Sender<Option<Instant>>,
    accepting: JoinHandle<usize>,
}

impl Transport {
    /// A transport with these limits, whose sessions are told the time of `clock`.
    #[must_use]
    pub fn new(clock: Clock, limits: Limits) -> Self {
        let admission = Admission::new(limits.connections_max, limits.connections_per_address_max);
        Self {
            common: Arc::new(Common {
                clock,
                admission: Arc::new(admission),
                authentications: Arc::new(Semaphore::new(limits.authentications_max.max(1))),
                noise: RateLimit::new(5, Duration::from_secs(1)),
                limits,
            }),
        }
    }

    /// Binds an address; port 0 takes a free one. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`] when the address is taken or the TLS files are unusable.
    pub fn bind(&self, address: SocketAddr, tls: Option<TlsFiles>) -> Result<Listener, BindError> {
        let tls = tls.map(Tls::load).transpose()?.map(Arc::new);
        let bound = listen(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.map_err(|source| BindError::Address { address, source })?;
        Ok(Listener {
            socket,
            address,
            tls,
            common: Arc::clone(&self.common),
        })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listener {
    /// The address that is bound, with the port that was taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept connections, each with a session of `service`.
    #[must_use]
    pub fn serve(self, service: Arc<dyn Service>) -> Serving {
        let shared = Arc::new(Shared::new(Arc::clone(&self.common), service));
        let (stop, stopped) = watch::channel(None);
        let accepting = AcceptLoop {
            socket: self.socket,
            tls: self.tls.clone(),
            shared: Arc::clone(&shared),
            connections: JoinSet::new(),
            starved: false,
            paused: false,
        };
        Serving {
            address: self.address,
            tls: self.tls,
            shared,
            stop,
            accepting: tokio::spawn(accepting.run(stopped)),
        }
    }
}

impl Serving {
    /// The address that is bound.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections have a session.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Reads certificate, key and authorities again, for connections from now on.
    ///
    /// # Errors
    /// [`TlsError`]; what was in force stays in force then.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload())
    }

    /// Stops accepting, has every session say goodbye, and waits for the connections to end.
    ///
    /// Returns how many had to be cut because they had not ended `within` that time.
    pub async fn drain(self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        self.stop.send_replace(Some(deadline));
        self.accepting.await.unwrap_or_default()
    }
}

struct AcceptLoop {
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    connections: JoinSet<()>,
    /// There is nothing left to accept connections with.
    starved: bool,
    paused: bool,
}

impl AcceptLoop {
    async fn run(mut self, mut stopped: watch::Receiver<Option<Instant>>) -> usize {
        loop {
            tokio::select! {
                biased;
                changed = stopped.changed() => {
                    let deadline = *stopped.borrow_and_update();
                    if let Some(deadline) = deadline {
                        return self.drain(deadline).await;
                    }
                    if changed.is_err() {
                        return self.drain(Instant::now()).await;
                    }
                }
                Some(_) = self.connections.join_next(), if !self.connections.is_empty() => {}
                () = sleep(ACCEPT_PAUSE), if self.paused => self.paused = false,
                accepted = self.socket.accept(), if !self.paused => self.accepted(accepted),
            }
        }
    }

    fn accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((socket, peer)) => {
                if mem::take(&mut self.starved) {
                    tracing::info!("connections are accepted again");
                }
                self.admit(socket, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                self.paused = true;
                if !mem::replace(&mut self.starved, true) {
                    tracing::error!(%error, "connections cannot be accepted; trying on");
                }
            }
        }
    }

    fn admit(&mut self, socket: TcpStream, peer: SocketAddr) {
        let permit = match self.shared.common.admission.admit(peer.ip()) {
            Ok(permit) => permit,
            Err(full) => {
                self.shared.common.complain(|held| {
                    tracing::warn!(%peer, held, "connection refused: {full}");
                });
                return;
            }
        };
        let accepted = socket.set_nodelay(true).and_then(|()| socket.local_addr());
        let Ok(local) = accepted else {
            return;
        };
        let newcomer = Newcomer {
            shared: Arc::clone(&self.shared),
            permit,
            peer,
            local,
            accepted: Instant::now(),
        };
        match &self.tls {
            None => self.connections.spawn(newcomer.connect(socket)),
            Some(tls) => {
                let acceptor = tls.acceptor();
                self.connections.spawn(async move {
                    let handshake = Box::pin(newcomer.handshake(acceptor.accept(socket)));
                    if let Some(connection) = handshake.await {
                        connection.await;
                    }
                })
            }
        };
    }

    async fn drain(mut self, deadline: Instant) -> usize {
        drop(self.socket);
        self.shared.stop();
        let ended = async { while self.connections.join_next().await.is_some() {} };
        let _: Result<(), _> = timeout_at(deadline, ended).await;
        let cut = self.connections.len();
        self.connections.shutdown().await;
        cut
    }
}

/// Whether an error of accepting is about the connection that would have been accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// An accepted connection without a session.
struct Newcomer {
    shared: Arc<Shared>,
    permit: Permit,
    peer: SocketAddr,
    local: SocketAddr,
    accepted: Instant,
}

impl Newcomer {
    fn connect(self, socket: TcpStream) -> Connection {
        let peer = Peer::at(self.peer.ip());
        self.open(Stream::Plain(socket), peer, None)
    }

    async fn handshake(self, accept: tokio_rustls::Accept<TcpStream>) -> Option<Connection> {
        let deadline = self.accepted + self.shared.common.limits.handshake_timeout;
        let failure = match timeout_at(deadline, accept).await {
            Ok(Ok(stream)) => return Some(self.connect_encrypted(stream)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "took too long".to_owned(),
        };
        self.shared.common.complain(|held| {
            tracing::warn!(peer = %self.peer, held, "TLS handshake failed: {failure}");
        });
        None
    }

    fn connect_encrypted(self, stream: TlsStream<TcpStream>) -> Connection {
        let state = stream.get_ref().1;
        let mut peer = Peer::at(self.peer.ip());
        let certificates = state.peer_certificates().unwrap_or_default();
        peer.certificate = certificates.first().map(|first| Arc::from(first.as_ref()));
        let facts = TlsFacts {
            version: named(state.protocol_version()),
            cipher_suite: named(state.negotiated_cipher_suite().map(|suite| suite.suite())),
        };
        self.open(Stream::Tls(Box::new(stream)), peer, Some(facts))
    }

    fn open(self, stream: Stream, peer: Peer, tls: Option<TlsFacts>) -> Connection {
        let addresses = (self.peer, self.local);
        let waited = self.accepted.elapsed();
        Connection::open(
            self.shared,
            stream,
            addresses,
            (peer, tls),
            waited,
            self.permit,
        )
    }
}

fn named(value: Option<impl std::fmt::Debug>) -> String {
    value.map_or_else(String::new, |value| format!("{value:?}"))
}
