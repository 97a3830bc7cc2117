//! `sabir config`, and the flags by which `sabir serve` takes its configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::output::{Output, print};
use crate::config::document;
use crate::config::load::{Loaded, Override, Sources, load, stray_variables};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the effective configuration with the source of each value
    Print {
        #[command(flatten)]
        flags: ConfigFlags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check a configuration
    Check {
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// Explain a key, or all keys of a section
    Explain {
        /// Such as limits.message_bytes_max
        key: String,
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// Print the reference of all keys
    #[command(hide = true)]
    Reference {
        /// As a configuration file with all keys commented out
        #[arg(long)]
        sample: bool,
    },
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(super) struct ConfigFlags {
    /// Configuration file
    #[arg(short, long, value_name = "FILE", env = "SABIR_CONFIG")]
    config: Option<PathBuf>,
    /// Where a listener listens, such as amqp091=127.0.0.1:5672 or amqp091.tls=off
    #[arg(long, value_name = "LISTENER=ADDRESS", value_parser = pair)]
    listen: Vec<(String, String)>,
    /// Directory of the broker's data
    #[arg(long, value_name = "DIRECTORY")]
    data_directory: Option<String>,
    /// Log level, such as debug or info,sabir_transport=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Log format: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Any other key
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

impl ConfigFlags {
    /// Reads and checks the configuration that the flags lead to.
    pub(super) fn load(self) -> Result<Loaded, CliError> {
        for name in stray_variables() {
            eprintln!(
                "sabir: the environment variable {name} is no setting: section and key are separated by two underscores"
            );
        }
        let flag = |name: &str, path: String, text: String| Override {
            source: format!("flag {name}"),
            path,
            text,
        };
        let listen = self
            .listen
            .into_iter()
            .map(|(listener, address)| flag("--listen", format!("{listener}.listen"), address));
        let named = [
            ("--data-directory", "data.directory", self.data_directory),
            ("--log-level", "log.level", self.log_level),
            ("--log-format", "log.format", self.log_format),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, path, text)| Some(flag(name, path.to_owned(), text?)));
        let set = self
            .set
            .into_iter()
            .map(|(key, value)| flag("--set", key, value));
        let sources = Sources {
            file: self.config,
            flags: listen.chain(named).chain(set).collect(),
        };
        Ok(load(&sources)?)
    }
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Print { flags, json: true } => {
            Output::new(true).fields(&flags.load()?.config, &[])
        }
        Command::Print { flags, json: false } => print(&document::effective(&flags.load()?)),
        Command::Check { flags } => {
            flags.load()?;
            eprintln!("the configuration is good");
            Ok(())
        }
        Command::Explain { key, flags } => {
            let loaded = flags.load()?;
            let text = document::explanation(&loaded, &key)
                .ok_or_else(|| CliError::NotFound(format!("there is no key or section {key:?}")))?;
            print(&text)
        }
        Command::Reference { sample: true } => print(&document::sample()),
        Command::Reference { sample: false } => print(&document::page()),
    }
}
