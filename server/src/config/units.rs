//! Sizes and durations as people write them: `64MiB`, `30s`.
//!
//! Both are exact: what is printed reads back as the same value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// A number of bytes; written as `64MiB`, `1GB` or a bare number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(u64);

/// A length of time; written as `500ms`, `30s`, `10m`, `1h` or `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimeSpan(Duration);

/// Why a text is no size or no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    #[error("{0:?} does not start with a whole number")]
    NoNumber(String),
    #[error("{text:?} has no known unit: use {known}")]
    UnknownUnit { text: String, known: &'static str },
    #[error("{0:?} is too large")]
    TooLarge(String),
}

const BYTE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

const TIME_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl ByteSize {
    /// So many bytes.
    pub(crate) const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many kibibytes.
    pub(crate) const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many mebibytes.
    pub(crate) const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// So many gibibytes.
    pub(crate) const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    /// The size in bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl TimeSpan {
    /// So many milliseconds.
    pub(crate) const fn milliseconds(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// So many seconds.
    pub(crate) const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// The same as the standard library's type.
    pub(crate) const fn duration(self) -> Duration {
        self.0
    }

    fn whole_milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if let Ok(bytes) = text.trim().parse() {
            return Ok(Self(bytes));
        }
        scaled(text, &BYTE_UNITS, "B, KiB, MiB, GiB, TiB, kB, MB, GB or TB").map(Self)
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, &TIME_UNITS, "ms, s, m, h or d").map(Self::milliseconds)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = BYTE_UNITS.iter().filter(|(name, _)| name.len() != 2);
        write_scaled(formatter, self.0, binary, "B")
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(formatter, self.whole_milliseconds(), TIME_UNITS.iter(), "s")
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

struct ByteSizeVisitor;

impl Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a size such as \"64MiB\" or a number of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes)
            .map(ByteSize)
            .map_err(|_| E::custom("a size is not negative"))
    }
}

fn scaled(text: &str, units: &[(&str, u64)], known: &'static str) -> Result<u64, UnitError> {
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = trimmed.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    let factor = units
        .iter()
        .find_map(|(name, factor)| (*name == unit.trim_start()).then_some(*factor))
        .ok_or_else(|| UnitError::UnknownUnit {
            text: text.to_owned(),
            known,
        })?;
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

fn write_scaled<'unit>(
    formatter: &mut fmt::Formatter<'_>,
    value: u64,
    mut units: impl Iterator<Item = &'unit (&'unit str, u64)>,
    unit_of_zero: &str,
) -> fmt::Result {
    match units.find(|(_, factor)| value != 0 && value.is_multiple_of(*factor)) {
        Some((name, factor)) => write!(formatter, "{}{name}", value / factor),
        None => write!(formatter, "{value}{unit_of_zero}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_in_binary_and_decimal_units() {
        assert_eq!("64MiB".parse(), Ok(ByteSize::mib(64)));
        assert_eq!("4096".parse(), Ok(ByteSize::kib(4)));
        assert_eq!("2 GB".parse(), Ok(ByteSize(2_000_000_000)));
    }

    #[test]
    fn a_size_without_a_known_unit_is_refused() {
        assert!(matches!(
            "64M".parse::<ByteSize>(),
            Err(UnitError::UnknownUnit { .. })
        ));
        assert!(matches!(
            "MiB".parse::<ByteSize>(),
            Err(UnitError::NoNumber(_))
        ));
        assert!(matches!(
            "99999999TiB".parse::<ByteSize>(),
            Err(UnitError::TooLarge(_))
        ));
    }

    #[test]
    fn a_duration_needs_a_unit() {
        assert_eq!("30s".parse(), Ok(TimeSpan::seconds(30)));
        assert_eq!("500ms".parse(), Ok(TimeSpan::milliseconds(500)));
        assert!(matches!(
            "30".parse::<TimeSpan>(),
            Err(UnitError::UnknownUnit { .. })
        ));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value in any::<u64>()) {
            let size = ByteSize(value);
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
            let span = TimeSpan::milliseconds(value);
            prop_assert_eq!(span.to_string().parse::<TimeSpan>(), Ok(span));
        }
    }
}
