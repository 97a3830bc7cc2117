//! What idle connections cost.

#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

#[path = "loopback/toy.rs"]
#[allow(dead_code, reason = "this suite needs only a part of the toys")]
mod toy;

use sabir_transport::{Clock, Limits, Transport};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

const CONNECTIONS: usize = 2000;
const BYTES_PER_CONNECTION_MAX: usize = 12 * 1024;

/// Two thousand connections are opened, used once and left alone. The clients are plain blocking
/// sockets without buffers, so that what this process grows by is the transport's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_idle_connections_cost_at_most_twelve_kibibytes_each() {
    let toys = toy::Toys::default();
    let notes = Arc::clone(&toys.notes);
    let transport = Transport::new(Clock::start(), Limits::default());
    let listener = transport.bind(SocketAddr::from(([127, 0, 0, 1], 0)), None);
    let serving = listener.unwrap().serve(Arc::new(toys));
    let address = serving.address();
    let connect = move |count: usize| {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"hello\nlater 3600000\nagain\n").unwrap();
            let mut answer = [0; 12];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"hello\nagain\n");
            clients.push(client);
        }
        clients
    };
    let warm = tokio::task::spawn_blocking(move || connect(100))
        .await
        .unwrap();
    let before = resident_bytes();
    let clients = tokio::task::spawn_blocking(move || connect(CONNECTIONS))
        .await
        .unwrap();
    let grown = resident_bytes().saturating_sub(before);
    assert_eq!(serving.connections(), CONNECTIONS + warm.len());
    let each = grown / CONNECTIONS;
    assert!(
        each <= BYTES_PER_CONNECTION_MAX,
        "{each} bytes per connection"
    );
    drop((warm, clients));
    notes.closed((CONNECTIONS + 100) as u64).await;
    assert_eq!(serving.connections(), 0);
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
