//! What a command prints: a table for people, JSON for programs.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::error::CliError;

/// The form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

/// A row of a table.
pub(super) trait Row: Serialize {
    /// The names of the columns; one that begins with `>` is aligned to the right.
    const COLUMNS: &'static [&'static str];

    /// The cells, as many as there are columns.
    fn cells(&self) -> Vec<String>;
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints rows.
    pub(super) fn rows<R: Row>(self, rows: &[R]) -> Result<(), CliError> {
        if self.json {
            return self.document(&rows);
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(R::COLUMNS.iter().map(|name| name.trim_start_matches('>')));
        for row in rows {
            table.add_row(row.cells());
        }
        for (column, name) in table.column_iter_mut().zip(R::COLUMNS) {
            column.set_padding((0, 2));
            if name.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        print(&format!("{}\n", table.trim_fmt()))
    }

    /// Prints one thing: as JSON, or as lines of names and values.
    pub(super) fn fields<T: Serialize>(
        self,
        document: &T,
        fields: &[(&str, String)],
    ) -> Result<(), CliError> {
        if self.json {
            return self.document(document);
        }
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name:<width$}  {value}\n"))
            .collect();
        print(&lines.concat())
    }

    /// Says that something was done, and prints its outcome where programs want it.
    pub(super) fn done<T: Serialize>(self, outcome: &T, words: &str) -> Result<(), CliError> {
        if self.json {
            return self.document(outcome);
        }
        eprintln!("{words}");
        Ok(())
    }

    fn document<T: Serialize>(self, document: &T) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| CliError::Failed(error.to_string()))?;
        print(&format!("{text}\n"))
    }
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// A rate for people: two digits after the point where the number is small.
pub(super) fn rate(rate: f64) -> String {
    if rate >= 100.0 {
        format!("{rate:.0}")
    } else {
        format!("{rate:.2}")
    }
}

/// Arguments for people: compact JSON, or nothing.
pub(super) fn arguments(arguments: &sabir_admin::api::Arguments) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    serde_json::Value::Object(arguments.clone()).to_string()
}

/// `yes` or nothing.
pub(super) fn mark(set: bool) -> String {
    if set { "yes".to_owned() } else { String::new() }
}
