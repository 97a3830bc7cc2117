//! The broker of one shard: commands in, journal entries and effects out.
//!
//! It is driven from outside: `apply` takes commands, `finish` ends a batch, `seal` hands out the
//! block to be written, `committed` says that it is safe. The same calls in the same order give
//! the same results.

mod administer;
mod catalog;
mod checkpoint;
mod consume;
mod dead_letter;
mod declare;
mod dispatch;
mod due;
mod expiry;
mod fetched;
mod footprint;
mod inventory;
mod kept;
pub(crate) mod memory;
mod namespace;
mod policies;
mod publish;
mod queues;
mod recovery;
mod rewrite;
mod route;
mod sessions;
mod settle;
mod store;
pub(crate) mod timer;
mod transaction;

use crate::{
    authorize::Authorizer,
    event::Event,
    id::{ConsumerId, LogId, Offset, SessionId, Timestamp},
    journal::open::SealedBlock,
    message::Formats,
    queue::{Queue, QueueSettings},
    request::Command,
    routing::{MailboxId, QueueId, Targets},
    storage::{Durability, FileNumber, Position, Run},
    subscription::consumer::Consumers,
};
use bytes::Bytes;
pub use checkpoint::{Checkpoint, SettleRecord, SettleStep};
pub use footprint::Footprint;
use hashbrown::HashMap;
pub use inventory::{LaneInventory, QueueInventory};
use memory::Memory;
use namespace::Namespaces;
pub use recovery::{Recovery, RecoveryError};
pub use rewrite::{Rewrite, RewritePart};
use route::RouteCache;
use sessions::Session;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use timer::Timers;

/// What the core can be told about its surroundings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The durability of queues that do not name one.
    pub durability: Durability,
    /// Bytes of deliveries that may be on their way to one session.
    pub session_window_bytes: u64,
    /// Bytes that are read ahead from disk for one queue or consumer.
    pub read_ahead_bytes: u64,
    /// Bytes of records that are not journaled before they are moved to disk.
    pub volatile_bytes_max: u64,
    /// How long an entry that nobody waits for may wait for company, in milliseconds.
    pub linger_ms: u64,
    /// Most queues in the broker.
    pub queues_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            durability: Durability::Fsync,
            session_window_bytes: 1 << 20,
            read_ahead_bytes: 1 << 20,
            volatile_bytes_max: 64 << 20,
            linger_ms: 5,
            queues_max: 1_000_000,
        }
    }
}

/// What follows from commands.
#[derive(Debug, Default)]
pub struct Effects {
    /// News for sessions, in order.
    pub events: Vec<(SessionId, Event)>,
    /// Records to be read from disk; answered by [`Broker::fetched`].
    pub fetches: Vec<Fetch>,
}

impl Effects {
    pub(crate) fn tell(&mut self, session: SessionId, event: Event) {
        self.events.push((session, event));
    }
}

/// Records to be read from disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fetch {
    /// The log.
    pub log: LogId,
    /// The run that has them.
    pub run: Run,
    /// The first of them; where it is missing, the next that is there.
    pub from: Offset,
    /// Stop after so many bytes, but give at least one record.
    pub bytes_max: u64,
    /// Comes back with the records.
    pub purpose: FetchPurpose,
}

/// Why records are read from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchPurpose {
    /// To be delivered.
    Deliver,
    /// To be dead-lettered or answered one by one.
    Single,
    /// For the consumer of a queue that keeps its records, in this slot.
    Cursor(u32),
    /// To learn when they are due.
    Due,
}

/// How urgent it is to write the open block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// There is nothing to write.
    Nothing,
    /// It may wait until then for more.
    By(Timestamp),
    /// Somebody waits for it.
    Now,
}

/// The broker of one shard.
pub struct Broker {
    config: Config,
    authorizer: Arc<dyn Authorizer>,
    formats: Formats,
    namespaces: Namespaces,
    queues: HashMap<QueueId, Box<Queue>>,
    next_queue: u64,
    /// What is in force for queues without any rule, once for all of them.
    plain_settings: Arc<QueueSettings>,
    sessions: HashMap<SessionId, Session>,
    consumers: Consumers,
    memory: Memory,
    committed: Position,
    routes: RouteCache,
    targets: Targets,
    /// Queues that may have something to deliver.
    dirty: VecDeque<QueueId>,
    /// Logs whose newest records are not journaled and become visible with the batch.
    fresh: Vec<LogId>,
    timers: Timers,
    /// Definitions that changed since the last checkpoint.
    definitions: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Logs whose state changed since the last checkpoint.
    unsaved: Vec<LogId>,
    /// Logs that went since the last checkpoint.
    deleted: Vec<LogId>,
    /// Logs that may have records in memory, by journal or volatile generation.
    recent: BTreeSet<LogId>,
    documents: BTreeMap<Vec<u8>, Bytes>,
    /// Files of the journal and the last block in each.
    generations: BTreeMap<FileNumber, Position>,
    settling: Option<checkpoint::Settling>,
    /// Messages that have left their queues and are to be dead-lettered.
    graves: VecDeque<(QueueId, dead_letter::Death)>,
    burying: bool,
    lost: u64,
    random: u64,
    /// Definitions are taken over, not written down.
    recovering: bool,
    /// Records may be missing: a salvage has said so.
    tolerant: bool,
    bound_mailboxes: BTreeMap<MailboxId, (SessionId, ConsumerId)>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Broker")
            .field("queues", &self.queues.len())
            .field("sessions", &self.sessions.len())
            .field("committed", &self.committed)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// An empty broker. `seed` decides what is left to chance.
    #[must_use]
    pub fn new(
        config: Config,
        authorizer: Arc<dyn Authorizer>,
        formats: Formats,
        seed: u64,
    ) -> Self {
        Self {
            config,
            authorizer,
            formats,
            namespaces: Namespaces::default(),
            queues: HashMap::new(),
            next_queue: 1,
            plain_settings: Arc::default(),
            sessions: HashMap::new(),
            consumers: Consumers::default(),
            memory: Memory::new(Position(1)),
            committed: Position(0),
            routes: RouteCache::default(),
            targets: Targets::new(),
            dirty: VecDeque::new(),
            fresh: Vec::new(),
            timers: Timers::default(),
            definitions: BTreeMap::new(),
            unsaved: Vec::new(),
            deleted: Vec::new(),
            recent: BTreeSet::new(),
            documents: BTreeMap::new(),
            generations: BTreeMap::new(),
            settling: None,
            graves: VecDeque::new(),
            burying: false,
            lost: 0,
            random: seed | 1,
            recovering: false,
            tolerant: false,
            bound_mailboxes: BTreeMap::new(),
        }
    }

    /// Carries out one command.
    pub fn apply(&mut self, now: Timestamp, command: Command, effects: &mut Effects) {
        self.carry_out(now, command, effects);
        self.close_large_block();
    }

    /// Closes the open block if it has grown large. What belongs together must be in it.
    pub(crate) fn close_large_block(&mut self) {
        if self.memory.open.body.len() >= BLOCK_BYTES {
            self.close_block();
        }
    }

    fn carry_out(&mut self, now: Timestamp, command: Command, effects: &mut Effects) {
        if let Some(session) = command.session()
            && let Some(state) = self.sessions.get_mut(&session)
            && state.getting.is_some()
            && !matches!(command, Command::Close { .. } | Command::Written { .. })
        {
            state.backlog.push_back(command);
            return;
        }
        match command {
            Command::Open {
                session,
                namespace,
                principal,
                description,
            } => {
                self.open_session(session, &namespace, principal, description, effects);
            }
            Command::Close { session } => self.close_session(now, session, effects),
            Command::Request {
                session,
                id,
                request,
            } => {
                self.request(now, session, id, request, effects);
            }
            Command::Publish { session, publish } => {
                self.publish(now, session, publish, effects);
            }
            Command::Settle {
                session,
                settlement,
            } => {
                self.settle(now, session, &settlement, effects);
            }
            Command::Credit {
                session,
                consumer,
                credit,
            } => {
                self.credit(session, consumer, credit);
            }
            Command::Window {
                session,
                window,
                unsettled_max,
            } => {
                self.set_window(session, window, unsettled_max);
            }
            Command::Written { session, bytes } => self.written(session, bytes),
            Command::Administer {
                id,
                session,
                request,
            } => {
                self.administer(now, session, id, request, effects);
            }
        }
    }

    /// Ends a batch of commands: delivers what can be delivered.
    pub fn finish(&mut self, now: Timestamp, effects: &mut Effects) {
        loop {
            self.reveal_volatile();
            self.dispatch(now, effects);
            if self.fresh.is_empty() {
                return;
            }
        }
    }

    /// How urgent it is to call [`Broker::seal`].
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        let open = &self.memory.open;
        if !open.closed.is_empty() {
            return Urgency::Now;
        }
        if open.is_empty() {
            return Urgency::Nothing;
        }
        match open.since {
            Some(since) if open.durability == Durability::Memory => {
                Urgency::By(since.after(self.config.linger_ms))
            }
            _ => Urgency::Now,
        }
    }

    /// Bytes in the open block and in those that are closed and not yet handed out.
    #[must_use]
    pub fn open_bytes(&self) -> u64 {
        let open = &self.memory.open;
        let closed = open.closed.iter().map(|block| block.body.len());
        (open.body.len() + closed.sum::<usize>()) as u64
    }

    /// How many publishes wait for a block that is not handed out yet.
    #[must_use]
    pub fn waiting_publishes(&self) -> u64 {
        let open = &self.memory.open;
        let closed = open.closed.iter().map(|block| block.publishes);
        open.waiting.publishes + closed.sum::<u64>()
    }

    /// Bytes of records in memory: of journal blocks and of what is not journaled.
    #[must_use]
    pub fn memory_bytes(&self) -> (u64, u64) {
        let chunks = &self.memory.chunks;
        (chunks.journal_bytes(), chunks.volatile_bytes())
    }

    /// Bytes of records in extent files.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.memory.files.bytes()
    }

    /// Records that could not be read back and were given up. Anything but 0 is a damaged disk.
    #[must_use]
    pub fn lost_records(&self) -> u64 {
        self.lost
    }

    /// Hands out the next block to be written: the oldest that is closed, else the open one.
    pub fn seal(&mut self) -> Option<SealedBlock> {
        if self.memory.open.closed.is_empty() {
            self.close_block();
        }
        self.memory.open.hand_out()
    }

    /// Closes the open block: what follows goes to the next one.
    fn close_block(&mut self) {
        for log in std::mem::take(&mut self.memory.open.settled) {
            let lane = self
                .queues
                .get_mut(&log.queue())
                .and_then(|queue| queue.lane_mut(log.lane()));
            if let Some(lane) = lane {
                lane.write_settled(&mut self.memory.open.body);
            }
        }
        let mut tails = std::mem::take(&mut self.memory.open.waiting.tails);
        for (log, tail) in &mut tails {
            let queue = self.queues.get(&log.queue());
            if let Some(lane) = queue.and_then(|queue| queue.lane(log.lane())) {
                *tail = lane.log.tail();
            }
        }
        self.memory.open.waiting.tails = tails;
        self.memory.close();
    }

    /// The block at `position` is as safe as was asked; it went to journal file `file`.
    pub fn committed(&mut self, position: Position, file: FileNumber, effects: &mut Effects) {
        self.committed = self.committed.max(position);
        self.generations.insert(file, position);
        while let Some(waiting) = self.memory.open.sealed.front() {
            if waiting.position > position {
                break;
            }
            let Some(waiting) = self.memory.open.sealed.pop_front() else {
                break;
            };
            self.release(waiting, effects);
        }
    }

    fn release(&mut self, waiting: crate::journal::open::Waiting, effects: &mut Effects) {
        for confirms in waiting.confirms {
            effects.tell(
                confirms.session,
                Event::Confirmed {
                    producer: confirms.producer,
                    first: confirms.first,
                    last: confirms.last,
                },
            );
        }
        effects.events.extend(waiting.events);
        for (session, consumer) in waiting.announced {
            self.announce(session, consumer);
        }
        for (log, tail) in waiting.tails {
            let Some(queue) = self.queues.get_mut(&log.queue()) else {
                continue;
            };
            if let Some(lane) = queue.lane_mut(log.lane()) {
                lane.visible = lane.visible.max(tail);
            }
            mark_dirty(&mut self.dirty, queue);
        }
    }

    fn reveal_volatile(&mut self) {
        self.memory.seal_volatile();
        for log in std::mem::take(&mut self.fresh) {
            let Some(queue) = self.queues.get_mut(&log.queue()) else {
                continue;
            };
            if let Some(lane) = queue.lane_mut(log.lane()) {
                lane.visible = lane.log.tail();
                lane.touched = Position(0);
            }
            mark_dirty(&mut self.dirty, queue);
        }
    }

    /// A number that looks random, from the seed.
    fn chance(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// A block that has grown to this size gets no more commands.
const BLOCK_BYTES: usize = 4 << 20;

/// Puts a queue in the line for dispatch.
pub(crate) fn mark_dirty(dirty: &mut VecDeque<QueueId>, queue: &mut Queue) {
    if !queue.dirty {
        queue.dirty = true;
        dirty.push_back(queue.id);
    }
}
