//! A line protocol that does nothing useful, its service and a core that only takes notes.

use bytes::{Bytes, BytesMut};
use sabir_core::event::{Delivery, Event};
use sabir_core::id::{ConsumerId, SessionId, Timestamp};
use sabir_core::message::Record;
use sabir_core::request::{Command, Request};
use sabir_core::session::{Door, Outbox, Output, Session};
use sabir_security::Peer;
use sabir_transport::{NewConnection, Opened, Service, TlsFacts};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What the service, its sessions and its core have seen.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) commands: Mutex<Vec<Command>>,
    pub(crate) outboxes: Mutex<HashMap<SessionId, Arc<dyn Outbox>>>,
    pub(crate) peers: Mutex<Vec<(Peer, Option<TlsFacts>)>>,
    pub(crate) handled: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) closed: watch::Sender<u64>,
}

impl Notes {
    /// Waits until so many connections are over.
    pub(crate) async fn closed(&self, count: u64) {
        let mut closed = self.closed.subscribe();
        closed.wait_for(|closed| *closed >= count).await.unwrap();
    }

    /// Hands the events to the only session there is.
    pub(crate) fn deliver(&self, mut events: Vec<Event>) {
        let outboxes = self.outboxes.lock().unwrap();
        outboxes.values().next().unwrap().deliver(&mut events);
    }
}

/// A service of toy sessions.
#[derive(Default)]
pub(crate) struct Toys {
    pub(crate) notes: Arc<Notes>,
    /// Whether sessions need a line `login` before they count as established.
    pub(crate) login: bool,
    pub(crate) next: AtomicU64,
}

impl Service for Toys {
    fn open(&self, connection: NewConnection) -> Opened {
        let id = SessionId(self.next.fetch_add(1, Ordering::Relaxed));
        let notes = Arc::clone(&self.notes);
        let mut peers = notes.peers.lock().unwrap();
        peers.push((connection.peer, connection.tls));
        let mut outboxes = notes.outboxes.lock().unwrap();
        outboxes.insert(id, connection.outbox);
        drop((peers, outboxes));
        Opened {
            id,
            session: Box::new(Toy {
                id,
                established: !self.login,
                publishes: false,
                deadline: None,
                output: Output::default(),
                notes: Arc::clone(&notes),
            }),
            door: Arc::new(NotingDoor {
                notes,
                closed: AtomicBool::new(false),
            }),
        }
    }

    fn closed(&self, session: SessionId) {
        self.notes.outboxes.lock().unwrap().remove(&session);
        self.notes.closed.send_modify(|closed| *closed += 1);
    }
}

struct NotingDoor {
    notes: Arc<Notes>,
    closed: AtomicBool,
}

impl Door for NotingDoor {
    fn submit(&self, commands: &mut Vec<Command>) {
        assert!(!self.closed.load(Ordering::SeqCst), "a command after Close");
        for command in commands.drain(..) {
            match command {
                Command::Request { session, .. } => {
                    let outboxes = self.notes.outboxes.lock().unwrap();
                    outboxes[&session].deliver(&mut vec![Event::Unblocked]);
                }
                Command::Written { bytes, .. } => {
                    self.notes.written.fetch_add(bytes, Ordering::SeqCst);
                }
                Command::Close { .. } => self.closed.store(true, Ordering::SeqCst),
                _ => {}
            }
            self.notes.commands.lock().unwrap().push(command);
        }
    }
}

/// Lines that it knows are `login`, `publish`, `ask`, `later <milliseconds>` and `quit`; others
/// come back.
struct Toy {
    id: SessionId,
    established: bool,
    publishes: bool,
    deadline: Option<Timestamp>,
    output: Output,
    notes: Arc<Notes>,
}

impl Toy {
    fn say(&mut self, line: &[u8]) {
        self.output.bytes.extend_from_slice(line);
        self.output.bytes.extend_from_slice(b"\n");
    }

    fn line(&mut self, now: Timestamp, line: &[u8]) {
        match line {
            b"login" => {
                self.established = true;
                self.say(b"welcome");
            }
            b"publish" => {
                self.publishes = true;
                self.say(b"publishing");
            }
            b"ask" => self.output.commands.push(Command::Request {
                session: self.id,
                id: sabir_core::id::RequestId(1),
                request: Request::FindQueue {
                    name: sabir_core::name::Name::from_static("q"),
                },
            }),
            b"quit" => {
                self.say(b"bye");
                self.output.close = Some("the client quit".to_owned());
            }
            _ => match line.strip_prefix(b"later ") {
                Some(after) => {
                    let after = std::str::from_utf8(after).unwrap();
                    self.deadline = Some(now.after(after.parse().unwrap()));
                }
                None => self.say(line),
            },
        }
    }
}

impl Session for Toy {
    fn receive(&mut self, now: Timestamp, input: &mut BytesMut) {
        while self.output.close.is_none() {
            let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
                return;
            };
            let line = input.split_to(end + 1).freeze();
            let received = line.len() as u64;
            self.notes.received.fetch_add(received, Ordering::SeqCst);
            self.line(now, &line[..end]);
        }
    }

    fn end_of_input(&mut self, _now: Timestamp) {
        self.say(b"end");
        self.output.close = Some("the client went".to_owned());
    }

    fn handle(&mut self, _now: Timestamp, event: Event) {
        self.notes.handled.fetch_add(1, Ordering::SeqCst);
        match event {
            Event::Delivery(delivery) => {
                self.output.delivered_bytes += delivery.cost();
                self.output.bytes.extend_from_slice(&delivery.record.0);
            }
            Event::Blocked { .. } => self.say(b"blocked"),
            Event::Unblocked => self.say(b"unblocked"),
            Event::Disconnect { .. } => self.output.close = Some("disconnected".to_owned()),
            other => self.say(format!("{other:?}").as_bytes()),
        }
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.deadline
    }

    fn timeout(&mut self, now: Timestamp) {
        assert!(self.deadline.take().unwrap() <= now);
        self.say(b"late");
    }

    fn shutdown(&mut self, _now: Timestamp) {
        self.say(b"shutdown");
        if !self.publishes {
            self.output.close = Some("the broker stops".to_owned());
        }
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn is_established(&self) -> bool {
        self.established
    }

    fn publishes(&self) -> bool {
        self.publishes
    }
}

/// A delivery of this content.
pub(crate) fn delivery(record: Bytes) -> Delivery {
    Delivery {
        consumer: ConsumerId(1),
        id: None,
        settled: true,
        redelivered: false,
        attempts: 0,
        record: Record(record),
    }
}
