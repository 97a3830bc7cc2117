//! `sabir serve`.

use std::path::PathBuf;

use clap::Args;

use super::configuration::ConfigFlags;
use super::error::CliError;
use crate::serve;

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    flags: ConfigFlags,
    /// File that is written, as JSON, once the broker serves: where each listener listens
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

pub(super) fn run(command: Serve) -> Result<(), CliError> {
    let loaded = command.flags.load()?;
    Ok(serve::run(&loaded.config, command.ready_file)?)
}
