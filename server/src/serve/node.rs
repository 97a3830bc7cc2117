//! The broker behind all listeners: the data directory, the core on it, and the users.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sabir_core::broker::Config as CoreConfig;
use sabir_core::id::SessionId;
use sabir_core::message::Formats;
use sabir_core::storage::Durability;
use sabir_storage::journal::JournalOptions;
use sabir_transport::Clock;
use tokio::sync::watch;

use super::{Accounts, ServeError, Sizes};
use crate::config::Config;
use crate::config::choice::DurabilityClass;
use crate::shard::{self, Shard, ShardOptions, Threads};

/// Numbers for sessions; none is given twice.
#[derive(Debug, Default)]
pub(crate) struct SessionIds(AtomicU64);

impl SessionIds {
    /// The next number.
    pub(crate) fn next(&self) -> SessionId {
        SessionId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// The broker behind all listeners.
pub(super) struct Node {
    pub(super) shard: Arc<Shard>,
    pub(super) threads: Threads,
    pub(super) sessions: Arc<SessionIds>,
    pub(super) accounts: Arc<Accounts>,
    /// Says why, once storage has failed.
    pub(super) failure: watch::Receiver<Option<String>>,
}

impl Node {
    /// Opens the data directory and recovers what is in it. Users are loaded, none are made.
    pub(super) fn start(
        config: &Config,
        sizes: Sizes,
        directory: PathBuf,
        clock: Clock,
    ) -> Result<Self, ServeError> {
        let sessions = Arc::new(SessionIds::default());
        let store = Arc::new(super::accounts::new_store(config)?);
        let (failed, failure) = watch::channel(None);
        let mut formats = Formats::default();
        formats.register(Box::new(sabir_amqp091::mapping::translate::Translation));
        let (shard, threads) = shard::start(ShardOptions {
            directory,
            journal: journal_options(sizes),
            memtable_bytes: sizes.memtable.bytes(),
            core: core_config(config, sizes),
            authorizer: Arc::<sabir_security::UserStore>::clone(&store),
            formats,
            clock,
            failed: Arc::new(move |error| {
                tracing::error!(%error, "storage has failed");
                failed.send_replace(Some(error.to_string()));
            }),
        })?;
        let accounts = Arc::new(Accounts::load(
            store,
            Arc::clone(&shard),
            Arc::clone(&sessions),
        )?);
        Ok(Self {
            shard,
            threads,
            sessions,
            accounts,
            failure,
        })
    }
}

/// The journal's files.
pub(crate) fn journal_options(sizes: Sizes) -> JournalOptions {
    JournalOptions {
        file_bytes: sizes.journal_file.bytes(),
        ..JournalOptions::default()
    }
}

fn core_config(config: &Config, sizes: Sizes) -> CoreConfig {
    CoreConfig {
        durability: match config.storage.durability {
            DurabilityClass::Fsync => Durability::Fsync,
            DurabilityClass::Os => Durability::Os,
        },
        session_window_bytes: config.limits.connection_window_bytes.bytes(),
        volatile_bytes_max: sizes.journal_file.bytes(),
        queues_max: u64::from(config.limits.queues_max),
        ..CoreConfig::default()
    }
}
