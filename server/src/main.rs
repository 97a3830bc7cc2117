//! The `sabir` binary: the broker, and the command line that administers it.
//!
//! It is the composition root: the only crate that names all the others.

mod administration;
mod cli;
mod config;
mod serve;
mod shard;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sabir: {error}");
            error.exit_code()
        }
    }
}
