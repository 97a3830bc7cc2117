//! A shard as one session sees it, with its threads and its disk.

use super::*;
use sabir_core::{
    admin::AdminRequest,
    authorize::{Authorizer, Operation, Resource},
    broker::Config,
    id::{ConsumerId, ProducerId, RequestId},
    message::{Format, Formats, Message, value::Table},
    queue::{QueueSettings, QueueSpec},
    request::{Consume, Publish, Request, Start},
    routing::Subject,
};
use sabir_storage::journal::JournalOptions;
use std::time::Instant;

struct Everyone;

impl Authorizer for Everyone {
    fn permits(&self, _: &str, _: &str, _: Operation, _: Resource<'_>) -> bool {
        true
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// What a session has been told.
#[derive(Default)]
struct Told {
    events: Mutex<Vec<Event>>,
    changed: Condvar,
}

impl Outbox for Told {
    fn deliver(&self, events: &mut Vec<Event>) {
        lock(&self.events).append(events);
        self.changed.notify_all();
    }
}

impl Told {
    /// Waits for such an event. False when it takes too long.
    fn hears(&self, wanted: impl Fn(&Event) -> bool, at_most: Duration) -> bool {
        let events = lock(&self.events);
        let missing = |events: &mut Vec<Event>| !events.iter().any(&wanted);
        let waited = self.changed.wait_timeout_while(events, at_most, missing);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

const SESSION: SessionId = SessionId(1);

fn started(directory: &std::path::Path) -> (Arc<Shard>, Threads, Arc<Told>) {
    let (shard, threads) = start(ShardOptions {
        directory: directory.to_owned(),
        journal: JournalOptions {
            file_bytes: 1 << 20,
            first_file_bytes: 64 << 10,
            ..JournalOptions::default()
        },
        memtable_bytes: 16 << 20,
        core: Config::default(),
        authorizer: Arc::new(Everyone),
        formats: Formats::default(),
        clock: Clock::start(),
        failed: Arc::new(|error| panic!("the disk is good: {error}")),
    })
    .unwrap();
    let told = Arc::new(Told::default());
    shard.attach(SESSION, Arc::clone(&told) as Arc<dyn Outbox>);
    (shard, threads, told)
}

fn requests(requests: impl IntoIterator<Item = Request>) -> Vec<Command> {
    let mut commands = vec![
        Command::Administer {
            id: RequestId(1),
            session: SESSION,
            request: AdminRequest::CreateNamespace {
                name: Name::from_static("/"),
            },
        },
        Command::Open {
            session: SESSION,
            namespace: Name::from_static("/"),
            principal: Name::default(),
            description: Name::default(),
        },
    ];
    commands.extend((2..).zip(requests).map(|(id, request)| Command::Request {
        session: SESSION,
        id: RequestId(id),
        request,
    }));
    commands
}

fn queue(name: &'static str, settings: QueueSettings) -> Request {
    Request::DeclareQueue {
        name: Name::from_static(name),
        generated_prefix: "",
        spec: QueueSpec {
            durable: true,
            settings,
            ..QueueSpec::default()
        },
    }
}

fn consume(queue: &'static str) -> Request {
    Request::Consume(Consume {
        consumer: ConsumerId(1),
        tag: Name::default(),
        queue: Name::from_static(queue),
        settled: true,
        exclusive: false,
        priority: 0,
        unsettled_max: 0,
        window: None,
        credit: None,
        start: Start::Next,
        arguments: Table::new(),
    })
}

fn publish(queue: &'static str) -> Command {
    Command::Publish {
        session: SESSION,
        publish: Publish {
            producer: ProducerId(1),
            ticket: 1,
            mandatory: false,
            message: Message {
                exchange: Name::default(),
                routing_key: Subject::from_bytes(bytes::Bytes::from_static(queue.as_bytes())),
                extra_keys: Vec::new(),
                persistent: true,
                priority: 0,
                ttl_ms: None,
                delay_ms: None,
                deduplication_id: None,
                format: Format(0),
                head: bytes::Bytes::new(),
                body: bytes::Bytes::from_static(b"late"),
                deaths: Vec::new(),
            },
        },
    }
}

#[test]
fn what_is_due_happens_although_nobody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (shard, threads, told) = started(folder.path());
    let brief = QueueSettings {
        message_ttl_ms: Some(20),
        dead_letter_exchange: Some("".into()),
        dead_letter_routing_key: Some("late".into()),
        ..QueueSettings::default()
    };
    shard.submit(&mut requests([
        queue("late", QueueSettings::default()),
        queue("brief", brief),
        consume("late"),
    ]));
    let ready = |event: &Event| matches!(event, Event::Reply { id, .. } if *id == RequestId(4));
    assert!(told.hears(ready, Duration::from_secs(10)));
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        shard.submit(&mut vec![publish("brief")]);
        let delivered = |event: &Event| matches!(event, Event::Delivery(_));
        assert!(told.hears(delivered, ALL_ROUNDS));
        lock(&told.events).clear();
    }
    assert!(begin.elapsed() < ALL_ROUNDS, "they come when they are due");
    shard.submit(&mut vec![Command::Close { session: SESSION }]);
    threads.stop().unwrap();
}

/// How often a message becomes due.
const ROUNDS: u32 = 20;

/// Twenty times twenty milliseconds, and much for a busy machine.
const ALL_ROUNDS: Duration = Duration::from_secs(6);
