//! Reads everything on disk and reports what is not as it was written.
//!
//! The directory must not be in use. Nothing is changed.

use std::collections::BTreeMap;

use sabir_core::storage::{ExtentFile, IndexStore, Keyspace, Mark, Run, StorageError, Tier};

use crate::directory::Identity;
use crate::disk::Disk;
use crate::extent::reader::ExtentReader;
use crate::extent::{files_of, visit_runs};
use crate::inspect::{self, Damage, Item, Lost};

/// At most this many damaged stretches are listed; all are counted.
const DAMAGE_LISTED_MAX: usize = 10_000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Valid blocks of the journal.
    pub blocks: u64,
    /// Extent files.
    pub extents: u64,
    /// Valid records in extents.
    pub records: u64,
    /// Bytes of those records.
    pub record_bytes: u64,
    /// Runs of the index.
    pub runs: u64,
    /// How many damaged stretches there are.
    pub damaged: u64,
    /// The first of them.
    pub damage: Vec<Damage>,
    /// Extent files that the index does not refer to: settled before a crash, removed at start.
    pub unreferenced: Vec<ExtentFile>,
}

impl Verification {
    /// Whether all is as it was written.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged == 0
    }

    fn add(&mut self, damage: Damage) {
        self.damaged += 1;
        if self.damage.len() < DAMAGE_LISTED_MAX {
            self.damage.push(damage);
        }
    }

    fn see(&mut self, item: Item) {
        match item {
            Item::Block { .. } => self.blocks += 1,
            Item::Record { bytes, .. } => {
                self.records += 1;
                self.record_bytes += bytes.len() as u64;
            }
            Item::Damage(damage) => self.add(damage),
        }
    }
}

/// Checks every block, every chunk and every reference of the index.
pub fn verify<D: Disk>(disk: &D, index: &dyn IndexStore) -> Result<Verification, StorageError> {
    let (identity, mark) = open(disk, index)?;
    let lineage = identity.lineage();
    let mut found = Verification::default();
    inspect::journal(disk, lineage, mark, &mut |item| {
        found.see(item);
        Ok(())
    })?;
    let mut wanted = runs_by_file(index)?;
    found.runs = wanted.values().map(|runs| runs.len() as u64).sum();
    for file in files_of(disk, Tier::Durable)? {
        found.extents += 1;
        inspect::extent(disk, lineage, file, &mut |item| {
            found.see(item);
            Ok(())
        })?;
        match wanted.remove(&file) {
            Some(runs) => check_runs(disk, &identity, file, &runs, &mut found)?,
            None => found.unreferenced.push(file),
        }
    }
    for (file, runs) in wanted
        .into_iter()
        .filter(|(file, _)| file.tier == Tier::Durable)
    {
        let detail = format!(
            "the file is missing; {} runs of the index need it",
            runs.len()
        );
        found.add(at_start(file, detail));
    }
    Ok(found)
}

/// The runs of the index by file.
pub(crate) fn runs_by_file(
    index: &dyn IndexStore,
) -> Result<BTreeMap<ExtentFile, Vec<Run>>, StorageError> {
    let mut runs: BTreeMap<ExtentFile, Vec<Run>> = BTreeMap::new();
    visit_runs(index, &mut |run| {
        runs.entry(run.file).or_default().push(run)
    })?;
    Ok(runs)
}

/// Who the data belongs to and from where on the journal is needed.
pub(crate) fn open<D: Disk>(
    disk: &D,
    index: &dyn IndexStore,
) -> Result<(Identity, Mark), StorageError> {
    let missing = |file: &str, detail: &str| StorageError::Missing {
        file: file.to_owned(),
        detail: detail.to_owned(),
    };
    let identity = Identity::read(disk)?;
    let identity = identity.ok_or_else(|| missing(Identity::FILE, "no checksum can be checked"))?;
    let mark = index.get(Keyspace::Mark, Mark::KEY)?;
    let mark = mark.ok_or_else(|| missing("index", "it has no mark, so it is not of this data"))?;
    Ok((identity, Mark::from_value(&mark)?))
}

/// What the index says of a file must be within what the file's own directory says.
fn check_runs<D: Disk>(
    disk: &D,
    identity: &Identity,
    file: ExtentFile,
    runs: &[Run],
    found: &mut Verification,
) -> Result<(), StorageError> {
    let reader = ExtentReader::open(disk, file, identity.lineage());
    let directory = match reader.and_then(|reader| reader.directory()) {
        Ok(runs) => runs,
        // The walk through the file has reported it.
        Err(StorageError::Corrupt { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    for run in runs {
        let held = directory
            .binary_search_by_key(&run.log, |held| held.log)
            .ok();
        let within = held
            .and_then(|held| directory.get(held))
            .is_some_and(|held| {
                run.first >= held.first && run.last <= held.last && run.count <= held.count
            });
        if !within {
            let detail = format!(
                "the index expects offsets {} to {} of log {}, which the file does not hold",
                run.first, run.last, run.log
            );
            found.add(at_start(file, detail));
        }
    }
    Ok(())
}

fn at_start(file: ExtentFile, detail: String) -> Damage {
    Damage {
        file: file.to_string(),
        from: 0,
        until: 0,
        detail,
        lost: Lost::Nothing,
    }
}
