//! How a command fails, and with which exit code.

use std::io;
use std::process::ExitCode;

use sabir_admin::failure::Problem;

use crate::config::load::ConfigError;
use crate::serve::ServeError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Denied(String),
    #[error("the broker's administration API at {url} cannot be reached: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{0}")]
    Failed(String),
    #[error("{path}: {source}")]
    File { path: String, source: io::Error },
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

impl CliError {
    /// The documented exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) | Self::Serve(_) | Self::File { .. } | Self::Output(_) => 1,
            Self::Usage(_) | Self::Config(_) => 2,
            Self::NotFound(_) => 3,
            Self::Denied(_) => 4,
            Self::Unreachable { .. } => 5,
        })
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        match problem.status {
            404 => Self::NotFound(problem.detail),
            401 | 403 => Self::Denied(problem.detail),
            400 | 422 => Self::Usage(problem.detail),
            _ => Self::Failed(problem.detail),
        }
    }
}
