//! Comparisons with other brokers.

use std::path::Path;

use anyhow::bail;
use clap::ValueEnum;

/// What to compare.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The protocol
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    Amqp,
}

/// Compares Sabir with the better-known brokers of a protocol.
pub(crate) fn run(_root: &Path, options: &Options) -> anyhow::Result<bool> {
    bail!(
        "the comparison for {:?} is not part of this version",
        options.protocol
    )
}
