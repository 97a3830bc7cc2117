//! `suite.toml`: what a suite is, what it needs, how it runs and how its results are read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// One suite, as its `suite.toml` describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// Name of the suite: its folder's.
    #[serde(skip)]
    pub(super) name: String,
    /// Its folder.
    #[serde(skip)]
    pub(super) folder: PathBuf,
    /// What the suite shows, in one line.
    pub(super) summary: String,
    /// The client and its version.
    pub(super) client: String,
    /// True for a suite that takes too long to run with all others; it runs when it is named.
    #[serde(default)]
    pub(super) by_name_only: bool,
    /// Seconds after which a run is stopped and counts as failed.
    pub(super) timeout_seconds: u64,
    /// Where the broker has to be.
    #[serde(default)]
    pub(super) broker: Broker,
    /// Published code that the suite runs, if it is not all in the folder.
    pub(super) source: Option<Source>,
    /// What has to be installed.
    #[serde(default)]
    pub(super) toolchain: Toolchain,
    /// Commands that build, before a broker is started.
    #[serde(default)]
    pub(super) prepare: Vec<Vec<String>>,
    /// The command that runs the tests.
    pub(super) run: Run,
    /// What the reference broker gave, measured with this manifest.
    pub(super) baseline: Option<Baseline>,
}

/// Where a suite expects its broker.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Broker {
    /// At any address that it is told.
    #[default]
    AnyAddress,
    /// On port 5672 of the loopback address, because the suite has that written into it.
    StandardPort,
    /// The suite starts and stops the `sabir` binary itself.
    Own,
}

/// Published code, fetched through the ordinary client of its registry.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(tag = "registry", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Source {
    /// A source package of Debian.
    Debian {
        package: String,
        version: String,
        release: String,
        archive: String,
        sha256: String,
    },
    /// A source distribution from PyPI.
    Pypi {
        package: String,
        version: String,
        archive: String,
        sha256: String,
    },
    /// A module of the Go proxy, verified by the `go.sum` in the suite's folder.
    Go { module: String, version: String },
    /// A crate, verified by the index of the registry.
    Crate { package: String, version: String },
}

/// What a suite's language needs installed.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Toolchain {
    /// Nothing that its own commands do not install.
    #[default]
    None,
    /// A virtual environment with what `requirements.txt` pins.
    Python,
    /// The modules that `package-lock.json` pins.
    Node,
}

/// The command that runs the tests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// Program and arguments, with placeholders in braces.
    pub(super) command: Vec<String>,
    /// Further environment, with placeholders in braces.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// Format of the results.
    pub(super) report: Format,
    /// Folder of the results when the tool chooses their names, relative to the work folder.
    pub(super) report_folder: Option<String>,
    /// How the tool is told not to start a test.
    pub(super) exclude: Option<Exclude>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    /// JUnit's XML, in the report file or folder.
    Junit,
    /// The lines of `go test -json` on standard output.
    GoTest,
    /// The lines of `cargo test` on standard output.
    CargoTest,
}

/// How the tool is told not to start a test.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exclude {
    /// One argument, with `{test}` for the test or the joined tests.
    pub(super) argument: String,
    /// Joins all tests into one argument with this separator.
    pub(super) separator: Option<String>,
}

/// Counts on the reference broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    /// Name and version of the broker.
    pub(super) broker: String,
    /// Cases that passed.
    pub(super) passed: usize,
    /// Cases that failed or are known to differ there.
    pub(super) failed: usize,
    /// Cases that the suite skipped itself.
    pub(super) skipped: usize,
}

impl Manifest {
    /// Every suite of the folder, by name.
    pub(super) fn read_all(conformance: &Path) -> anyhow::Result<Vec<Self>> {
        let mut manifests = Vec::new();
        for entry in fs::read_dir(conformance)
            .with_context(|| format!("reading {}", conformance.display()))?
        {
            let folder = entry?.path();
            if folder.join("suite.toml").is_file() {
                manifests.push(Self::read(&folder)?);
            }
        }
        manifests.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(manifests)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("suite.toml");
        let text = fs::read_to_string(&path)?;
        let mut manifest: Self =
            toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        manifest.name = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        manifest.folder = folder.to_owned();
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_of_the_tree_parses_and_its_baseline_is_possible() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance");
        let manifests = Manifest::read_all(&folder).expect("manifests of the tree");
        assert!(!manifests.is_empty());
        for manifest in manifests {
            assert!(manifest.timeout_seconds <= 900, "{}", manifest.name);
            assert!(!manifest.run.command.is_empty(), "{}", manifest.name);
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = "summary = 's'\nclient = 'c'\ntimeout_seconds = 1\ncolour = 'red'\n[run]\ncommand = ['true']\nreport = 'junit'";
        assert!(toml::from_str::<Manifest>(text).is_err());
    }
}
