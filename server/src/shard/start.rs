//! How a shard starts on a data directory, and how it stops in order.

use super::{
    KeeperSignals, Poke, Runner, Shard, State,
    journal::{self, JournalSlot},
    keeper::{self, Files, Job},
    lock,
    reader::{self, Reader},
    room::JournalRoom,
};
use sabir_core::{
    authorize::Authorizer,
    broker::{Broker, Config, Effects, RecoveryError},
    message::Formats,
    storage::{FileNumber, StorageError},
};
use sabir_storage::{
    directory::{self, DirectoryLock, Identity},
    disk::RealDisk,
    engine,
    index::FjallIndex,
    journal::{JournalOptions, LocalJournal},
};
use sabir_transport::Clock;
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
};

/// How a shard is set up.
pub(crate) struct ShardOptions {
    /// The data directory.
    pub(crate) directory: PathBuf,
    /// Sizes of the journal.
    pub(crate) journal: JournalOptions,
    /// Bytes of records that may wait in memory.
    pub(crate) memtable_bytes: u64,
    /// What the core is told.
    pub(crate) core: Config,
    /// Decides who may do what.
    pub(crate) authorizer: Arc<dyn Authorizer>,
    /// The message formats of all protocols.
    pub(crate) formats: Formats,
    /// The time that everything is told.
    pub(crate) clock: Clock,
    /// Called from any thread when storage has failed: nothing may be confirmed any more.
    pub(crate) failed: Arc<dyn Fn(StorageError) + Send + Sync>,
}

/// Why a shard did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The data directory is missing and cannot be made.
    #[error("cannot make the data directory {path}: {source}")]
    Directory {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its storage cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Its storage cannot be taken over.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The system gives no thread or no randomness.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// The threads of a running shard.
pub(crate) struct Threads {
    shard: Arc<Shard>,
    index: Arc<FjallIndex>,
    jobs: mpsc::Sender<Job>,
    runner: JoinHandle<()>,
    keeper: JoinHandle<Result<(), StorageError>>,
    journal: JoinHandle<Result<LocalJournal<RealDisk>, StorageError>>,
    reader: JoinHandle<()>,
    _lock: DirectoryLock,
}

/// Opens the data directory, recovers what is in it and starts the threads.
pub(crate) fn start(options: ShardOptions) -> Result<(Arc<Shard>, Threads), StartError> {
    make_directory(&options.directory)?;
    let mut random = [0u8; 40];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .map_err(io::Error::from)?;
    let (seed, identity) = spend(&random);
    let (directory_lock, store) =
        directory::open(&options.directory, || identity, options.journal)?;
    let index = store.index();
    let mut broker = Broker::new(options.core, options.authorizer, options.formats, seed);
    let now = options.clock.now();
    let restarted = engine::restart(&mut broker, store, options.journal, now)?;
    if !restarted.clean && restarted.parts.report.last.0 > 1 {
        tracing::warn!(
            blocks = restarted.parts.report.blocks,
            "recovered from an unclean stop: undelivered messages are flagged as redelivered"
        );
    }
    let parts = restarted.parts;
    let (reader, fetches) = Reader::new();
    let shard = Arc::new(Shard {
        clock: options.clock,
        inbox: Mutex::default(),
        state: Mutex::new(State {
            broker,
            outboxes: HashMap::new(),
            effects: Effects::default(),
            blocked: None,
            journal_idle: true,
            sync_wanted: false,
        }),
        journal: JournalSlot::default(),
        reader,
        keeper: KeeperSignals::default(),
        journal_room: JournalRoom::default(),
        runner: Runner::default(),
    });
    let files = Files {
        extents: Arc::new(parts.extents),
        index: Arc::clone(&index),
        spares: parts.journal.spares(),
        first_needed: restarted.mark.first_file,
        heavy_bytes: options.memtable_bytes / 2,
    };
    let settle_at_once = restarted.mark.first_file.0..parts.journal.current_file().0;
    let (jobs, job_queue) = mpsc::channel();
    for file in settle_at_once {
        let _: Result<(), mpsc::SendError<Job>> = jobs.send(Job::Settle(FileNumber(file)));
    }
    let extents = Arc::clone(&files.extents);
    let threads = Threads {
        runner: spawn("sabir-shard", {
            let shard = Arc::clone(&shard);
            move || shard.run_by_time()
        })?,
        reader: spawn("sabir-reader", {
            let shard = Arc::downgrade(&shard);
            move || reader::serve(&shard, &extents, &fetches)
        })?,
        keeper: spawn("sabir-keeper", {
            let (shard, failed) = (Arc::clone(&shard), Arc::clone(&options.failed));
            move || {
                keeper::serve(&shard, files, &job_queue).inspect_err(|error| failed(error.clone()))
            }
        })?,
        journal: spawn("sabir-journal", {
            let (shard, failed, jobs) = (Arc::clone(&shard), options.failed, jobs.clone());
            let journal = parts.journal;
            move || {
                journal::write_blocks(&shard, journal, &jobs)
                    .inspect_err(|error| failed(error.clone()))
            }
        })?,
        shard: Arc::clone(&shard),
        index,
        jobs,
        _lock: directory_lock,
    };
    Ok((shard, threads))
}

impl Threads {
    /// Writes everything down and ends. All sessions must be closed.
    ///
    /// # Errors
    /// When the disk fails; what was confirmed is safe all the same.
    pub(crate) fn stop(self) -> Result<(), StorageError> {
        let _: Result<(), mpsc::SendError<Job>> = self.jobs.send(Job::Stop);
        let kept = join(self.keeper);
        self.shard.runner.poke(Poke::Stop);
        let _: Option<()> = join(self.runner);
        {
            let mut state = lock(&self.shard.state);
            state.sync_wanted = true;
            let now = self.shard.clock.now();
            if state.journal_idle
                && let Some(block) = state.next_block(now)
            {
                self.shard.journal.give(block);
            }
        }
        self.shard.journal.stop();
        let journal = join(self.journal);
        drop(self.reader);
        kept.unwrap_or(Ok(()))?;
        match journal {
            Some(Ok(journal)) => engine::stop(&*self.index, journal),
            Some(Err(error)) => Err(error),
            None => Ok(()),
        }
    }
}

/// The outcome of a thread, unless it panicked: then that has been told.
fn join<T>(thread: JoinHandle<T>) -> Option<T> {
    thread.join().ok()
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

fn make_directory(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StartError::Directory {
            path: path.to_owned(),
            source,
        })
}

/// Makes a seed and an identity of random bytes.
fn spend(random: &[u8; 40]) -> (u64, Identity) {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0u128, |number, byte| number << 8 | u128::from(*byte))
    };
    let (seed, ids) = random.split_at(8);
    let (cluster, node) = ids.split_at(16);
    let seed = u64::try_from(number(seed)).unwrap_or(1);
    (
        seed,
        Identity {
            cluster: number(cluster),
            node: number(node),
        },
    )
}
