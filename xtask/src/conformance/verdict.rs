//! From cases and skips to counts, and to the lines that a reader needs.

use super::Totals;
use super::report::{Case, Outcome};
use super::skips::Skips;

/// Longest part of a message that is printed with a failure.
const MESSAGE_LENGTH_MAX: usize = 200;

/// Counts of a suite and what to print below its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Counts after the skips were applied.
    pub(super) totals: Totals,
    /// One line for each failure, and for each entry that is no longer needed.
    pub(super) lines: Vec<String>,
}

/// Applies `skips` to `cases`; cases that were excluded from the run count as skipped once per entry.
pub(super) fn judge(cases: &[Case], skips: &Skips) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.totals.skipped = skips.excluded().len();
    for case in cases {
        let named = skips.matching(&case.name).is_some();
        match (&case.outcome, named) {
            (Outcome::Passed, false) => verdict.totals.passed += 1,
            (Outcome::Passed, true) => {
                verdict.totals.passed += 1;
                verdict
                    .lines
                    .push(format!("passes but is in skips.toml: {}", case.name));
            }
            (Outcome::Failed(_) | Outcome::Skipped(_), true) => verdict.totals.skipped += 1,
            (Outcome::Failed(message), false) => verdict.fail("failed", &case.name, message),
            (Outcome::Skipped(message), false) => {
                verdict.fail("skipped without a reason", &case.name, message)
            }
        }
    }
    if cases.is_empty() {
        verdict.fail("failed", "the suite", "it ran no test");
    }
    verdict
}

impl Verdict {
    /// Counts a failure and describes it in one line.
    pub(super) fn fail(&mut self, how: &str, name: &str, message: &str) {
        self.totals.failed += 1;
        let first: String = message
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(MESSAGE_LENGTH_MAX)
            .collect();
        self.lines.push(format!("{how}: {name}: {first}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::skips::{Skip, Subject};
    use super::*;

    fn case(name: &str, outcome: Outcome) -> Case {
        Case {
            name: name.to_owned(),
            outcome,
        }
    }

    fn skips(test: &str, exclude: Option<&str>) -> Skips {
        Skips {
            entries: vec![Skip {
                test: test.to_owned(),
                reason: "why".to_owned(),
                on: Subject::Any,
                exclude: exclude.map(str::to_owned),
            }],
        }
    }

    #[test]
    fn a_named_failure_is_skipped_and_another_one_counts() {
        let cases = [
            case("known", Outcome::Failed("no".to_owned())),
            case("new", Outcome::Failed("no".to_owned())),
            case("fine", Outcome::Passed),
        ];
        let totals = judge(&cases, &skips("known", None)).totals;
        assert_eq!((totals.passed, totals.failed, totals.skipped), (1, 1, 1));
    }

    #[test]
    fn a_skip_of_the_suite_needs_a_reason() {
        let cases = [case("odd", Outcome::Skipped("no TLS".to_owned()))];
        assert_eq!(judge(&cases, &Skips::default()).totals.failed, 1);
        assert_eq!(judge(&cases, &skips("*", None)).totals.skipped, 1);
    }

    #[test]
    fn an_excluded_case_counts_as_skipped() {
        let cases = [case("fine", Outcome::Passed)];
        assert_eq!(
            judge(&cases, &skips("slow", Some("slow"))).totals.skipped,
            1
        );
    }

    #[test]
    fn a_suite_without_cases_failed() {
        assert_eq!(judge(&[], &Skips::default()).totals.failed, 1);
    }

    #[test]
    fn an_entry_that_is_no_longer_needed_is_shown() {
        let verdict = judge(&[case("known", Outcome::Passed)], &skips("known", None));
        assert_eq!(verdict.totals.failed, 0);
        assert!(verdict.lines[0].contains("passes but is in skips.toml"));
    }
}
