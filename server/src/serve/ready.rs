//! The ready file: tells scripts that the broker serves, and where.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

#[derive(Serialize)]
struct Ready<'a> {
    listeners: &'a BTreeMap<String, String>,
    pid: u32,
    version: &'static str,
}

/// Writes the file so that nobody ever reads a part of it: beside its place, then moved there.
pub(super) fn write(path: &Path, listeners: &BTreeMap<String, String>) -> io::Result<()> {
    let ready = Ready {
        listeners,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut beside = name.to_owned();
    beside.push(format!(".{}", ready.pid));
    let beside = path.with_file_name(beside);
    let mut file = File::create(&beside)?;
    serde_json::to_writer(&mut file, &ready)?;
    file.write_all(b"\n")?;
    drop(file);
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_the_listeners_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        let listeners = BTreeMap::from([("amqp091".to_owned(), "127.0.0.1:41234".to_owned())]);
        write(&path, &listeners).unwrap();
        let ready: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(ready["listeners"]["amqp091"], "127.0.0.1:41234");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
