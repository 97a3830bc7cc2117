//! What a suite's language installs: a Python environment or Node modules, from the files that pin them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::manifest::Toolchain;
use super::process::complete;

/// Time for one installation.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Installs what `work` pins, unless the same was installed before.
pub(super) fn install(toolchain: &Toolchain, cache: &Path, work: &Path) -> anyhow::Result<()> {
    match toolchain {
        Toolchain::None => Ok(()),
        Toolchain::Python => once(cache, work, "requirements.txt", |log| {
            python(cache, work, log)
        }),
        Toolchain::Node => once(cache, work, "package-lock.json", |log| node(work, log)),
    }
}

/// The interpreter of the suite's environment.
pub(super) fn python_of(cache: &Path) -> PathBuf {
    cache.join("venv/bin/python")
}

/// Skips the installation when the file that pins it is the one that was installed.
fn once(
    cache: &Path,
    work: &Path,
    pins: &str,
    install: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let wanted = fs::read(work.join(pins)).with_context(|| format!("the suite has no {pins}"))?;
    let stamp = cache.join("installed");
    if fs::read(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    install(&cache.join("install.log"))?;
    fs::write(stamp, wanted)?;
    Ok(())
}

fn python(cache: &Path, work: &Path, log: &Path) -> anyhow::Result<()> {
    let mut create = Command::new("python3");
    create
        .args(["-m", "venv", "--clear"])
        .arg(cache.join("venv"));
    complete(&mut create, log, INSTALL_LIMIT)?;
    let mut install = Command::new(python_of(cache));
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(work.join("requirements.txt"));
    complete(&mut install, log, INSTALL_LIMIT)
}

fn node(work: &Path, log: &Path) -> anyhow::Result<()> {
    let mut install = Command::new("npm");
    install
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(work);
    complete(&mut install, log, INSTALL_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_pins_are_installed_once_and_changed_pins_again() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let pins = folder.path().join("pins");
        let mut installed = 0;
        for text in ["a", "a", "b"] {
            fs::write(&pins, text).expect("written");
            once(folder.path(), folder.path(), "pins", |_log| {
                installed += 1;
                Ok(())
            })
            .expect("installed");
        }
        assert_eq!(installed, 2);
    }
}
