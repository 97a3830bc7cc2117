//! `sabir storage`: looks after a data directory that no broker uses.

mod dump;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{ArgGroup, Subcommand};
use sabir_core::storage::{ExtentFile, StorageError};
use sabir_storage::directory::{self, DirectoryLock, Identity, Store};
use sabir_storage::disk::{Disk, RealDisk};
use sabir_storage::index::FjallIndex;
use sabir_storage::inspect::Damage;
use sabir_storage::journal::JournalOptions;
use sabir_storage::salvage::{self, Salvage};
use sabir_storage::verify::{self, Verification};
use serde_json::json;

use super::configuration::ConfigFlags;
use super::error::CliError;
use super::output::Output;
use crate::config::load::Loaded;
use crate::serve::{Sizes, journal_options};

/// Where the index is, below a data directory.
const INDEX: &str = "index";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read everything and report what is not as it was written; changes nothing
    Verify {
        #[command(flatten)]
        flags: ConfigFlags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print everything, one JSON object per line
    Dump {
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// Bring what is valid of a damaged directory over to a new one, and report what is lost
    #[command(group = ArgGroup::new("how").required(true))]
    Recover {
        #[command(flatten)]
        flags: ConfigFlags,
        /// Copy what is valid; a broker recovers from crashes by itself, without this command
        #[arg(long, group = "how")]
        salvage: bool,
        /// The new directory; it must not exist or be empty
        #[arg(long, value_name = "DIRECTORY")]
        into: PathBuf,
        /// The index is damaged or gone: do without it; definitions in it are lost
        #[arg(long)]
        without_index: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Verify { flags, json } => verify_directory(&flags.load()?, Output::new(json)),
        Command::Dump { flags } => dump_directory(&flags.load()?),
        Command::Recover {
            flags,
            into,
            without_index,
            json,
            ..
        } => recover(&flags.load()?, &into, without_index, Output::new(json)),
    }
}

fn verify_directory(loaded: &Loaded, output: Output) -> Result<(), CliError> {
    let (_lock, store) = open(loaded)?;
    let found = verify::verify(&*store.disk(), &*store.index())?;
    let fields = [
        ("blocks", found.blocks.to_string()),
        ("extents", found.extents.to_string()),
        ("records", found.records.to_string()),
        ("record bytes", found.record_bytes.to_string()),
        ("runs", found.runs.to_string()),
        ("unreferenced files", found.unreferenced.len().to_string()),
        ("damaged stretches", found.damaged.to_string()),
    ];
    output.fields(&verification(&found), &fields)?;
    outcome(&found.damage, found.damaged)
}

fn verification(found: &Verification) -> serde_json::Value {
    let unreferenced: Vec<String> = found
        .unreferenced
        .iter()
        .map(ExtentFile::to_string)
        .collect();
    json!({
        "blocks": found.blocks,
        "extents": found.extents,
        "records": found.records,
        "record_bytes": found.record_bytes,
        "runs": found.runs,
        "unreferenced": unreferenced,
        "damaged": found.damaged,
        "damage": words(&found.damage),
    })
}

fn dump_directory(loaded: &Loaded) -> Result<(), CliError> {
    let (_lock, store) = open(loaded)?;
    dump::dump(&store)
}

fn recover(
    loaded: &Loaded,
    into: &Path,
    without_index: bool,
    output: Output,
) -> Result<(), CliError> {
    let options = options(loaded);
    let target = Arc::new(RealDisk::new(into));
    let _target_lock = DirectoryLock::acquire(into)?;
    target
        .create_directory(INDEX)
        .map_err(|source| failed(&into.join(INDEX), source))?;
    let target_index = FjallIndex::open(&into.join(INDEX))?;
    let salvaged = if without_index {
        let source = existing(loaded)?;
        let _lock = DirectoryLock::acquire(&source)?;
        salvage::salvage(
            &RealDisk::new(source),
            None,
            &target,
            &target_index,
            options,
        )?
    } else {
        let (_lock, store) = open(loaded)?;
        let index = store.index();
        salvage::salvage(
            &*store.disk(),
            Some(&*index),
            &target,
            &target_index,
            options,
        )?
    };
    let fields = [
        ("blocks", salvaged.blocks.to_string()),
        ("records", salvaged.records.to_string()),
        ("index entries", salvaged.entries.to_string()),
        ("damaged stretches", salvaged.damage.len().to_string()),
    ];
    output.fields(&salvage_report(&salvaged), &fields)?;
    for damage in &salvaged.damage {
        eprintln!("{damage}");
    }
    Ok(())
}

fn salvage_report(salvaged: &Salvage) -> serde_json::Value {
    json!({
        "blocks": salvaged.blocks,
        "records": salvaged.records,
        "entries": salvaged.entries,
        "damage": words(&salvaged.damage),
    })
}

fn words(damage: &[Damage]) -> Vec<String> {
    damage.iter().map(ToString::to_string).collect()
}

/// Damage makes the command fail, after it has been told.
fn outcome(damage: &[Damage], count: u64) -> Result<(), CliError> {
    for damage in damage {
        eprintln!("{damage}");
    }
    if count == 0 {
        return Ok(());
    }
    Err(CliError::Failed(format!("{count} damaged stretches")))
}

/// Locks the configured directory and opens it. One that does not exist is not made.
fn open(loaded: &Loaded) -> Result<(DirectoryLock, Store<RealDisk, FjallIndex>), CliError> {
    let root = existing(loaded)?;
    let nobody = || Identity {
        cluster: 0,
        node: 0,
    };
    Ok(directory::open(&root, nobody, options(loaded))?)
}

fn existing(loaded: &Loaded) -> Result<PathBuf, CliError> {
    let unknown = || CliError::Usage("no data directory is configured".to_owned());
    let root = loaded.config.data.directory.path().ok_or_else(unknown)?;
    if Identity::read(&RealDisk::new(&root))?.is_some() {
        return Ok(root);
    }
    Err(CliError::NotFound(format!(
        "{} is no data directory of a broker",
        root.display()
    )))
}

fn options(loaded: &Loaded) -> JournalOptions {
    journal_options(Sizes::on_this_machine(&loaded.config.storage))
}

fn failed(path: &Path, source: std::io::Error) -> CliError {
    CliError::File {
        path: path.display().to_string(),
        source,
    }
}

impl From<StorageError> for CliError {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.to_string())
    }
}
