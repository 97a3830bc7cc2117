//! Runs `cargo test` and counts what its test programs say.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::process::Command;

use anyhow::Context;

/// Counts of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: usize,
    /// Tests that failed.
    pub(crate) failed: usize,
    /// Tests that were not run.
    pub(crate) ignored: usize,
}

impl Tally {
    /// One test with this outcome.
    pub(crate) fn one(good: bool) -> Self {
        Self {
            passed: usize::from(good),
            failed: usize::from(!good),
            ignored: 0,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs the command, shows what it prints, and returns the counts of each test program in order.
///
/// A program that dies counts as one failure, and so does a command that fails without having
/// said which test did.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Vec<(String, Tally)>> {
    // Test programs report on standard output, cargo names them on standard error: one pipe
    // for both keeps them in order.
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    // The command keeps this side's ends of the pipe open, and the reader waiting, until they
    // are replaced.
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    let mut counter = Counter::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counter.read(&line);
    }
    let good = child.wait()?.success();
    Ok(counter.finish(good))
}

#[derive(Debug, Default)]
struct Counter {
    suites: Vec<(String, Tally)>,
    reported: bool,
}

impl Counter {
    fn read(&mut self, line: &str) {
        if let Some(name) = program_name(line) {
            self.end_program();
            self.suites.push((name, Tally::default()));
            self.reported = false;
        } else if let Some(tally) = line.strip_prefix("test result: ").map(result) {
            self.reported = true;
            if let Some((_, suite)) = self.suites.last_mut() {
                *suite += tally;
            }
        }
    }

    /// A program that ended without a result has died.
    fn end_program(&mut self) {
        if let Some((_, suite)) = self.suites.last_mut()
            && !self.reported
        {
            *suite += Tally::one(false);
        }
    }

    fn finish(mut self, good: bool) -> Vec<(String, Tally)> {
        self.end_program();
        let failures: usize = self.suites.iter().map(|(_, tally)| tally.failed).sum();
        if !good && failures == 0 {
            self.suites
                .push(("build of the tests".to_owned(), Tally::one(false)));
        }
        self.suites
    }
}

/// The name of the test program that a line of cargo's announces: `sabir_core` for its unit
/// tests, `sabir_core tests/routing.rs`, `sabir_core examples in the documentation`.
fn program_name(line: &str) -> Option<String> {
    if let Some(name) = line.trim_start().strip_prefix("Doc-tests ") {
        return Some(format!("{name} documentation"));
    }
    let announced = line.trim_start().strip_prefix("Running ")?;
    let (source, program) = announced.rsplit_once(" (")?;
    let file = program.trim_end_matches(')').rsplit('/').next()?;
    let (name, _hash) = file.rsplit_once('-')?;
    Some(match source.strip_prefix("unittests ") {
        Some(_) => name.to_owned(),
        None => format!("{name} ({source})"),
    })
}

/// The counts of `ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
fn result(line: &str) -> Tally {
    let mut tally = Tally::default();
    for part in line.split([';', '.']) {
        let mut words = part.split_whitespace();
        if let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse), words.next()) {
            match what {
                "passed" => tally.passed = number,
                "failed" => tally.failed = number,
                "ignored" => tally.ignored = number,
                _ => {}
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(output: &str, good: bool) -> Vec<(String, Tally)> {
        let mut counter = Counter::default();
        output.lines().for_each(|line| counter.read(line));
        counter.finish(good)
    }

    #[test]
    fn each_test_program_is_counted_under_its_name() {
        let suites = count(
            "     Running unittests src/lib.rs (target/debug/deps/sabir_core-0a1b)\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             \x20    Running tests/routing.rs (target/debug/deps/routing-0a1b)\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n\
             \x20  Doc-tests sabir_core\n\
             test result: ok. 0 passed; 0 failed; 0 ignored\n",
            false,
        );
        let names: Vec<&str> = suites.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "sabir_core",
                "routing (tests/routing.rs)",
                "sabir_core documentation"
            ]
        );
        assert_eq!(
            suites[0].1,
            Tally {
                passed: 3,
                failed: 0,
                ignored: 1
            }
        );
        assert_eq!(
            suites[1].1,
            Tally {
                passed: 1,
                failed: 2,
                ignored: 0
            }
        );
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let suites = count(
            "     Running unittests src/lib.rs (target/debug/deps/sabir_core-0a1b)\n\
             error: test failed, to rerun pass `-p sabir-core --lib`\n\
             \x20    Running unittests src/lib.rs (target/debug/deps/sabir_admin-0a1b)\n\
             test result: ok. 1 passed; 0 failed; 0 ignored\n",
            false,
        );
        assert_eq!(suites[0].1, Tally::one(false));
        assert_eq!(suites[1].1, Tally::one(true));
    }

    #[test]
    fn a_command_that_fails_before_any_test_is_a_failure() {
        let suites = count("error[E0308]: mismatched types\n", false);
        assert_eq!(
            suites,
            [("build of the tests".to_owned(), Tally::one(false))]
        );
        assert!(count("", true).is_empty());
    }
}
