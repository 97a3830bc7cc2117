//! The events of `go test -json`, one JSON object a line.

use serde::Deserialize;

use super::{Case, Outcome};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    test: Option<String>,
    output: Option<String>,
}

/// Every test and subtest that ended; one that began and did not end failed.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Case>> {
    let mut open: Vec<(String, String)> = Vec::new();
    let mut cases = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let event: Event = serde_json::from_str(line)?;
        let Some(name) = event.test else { continue };
        match event.action.as_str() {
            "run" => open.push((name, String::new())),
            "output" => append(&mut open, &name, event.output),
            "pass" | "fail" | "skip" => {
                let said = take(&mut open, &name);
                cases.push(ended(name, &event.action, said));
            }
            _ => {}
        }
    }
    cases.extend(open.into_iter().map(|(name, _output)| Case {
        name,
        outcome: Outcome::Failed("began and did not end".to_owned()),
    }));
    Ok(cases)
}

fn append(open: &mut [(String, String)], name: &str, output: Option<String>) {
    let found = open.iter_mut().find(|(known, _output)| known == name);
    if let (Some((_name, said)), Some(text)) = (found, output) {
        let trimmed = text.trim();
        if !trimmed.starts_with("===") && !trimmed.starts_with("---") && !trimmed.is_empty() {
            said.push_str(trimmed);
            said.push('\n');
        }
    }
}

fn take(open: &mut Vec<(String, String)>, name: &str) -> String {
    let index = open.iter().position(|(known, _output)| known == name);
    index.map_or_else(String::new, |index| open.remove(index).1)
}

fn ended(name: String, action: &str, said: String) -> Case {
    let outcome = match action {
        "pass" => Outcome::Passed,
        "skip" => Outcome::Skipped(said),
        _ => Outcome::Failed(said),
    };
    Case { name, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_what_the_test_printed() {
        let text = concat!(
            "{\"Action\":\"run\",\"Test\":\"TestA\"}\n",
            "{\"Action\":\"output\",\"Test\":\"TestA\",\"Output\":\"=== RUN TestA\\n\"}\n",
            "{\"Action\":\"output\",\"Test\":\"TestA\",\"Output\":\"    a_test.go:1: no\\n\"}\n",
            "{\"Action\":\"fail\",\"Test\":\"TestA\"}\n",
            "{\"Action\":\"fail\"}\n",
        );
        let cases = parse(text).expect("cases");
        assert_eq!(cases.len(), 1);
        assert_eq!(
            cases[0].outcome,
            Outcome::Failed("a_test.go:1: no\n".to_owned())
        );
    }

    #[test]
    fn a_test_that_never_ended_failed() {
        let cases = parse("{\"Action\":\"run\",\"Test\":\"TestHangs\"}").expect("cases");
        assert!(matches!(&cases[0].outcome, Outcome::Failed(_)));
    }
}
