//! What drives a core: commands in, events out, blocks to the journal, records to disk.
//!
//! Whoever has commands tries to run the core and carries out everything that waits, for others
//! too; a thread of its own does so when time passes. Nothing blocks while the core runs: the
//! journal, reads and checkpoints have their own threads.

mod gather;
mod journal;
mod keeper;
mod reader;
mod room;
mod start;
#[cfg(test)]
mod tests;

use journal::JournalSlot;
use keeper::KeeperSignals;
use reader::Reader;
use room::JournalRoom;
use sabir_core::{
    broker::{Broker, Effects, Fetch, Urgency},
    event::Event,
    id::{SessionId, Timestamp},
    journal::SealedBlock,
    name::Name,
    request::Command,
    session::{Door, Outbox},
    storage::{Durability, FileNumber, Position, StoredRecord},
};
use sabir_transport::Clock;
pub(crate) use start::{ShardOptions, StartError, Threads, start};
use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Something for the core.
enum Work {
    Commands(Vec<Command>),
    Attach(SessionId, Arc<dyn Outbox>),
    Committed {
        position: Position,
        file: FileNumber,
    },
    Fetched(Box<Fetch>, Option<Vec<StoredRecord>>),
    Blocked(Option<Name>),
}

/// The core and what belongs to it while it runs.
struct State {
    broker: Broker,
    outboxes: HashMap<SessionId, Arc<dyn Outbox>>,
    effects: Effects,
    blocked: Option<Name>,
    journal_idle: bool,
    /// The open block has to be synced, whatever it holds.
    sync_wanted: bool,
}

/// A running core. All handles lead to the same.
pub(crate) struct Shard {
    clock: Clock,
    inbox: Mutex<Vec<Work>>,
    state: Mutex<State>,
    journal: JournalSlot,
    reader: Reader,
    keeper: KeeperSignals,
    journal_room: JournalRoom,
    runner: Runner,
}

/// What publishers are told while the disk is full.
pub(crate) const LOW_ON_DISK: &str = "low on disk";

/// Wakes the thread that runs the core when nobody else does.
#[derive(Default)]
struct Runner {
    poked: Mutex<Poke>,
    changed: Condvar,
    /// Until when it sleeps, in milliseconds since 1970.
    wakes_at: AtomicU64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Poke {
    #[default]
    Quiet,
    Run,
    Stop,
}

/// How long the runner sleeps at most, in milliseconds.
const IDLE_MS: u64 = 5_000;

impl Shard {
    /// Lets the events of a session go to `outbox` from now on.
    pub(crate) fn attach(&self, session: SessionId, outbox: Arc<dyn Outbox>) {
        self.push(Work::Attach(session, outbox));
    }

    /// Tells all sessions that publishers have to wait, or that they need not any more.
    pub(crate) fn set_blocked(&self, reason: Option<Name>) {
        self.push(Work::Blocked(reason));
    }

    /// Looks at the core when all that was pushed before has been carried out.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Broker) -> T) -> T {
        self.hold(|state| {
            self.drain(state);
            look(&mut state.broker)
        })
    }

    /// Has the core for a moment. Who pushes work meanwhile leaves it to the one who has the core, so
    /// that is carried out afterwards.
    fn hold<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let answer = act(&mut lock(&self.state));
        self.run();
        answer
    }

    /// Whether the journal did not fit on the disk when this was last asked, or since.
    pub(crate) fn was_disk_full(&self) -> bool {
        self.journal_room.was_lost()
    }

    /// The journal does not fit on the disk. Publishers wait at once; that they may go on is told
    /// by the alarms.
    fn disk_is_full(&self) {
        if self.journal_room.lost() {
            tracing::error!(
                "the disk is full: publishers wait until there is room for the journal"
            );
            self.set_blocked(Some(Name::from(LOW_ON_DISK)));
        }
    }

    fn push(&self, work: Work) {
        lock(&self.inbox).push(work);
        self.run();
    }

    /// Carries out everything that waits, unless another thread is doing so: then that one will.
    fn run(&self) {
        loop {
            let mut state = match self.state.try_lock() {
                Ok(state) => state,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            self.drain(&mut state);
            drop(state);
            if lock(&self.inbox).is_empty() {
                return;
            }
        }
    }

    fn drain(&self, state: &mut State) {
        loop {
            let batch = mem::take(&mut *lock(&self.inbox));
            let now = self.clock.now();
            let timers_due = state.broker.next_timer().is_some_and(|due| due <= now);
            if batch.is_empty() && !timers_due {
                break;
            }
            for work in batch {
                state.carry_out(now, work);
            }
            let State {
                broker, effects, ..
            } = state;
            broker.tick(now, effects);
            broker.finish(now, effects);
            state.distribute();
            for fetch in state.effects.fetches.drain(..) {
                self.reader.read(fetch);
            }
            self.feed_journal(state);
        }
        self.feed_journal(state);
        if state.broker.is_volatile_heavy() {
            self.keeper.move_volatile();
        }
        if let Some(due) = state.next_deadline() {
            self.runner.wake_by(due);
        }
    }

    /// Gives the journal its next block, if it has nothing to do and there is one.
    fn feed_journal(&self, state: &mut State) {
        if state.journal_idle
            && let Some(block) = state.next_block(self.clock.now())
        {
            state.journal_idle = false;
            self.journal.give(block);
        }
    }

    /// The journal has written a block. It gets no other before [`Shard::journal_is_idle`].
    fn written(&self, position: Position, file: FileNumber) {
        self.push(Work::Committed { position, file });
    }

    /// How many publishes wait for the next block.
    fn waiting_publishes(&self) -> u64 {
        self.with(|broker| broker.waiting_publishes())
    }

    /// The journal can write the next block.
    fn journal_is_idle(&self) {
        self.hold(|state| {
            state.journal_idle = true;
            self.feed_journal(state);
        });
    }

    /// Runs the core when time passes or others could not, until it is told to stop.
    fn run_by_time(&self) {
        loop {
            self.run();
            let wait = self.hold(|state| {
                self.feed_journal(state);
                let now = self.clock.now();
                let idle = now.after(IDLE_MS);
                let due = state.next_deadline().map_or(idle, |due| due.min(idle));
                self.runner.sleeps_until(due);
                Duration::from_millis(due.since(now))
            });
            if self.runner.wait(wait) == Poke::Stop {
                return;
            }
        }
    }
}

impl State {
    fn carry_out(&mut self, now: Timestamp, work: Work) {
        let effects = &mut self.effects;
        match work {
            Work::Commands(commands) => {
                for command in commands {
                    let closed = match &command {
                        Command::Close { session } => Some(*session),
                        _ => None,
                    };
                    self.broker.apply(now, command, effects);
                    if let Some(session) = closed {
                        self.outboxes.remove(&session);
                    }
                }
            }
            Work::Attach(session, outbox) => {
                if let Some(reason) = &self.blocked {
                    effects.events.push((
                        session,
                        Event::Blocked {
                            reason: reason.clone(),
                        },
                    ));
                }
                self.outboxes.insert(session, outbox);
            }
            Work::Committed { position, file } => {
                self.broker.committed(position, file, effects);
            }
            Work::Fetched(fetch, records) => {
                self.broker.fetched(now, &fetch, records, effects);
            }
            Work::Blocked(reason) => {
                let event = reason
                    .clone()
                    .map_or(Event::Unblocked, |reason| Event::Blocked { reason });
                let sessions = self.outboxes.keys();
                effects
                    .events
                    .extend(sessions.map(|session| (*session, event.clone())));
                self.blocked = reason;
            }
        }
    }

    /// Hands all events to the outboxes, one call for each session.
    fn distribute(&mut self) {
        let events = &mut self.effects.events;
        if events.is_empty() {
            return;
        }
        events.sort_by_key(|(session, _)| *session);
        let mut batch = Vec::new();
        let mut drain = events.drain(..).peekable();
        while let Some((session, event)) = drain.next() {
            batch.push(event);
            if drain.peek().is_none_or(|(next, _)| *next != session) {
                match self.outboxes.get(&session) {
                    Some(outbox) => outbox.deliver(&mut batch),
                    None => batch.clear(),
                }
            }
        }
    }

    fn next_block(&mut self, now: Timestamp) -> Option<SealedBlock> {
        let due = match self.broker.urgency() {
            Urgency::Nothing => false,
            Urgency::Now => true,
            Urgency::By(deadline) => self.sync_wanted || deadline <= now,
        };
        if !due {
            return None;
        }
        let mut block = self.broker.seal()?;
        if mem::take(&mut self.sync_wanted) {
            block.durability = Durability::Fsync;
        }
        Some(block)
    }

    /// When the core has something to do although nobody asks for anything.
    fn next_deadline(&self) -> Option<Timestamp> {
        let lingering = match self.broker.urgency() {
            Urgency::By(deadline) if self.journal_idle => Some(deadline),
            _ => None,
        };
        self.broker.next_timer().into_iter().chain(lingering).min()
    }
}

impl Runner {
    /// The thread is about to sleep until then. Told while it holds the core.
    fn sleeps_until(&self, due: Timestamp) {
        self.wakes_at.store(due.0, Ordering::Relaxed);
    }

    /// Sees to it that the core runs at `due`. Told by whoever holds the core.
    fn wake_by(&self, due: Timestamp) {
        if due.0 < self.wakes_at.load(Ordering::Relaxed) {
            self.sleeps_until(due);
            self.poke(Poke::Run);
        }
    }

    fn poke(&self, poke: Poke) {
        let mut poked = lock(&self.poked);
        if *poked != Poke::Stop {
            *poked = poke;
        }
        self.changed.notify_one();
    }

    fn wait(&self, at_most: Duration) -> Poke {
        let poked = lock(&self.poked);
        let (mut poked, _) = self
            .changed
            .wait_timeout_while(poked, at_most, |poked| *poked == Poke::Quiet)
            .unwrap_or_else(PoisonError::into_inner);
        match *poked {
            Poke::Stop => Poke::Stop,
            _ => mem::take(&mut *poked),
        }
    }
}

/// A session that has sent many commands is given room for as many again, up to this number.
const COMMANDS_ROOM_MAX: usize = 128;

impl Door for Shard {
    fn submit(&self, commands: &mut Vec<Command>) {
        if !commands.is_empty() {
            let room = Vec::with_capacity(commands.len().min(COMMANDS_ROOM_MAX));
            let commands = mem::replace(commands, room);
            self.push(Work::Commands(commands));
        }
    }
}

/// A thread that panicked while it held a lock has ended the process (`panic = "abort"`); in
/// tests the lock is simply taken over.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
