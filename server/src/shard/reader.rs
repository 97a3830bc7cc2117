//! The threads that read records from disk.

use super::{Shard, Work};
use sabir_core::broker::Fetch;
use sabir_storage::{disk::RealDisk, extent::Extents};
use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

/// How long to wait before the core may ask again for what could not be read.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// Where the core's reads go. There is at most one at a time for each lane and each consumer.
pub(super) struct Reader {
    fetches: Mutex<mpsc::Sender<Fetch>>,
}

impl Reader {
    pub(super) fn new() -> (Self, mpsc::Receiver<Fetch>) {
        let (sender, receiver) = mpsc::channel();
        (
            Self {
                fetches: Mutex::new(sender),
            },
            receiver,
        )
    }

    pub(super) fn read(&self, fetch: Fetch) {
        let _: Result<(), mpsc::SendError<Fetch>> = super::lock(&self.fetches).send(fetch);
    }
}

/// Serves reads until the core is gone.
pub(super) fn serve(
    shard: &std::sync::Weak<Shard>,
    extents: &Extents<RealDisk>,
    fetches: &mpsc::Receiver<Fetch>,
) {
    while let Ok(fetch) = fetches.recv() {
        let file = fetch.run.file;
        let read = extents.read(file, fetch.log.0, fetch.from.0, fetch.bytes_max);
        let records = match read {
            Ok(records) => Some(records),
            Err(error) => {
                tracing::error!(
                    %error,
                    log = fetch.log.0,
                    offset = fetch.from.0,
                    "records cannot be read: run `sabir storage verify`"
                );
                thread::sleep(FAILED_PAUSE);
                None
            }
        };
        let Some(shard) = shard.upgrade() else {
            return;
        };
        shard.push(Work::Fetched(Box::new(fetch), records));
    }
}
