//! Rebuilds a damaged data directory in another place from what is still valid.
//!
//! Positions, offsets and file names stay as they were, so that what the index says remains true.
//! A lost block is replaced by one that says so. What is lost is reported, nothing is guessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use sabir_core::storage::{
    Block, ExtentFile, FileUsage, IndexBatch, IndexStore, Keyspace, Mark, Position, Run,
    StorageError, Tier,
};

use crate::directory::{self, Identity};
use crate::disk::Disk;
use crate::extent::{Extents, Finished, files_of};
use crate::fail::at_most;
use crate::inspect::{self, Damage, Item, Lost};
use crate::journal::{JournalOptions, LocalJournal, recovery};
use crate::verify::{self, runs_by_file};

/// More lost blocks in a row than this are not replaced one by one.
const LOST_BLOCKS_MAX: u64 = 1 << 20;

/// Index entries that are copied with one commit.
const ENTRIES_PER_COMMIT: usize = 10_000;

/// What was brought over and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvage {
    /// Blocks of the journal.
    pub blocks: u64,
    /// Records of extents.
    pub records: u64,
    /// Entries of the index, without those that were derived again.
    pub entries: u64,
    /// Every damaged stretch and what is lost with it.
    pub damage: Vec<Damage>,
}

/// Copies what is valid in `source` into the empty directory `target`.
///
/// Without an index the definitions in it are lost: only what the journal and the extents hold is
/// brought over. The target can be used once this has returned.
pub fn salvage<S: Disk, T: Disk>(
    source: &S,
    source_index: Option<&dyn IndexStore>,
    target: &Arc<T>,
    target_index: &dyn IndexStore,
    options: JournalOptions,
) -> Result<Salvage, StorageError> {
    let (identity, mark) = match source_index {
        Some(index) => verify::open(source, index)?,
        None => without_index(source)?,
    };
    directory::ensure_empty(&**target, target_index)?;
    identity.write(&**target)?;
    let mut report = Salvage::default();
    if source_index.is_none() {
        report.damage.push(index_lost());
    }
    copy_journal(source, target, identity, mark, options, &mut report)?;
    let files = copy_extents(source, target, identity, &mut report)?;
    let mut copy = IndexCopy {
        target: target_index,
        batch: IndexBatch::default(),
        entries: 0,
    };
    match source_index {
        Some(index) => {
            copy.entries(index)?;
            copy.files(index, &files, &mut report)?;
        }
        None => copy.derived(&files)?,
    }
    report.entries = copy.entries;
    copy.commit()?;
    directory::initialise(target_index, &identity, mark)?;
    Ok(report)
}

fn without_index<S: Disk>(source: &S) -> Result<(Identity, Mark), StorageError> {
    let identity = Identity::read(source)?.ok_or_else(|| StorageError::Missing {
        file: Identity::FILE.to_owned(),
        detail: "no checksum can be checked".to_owned(),
    })?;
    let first_file = recovery::numbers(source)?
        .first()
        .copied()
        .unwrap_or_default();
    Ok((
        identity,
        Mark {
            first_file,
            states: Position(0),
        },
    ))
}

fn index_lost() -> Damage {
    Damage {
        file: "index".to_owned(),
        from: 0,
        until: 0,
        detail: "no index was given: definitions and checkpoints are lost".to_owned(),
        lost: Lost::Nothing,
    }
}

fn copy_journal<S: Disk, T: Disk>(
    source: &S,
    target: &Arc<T>,
    identity: Identity,
    mark: Mark,
    options: JournalOptions,
    report: &mut Salvage,
) -> Result<(), StorageError> {
    let lineage = identity.lineage();
    let start = |position| {
        LocalJournal::start_copy(
            Arc::clone(target),
            lineage,
            options,
            mark.first_file,
            position,
        )
    };
    let mut journal = None;
    inspect::journal(source, lineage, mark, &mut |item| {
        match item {
            Item::Block { block, .. } => {
                let copy = match &mut journal {
                    Some(copy) => copy,
                    None => journal.insert(start(block.position)?),
                };
                append(copy, &block)?;
                report.blocks += 1;
            }
            Item::Damage(damage) => report.damage.push(damage),
            Item::Record { .. } => {}
        }
        Ok(())
    })?;
    let mut journal = match journal {
        Some(journal) => journal,
        None => start(mark.states.next())?,
    };
    journal.reach(mark.states)?;
    journal.close()
}

fn append<T: Disk>(copy: &mut LocalJournal<T>, block: &Block) -> Result<(), StorageError> {
    use sabir_core::storage::Journal;
    let gap = block.position.0.saturating_sub(copy.next_position().0);
    at_most("gap of lost blocks", gap, LOST_BLOCKS_MAX)?;
    copy.append_copy(block)
}

fn copy_extents<S: Disk, T: Disk>(
    source: &S,
    target: &Arc<T>,
    identity: Identity,
    report: &mut Salvage,
) -> Result<BTreeMap<ExtentFile, Finished>, StorageError> {
    let lineage = identity.lineage();
    let extents = Extents::open(Arc::clone(target), lineage)?;
    let mut files = BTreeMap::new();
    for file in files_of(source, Tier::Durable)? {
        let mut writer = extents.create_named(file)?;
        let mut records = 0;
        inspect::extent(source, lineage, file, &mut |item| {
            match item {
                Item::Record {
                    log,
                    offset,
                    meta,
                    bytes,
                    ..
                } => {
                    writer.add(log, offset, meta, &bytes)?;
                    records += 1;
                }
                Item::Damage(damage) => report.damage.push(damage),
                Item::Block { .. } => {}
            }
            Ok(())
        })?;
        if records > 0 {
            files.insert(file, writer.finish()?);
            report.records += records;
        }
    }
    Ok(files)
}

/// Fills the new index.
struct IndexCopy<'a> {
    target: &'a dyn IndexStore,
    batch: IndexBatch,
    entries: u64,
}

impl IndexCopy<'_> {
    /// Copies what does not depend on extents.
    fn entries(&mut self, source: &dyn IndexStore) -> Result<(), StorageError> {
        for keyspace in [Keyspace::Catalog, Keyspace::State, Keyspace::Deduplication] {
            source.scan(keyspace, &[], &mut |key, value| {
                self.entries += 1;
                self.batch.put(keyspace, key, value);
                self.commit_if_large()
            })?;
        }
        Ok(())
    }

    /// Brings over the runs that the old index wanted, as far as their records are there.
    fn files(
        &mut self,
        source: &dyn IndexStore,
        files: &BTreeMap<ExtentFile, Finished>,
        report: &mut Salvage,
    ) -> Result<(), StorageError> {
        for (file, wanted) in runs_by_file(source)? {
            let Some(finished) = files.get(&file) else {
                if file.tier == Tier::Durable {
                    report.damage.push(file_lost(file, &wanted));
                }
                continue;
            };
            for run in &finished.runs {
                if let Ok(at) = wanted.binary_search_by_key(&run.log, |wanted| wanted.log)
                    && let Some(wanted) = wanted.get(at)
                {
                    let run = narrowed(run, wanted);
                    if run.first <= run.last {
                        self.batch.put_run(&run);
                    }
                    self.commit_if_large()?;
                }
            }
            let old = source.get(Keyspace::Files, &file.key())?;
            let old = old
                .map(|value| FileUsage::from_value(&file.key(), &value))
                .transpose()?;
            self.batch.put_file(file, usage(finished, old));
        }
        Ok(())
    }

    /// Makes runs and files from the extents alone.
    fn derived(&mut self, files: &BTreeMap<ExtentFile, Finished>) -> Result<(), StorageError> {
        for (file, finished) in files {
            for run in &finished.runs {
                self.batch.put_run(run);
                self.commit_if_large()?;
            }
            self.batch.put_file(*file, usage(finished, None));
        }
        Ok(())
    }

    fn commit_if_large(&mut self) -> Result<(), StorageError> {
        if self.batch.changes().len() < ENTRIES_PER_COMMIT {
            Ok(())
        } else {
            self.commit()
        }
    }

    fn commit(&mut self) -> Result<(), StorageError> {
        self.target.commit(std::mem::take(&mut self.batch))
    }
}

/// What is there of a run, within the offsets that are wanted of it.
fn narrowed(there: &Run, wanted: &Run) -> Run {
    Run {
        first: there.first.max(wanted.first),
        last: there.last.min(wanted.last),
        count: there.count.min(wanted.count),
        bytes: there.bytes.min(wanted.bytes),
        ..*there
    }
}

fn usage(finished: &Finished, old: Option<FileUsage>) -> FileUsage {
    let records = finished.runs.iter().map(|run| run.count).sum();
    let bytes = finished.runs.iter().map(|run| run.bytes).sum();
    FileUsage {
        bytes: finished.bytes,
        records,
        live_bytes: old.map_or(bytes, |old| old.live_bytes.min(bytes)),
        live_records: old.map_or(records, |old| old.live_records.min(records)),
    }
}

fn file_lost(file: ExtentFile, wanted: &[Run]) -> Damage {
    let key = |run: Option<&Run>, offset: fn(&Run) -> u64| run.map(|run| (run.log, offset(run)));
    let first = key(wanted.first(), |run| run.first);
    let last = key(wanted.last(), |run| run.last);
    let detail = match (first, last) {
        (Some((from_log, from)), Some((to_log, to))) => format!(
            "nothing of the file is left; the index wants {} runs, from log {from_log} offset \
             {from} to log {to_log} offset {to}",
            wanted.len()
        ),
        _ => "nothing of the file is left".to_owned(),
    };
    let lost = Lost::Records {
        after: None,
        before: None,
    };
    Damage {
        file: file.to_string(),
        from: 0,
        until: 0,
        detail,
        lost,
    }
}
