//! How connections begin and end.

use crate::toy::{Toys, delivery};
use crate::{Broker, Client, PATIENCE, free_port};
use bytes::Bytes;
use sabir_core::event::Event;
use sabir_core::name::Name;
use sabir_core::request::Command;
use sabir_transport::{BindError, Clock, Limits, Transport};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn with_login(limits: Limits) -> Broker {
    let toys = Toys {
        login: true,
        ..Toys::default()
    };
    Broker::with(limits, toys)
}

#[tokio::test]
async fn the_core_knows_of_a_goodbye_before_the_client_reads_it() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    client.send(b"quit\n").await;
    client.expect("bye").await;
    let commands = broker.notes.commands.lock().unwrap().clone();
    assert!(matches!(commands[..], [Command::Close { .. }]));
    client.expect_end().await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_still_gets_the_answer() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    client.send(b"last words\n").await;
    client.socket.get_mut().shutdown().await.unwrap();
    client.expect("last words").await;
    client.expect("end").await;
    client.expect_end().await;
    broker.notes.closed(1).await;
}

#[tokio::test]
async fn the_last_words_arrive_although_the_client_was_still_sending() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    let mut bytes = b"quit\n".to_vec();
    bytes.extend_from_slice(&vec![b'x'; 100 * 1024]);
    client.send(&bytes).await;
    client.expect("bye").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let broker = Broker::start(Limits::default());
    for _ in 0..20 {
        let mut client = broker.connect().await;
        client.send(b"hello\n").await;
        client.expect("hello").await;
        drop(client);
    }
    broker.notes.closed(20).await;
    assert_eq!(broker.serving.connections(), 0);
    let commands = broker.notes.commands.lock().unwrap().clone();
    let closes = commands
        .iter()
        .filter(|command| matches!(command, Command::Close { .. }));
    assert_eq!(closes.count(), 20);
}

#[tokio::test]
async fn whoever_does_not_log_in_in_time_is_cut_off() {
    let broker = with_login(Limits {
        handshake_timeout: Duration::from_millis(200),
        ..Limits::default()
    });
    let mut silent = broker.connect().await;
    let mut busy = broker.connect().await;
    let mut proven = broker.connect().await;
    proven.send(b"login\n").await;
    proven.expect("welcome").await;
    busy.send(b"hello\n").await;
    busy.expect("hello").await;
    silent.expect_end().await;
    busy.expect_end().await;
    broker.notes.closed(2).await;
    proven.send(b"still here\n").await;
    proven.expect("still here").await;
}

#[tokio::test]
async fn little_is_buffered_before_the_login_and_more_after_it() {
    let limits = Limits {
        unauthenticated_bytes_max: 1000,
        input_bytes_max: 5000,
        ..Limits::default()
    };
    let broker = with_login(limits);
    let mut client = broker.connect().await;
    client.send(&[b'x'; 999]).await;
    client.send(b"\nlogin\n").await;
    assert_eq!(client.line().await.len(), 999);
    client.expect("welcome").await;
    client.send(&[b'x'; 4999]).await;
    client.send(b"\n").await;
    assert_eq!(client.line().await.len(), 4999);
    client.send(&[b'x'; 5000]).await;
    client.expect_end().await;

    let mut stranger = broker.connect().await;
    stranger.send(&[b'x'; 1000]).await;
    stranger.expect_end().await;
}

#[tokio::test]
async fn what_follows_the_login_in_one_packet_is_not_lost() {
    let broker = with_login(Limits::default());
    let mut client = broker.connect().await;
    client.send(b"login\none\ntwo\nthr").await;
    for line in ["welcome", "one", "two"] {
        client.expect(line).await;
    }
    client.send(b"ee\n").await;
    client.expect("three").await;
}

#[tokio::test]
async fn one_connection_too_many_is_refused_until_another_leaves() {
    let broker = Broker::start(Limits {
        connections_max: 2,
        ..Limits::default()
    });
    let mut clients = [broker.connect().await, broker.connect().await];
    for client in &mut clients {
        client.send(b"hello\n").await;
        client.expect("hello").await;
    }
    broker.connect().await.expect_end().await;
    let [first, mut second] = clients;
    drop(first);
    broker.notes.closed(1).await;
    second.send(b"still here\n").await;
    second.expect("still here").await;
    let admitted = async {
        loop {
            let mut third = broker.connect().await;
            let _refused: Result<(), _> = third.socket.get_mut().write_all(b"hello\n").await;
            let mut answer = [0; 6];
            if third.socket.read_exact(&mut answer).await.is_ok() {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, admitted).await.unwrap();
    assert_eq!(&answer, b"hello\n");
}

#[tokio::test]
async fn draining_says_goodbye_and_cuts_those_who_stay() {
    let broker = Broker::start(Limits::default());
    let address = broker.serving.address();
    let mut polite = broker.connect().await;
    let mut stubborn = broker.connect().await;
    stubborn.send(b"publish\n").await;
    stubborn.expect("publishing").await;
    polite.send(b"hello\n").await;
    polite.expect("hello").await;
    let drained = tokio::spawn(broker.serving.drain(Duration::from_millis(300)));
    polite.expect("shutdown").await;
    polite.expect_end().await;
    drop(polite);
    stubborn.expect("shutdown").await;
    assert_eq!(drained.await.unwrap(), 1);
    stubborn.expect_end().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(*broker.notes.closed.borrow(), 2);
}

#[tokio::test]
async fn draining_an_idle_listener_takes_no_time() {
    let broker = Broker::start(Limits::default());
    let drained = broker.serving.drain(PATIENCE);
    let cut = tokio::time::timeout(PATIENCE / 2, drained).await;
    assert_eq!(cut, Ok(0));
}

#[tokio::test]
async fn a_stuck_client_can_be_disconnected() {
    let broker = Broker::start(Limits {
        close_timeout: Duration::from_millis(200),
        events_bytes_max: u64::MAX,
        ..Limits::default()
    });
    let mut client = broker.connect().await;
    client.send(b"hello\n").await;
    client.expect("hello").await;
    let record = Bytes::from(vec![b'x'; 1024 * 1024]);
    let deliveries = vec![Event::Delivery(delivery(record)); 100];
    broker.notes.deliver(deliveries);
    let reason = Name::from_static("because");
    broker.notes.deliver(vec![Event::Disconnect { reason }]);
    let closed = broker.notes.closed(1);
    tokio::time::timeout(PATIENCE, closed).await.unwrap();
    while broker.serving.connections() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(broker.serving.drain(PATIENCE).await, 0);
    drop(client);
}

#[tokio::test]
async fn a_taken_address_is_named_in_the_error() {
    let transport = Transport::new(Clock::start(), Limits::default());
    let first = transport.bind(free_port(), None).unwrap();
    let error = transport.bind(first.address(), None).err().unwrap();
    let BindError::Address { address, source } = error else {
        unreachable!("only the address can be wrong");
    };
    assert_eq!(address, first.address());
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn listeners_share_their_limits() {
    let transport = Transport::new(
        Clock::start(),
        Limits {
            connections_per_address_max: Some(1),
            ..Limits::default()
        },
    );
    let serve = |toys: Toys| {
        let listener = transport.bind(free_port(), None).unwrap();
        listener.serve(Arc::new(toys))
    };
    let (first, second) = (serve(Toys::default()), serve(Toys::default()));
    let mut client = Client::new(TcpStream::connect(first.address()).await.unwrap());
    client.send(b"hello\n").await;
    client.expect("hello").await;
    let mut other = Client::new(TcpStream::connect(second.address()).await.unwrap());
    other.expect_end().await;
}
