//! Any bytes, through every decoder of this crate. Plain `cargo test` replays the committed corpus
//! and runs briefly beyond it.

use crate::certificate::{NameSource, user_name};
use crate::entropy::fixed::CountingEntropy;
use crate::pattern::Pattern;
use crate::sasl;
use crate::users::{StoreConfig, UserStore};
use std::sync::Arc;

#[test]
fn responses() {
    bolero::check!(name = "response")
        .with_iterations(5_000)
        .for_each(|bytes: &[u8]| sasl::parse_all(bytes));
}

#[test]
fn certificates() {
    bolero::check!(name = "certificate")
        .with_iterations(2_000)
        .for_each(|bytes: &[u8]| {
            for source in [NameSource::CommonName, NameSource::DistinguishedName] {
                if let Ok(name) = user_name(bytes, source) {
                    assert!(!name.is_empty() && !name.contains('\0'));
                }
            }
        });
}

/// A document is its key, a line end and its value.
#[test]
fn documents() {
    bolero::check!(name = "document")
        .with_iterations(2_000)
        .for_each(|bytes: &[u8]| {
            let entropy = Arc::new(CountingEntropy::default());
            let store = UserStore::new(StoreConfig::default(), entropy).unwrap();
            let mut parts = bytes.splitn(2, |&byte| byte == b'\n');
            let key = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            let value = parts.next().unwrap_or_default().to_vec();
            if store.load([(key.clone(), value)]).is_err() {
                return;
            }
            let removal = crate::users::Write { key, value: None };
            let writes = vec![removal];
            store.apply(&crate::users::Change { writes }).unwrap();
            assert!(store.is_empty() && store.permissions().is_empty());
        });
}

#[test]
fn patterns() {
    bolero::check!(name = "pattern")
        .with_iterations(500)
        .for_each(|bytes: &[u8]| {
            let mut parts = bytes.splitn(2, |&byte| byte == b'\n');
            let pattern = String::from_utf8_lossy(parts.next().unwrap_or_default());
            let name = String::from_utf8_lossy(parts.next().unwrap_or_default());
            if let Ok(pattern) = Pattern::compile(&pattern) {
                let _either: bool = pattern.matches(&name);
            }
        });
}
