//! Files that are to be a map only, and files that have grown long.

use super::Finding;
use super::source::Source;

const LIBRARY_LINES_MAX: usize = 100;
const FILE_LINES_NOTED: usize = 600;

/// Checks maps of crates, and that modules are `name.rs` beside `name/`.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().filter_map(check_file).collect()
}

fn check_file(source: &Source) -> Option<Finding> {
    let lines = source.text.lines().count();
    let problem = if source.path.ends_with("src/lib.rs") && lines > LIBRARY_LINES_MAX {
        format!("{lines} lines: lib.rs is a map of at most {LIBRARY_LINES_MAX}")
    } else if source.path.ends_with("/mod.rs") {
        "a module is name.rs beside name/".to_owned()
    } else if !source.text.trim_start().starts_with("//!") && !source.is_test() {
        "a module opens with what it is, and what it does not know (`//!`)".to_owned()
    } else {
        return None;
    };
    Some(Finding {
        place: source.path.clone(),
        problem,
    })
}

/// Files whose length, tests left out, asks for another look.
pub(super) fn long_files(sources: &[Source]) -> Vec<Finding> {
    let measured = sources.iter().filter(|source| !source.is_test());
    measured
        .map(|source| (source, source.lines_without_tests().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_NOTED)
        .map(|(source, lines)| Finding {
            place: source.path.clone(),
            problem: format!("{lines} lines"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: String) -> Source {
        Source {
            path: path.to_owned(),
            text,
        }
    }

    #[test]
    fn a_map_may_have_a_hundred_lines() {
        let map = |lines: usize| source("crates/x/src/lib.rs", "//! A map.\n".repeat(lines));
        assert!(check(&[map(100)]).is_empty());
        assert_eq!(check(&[map(101)]).len(), 1);
    }

    #[test]
    fn a_module_says_what_it_is() {
        let silent = source("crates/x/src/thing.rs", "pub struct Thing;\n".to_owned());
        assert_eq!(check(&[silent]).len(), 1);
        let folder = source("crates/x/src/thing/mod.rs", "//! Words.\n".to_owned());
        assert_eq!(check(&[folder]).len(), 1);
    }

    #[test]
    fn tests_do_not_make_a_file_long() {
        let text = format!("//! Words.\n#[cfg(test)]\n{}", "line\n".repeat(700));
        assert!(long_files(&[source("crates/x/src/thing.rs", text)]).is_empty());
        let text = format!("//! Words.\n{}", "line\n".repeat(700));
        assert_eq!(
            long_files(&[source("crates/x/src/thing.rs", text)]).len(),
            1
        );
    }
}
