//! The transport over loopback sockets, with a toy protocol.

#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod encrypted;
mod flow;
mod lifecycle;
mod toy;

use sabir_transport::{Clock, Limits, Serving, Transport};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use toy::{Notes, Toys};

/// Longer than anything here takes; reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(30);

/// A broker made of toys.
struct Broker {
    serving: Serving,
    notes: Arc<Notes>,
}

impl Broker {
    fn start(limits: Limits) -> Self {
        Self::with(limits, Toys::default())
    }

    fn with(limits: Limits, toys: Toys) -> Self {
        let notes = Arc::clone(&toys.notes);
        let transport = Transport::new(Clock::start(), limits);
        let listener = transport.bind(free_port(), None).unwrap();
        Self {
            serving: listener.serve(Arc::new(toys)),
            notes,
        }
    }

    async fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.serving.address()).await.unwrap())
    }
}

fn free_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A client of the toy protocol.
struct Client {
    socket: BufReader<TcpStream>,
}

impl Client {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket: BufReader::new(socket),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.unwrap();
    }

    /// The next line without its end; empty when the connection is closed.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.socket.read_line(&mut line);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        line.trim_end().to_owned()
    }

    async fn expect(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    /// Asserts that the broker closes the connection without another word.
    async fn expect_end(&mut self) {
        let mut line = String::new();
        let read = self.socket.read_line(&mut line);
        match tokio::time::timeout(PATIENCE, read).await.unwrap() {
            Ok(bytes) => assert_eq!((bytes, line.as_str()), (0, "")),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}
