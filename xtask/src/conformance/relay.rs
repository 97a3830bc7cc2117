//! A TCP relay for suites that have port 5672 written into them while the broker listens elsewhere.
//!
//! It copies bytes both ways and closes each side when the other one did; it reads nothing into them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Context;

/// Accepts connections until it is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens on `listen` and forwards every connection to `target`.
    pub(super) fn start(listen: SocketAddr, target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .with_context(|| format!("{listen} is taken; the suite needs it"))?;
        let address = listener.local_addr()?;
        let closing = Arc::new(AtomicBool::new(false));
        let observed = Arc::clone(&closing);
        let acceptor = thread::spawn(move || accept(&listener, target, &observed));
        Ok(Self {
            address,
            closing,
            acceptor: Some(acceptor),
        })
    }

    /// Where the relay listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // A connection wakes the acceptor so that it sees the flag.
        let _woken: io::Result<TcpStream> = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _joined: thread::Result<()> = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, closing: &AtomicBool) {
    for incoming in listener.incoming() {
        if closing.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(client), Ok(broker)) = (incoming, TcpStream::connect(target)) else {
            continue;
        };
        // A pair that cannot be set up is closed; the client sees that as a refused connection.
        let _paired: io::Result<()> = pair(&client, &broker);
    }
}

fn pair(client: &TcpStream, broker: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    for (from, to) in [(client, broker), (broker, client)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        // Both threads end with their connection, which ends with the suite or the broker.
        thread::spawn(move || copy(from, to));
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..length) else {
            break;
        };
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ended: io::Result<()> = to.shutdown(Shutdown::Write);
    let _ended: io::Result<()> = from.shutdown(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_the_end_of_a_connection_cross_the_relay() {
        let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = target.local_addr().expect("its address");
        let echo = thread::spawn(move || {
            let (mut stream, _peer) = target.accept().expect("a connection");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).expect("bytes");
            stream.write_all(&received).expect("an answer");
        });
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let relay = Relay::start(free, address).expect("a relay");
        let mut client = TcpStream::connect(relay.address()).expect("a connection");
        client.write_all(b"across").expect("bytes sent");
        client.shutdown(Shutdown::Write).expect("end of sending");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("an answer");
        assert_eq!(answer, b"across");
        echo.join().expect("the echo ends");
    }
}
