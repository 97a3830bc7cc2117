//! The reference of all keys for people: `docs/config.md`, `packaging/sabir.toml`, and the
//! answers of `sabir config`.

use std::fmt::Write;

use super::Config;
use super::load::{Loaded, reference};
use super::section::{KeyEntry, Reference, SectionEntry};

const INTRODUCTION: &str = "\
# Configuration

Sabir reads one TOML file (`sabir serve --config FILE`, or the environment variable `SABIR_CONFIG`),
then environment variables, then flags; a later source wins. Without any of them it starts with the
defaults below.

- The environment variable of a key is `SABIR_`, the section, two underscores and the key, in upper
  case: `SABIR_AMQP091__LISTEN=127.0.0.1:0` sets `amqp091.listen`.
- The flag of a key is `--set section.key=value`.
- A key that does not exist is refused with its path and its source.
- Sizes are written `64MiB` (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB) or as a number of bytes, durations
  `500ms`, `30s`, `10m`, `1h`, `1d`.
- A secret may be written as `file:PATH` or `env:NAME`, and is never printed.
- `sabir config check` checks a configuration, `sabir config print` shows the effective one with its
  sources, `sabir config explain KEY` explains one key.

This page is generated from the definitions by `cargo xtask docs`.
";

const SAMPLE_INTRODUCTION: &str = "\
# The configuration of Sabir: every key with its default, commented out.
# Generated from the definitions by `cargo xtask docs`; docs/config.md is the same as a page.
";

/// `docs/config.md`.
pub(crate) fn page() -> String {
    let reference = reference(&Config::default());
    let mut page = INTRODUCTION.to_owned();
    for section in &reference.sections {
        write_section(&mut page, section, &reference);
    }
    page
}

fn write_section(page: &mut String, section: &SectionEntry, reference: &Reference) {
    page.push_str(&format!(
        "\n## `[{}]`\n\n{}\n\n",
        section.path, section.documentation
    ));
    page.push_str("| key | default | form | what it does |\n| --- | --- | --- | --- |\n");
    for key in reference.keys_of(&section.path) {
        let line = format!(
            "| `{}` | `{}` | {} | {} |\n",
            key.section_and_name().1,
            key.value,
            form(key),
            key.documentation.replace('\n', " ")
        );
        page.push_str(&line);
    }
}

/// `packaging/sabir.toml`.
pub(crate) fn sample() -> String {
    let reference = reference(&Config::default());
    let mut sample = SAMPLE_INTRODUCTION.to_owned();
    for section in &reference.sections {
        let commented = if section.path.contains('<') { "# " } else { "" };
        sample.push('\n');
        push_comment(&mut sample, &section.documentation);
        sample.push_str(&format!("{commented}[{}]\n", section.path));
        for key in reference.keys_of(&section.path) {
            push_comment(
                &mut sample,
                &format!("{}\n({})", key.documentation, form(key)),
            );
            sample.push_str(&format!("# {} = {}\n", key.section_and_name().1, key.value));
        }
    }
    sample
}

fn push_comment(sample: &mut String, text: &str) {
    for line in text.lines() {
        sample.push_str(&format!("# {line}\n"));
    }
}

fn form(key: &KeyEntry) -> String {
    match &key.bounds {
        Some((low, high)) => format!("{}, {low} to {high}", key.form),
        None => key.form.to_owned(),
    }
}

/// The effective configuration as TOML, each value that is not the default with its source.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let reference = reference(&loaded.config);
    let mut text = String::new();
    for section in reference
        .sections
        .iter()
        .filter(|section| !section.path.contains('<'))
    {
        text.push_str(&format!("[{}]\n", section.path));
        for key in reference.keys_of(&section.path) {
            let source = loaded
                .source(&key.path)
                .map(|source| format!("  # {source}"));
            let name = key.section_and_name().1;
            text.push_str(&format!(
                "{name} = {}{}\n",
                key.value,
                source.unwrap_or_default()
            ));
        }
        text.push('\n');
    }
    text
}

/// Everything about one key, or about each key of one section; `None` where there is neither.
pub(crate) fn explanation(loaded: &Loaded, path: &str) -> Option<String> {
    let defaults = reference(&Config::default());
    let current = reference(&loaded.config);
    let inside = format!("{path}.");
    let paths: Vec<&str> = if defaults.key(path).is_some() {
        vec![path]
    } else {
        let keys = defaults.keys.iter().map(|key| key.path.as_str());
        keys.filter(|key| key.starts_with(&inside)).collect()
    };
    let explanations: Vec<String> = paths
        .into_iter()
        .filter_map(|path| Some(explain_key(defaults.key(path)?, &current, loaded, path)))
        .collect();
    (!explanations.is_empty()).then(|| explanations.join("\n"))
}

fn explain_key(default: &KeyEntry, current: &Reference, loaded: &Loaded, path: &str) -> String {
    let value = current
        .keys
        .iter()
        .find(|key| key.path == path)
        .map_or(&default.value, |key| &key.value);
    let source = loaded.source(path).unwrap_or("default");
    let mut text = format!("{path}\n");
    for line in default.documentation.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    let rows = [
        ("form", form(default)),
        ("default", default.value.clone()),
        ("value", format!("{value} ({source})")),
        ("variable", default.variable()),
    ];
    for (name, row) in rows {
        let _: std::fmt::Result = writeln!(text, "  {name:<10}{row}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Sources, load};

    fn stored(path: &str) -> String {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::read_to_string(root.join(path)).unwrap_or_default()
    }

    #[test]
    fn the_stored_reference_is_what_the_definitions_say() {
        assert!(
            stored("docs/config.md") == page(),
            "stale: run `cargo xtask docs`"
        );
        assert!(
            stored("packaging/sabir.toml") == sample(),
            "stale: run `cargo xtask docs`"
        );
    }

    #[test]
    fn the_sample_with_every_key_uncommented_is_the_default_configuration() {
        let sample = sample();
        let lines: Vec<&str> = sample
            .lines()
            .take_while(|line| !line.contains("[security.users.<name>]"))
            .map(|line| match line.strip_prefix("# ") {
                Some(key) if key.contains(" = ") => key,
                _ => line,
            })
            .collect();
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        let sources = Sources {
            file: Some(file.path().to_owned()),
            flags: Vec::new(),
        };
        assert_eq!(load(&sources).unwrap().config, Config::default());
    }

    #[test]
    fn every_key_is_documented() {
        for key in reference(&Config::default()).keys {
            assert!(key.documentation.len() > 10, "{} says too little", key.path);
        }
    }

    #[test]
    fn a_key_is_explained_with_its_variable_and_its_bounds() {
        let loaded = load(&Sources::default()).unwrap();
        let text = explanation(&loaded, "limits.handshake_timeout").unwrap();
        assert!(text.contains("SABIR_LIMITS__HANDSHAKE_TIMEOUT"), "{text}");
        assert!(text.contains("\"1s\" to \"2m\""), "{text}");
        assert!(
            explanation(&loaded, "limits")
                .unwrap()
                .contains("limits.message_bytes_max")
        );
        assert!(explanation(&loaded, "nothing").is_none());
    }
}
