//! Walks one extent file.

use bytes::Bytes;
use sabir_core::storage::{ExtentFile, StorageError, StoredRecord};

use super::{Damage, Item, ItemVisitor, Lost};
use crate::checksum::Lineage;
use crate::disk::{Disk, DiskFile};
use crate::extent::format::{CHUNK_HEADER_BYTES, CHUNK_MAGIC, HEADER_BYTES, Seal, chunk_shape};
use crate::extent::reader::{ExtentReader, decode_chunk};
use crate::fail::io_failure;

/// Hands every valid record of an extent file to the visitor, and every stretch that is damaged.
pub fn extent<D: Disk>(
    disk: &D,
    lineage: Lineage,
    file: ExtentFile,
    visitor: ItemVisitor<'_>,
) -> Result<(), StorageError> {
    let mut walk = Walk {
        file,
        last: None,
        broken: None,
        visitor,
    };
    match ExtentReader::open(disk, file, lineage) {
        Ok(reader) => walk.by_index(&reader),
        Err(StorageError::Corrupt { offset, detail, .. }) => {
            walk.report(offset, offset, detail, Lost::Nothing)?;
            walk.by_search(disk, lineage)
        }
        Err(error) => Err(error),
    }
}

struct Walk<'a> {
    file: ExtentFile,
    /// Log and offset of the last intact record.
    last: Option<(u64, u64)>,
    /// Where a damaged stretch started, and why.
    broken: Option<(u64, String)>,
    visitor: ItemVisitor<'a>,
}

type Records = Vec<(u64, StoredRecord)>;

impl Walk<'_> {
    fn by_index<F: DiskFile>(&mut self, reader: &ExtentReader<F>) -> Result<(), StorageError> {
        let mut end = HEADER_BYTES as u64;
        for chunk in reader.chunks() {
            match reader.records(chunk) {
                Ok(records) => self.intact(chunk.at, records)?,
                Err(StorageError::Corrupt { offset, detail, .. }) => self.damaged(offset, &detail),
                Err(error) => return Err(error),
            }
            end = chunk.at.saturating_add(u64::from(chunk.bytes));
        }
        self.close(end, None)?;
        match reader.directory() {
            Err(StorageError::Corrupt { offset, detail, .. }) => {
                self.report(offset, offset, detail, Lost::Nothing)
            }
            other => other.map(drop),
        }
    }

    /// Finds the chunks by their first bytes, where the index cannot be trusted.
    fn by_search<D: Disk>(&mut self, disk: &D, lineage: Lineage) -> Result<(), StorageError> {
        let path = self.file.to_string();
        let failed = |error| io_failure("read", &path)(error);
        let file = disk.open(&path).map_err(failed)?;
        let length = file.length().map_err(failed)?;
        let seal = Seal::new(lineage, self.file);
        let mut at = HEADER_BYTES as u64;
        while let Some(start) = find_magic(&file, at, length).map_err(failed)? {
            match read_chunk(&file, start, length, &seal).map_err(failed)? {
                Some((records, bytes)) => {
                    if start > at {
                        self.damaged(at, "no valid chunk");
                    }
                    self.intact(start, records)?;
                    at = start.saturating_add(bytes);
                }
                None => {
                    self.damaged(at, "no valid chunk");
                    at = start.saturating_add(1);
                }
            }
        }
        self.close(length, None)
    }

    fn intact(&mut self, at: u64, records: Records) -> Result<(), StorageError> {
        let first = records.first().map(|(log, record)| (*log, record.offset));
        self.close(at, first)?;
        for (
            log,
            StoredRecord {
                offset,
                meta,
                bytes,
            },
        ) in records
        {
            self.last = Some((log, offset));
            (self.visitor)(Item::Record {
                file: self.file,
                log,
                offset,
                meta,
                bytes,
            })?;
        }
        Ok(())
    }

    fn damaged(&mut self, from: u64, detail: &str) {
        self.broken.get_or_insert_with(|| (from, detail.to_owned()));
    }

    /// Reports the damaged stretch that ends here, if there is one.
    fn close(&mut self, until: u64, before: Option<(u64, u64)>) -> Result<(), StorageError> {
        match self.broken.take() {
            None => Ok(()),
            Some((from, detail)) => self.report(
                from,
                until,
                detail,
                Lost::Records {
                    after: self.last,
                    before,
                },
            ),
        }
    }

    fn report(
        &mut self,
        from: u64,
        until: u64,
        detail: String,
        lost: Lost,
    ) -> Result<(), StorageError> {
        let file = self.file.to_string();
        (self.visitor)(Item::Damage(Damage {
            file,
            from,
            until,
            detail,
            lost,
        }))
    }
}

const WINDOW_BYTES: u64 = 1 << 20;

/// Where the first bytes of a chunk occur next.
fn find_magic<F: DiskFile>(file: &F, mut at: u64, length: u64) -> std::io::Result<Option<u64>> {
    let overlap = CHUNK_MAGIC.len() as u64 - 1;
    while at.saturating_add(overlap) < length {
        let bytes = length.saturating_sub(at).min(WINDOW_BYTES);
        let mut window = vec![0; usize::try_from(bytes).unwrap_or(0)];
        file.read_at(&mut window, at)?;
        let found = window
            .windows(CHUNK_MAGIC.len())
            .position(|bytes| bytes == CHUNK_MAGIC);
        if let Some(found) = found {
            return Ok(Some(at.saturating_add(found as u64)));
        }
        at = at.saturating_add(bytes.saturating_sub(overlap).max(1));
    }
    Ok(None)
}

/// The records and the length of the chunk at an offset, if it is valid.
fn read_chunk<F: DiskFile>(
    file: &F,
    at: u64,
    length: u64,
    seal: &Seal,
) -> std::io::Result<Option<(Records, u64)>> {
    let room = length.saturating_sub(at);
    let mut head = [0; CHUNK_HEADER_BYTES];
    if room < head.len() as u64 {
        return Ok(None);
    }
    file.read_at(&mut head, at)?;
    let Some((payload, _)) = chunk_shape(&head) else {
        return Ok(None);
    };
    let bytes = head.len() as u64 + u64::from(payload);
    let Some(size) = usize::try_from(bytes).ok().filter(|_| bytes <= room) else {
        return Ok(None);
    };
    let mut chunk = vec![0; size];
    file.read_at(&mut chunk, at)?;
    Ok(decode_chunk(seal, &Bytes::from(chunk))
        .ok()
        .map(|records| (records, bytes)))
}
