//! Who a data directory belongs to: a few lines of text, written once.

use sabir_core::storage::StorageError;

use super::refusal;
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile};
use crate::fail::{corrupt, io_failure};

const FORMAT: u32 = 1;
const UNFINISHED: &str = "IDENTITY.new";
const BYTES_MAX: u64 = 4096;

/// The identity of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster, or the single node that is one.
    pub cluster: u128,
    /// The node within the cluster.
    pub node: u128,
}

impl Identity {
    pub(crate) const FILE: &'static str = "IDENTITY";

    /// The seed of every checksum in the directory.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        Lineage::of(&self.lineage_bytes())
    }

    pub(super) fn lineage_bytes(&self) -> Vec<u8> {
        [self.cluster.to_be_bytes(), self.node.to_be_bytes()].concat()
    }

    fn text(&self) -> String {
        let lines = format!(
            "format {FORMAT}\ncluster {:032x}\nnode {:032x}\n",
            self.cluster, self.node
        );
        let checksum = crc32c::crc32c(lines.as_bytes());
        format!("{lines}checksum {checksum:08x}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        field("format")?;
        let cluster = u128::from_str_radix(field("cluster")?, 16).ok()?;
        let node = u128::from_str_radix(field("node")?, 16).ok()?;
        let identity = Self { cluster, node };
        (identity.text() == text).then_some(identity)
    }

    /// The identity in a directory, if it has one.
    pub fn read<D: Disk>(disk: &D) -> Result<Option<Self>, StorageError> {
        let names = disk
            .list("")
            .map_err(io_failure("list", "the data directory"))?;
        if !names.iter().any(|name| name == Self::FILE) {
            return Ok(None);
        }
        let file = disk
            .open(Self::FILE)
            .map_err(io_failure("open", Self::FILE))?;
        let length = file.length().map_err(io_failure("length of", Self::FILE))?;
        let mut bytes = vec![0; usize::try_from(length.min(BYTES_MAX)).unwrap_or(0)];
        file.read_at(&mut bytes, 0)
            .map_err(io_failure("read", Self::FILE))?;
        let text = String::from_utf8_lossy(&bytes);
        let format = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("format "));
        if let Some(format) = format.and_then(|format| format.parse::<u32>().ok())
            && format > FORMAT
        {
            let detail =
                format!("format {format} was written by a newer version; this one knows {FORMAT}");
            return Err(refusal(Self::FILE, &detail));
        }
        let identity = Self::parse(&text);
        identity
            .map(Some)
            .ok_or_else(|| corrupt(Self::FILE, 0, "not an identity as written"))
    }

    pub(crate) fn write<D: Disk>(&self, disk: &D) -> Result<(), StorageError> {
        let names = disk
            .list("")
            .map_err(io_failure("list", "the data directory"))?;
        if names.iter().any(|name| name == UNFINISHED) {
            disk.remove(UNFINISHED)
                .map_err(io_failure("remove", UNFINISHED))?;
        }
        let file = disk
            .create(UNFINISHED)
            .map_err(io_failure("create", UNFINISHED))?;
        let text = self.text();
        file.write_at(&[text.as_bytes()], 0)
            .map_err(io_failure("write", UNFINISHED))?;
        file.sync_data().map_err(io_failure("sync", UNFINISHED))?;
        disk.rename(UNFINISHED, Self::FILE)
            .map_err(io_failure("rename", UNFINISHED))?;
        sync_name(disk)
    }
}

/// Makes the file's name durable.
pub(super) fn sync_name<D: Disk>(disk: &D) -> Result<(), StorageError> {
    disk.sync_directory("")
        .map_err(io_failure("sync directory", "the data directory"))
}
