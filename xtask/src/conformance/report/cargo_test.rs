//! The lines that Rust's built-in test harness prints: `test name ... ok`.

use super::{Case, Outcome};

/// Every test whose result was printed.
pub(super) fn parse(text: &str) -> Vec<Case> {
    text.lines().filter_map(case).collect()
}

fn case(line: &str) -> Option<Case> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match result.split(',').next()?.trim() {
        "ok" => Outcome::Passed,
        "ignored" => Outcome::Skipped(result.to_owned()),
        "FAILED" => Outcome::Failed("see the log".to_owned()),
        _ => return None,
    };
    let name = name.trim_end_matches(" - should panic").to_owned();
    Some(Case { name, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_and_other_lines_are_not() {
        let text = "running 3 tests\ntest a::b ... ok\ntest c ... FAILED\ntest d ... ignored, needs TLS\n\ntest result: FAILED. 1 passed";
        let cases = parse(text);
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["a::b", "c", "d"]);
        assert_eq!(
            cases[2].outcome,
            Outcome::Skipped("ignored, needs TLS".to_owned())
        );
    }
}
