//! What travels between the administration API and its clients, one file per noun.
//!
//! Requests refuse fields that they do not know; answers may gain fields.

pub mod account;
pub mod binding;
pub mod connection;
pub mod exchange;
pub mod message;
pub mod namespace;
pub mod overview;
pub mod policy;
pub mod queue;

use serde::{Deserialize, Serialize};

/// Arguments and headers: names with JSON values.
pub type Arguments = serde_json::Map<String, serde_json::Value>;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows of this part, in the order of the list.
    pub items: Vec<T>,
    /// How many rows of the list come before this part.
    pub offset: usize,
    /// How many rows the list has.
    pub total: usize,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Only rows of this namespace.
    pub namespace: Option<String>,
    /// How many rows to pass over.
    pub offset: usize,
    /// Most rows to return, [`Selection::LIMIT_MAX`] if absent.
    pub limit: Option<usize>,
    /// Measure rates over so many milliseconds; the answer waits that long.
    pub rates_ms: Option<u64>,
}

impl Selection {
    /// Most rows in one part of a list.
    pub const LIMIT_MAX: usize = 10_000;

    /// The selected part of a whole list.
    #[must_use]
    pub fn page<T>(&self, rows: Vec<T>) -> Page<T> {
        let total = rows.len();
        let limit = self.limit.unwrap_or(Self::LIMIT_MAX).min(Self::LIMIT_MAX);
        let items = rows.into_iter().skip(self.offset).take(limit).collect();
        Page {
            items,
            offset: self.offset,
            total,
        }
    }
}

/// How many messages something concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Messages that are gone.
    pub messages: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded_and_says_where_it_stands() {
        let selection = Selection {
            offset: 8,
            limit: Some(5),
            ..Selection::default()
        };
        let page = selection.page((0..10).collect());
        assert_eq!((page.items, page.offset, page.total), (vec![8, 9], 8, 10));
        let everything = Selection {
            limit: Some(usize::MAX),
            ..Selection::default()
        };
        let page = everything.page((0..=Selection::LIMIT_MAX).collect());
        assert_eq!(page.items.len(), Selection::LIMIT_MAX);
    }
}
