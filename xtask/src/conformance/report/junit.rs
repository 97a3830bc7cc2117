//! JUnit's XML, as pytest, Maven Surefire and Node's test runner write it.

use anyhow::Context;
use roxmltree::{Document, Node, ParsingOptions};

use super::{Case, Outcome};

/// Every `testcase` of the document, by `class::name`.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Case>> {
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    // Tools copy output of tests into the report, including characters that XML forbids.
    let text: String = text.chars().filter(|letter| allowed(*letter)).collect();
    let document = Document::parse_with_options(&text, options).context("the report is not XML")?;
    Ok(document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(case)
        .collect())
}

fn allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r')
        || (letter >= ' ' && !matches!(letter, '\u{FFFE}' | '\u{FFFF}'))
}

fn case(node: Node<'_, '_>) -> Case {
    let class = node.attribute("classname").unwrap_or_default();
    let name = node.attribute("name").unwrap_or_default();
    let outcome = node
        .children()
        .find_map(|child| match child.tag_name().name() {
            "failure" | "error" => Some(Outcome::Failed(message(child))),
            "skipped" => Some(Outcome::Skipped(message(child))),
            _ => None,
        });
    Case {
        name: format!("{class}::{name}"),
        outcome: outcome.unwrap_or(Outcome::Passed),
    }
}

fn message(node: Node<'_, '_>) -> String {
    let said = node.attribute("message").or_else(|| node.text());
    said.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_outcome_is_read_with_its_message() {
        let text = r#"<?xml version="1.0"?><testsuites><testsuite>
            <testcase classname="a.B" name="passes" time="1"/>
            <testcase classname="a.B" name="fails"><failure message="1 != 2">trace</failure></testcase>
            <testcase classname="a.B" name="breaks"><error type="E">trace only</error></testcase>
            <testcase classname="a.B" name="waits"><skipped message="no TLS"/></testcase>
        </testsuite></testsuites>"#;
        let cases = parse(text).expect("cases");
        let outcomes: Vec<Outcome> = cases.iter().map(|case| case.outcome.clone()).collect();
        assert_eq!(cases[0].name, "a.B::passes");
        assert_eq!(
            outcomes,
            [
                Outcome::Passed,
                Outcome::Failed("1 != 2".to_owned()),
                Outcome::Failed("trace only".to_owned()),
                Outcome::Skipped("no TLS".to_owned()),
            ]
        );
    }

    #[test]
    fn forbidden_control_characters_in_output_are_dropped() {
        let cases = parse("<testsuite><testcase classname='a' name='b\u{1}c'/></testsuite>");
        assert_eq!(cases.expect("cases")[0].name, "a::bc");
    }

    #[test]
    fn a_cut_report_is_an_error() {
        assert!(parse("<testsuite><testcase classname='a'").is_err());
    }
}
