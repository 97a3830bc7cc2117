//! One suite from its folder to its counts: workspace, broker, command, report, verdict.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::Totals;
use super::broker::{Running, Target};
use super::manifest::{Broker, Exclude, Manifest};
use super::process::{Group, complete};
use super::retry::{BUILD_ATTEMPTS, DOWNLOAD_ATTEMPTS, retried};
use super::skips::Skips;
use super::verdict::{Verdict, judge};
use super::{report, source, toolchain};

/// Time for one command that builds.
const PREPARE_LIMIT: Duration = Duration::from_secs(600);

/// Folders of a suite under `conformance/.cache`.
#[derive(Debug)]
pub(super) struct Workspace {
    cache: PathBuf,
    work: PathBuf,
}

/// Unpacks, lays the suite's own files over what was published, installs and builds.
pub(super) fn prepare(conformance: &Path, manifest: &Manifest) -> anyhow::Result<Workspace> {
    let cache = conformance.join(".cache").join(&manifest.name);
    let workspace = Workspace {
        work: cache.join("work"),
        cache,
    };
    fs::create_dir_all(&workspace.cache)?;
    retried(DOWNLOAD_ATTEMPTS, || unpack_once(manifest, &workspace))?;
    source::copy_tree(&manifest.folder, &workspace.work)?;
    retried(DOWNLOAD_ATTEMPTS, || {
        toolchain::install(&manifest.toolchain, &workspace.cache, &workspace.work)
    })?;
    let words = workspace.words();
    for (index, line) in manifest.prepare.iter().enumerate() {
        let log = workspace.cache.join(format!("prepare-{index}.log"));
        retried(BUILD_ATTEMPTS, || {
            complete(
                &mut command(line, &words, &workspace.work)?,
                &log,
                PREPARE_LIMIT,
            )
        })?;
    }
    Ok(workspace)
}

/// Prepares the suite, runs it against `target` and counts.
pub(super) fn run(
    conformance: &Path,
    manifest: &Manifest,
    target: &Target,
) -> anyhow::Result<Totals> {
    if manifest.broker == Broker::Own && target.binary().is_none() {
        println!(
            "{}: starts brokers itself and is not run against one at an address",
            manifest.name
        );
        return Ok(Totals::default());
    }
    let workspace = prepare(conformance, manifest)?;
    let skips = Skips::read(&manifest.folder, target.is_reference())?;
    let started = Instant::now();
    let verdict = match manifest.broker {
        Broker::Own => {
            let mut words = workspace.words();
            words.extend(
                target
                    .binary()
                    .map(|path| ("binary", path.display().to_string())),
            );
            execute(manifest, &workspace, &skips, &words)?
        }
        Broker::AnyAddress | Broker::StandardPort => {
            with_broker(manifest, &workspace, &skips, target)?
        }
    };
    let seconds = started.elapsed().as_secs();
    fs::write(
        workspace.cache.join("failures.txt"),
        verdict.lines.join("\n"),
    )?;
    for line in &verdict.lines {
        println!("{}: {line}", manifest.name);
    }
    println!(
        "{}: {seconds} s, log {}",
        manifest.name,
        workspace.log().display()
    );
    Ok(verdict.totals)
}

fn with_broker(
    manifest: &Manifest,
    workspace: &Workspace,
    skips: &Skips,
    target: &Target,
) -> anyhow::Result<Verdict> {
    let broker = Running::start(target, manifest.broker, &workspace.cache.join("broker.log"))?;
    let mut words = workspace.words();
    words.insert("host", broker.amqp.ip().to_string());
    words.insert("port", broker.amqp.port().to_string());
    let tls_port = broker.tls.map(|address| address.port().to_string());
    words.insert("tls_port", tls_port.unwrap_or_default());
    words.insert("url", format!("amqp://guest:guest@{}/%2f", broker.amqp));
    words.insert("admin", broker.admin.clone().unwrap_or_default());
    words.extend(
        target
            .binary()
            .map(|path| ("binary", path.display().to_string())),
    );
    let executed = execute(manifest, workspace, skips, &words);
    let stopped = broker.stop();
    let mut verdict = executed?;
    if let Err(error) = stopped {
        verdict.fail("failed", "the broker", &error.to_string());
    }
    Ok(verdict)
}

fn execute(
    manifest: &Manifest,
    workspace: &Workspace,
    skips: &Skips,
    words: &BTreeMap<&'static str, String>,
) -> anyhow::Result<Verdict> {
    let results = workspace.results(manifest);
    remove(&results)?;
    let mut line = manifest.run.command.clone();
    line.extend(exclusions(manifest.run.exclude.as_ref(), &skips.excluded()));
    let mut command = command(&line, words, &workspace.work)?;
    for (name, value) in &manifest.run.environment {
        command.env(name, filled(value, words));
    }
    for (word, variable) in [
        ("url", "CONFORMANCE_AMQP_URL"),
        ("binary", "CONFORMANCE_BINARY"),
        ("admin", "CONFORMANCE_ADMIN"),
    ] {
        if let Some(value) = words.get(word) {
            command.env(variable, value);
        }
    }
    let mut group = Group::start(&mut command, &workspace.log())?;
    let status = group.wait(Duration::from_secs(manifest.timeout_seconds))?;
    group.stop();
    let cases = report::read(manifest.run.report, &results, &workspace.log());
    let Some(status) = status else {
        let mut verdict = judge(&cases.unwrap_or_default(), skips);
        let message = format!("it took over {} s", manifest.timeout_seconds);
        verdict.fail("failed", "the suite", &message);
        return Ok(verdict);
    };
    let cases = cases
        .with_context(|| format!("it ended with {status}; see {}", workspace.log().display()))?;
    let mut verdict = judge(&cases, skips);
    let explained = cases
        .iter()
        .any(|case| matches!(case.outcome, report::Outcome::Failed(_)));
    if !status.success() && !explained {
        verdict.fail("failed", "the suite", &format!("it ended with {status}"));
    }
    Ok(verdict)
}

fn unpack_once(manifest: &Manifest, workspace: &Workspace) -> anyhow::Result<()> {
    let wanted = manifest
        .source
        .as_ref()
        .map(toml::to_string)
        .transpose()?
        .unwrap_or_default();
    let stamp = workspace.cache.join("unpacked");
    if workspace.work.is_dir() && fs::read_to_string(&stamp).is_ok_and(|present| present == wanted)
    {
        return Ok(());
    }
    remove(&workspace.work)?;
    fs::create_dir_all(&workspace.work)?;
    if let Some(source) = &manifest.source {
        source::unpack(source, &workspace.cache, &workspace.work)?;
    }
    File::create(stamp)?.write_all(wanted.as_bytes())?;
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Arguments that keep the tool from starting the excluded tests.
fn exclusions(exclude: Option<&Exclude>, tests: &[&str]) -> Vec<String> {
    let Some(exclude) = exclude else {
        return Vec::new();
    };
    if tests.is_empty() {
        return Vec::new();
    }
    match &exclude.separator {
        Some(separator) => vec![exclude.argument.replace("{test}", &tests.join(separator))],
        None => tests
            .iter()
            .map(|test| exclude.argument.replace("{test}", test))
            .collect(),
    }
}

fn command(
    line: &[String],
    words: &BTreeMap<&'static str, String>,
    folder: &Path,
) -> anyhow::Result<Command> {
    let (program, arguments) = line.split_first().context("an empty command")?;
    let mut command = Command::new(filled(program, words));
    command
        .args(arguments.iter().map(|argument| filled(argument, words)))
        // What a suite builds belongs into its own folder.
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(folder);
    Ok(command)
}

/// Replaces every `{word}` that is known.
fn filled(text: &str, words: &BTreeMap<&'static str, String>) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| {
        text.replace(&format!("{{{word}}}"), value)
    })
}

impl Workspace {
    fn log(&self) -> PathBuf {
        self.cache.join("run.log")
    }

    fn results(&self, manifest: &Manifest) -> PathBuf {
        match &manifest.run.report_folder {
            Some(folder) => self.work.join(folder),
            None => self.cache.join("report.xml"),
        }
    }

    fn words(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            (
                "python",
                toolchain::python_of(&self.cache).display().to_string(),
            ),
            ("work", self.work.display().to_string()),
            ("cache", self.cache.display().to_string()),
            (
                "report",
                self.cache.join("report.xml").display().to_string(),
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_filled_and_others_stay() {
        let words = BTreeMap::from([("port", "5672".to_owned())]);
        assert_eq!(
            filled("--port={port} {other}", &words),
            "--port=5672 {other}"
        );
    }

    #[test]
    fn exclusions_are_one_argument_each_or_joined() {
        let mut exclude = Exclude {
            argument: "--deselect={test}".to_owned(),
            separator: None,
        };
        assert_eq!(
            exclusions(Some(&exclude), &["a", "b"]),
            ["--deselect=a", "--deselect=b"]
        );
        exclude.separator = Some("|".to_owned());
        assert_eq!(exclusions(Some(&exclude), &["a", "b"]), ["--deselect=a|b"]);
        assert!(exclusions(Some(&exclude), &[]).is_empty());
    }
}
