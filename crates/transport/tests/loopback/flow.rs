//! Bytes in, bytes out, and what happens when they do not flow.

use crate::toy::delivery;
use crate::{Broker, PATIENCE};
use bytes::Bytes;
use sabir_core::event::Event;
use sabir_core::name::Name;
use sabir_transport::Limits;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn lines_come_back_however_they_are_split() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    let text = b"one\ntwo\n\nthree and more\n";
    for byte in text {
        client.send(&[*byte]).await;
    }
    for pieces in [3, 7, 11] {
        for piece in text.chunks(pieces) {
            client.send(piece).await;
        }
    }
    for _ in 0..4 {
        for line in ["one", "two", "", "three and more"] {
            client.expect(line).await;
        }
    }
}

#[tokio::test]
async fn a_line_larger_than_any_buffer_comes_back_whole() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    let line = "x".repeat(5 * 1024 * 1024);
    let (mut reader, mut writer) = client.socket.get_mut().split();
    let send = async {
        writer.write_all(line.as_bytes()).await.unwrap();
        writer.write_all(b"\n").await.unwrap();
    };
    let mut received = vec![0; line.len() + 1];
    let receive = reader.read_exact(&mut received);
    let ((), received_bytes) = tokio::join!(send, receive);
    received_bytes.unwrap();
    assert!(received.starts_with(line.as_bytes()) && received.ends_with(b"\n"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_either() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    let offered = 256 * 1024;
    let (mut reader, mut writer) = client.socket.get_mut().split();
    let mut sent = 0;
    while sent < offered {
        let write = writer.write_all(&line);
        if tokio::time::timeout(Duration::from_millis(500), write)
            .await
            .is_err()
        {
            break;
        }
        sent += 1;
    }
    assert!(
        sent < offered / 4,
        "{sent} KiB were taken from a client that reads nothing"
    );
    let mut received = vec![0; sent * line.len()];
    let read = reader.read_exact(&mut received);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(received.chunks(line.len()).all(|echo| echo == line));
}

#[tokio::test]
async fn deliveries_wait_for_a_slow_reader_and_are_reported_once_written() {
    let broker = Broker::start(Limits {
        events_bytes_max: u64::MAX,
        ..Limits::default()
    });
    let mut client = broker.connect().await;
    client.send(b"hello\n").await;
    client.expect("hello").await;

    let record = Bytes::from(vec![b'x'; 64 * 1024]);
    let cost = delivery(record.clone()).cost();
    let count = 2000;
    let events = vec![Event::Delivery(delivery(record.clone())); count];
    broker.notes.deliver(events);
    let stalled = stalled(|| broker.notes.handled.load(Ordering::SeqCst)).await;
    assert!(
        stalled < count as u64 / 4,
        "{stalled} deliveries are buffered"
    );
    assert!(broker.notes.written.load(Ordering::SeqCst) <= stalled * cost);

    let mut received = vec![0; count * record.len()];
    let read = client.socket.read_exact(&mut received);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let reported = || broker.notes.written.load(Ordering::SeqCst);
    while reported() < cost * count as u64 {
        tokio::task::yield_now().await;
    }
    assert_eq!(reported(), cost * count as u64);
}

#[tokio::test]
async fn a_client_that_does_not_take_its_deliveries_is_still_heard() {
    let broker = Broker::start(Limits {
        events_bytes_max: u64::MAX,
        ..Limits::default()
    });
    let mut client = broker.connect().await;
    client.send(b"hello\n").await;
    client.expect("hello").await;
    let record = Bytes::from(vec![b'x'; 64 * 1024]);
    let delivery = delivery(record);
    let window = 3 * 1024 * 1024 / delivery.cost();
    for _ in 0..200 {
        broker
            .notes
            .deliver(vec![Event::Delivery(delivery.clone()); window as usize]);
        let handled = broker.notes.handled.load(Ordering::SeqCst);
        if stalled(|| broker.notes.handled.load(Ordering::SeqCst)).await < handled + window {
            break;
        }
    }
    let received = broker.notes.received.load(Ordering::SeqCst);
    client.send(b"still here\n").await;
    while broker.notes.received.load(Ordering::SeqCst) == received {
        tokio::task::yield_now().await;
    }
}

/// The value at which a counter has stopped for a while.
async fn stalled(counter: impl Fn() -> u64) -> u64 {
    let mut last = counter();
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let current = counter();
        if current == last {
            return current;
        }
        last = current;
    }
}

#[tokio::test]
async fn a_client_that_lets_events_pile_up_is_cut_off() {
    let broker = Broker::start(Limits {
        events_bytes_max: 1024 * 1024,
        ..Limits::default()
    });
    let mut client = broker.connect().await;
    client.send(b"hello\n").await;
    client.expect("hello").await;
    let record = Bytes::from(vec![b'x'; 2 * 1024 * 1024]);
    broker
        .notes
        .deliver(vec![Event::Delivery(delivery(record))]);
    client.expect_end().await;
    broker.notes.closed(1).await;
}

#[tokio::test]
async fn an_answer_of_the_core_reaches_the_client() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    client.send(b"ask\n").await;
    client.expect("unblocked").await;
}

#[tokio::test]
async fn while_blocked_only_sessions_that_do_not_publish_are_read() {
    let broker = Broker::start(Limits::default());
    let mut publisher = broker.connect().await;
    publisher.send(b"publish\n").await;
    publisher.expect("publishing").await;
    let reason = Name::from_static("memory");
    broker.notes.deliver(vec![Event::Blocked { reason }]);
    publisher.expect("blocked").await;
    publisher.send(b"held\n").await;
    let received = broker.notes.received.load(Ordering::SeqCst);

    let mut consumer = broker.connect().await;
    consumer.send(b"hello\n").await;
    consumer.expect("hello").await;
    let with_hello = received + "hello\n".len() as u64;
    assert_eq!(broker.notes.received.load(Ordering::SeqCst), with_hello);
    drop(consumer);
    broker.notes.closed(1).await;

    broker.notes.deliver(vec![Event::Unblocked]);
    publisher.expect("unblocked").await;
    publisher.expect("held").await;
}

#[tokio::test]
async fn a_deadline_of_the_session_is_kept() {
    let broker = Broker::start(Limits::default());
    let mut client = broker.connect().await;
    client.send(b"later 60000\nlater 20\n").await;
    client.expect("late").await;
    client.send(b"later 5\n").await;
    client.expect("late").await;
}
