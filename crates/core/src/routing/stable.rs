//! A hash that is the same on every machine and after every restart.
//!
//! It spreads keys over targets and guards nothing: tables that hold names chosen by peers use
//! the seeded hasher of their map.

/// FNV-1a over the parts, each preceded by its length, then mixed.
pub(super) fn stable_hash(parts: &[&[u8]]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    let absorb = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = parts.iter().fold(OFFSET, |hash, part| {
        let length = (part.len() as u64).to_le_bytes();
        length.iter().chain(*part).copied().fold(hash, absorb)
    });
    mix(hash)
}

/// A bijection in which every input bit moves about half of the output bits (the finalizer of
/// SplitMix64).
pub(super) fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Maps a hash or random number evenly onto `0..count`; zero when `count` is zero.
pub(super) fn scale(number: u64, count: usize) -> usize {
    ((u128::from(number) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(stable_hash(&[]), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(stable_hash(&[b"a", b"b"]), 3_196_273_102_744_022_582);
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(stable_hash(&[b"ab", b""]), stable_hash(&[b"a", b"b"]));
    }

    #[test]
    fn scaling_covers_the_range_and_stays_inside() {
        assert_eq!(scale(0, 3), 0);
        assert_eq!(scale(u64::MAX, 3), 2);
        assert_eq!(scale(u64::MAX, 0), 0);
    }
}
