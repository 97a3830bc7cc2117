//! What is in a data directory, as lines of JSON.

use sabir_core::journal::entry::{Entries, Entry};
use sabir_core::message::RecordView;
use sabir_core::storage::{Block, BlockKind, ExtentFile, IndexStore, Keyspace, StorageError, Tier};
use sabir_storage::directory::Store;
use sabir_storage::disk::RealDisk;
use sabir_storage::index::FjallIndex;
use sabir_storage::inspect::{self, Item};
use serde_json::{Value, json};

use super::super::error::CliError;
use super::super::output::print;

/// Bytes of lines that are written at once.
const LINES_BYTES: usize = 64 * 1024;

/// Prints every block of the journal, then every record of the extents.
pub(super) fn dump(store: &Store<RealDisk, FjallIndex>) -> Result<(), CliError> {
    let (disk, index, lineage) = (store.disk(), store.index(), store.identity().lineage());
    let mut lines = Lines::default();
    inspect::journal(&*disk, lineage, store.mark(), &mut |item| {
        lines.add(&shown(&item))
    })
    .map_err(|error| lines.failure(error))?;
    for file in extent_files(&*index)? {
        inspect::extent(&*disk, lineage, file, &mut |item| lines.add(&shown(&item)))
            .map_err(|error| lines.failure(error))?;
    }
    lines.flush()
}

/// Lines that wait to be written. A visitor can fail only with a storage error, so what goes wrong
/// with the output is kept here.
#[derive(Default)]
struct Lines {
    text: String,
    failure: Option<CliError>,
}

impl Lines {
    fn add(&mut self, line: &Value) -> Result<(), StorageError> {
        self.text.push_str(&line.to_string());
        self.text.push('\n');
        if self.text.len() < LINES_BYTES {
            return Ok(());
        }
        self.flush().map_err(|error| {
            let reason = error.to_string();
            self.failure = Some(error);
            StorageError::Poisoned {
                reason: reason.into(),
            }
        })
    }

    fn flush(&mut self) -> Result<(), CliError> {
        print(&std::mem::take(&mut self.text))
    }

    fn failure(&mut self, error: StorageError) -> CliError {
        self.failure.take().unwrap_or_else(|| error.into())
    }
}

fn extent_files(index: &dyn IndexStore) -> Result<Vec<ExtentFile>, StorageError> {
    let mut files = Vec::new();
    index.scan(Keyspace::Files, &[], &mut |key, _| {
        files.push(ExtentFile::from_key(key)?);
        Ok(())
    })?;
    files.retain(|file| file.tier == Tier::Durable);
    Ok(files)
}

fn shown(item: &Item) -> Value {
    match item {
        Item::Block { block, at } => block_shown(block, *at),
        Item::Record {
            file,
            log,
            offset,
            meta,
            bytes,
        } => json!({
            "record": record_shown(bytes),
            "file": file.to_string(),
            "log": log,
            "offset": offset,
            "due_ms": meta.due_ms,
        }),
        Item::Damage(damage) => json!({ "damage": damage.to_string() }),
    }
}

fn block_shown(block: &Block, at: u64) -> Value {
    let kind = match block.kind {
        BlockKind::Entries => "entries",
        BlockKind::Fence => "fence",
        BlockKind::Lost => "lost",
    };
    let entries: Vec<Value> = Entries::of(&block.body)
        .map(|entry| match entry {
            Ok(entry) => entry_shown(&entry),
            Err(error) => json!({ "unreadable": error.to_string() }),
        })
        .collect();
    json!({
        "block": block.position.0,
        "kind": kind,
        "file": block.file.0,
        "at": at,
        "epoch": block.epoch.0,
        "entries": entries,
    })
}

fn entry_shown(entry: &Entry<'_>) -> Value {
    match entry {
        Entry::Publish {
            record, targets, ..
        } => {
            let targets: Vec<Value> = targets
                .iter()
                .map(|(log, offset)| json!({ "log": log.0, "offset": offset.0 }))
                .collect();
            json!({ "publish": record_shown(record), "targets": targets })
        }
        Entry::Settle { log, bytes, ranges } => {
            json!({ "settle": ranges, "log": log.0, "bytes": bytes })
        }
        Entry::Attempts {
            log,
            offset,
            attempts,
        } => {
            json!({ "attempts": attempts, "log": log.0, "offset": offset.0 })
        }
        Entry::Catalog { key, value } => json!({
            "catalog": String::from_utf8_lossy(key),
            "bytes": value.map(<[u8]>::len),
        }),
        Entry::Truncate { log, head } => json!({ "truncate": head.0, "log": log.0 }),
        Entry::Deduplicate { log, id, until_ms } => json!({
            "deduplicate": String::from_utf8_lossy(id),
            "log": log.0,
            "until_ms": until_ms,
        }),
    }
}

/// The envelope of a record; the payload stays where it is.
fn record_shown(bytes: &[u8]) -> Value {
    match RecordView::parse(bytes) {
        Ok(view) => json!({
            "exchange": view.exchange,
            "routing_key": view.routing_key_text(),
            "timestamp_ms": view.timestamp.0,
            "persistent": view.persistent(),
            "priority": view.priority,
            "ttl_ms": view.ttl_ms,
            "head_bytes": view.head.len(),
            "body_bytes": view.body.len(),
        }),
        Err(error) => json!({ "unreadable": error.to_string() }),
    }
}
