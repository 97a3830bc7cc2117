//! Comparisons with other brokers, and counts of instructions.
//!
//! - [`amqp`]: Sabir and RabbitMQ by RabbitMQ's own load tool.
//! - [`instructions`]: what single steps cost, exactly, on any machine.
//!
//! The other modules are what every comparison needs: quantities, results, what processes use, how quiet a machine was.

mod amqp;
mod instructions;
mod machine;
mod metric;
mod noise;
mod plot;
mod result;
mod statistics;
mod usage;

use std::path::Path;

use clap::Subcommand;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Clone, Subcommand)]
enum Subject {
    /// Sabir and RabbitMQ, by AMQP 0-9-1
    Amqp(Box<amqp::Options>),
    /// Instructions of single steps, counted by valgrind
    Instructions(instructions::Options),
}

/// Measures; tells whether every message arrived, or no step became more expensive.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    match &options.subject {
        Subject::Amqp(options) => amqp::run(root, options),
        Subject::Instructions(options) => instructions::run(root, options),
    }
}
