//! Walks everything that is on disk, past damage, for checks, dumps and salvage.
//!
//! The directory must not be in use. What a block or a record means is for the visitor.

mod extents;
mod journal;

use std::fmt;

use bytes::Bytes;
use sabir_core::storage::{Block, ExtentFile, Position, RecordMeta, StorageError};

pub use self::extents::extent;
pub use self::journal::journal;

/// Something found on disk.
#[derive(Clone, Debug)]
pub enum Item {
    /// A valid block of the journal.
    Block {
        /// The block.
        block: Block,
        /// Where it starts in its file.
        at: u64,
    },
    /// A valid record of an extent.
    Record {
        /// The file.
        file: ExtentFile,
        /// Whose it is.
        log: u64,
        /// Its place in the log.
        offset: u64,
        /// What is stored beside it.
        meta: RecordMeta,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A stretch that is not what was written.
    Damage(Damage),
}

/// Receives items in order; an error ends the walk and is returned by it.
pub type ItemVisitor<'a> = &'a mut dyn FnMut(Item) -> Result<(), StorageError>;

/// A stretch of a file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Path below the data directory.
    pub file: String,
    /// First byte.
    pub from: u64,
    /// The byte behind the last.
    pub until: u64,
    /// What is wrong.
    pub detail: String,
    /// What cannot be read because of it.
    pub lost: Lost,
}

/// What cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing but what can be derived again.
    Nothing,
    /// The blocks from the first to the last position, both lost.
    Blocks(Position, Position),
    /// The records of an extent between two that are intact, given as log and offset; `None` is the
    /// start or the end of the file.
    Records {
        /// The last intact one before.
        after: Option<(u64, u64)>,
        /// The first intact one behind.
        before: Option<(u64, u64)>,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} bytes {}..{}: {}",
            self.file, self.from, self.until, self.detail
        )?;
        match self.lost {
            Lost::Nothing => Ok(()),
            Lost::Blocks(first, last) => write!(formatter, "; lost: blocks {first} to {last}"),
            Lost::Records { after, before } => {
                let bound = |key: Option<(u64, u64)>, end: &str| {
                    key.map_or(end.to_owned(), |(log, offset)| {
                        format!("log {log} offset {offset}")
                    })
                };
                let (after, before) = (bound(after, "the start"), bound(before, "the end"));
                write!(formatter, "; lost: records between {after} and {before}")
            }
        }
    }
}
