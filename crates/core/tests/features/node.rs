//! A broker with a journal, extents and an index in memory, driven by hand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sabir_core::authorize::{Authorizer, Operation, Resource};
use sabir_core::broker::{
    Broker, Config, Effects, Fetch, Recovery, RecoveryError, SettleStep, Urgency,
};
use sabir_core::event::{Delivery, Event, Response};
use sabir_core::id::{ConsumerId, ProducerId, RequestId, SessionId, Timestamp};
use sabir_core::journal::SealedBlock;
use sabir_core::message::Formats;
use sabir_core::name::Name;
use sabir_core::refusal::Refusal;
use sabir_core::request::{Command, Consume, Outcome, Publish, Request, Settlement, Start};
use sabir_core::storage::{
    Block, BlockKind, Epoch, ExtentFile, FileNumber, IndexChange, Keyspace, Mark, Position, Run,
    StoredRecord, Tier,
};

use crate::build::Fields;

/// Permits everything.
struct Everyone;

impl Authorizer for Everyone {
    fn permits(&self, _: &str, _: &str, _: Operation, _: Resource<'_>) -> bool {
        true
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// Something that is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The body of a block.
    Block(usize),
    /// The value of an entry of the index.
    Value(usize),
}

pub(crate) type Reply = Result<Response, Refusal>;

/// A broker and everything around it, in memory.
pub(crate) struct Node {
    pub(crate) broker: Broker,
    pub(crate) now: Timestamp,
    config: Config,
    events: BTreeMap<SessionId, VecDeque<Event>>,
    fetches: VecDeque<Fetch>,
    /// Blocks that the journal has.
    blocks: Vec<(FileNumber, SealedBlock)>,
    /// Blocks that were handed out and are not yet written.
    unwritten: VecDeque<SealedBlock>,
    file: FileNumber,
    mark: Mark,
    index: BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>,
    extents: BTreeMap<ExtentFile, Vec<(u64, StoredRecord)>>,
    next_extent: u64,
    next_session: u64,
    next_request: u64,
    /// Reads from disk wait.
    pub(crate) hold_fetches: bool,
    /// Reads from disk fail.
    pub(crate) fail_fetches: bool,
    /// How many reads from disk there were.
    pub(crate) fetched: usize,
    /// Blocks are not written.
    pub(crate) hold_journal: bool,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let mut node = Self {
            broker: empty_broker(&config),
            now: Timestamp(1_000_000),
            config,
            events: BTreeMap::new(),
            fetches: VecDeque::new(),
            blocks: Vec::new(),
            unwritten: VecDeque::new(),
            file: FileNumber(1),
            mark: Mark {
                first_file: FileNumber(1),
                states: Position(0),
            },
            index: BTreeMap::new(),
            extents: BTreeMap::new(),
            next_extent: 1,
            next_session: 1,
            next_request: 1,
            hold_fetches: false,
            fail_fetches: false,
            fetched: 0,
            hold_journal: false,
        };
        node.administer(sabir_core::admin::AdminRequest::CreateNamespace {
            name: Name::from_static("/"),
        })
        .unwrap();
        node
    }

    /// Everything that can happen without time passing happens.
    pub(crate) fn run(&mut self) {
        loop {
            let mut effects = Effects::default();
            self.broker.tick(self.now, &mut effects);
            self.broker.finish(self.now, &mut effects);
            while self.broker.urgency() != Urgency::Nothing {
                let Some(block) = self.broker.seal() else {
                    break;
                };
                self.unwritten.push_back(block);
            }
            let written = !self.hold_journal && !self.unwritten.is_empty();
            if written {
                self.write(&mut effects);
            }
            self.take(effects);
            let fetched = !self.hold_fetches && self.fetch_one();
            if !written && !fetched {
                return;
            }
        }
    }

    /// Writes and commits what was handed out.
    fn write(&mut self, effects: &mut Effects) {
        while let Some(block) = self.unwritten.pop_front() {
            let position = block.position;
            self.blocks.push((self.file, block));
            self.broker.committed(position, self.file, effects);
        }
    }

    /// Writes one block without telling the broker. Returns what to tell it.
    pub(crate) fn write_unreported(&mut self) -> (Position, FileNumber) {
        let block = self.broker.seal().unwrap();
        let position = block.position;
        self.blocks.push((self.file, block));
        (position, self.file)
    }

    fn take(&mut self, effects: Effects) {
        for (session, event) in effects.events {
            self.events.entry(session).or_default().push_back(event);
        }
        self.fetches.extend(effects.fetches);
    }

    fn fetch_one(&mut self) -> bool {
        let Some(fetch) = self.fetches.pop_front() else {
            return false;
        };
        self.fetched += 1;
        let mut effects = Effects::default();
        let records = (!self.fail_fetches).then(|| self.read(&fetch)).flatten();
        self.broker.fetched(self.now, &fetch, records, &mut effects);
        self.take(effects);
        true
    }

    fn read(&self, fetch: &Fetch) -> Option<Vec<StoredRecord>> {
        let mut room = fetch.bytes_max;
        let mut found = Vec::new();
        for (log, record) in self.extents.get(&fetch.run.file)? {
            if *log != fetch.log.0 || record.offset < fetch.from.0 {
                continue;
            }
            if room == 0 {
                break;
            }
            room = room.saturating_sub(record.bytes.len() as u64);
            found.push(record.clone());
        }
        Some(found)
    }

    /// Writes the extent file anew of which least is wanted. False when none is worth it.
    pub(crate) fn rewrite(&mut self) -> bool {
        let Some(rewrite) = self.broker.next_rewrite() else {
            return false;
        };
        let file = self.next_file(Tier::Durable);
        let found = self.extents[&rewrite.file].iter();
        let records: Vec<_> = found
            .filter(|(log, record)| rewrite.wants(*log, record.offset))
            .cloned()
            .collect();
        let runs = self.keep(file, records);
        self.broker.rewritten(&rewrite, &runs);
        true
    }

    /// The journal file is full: everything in it that is still wanted moves to an extent.
    pub(crate) fn rotate(&mut self) {
        let full = self.file;
        self.file = full.next();
        if self.broker.begin_settle(full) {
            self.write_extents(Tier::Durable);
        }
        self.mark.first_file = full.next();
        self.checkpoint();
    }

    /// Everything that is not journaled moves to an extent.
    pub(crate) fn move_volatile(&mut self) {
        self.broker.begin_settle_volatile();
        self.write_extents(Tier::Volatile);
    }

    fn write_extents(&mut self, tier: Tier) {
        let file = self.next_file(tier);
        let mut records = Vec::new();
        while let SettleStep::Records(step) = self.broker.settle_next(4096) {
            records.extend(step.into_iter().map(|record| {
                let stored = StoredRecord {
                    offset: record.offset.0,
                    meta: record.meta,
                    bytes: record.bytes,
                };
                (record.log.0, stored)
            }));
        }
        let runs = self.keep(file, records);
        self.broker.settled(&runs);
    }

    fn next_file(&mut self, tier: Tier) -> ExtentFile {
        let number = self.next_extent;
        self.next_extent += 1;
        ExtentFile { tier, number }
    }

    /// Keeps records in a new file. Returns its runs.
    fn keep(&mut self, file: ExtentFile, records: Vec<(u64, StoredRecord)>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (log, record) in &records {
            if runs.last().is_none_or(|run| run.log != *log) {
                runs.push(Run {
                    file,
                    log: *log,
                    first: record.offset,
                    last: 0,
                    count: 0,
                    bytes: 0,
                    due_ms_min: None,
                    timestamp_ms_max: 0,
                });
            }
            let run = runs.last_mut().unwrap();
            run.last = record.offset;
            run.count += 1;
            run.bytes += record.bytes.len() as u64;
            let dues = run.due_ms_min.into_iter().chain(record.meta.due_ms);
            run.due_ms_min = dues.min();
            run.timestamp_ms_max = run.timestamp_ms_max.max(record.meta.timestamp_ms);
        }
        if !records.is_empty() {
            self.extents.insert(file, records);
        }
        runs
    }

    /// Saves the changes since the last checkpoint in the index.
    pub(crate) fn checkpoint(&mut self) {
        let checkpoint = self.broker.checkpoint();
        let held = std::mem::replace(&mut self.hold_journal, false);
        self.run();
        self.hold_journal = held;
        self.commit_checkpoint(checkpoint);
    }

    /// Commits a checkpoint whose position the journal has.
    pub(crate) fn commit_checkpoint(&mut self, checkpoint: sabir_core::broker::Checkpoint) {
        let last = self.blocks.last().map_or(0, |(_, block)| block.position.0);
        assert!(checkpoint.position.0 <= last, "the journal is behind");
        for change in checkpoint.batch.into_changes() {
            match change {
                IndexChange::Put {
                    keyspace,
                    key,
                    value,
                } => {
                    self.index.insert((keyspace, key), value);
                }
                IndexChange::Remove { keyspace, key } => {
                    self.index.remove(&(keyspace, key));
                }
            }
        }
        self.mark.states = checkpoint.position;
        let first = self.mark.first_file;
        self.blocks.retain(|(file, _)| *file >= first);
        for file in checkpoint.empty {
            assert!(self.extents.remove(&file).is_some(), "{file} is gone");
        }
    }

    /// The process dies; what the journal has not written is lost.
    pub(crate) fn crash(&mut self) {
        self.restart(false);
    }

    /// How many blocks the journal has, and how many entries the index.
    pub(crate) fn stored(&self) -> (usize, usize) {
        (self.blocks.len(), self.index.len())
    }

    /// What a new process makes of the stored bytes after `damage` has seen each of them. It takes
    /// up its work if it accepts them.
    pub(crate) fn start_damaged(
        &self,
        mut damage: impl FnMut(Stored, &[u8]) -> Vec<u8>,
    ) -> Result<(), RecoveryError> {
        let mut broker = empty_broker(&self.config);
        let mut recovery = Recovery::default();
        for (place, ((keyspace, key), value)) in self.index.iter().enumerate() {
            recovery.add(*keyspace, key, &damage(Stored::Value(place), value))?;
        }
        broker.restore(self.now, recovery)?;
        let mut last = self.mark.states;
        for (place, (file, block)) in self.blocks.iter().enumerate() {
            last = last.max(block.position);
            let block = Block {
                position: block.position,
                file: *file,
                epoch: Epoch(1),
                kind: BlockKind::Entries,
                body: damage(Stored::Block(place), &block.body).into(),
            };
            broker.replay(self.now, &block, self.mark.states)?;
        }
        broker.recovered(self.now, last.next(), false)?;
        let mut effects = Effects::default();
        for now in [self.now, self.now.after(3_600_000)] {
            broker.tick(now, &mut effects);
            broker.finish(now, &mut effects);
        }
        drop(broker.checkpoint());
        Ok(())
    }

    /// An orderly stop and a new start.
    pub(crate) fn stop_and_start(&mut self) {
        self.checkpoint();
        self.restart(true);
    }

    fn restart(&mut self, clean: bool) {
        self.events.clear();
        self.fetches.clear();
        self.unwritten.clear();
        self.hold_journal = false;
        self.broker = empty_broker(&self.config);
        let mut recovery = Recovery::default();
        for ((keyspace, key), value) in &self.index {
            recovery.add(*keyspace, key, value).unwrap();
        }
        self.broker.restore(self.now, recovery).unwrap();
        for (file, block) in &self.blocks {
            let block = Block {
                position: block.position,
                file: *file,
                epoch: Epoch(1),
                kind: BlockKind::Entries,
                body: block.body.clone(),
            };
            self.broker
                .replay(self.now, &block, self.mark.states)
                .unwrap();
        }
        let last = self
            .blocks
            .last()
            .map_or(self.mark.states, |(_, block)| block.position)
            .max(self.mark.states);
        self.broker.recovered(self.now, last.next(), clean).unwrap();
        self.extents.retain(|file, _| file.tier == Tier::Durable);
        self.run();
    }

    /// Time passes, a little at a time.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = self.now.after(milliseconds);
        while let Some(due) = self.broker.next_timer().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.run();
        }
        self.now = end;
        self.run();
    }

    /// Time passes at once, without the broker noticing.
    pub(crate) fn skip(&mut self, milliseconds: u64) {
        self.now = self.now.after(milliseconds);
    }

    pub(crate) fn apply(&mut self, command: Command) {
        let mut effects = Effects::default();
        self.broker.apply(self.now, command, &mut effects);
        self.take(effects);
    }

    /// A new session.
    pub(crate) fn connect(&mut self) -> SessionId {
        self.connect_to("/").unwrap()
    }

    pub(crate) fn connect_to(&mut self, namespace: &str) -> Result<SessionId, Refusal> {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.apply(Command::Open {
            session,
            namespace: Name::from(namespace),
            principal: Name::from_static("someone"),
            description: Name::from_static("a test"),
        });
        self.run();
        self.reply_to(session, RequestId(0)).map(|_| session)
    }

    pub(crate) fn close(&mut self, session: SessionId) {
        self.apply(Command::Close { session });
        self.run();
        self.events.remove(&session);
    }

    /// Asks without waiting.
    pub(crate) fn ask(&mut self, session: SessionId, request: Request) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.apply(Command::Request {
            session,
            id,
            request,
        });
        id
    }

    /// Asks and waits for the answer.
    pub(crate) fn request(&mut self, session: SessionId, request: Request) -> Reply {
        let id = self.ask(session, request);
        self.run();
        self.reply_to(session, id)
    }

    pub(crate) fn reply_to(&mut self, session: SessionId, wanted: RequestId) -> Reply {
        self.find_reply(session, wanted).expect("an answer")
    }

    /// Takes the answer to a request out of a session's events.
    pub(crate) fn find_reply(&mut self, session: SessionId, wanted: RequestId) -> Option<Reply> {
        let events = self.events.get_mut(&session)?;
        let at = events
            .iter()
            .position(|event| matches!(event, Event::Reply { id, .. } if *id == wanted))?;
        match events.remove(at) {
            Some(Event::Reply { result, .. }) => Some(result),
            _ => None,
        }
    }

    pub(crate) fn administer(&mut self, request: sabir_core::admin::AdminRequest) -> Reply {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let session = SessionId(0);
        self.apply(Command::Administer {
            id,
            session,
            request,
        });
        self.run();
        self.reply_to(session, id)
    }

    /// Publishes with a confirm wanted.
    pub(crate) fn publish(&mut self, session: SessionId, ticket: u64, message: Fields) {
        self.publish_quietly(session, ticket, message);
        self.run();
    }

    pub(crate) fn publish_quietly(&mut self, session: SessionId, ticket: u64, message: Fields) {
        self.apply(Command::Publish {
            session,
            publish: Publish {
                producer: ProducerId(1),
                ticket,
                mandatory: message.mandatory,
                message: message.message,
            },
        });
    }

    /// All events of a session so far.
    pub(crate) fn events(&mut self, session: SessionId) -> Vec<Event> {
        self.events
            .get_mut(&session)
            .map(|events| events.drain(..).collect())
            .unwrap_or_default()
    }

    /// The tickets that were confirmed; other events stay.
    pub(crate) fn confirms(&mut self, session: SessionId) -> Vec<u64> {
        let confirmed = self.sift(session, |event| match event {
            Event::Confirmed { first, last, .. } => Ok(first..=last),
            other => Err(other),
        });
        confirmed.into_iter().flatten().collect()
    }

    /// The tickets that were refused; other events stay.
    pub(crate) fn refusals(&mut self, session: SessionId) -> Vec<u64> {
        self.sift(session, |event| match event {
            Event::Refused { ticket, .. } => Ok(ticket),
            other => Err(other),
        })
    }

    /// What was delivered; other events stay.
    pub(crate) fn deliveries(&mut self, session: SessionId) -> Vec<Delivery> {
        self.sift(session, |event| match event {
            Event::Delivery(delivery) => Ok(delivery),
            other => Err(other),
        })
    }

    /// The bodies of what was delivered.
    pub(crate) fn bodies(&mut self, session: SessionId) -> Vec<String> {
        self.deliveries(session).iter().map(body).collect()
    }

    fn sift<T>(
        &mut self,
        session: SessionId,
        mut take: impl FnMut(Event) -> Result<T, Event>,
    ) -> Vec<T> {
        let events = self.events.entry(session).or_default();
        let mut taken = Vec::new();
        for event in std::mem::take(events) {
            match take(event) {
                Ok(one) => taken.push(one),
                Err(other) => events.push_back(other),
            }
        }
        taken
    }

    /// Starts a consumer.
    pub(crate) fn consume(&mut self, session: SessionId, consumer: u32, queue: &str) {
        self.consume_with(session, consumer, queue, |_| {}).unwrap();
    }

    /// Starts a consumer with properties of its own.
    pub(crate) fn consume_with(
        &mut self,
        session: SessionId,
        consumer: u32,
        queue: &str,
        adapt: impl FnOnce(&mut Consume),
    ) -> Reply {
        let mut consume = consumption(consumer, queue);
        adapt(&mut consume);
        self.request(session, Request::Consume(consume))
    }

    pub(crate) fn settle(&mut self, session: SessionId, delivery: &Delivery, outcome: Outcome) {
        self.settle_quietly(session, delivery, outcome);
        self.run();
    }

    pub(crate) fn settle_quietly(
        &mut self,
        session: SessionId,
        delivery: &Delivery,
        outcome: Outcome,
    ) {
        let settlement = settlement(delivery, outcome);
        self.apply(Command::Settle {
            session,
            settlement,
        });
    }

    pub(crate) fn ack(&mut self, session: SessionId, delivery: &Delivery) {
        self.settle(session, delivery, Outcome::Ack);
    }

    /// Takes one message by get.
    pub(crate) fn get(&mut self, session: SessionId, queue: &str) -> Option<Delivery> {
        let request = Request::Get {
            queue: Name::from(queue),
            settled: false,
        };
        match self.request(session, request) {
            Ok(Response::Got { delivery, .. }) => delivery.map(|delivery| *delivery),
            other => panic!("{other:?}"),
        }
    }

    /// Takes and settles all messages of a queue; returns their bodies.
    pub(crate) fn drain(&mut self, queue: &str) -> Vec<String> {
        let session = self.connect();
        let mut bodies = Vec::new();
        while let Some(delivery) = self.get(session, queue) {
            bodies.push(body(&delivery));
            self.ack(session, &delivery);
        }
        self.close(session);
        bodies
    }

    /// Ready and unsettled messages of a queue.
    pub(crate) fn counts(&mut self, queue: &str) -> (u64, u64) {
        let row = self.row(queue);
        (row.ready, row.unsettled)
    }

    pub(crate) fn row(&mut self, queue: &str) -> sabir_core::admin::QueueRow {
        self.find_row(queue).expect("the queue exists")
    }

    pub(crate) fn find_row(&mut self, queue: &str) -> Option<sabir_core::admin::QueueRow> {
        let listed = self.administer(sabir_core::admin::AdminRequest::List {
            what: sabir_core::admin::Listing::Queues,
            namespace: None,
        });
        let Ok(Response::Report(report)) = listed else {
            panic!("no list");
        };
        let sabir_core::admin::Report::Queues(rows) = *report else {
            panic!("not a list of queues");
        };
        rows.into_iter().find(|row| &*row.name == queue)
    }
}

fn empty_broker(config: &Config) -> Broker {
    Broker::new(config.clone(), Arc::new(Everyone), Formats::default(), 7)
}

/// A consumer without limits.
pub(crate) fn consumption(consumer: u32, queue: &str) -> Consume {
    Consume {
        consumer: ConsumerId(consumer),
        tag: Name::from_static("tag"),
        queue: Name::from(queue),
        settled: false,
        exclusive: false,
        priority: 0,
        unsettled_max: 0,
        window: None,
        credit: None,
        start: Start::Next,
        arguments: sabir_core::message::value::Table::new(),
    }
}

/// The settlement of one delivery.
pub(crate) fn settlement(delivery: &Delivery, outcome: Outcome) -> Settlement {
    let id = delivery.id.expect("a delivery that can be settled");
    Settlement {
        log: id.log,
        first: id.offset,
        last: id.offset,
        outcome,
    }
}

/// The body of a delivery as text.
pub(crate) fn body(delivery: &Delivery) -> String {
    let view = delivery.record.view().unwrap();
    String::from_utf8_lossy(view.body).into_owned()
}
