//! CRC-32C, seeded so that bytes of another lineage never pass.

/// Identifies one data directory in every checksum, so that a file of another directory, or bytes
/// that a client made up, are not taken for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage(u32);

impl Lineage {
    /// The lineage of a directory's identifying bytes.
    #[must_use]
    pub fn of(identity: &[u8]) -> Self {
        Self(crc32c::crc32c(identity))
    }

    /// The checksum of the parts, one after another.
    pub(crate) fn checksum(self, parts: &[&[u8]]) -> u32 {
        parts.iter().fold(self.0, |checksum, part| {
            crc32c::crc32c_append(checksum, part)
        })
    }

    /// What the first block of a journal chains to.
    pub(crate) const fn origin(self) -> u32 {
        self.0
    }
}
