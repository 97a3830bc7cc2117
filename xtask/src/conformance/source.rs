//! Published code that a suite runs, fetched by the ordinary client of its registry and unpacked into the work folder.
//!
//! Nothing of it is ever committed. Each archive is pinned by version and checked: against the digest in the manifest
//! for Debian and PyPI, by their own clients for Go modules and crates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::manifest::Source;
use super::process::complete;

/// Time for one download.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);
/// Key ring that signs the package lists.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Puts the files of `source` into the empty folder `work`, with downloads and logs in `cache`.
pub(super) fn unpack(source: &Source, cache: &Path, work: &Path) -> anyhow::Result<()> {
    let log = cache.join("source.log");
    match source {
        Source::Debian {
            package,
            version,
            release,
            archive,
            sha256,
        } => {
            download_debian(
                &format!("{package}={version}"),
                release,
                archive,
                cache,
                &log,
            )?;
            verify(&cache.join(archive), sha256)?;
            extract(&cache.join(archive), work, &log)
        }
        Source::Pypi {
            package,
            version,
            archive,
            sha256,
        } => {
            download_pypi(package, version, cache, &log)?;
            verify(&cache.join(archive), sha256)?;
            extract(&cache.join(archive), work, &log)
        }
        Source::Go { module, version } => copy_tree(&go_module(module, version)?, work),
        Source::Crate { package, version } => {
            let vendored = vendor_crate(package, version, cache, &log)?;
            copy_tree(&vendored, work)
        }
    }
}

fn download_debian(
    package: &str,
    release: &str,
    archive: &str,
    cache: &Path,
    log: &Path,
) -> anyhow::Result<()> {
    let lists = cache.join("apt");
    fs::create_dir_all(lists.join("lists/partial"))?;
    fs::create_dir_all(lists.join("cache/archives/partial"))?;
    let mirror = debian_mirror(log)?;
    let sources = lists.join("sources.list");
    fs::write(
        &sources,
        format!("deb-src [signed-by={KEYRING}] {mirror} {release} main\n"),
    )?;
    let options = [
        format!("Dir::Etc::SourceList={}", sources.display()),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::State::Lists={}", lists.join("lists").display()),
        format!("Dir::Cache={}", lists.join("cache").display()),
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        for option in &options {
            command.args(["-o", option]);
        }
        command.args(arguments).current_dir(cache);
        complete(&mut command, log, DOWNLOAD_LIMIT)
    };
    apt(&["update"])?;
    let fetched = apt(&["source", "--download-only", "--tar-only", package]);
    // A package of several archives may lack one that the suite does not use.
    if cache.join(archive).is_file() {
        Ok(())
    } else {
        fetched
    }
}

/// The mirror that this machine uses. One that has never fetched a list fetches it first.
fn debian_mirror(log: &Path) -> anyhow::Result<String> {
    if let Some(mirror) = known_mirror()? {
        return Ok(mirror);
    }
    complete(Command::new("apt-get").arg("update"), log, DOWNLOAD_LIMIT)?;
    known_mirror()?.context("apt-cache policy names no Debian mirror")
}

fn known_mirror() -> anyhow::Result<Option<String>> {
    let output = Command::new("apt-cache").arg("policy").output()?;
    let mirror = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (address, part) = (words.next()?, words.next()?);
            let plain = part.ends_with("/main") && !part.contains('-');
            (address.starts_with("http") && plain).then(|| address.to_owned())
        })
        .next();
    Ok(mirror)
}

fn download_pypi(package: &str, version: &str, cache: &Path, log: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("python3");
    command
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            package,
            "--dest",
        ])
        .arg(cache)
        .arg(format!("{package}=={version}"));
    complete(&mut command, log, DOWNLOAD_LIMIT)
}

fn go_module(module: &str, version: &str) -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Downloaded {
        dir: PathBuf,
    }
    let output = Command::new("go")
        .args(["mod", "download", "-json"])
        .arg(format!("{module}@{version}"))
        .output()
        .context("starting go")?;
    ensure!(
        output.status.success(),
        "go mod download: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let downloaded: Downloaded = serde_json::from_slice(&output.stdout)?;
    Ok(downloaded.dir)
}

fn vendor_crate(package: &str, version: &str, cache: &Path, log: &Path) -> anyhow::Result<PathBuf> {
    let project = cache.join("crate");
    fs::create_dir_all(project.join("src"))?;
    fs::write(project.join("src/lib.rs"), "")?;
    fs::write(
        project.join("Cargo.toml"),
        format!(
            "[package]\nname = \"source\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n{package} = \"={version}\"\n"
        ),
    )?;
    let mut command = Command::new("cargo");
    command.args(["vendor", "--quiet"]).current_dir(&project);
    complete(&mut command, log, DOWNLOAD_LIMIT)?;
    Ok(project.join("vendor").join(package))
}

fn verify(archive: &Path, expected: &str) -> anyhow::Result<()> {
    let bytes =
        fs::read(archive).with_context(|| format!("{} was not fetched", archive.display()))?;
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    ensure!(
        digest == expected,
        "{} has SHA-256 {digest}, pinned is {expected}",
        archive.display()
    );
    Ok(())
}

fn extract(archive: &Path, work: &Path, log: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("tar");
    command
        .args([
            "--extract",
            "--strip-components=1",
            "--no-same-owner",
            "--file",
        ])
        .arg(archive)
        .arg("--directory")
        .arg(work);
    complete(&mut command, log, DOWNLOAD_LIMIT)
}

/// Copies a folder's content over another one's; files get today's time and are writable.
pub(super) fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            copy_changed(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Leaves a file with the same content alone, so that build tools see it as old.
fn copy_changed(from: &Path, to: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(from)?;
    if !fs::read(to).is_ok_and(|present| present == bytes) {
        fs::write(to, bytes).with_context(|| format!("writing {}", to.display()))?;
    }
    if fs::metadata(from)?.permissions().readonly() {
        return Ok(());
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_with_another_digest_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let archive = folder.path().join("archive");
        fs::write(&archive, b"abc").expect("written");
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(verify(&archive, digest).is_ok());
        assert!(verify(&archive, &digest.replace('b', "c")).is_err());
    }

    #[test]
    fn a_tree_is_copied_with_its_folders() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("inner")).expect("folders");
        fs::write(from.join("inner/file"), "text").expect("written");
        copy_tree(&from, &to).expect("copied");
        assert_eq!(
            fs::read_to_string(to.join("inner/file")).expect("read"),
            "text"
        );
    }
}
