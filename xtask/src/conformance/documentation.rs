//! The tables of suites and skips in `docs/compatibility/amqp091.md`, written from the manifests.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use super::manifest::Manifest;
use super::skips::{Skips, Subject};

const PAGE: &str = "docs/compatibility/amqp091.md";
const BEGIN: &str = "<!-- suites: written by `cargo xtask conformance --document` -->";
const END: &str = "<!-- end of suites -->";

/// Replaces what stands between the two marks of the page.
pub(super) fn write(root: &Path, manifests: &[Manifest]) -> anyhow::Result<()> {
    let path = root.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("reading {PAGE}"))?;
    let renewed = renewed(&page, &tables(manifests)?)?;
    fs::write(path, renewed)?;
    Ok(())
}

fn renewed(page: &str, tables: &str) -> anyhow::Result<String> {
    let (head, rest) = page
        .split_once(BEGIN)
        .context("the page has no mark for the suites")?;
    let (_old, tail) = rest
        .split_once(END)
        .context("the page has no mark for the end of the suites")?;
    ensure!(!tail.contains(BEGIN), "the page has the mark twice");
    Ok(format!("{head}{BEGIN}\n{tables}{END}{tail}"))
}

fn tables(manifests: &[Manifest]) -> anyhow::Result<String> {
    let mut text = String::from(
        "\n| suite | client | what it shows | on the reference broker |\n|---|---|---|---|\n",
    );
    for manifest in manifests {
        writeln!(
            text,
            "| {} | {} | {} | {} |",
            manifest.name,
            manifest.client,
            manifest.summary,
            baseline(manifest)
        )?;
    }
    for manifest in manifests {
        let skips = Skips::read_all(&manifest.folder)?;
        if skips.entries.is_empty() {
            continue;
        }
        write!(
            text,
            "\n### Skipped in {}\n\n| cases | about | reason |\n|---|---|---|\n",
            manifest.name
        )?;
        for skip in &skips.entries {
            writeln!(
                text,
                "| `{}` | {} | {} |",
                skip.test,
                about(skip.on),
                skip.reason
            )?;
        }
    }
    text.push('\n');
    Ok(text)
}

fn baseline(manifest: &Manifest) -> String {
    manifest.baseline.as_ref().map_or_else(
        || "not applicable".to_owned(),
        |baseline| {
            format!(
                "{}: {} passed, {} failed, {} skipped",
                baseline.broker, baseline.passed, baseline.failed, baseline.skipped
            )
        },
    )
}

fn about(subject: Subject) -> &'static str {
    match subject {
        Subject::Any => "the suite or the machine",
        Subject::Sabir => "Sabir",
        Subject::Reference => "RabbitMQ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_tree_is_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifests = Manifest::read_all(&root.join("conformance")).expect("manifests");
        let page = fs::read_to_string(root.join(PAGE)).expect("the page");
        let renewed = renewed(&page, &tables(&manifests).expect("tables")).expect("marks");
        assert!(page == renewed, "run `cargo xtask conformance --document`");
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("head\n{BEGIN}\nold\n{END}\ntail\n");
        let page = renewed(&page, "new\n").expect("marks");
        assert_eq!(page, format!("head\n{BEGIN}\nnew\n{END}\ntail\n"));
        assert!(renewed("no marks", "new").is_err());
    }
}
