//! Words and calls that have no place in a part of the tree.

use regex::Regex;

use super::Finding;
use super::source::Source;

/// A pattern that must not occur somewhere.
struct Ban {
    /// Where: prefixes of paths; empty for everywhere.
    folders: &'static [&'static str],
    /// Whether tests are held to it too.
    tests: bool,
    /// What must not occur.
    pattern: &'static str,
    /// Why.
    reason: &'static str,
}

const NEUTRAL: &[&str] = &["crates/core/src/", "crates/storage/src/"];
const SANS_IO: &[&str] = &["crates/core/src/", "protocols/"];
const EVERYWHERE: &[&str] = &[];

/// Names that objects of the core have had since before they were everyone's.
const INHERITED: [&str; 1] = ["amq.rabbitmq.trace"];

/// Files that spell the bans.
const EXEMPT: &str = "xtask/src/tidy/";

const BANS: &[Ban] = &[
    Ban {
        folders: NEUTRAL,
        tests: false,
        pattern: r"(?i)amqp|kafka|mqtt|stomp|rabbit|openwire|jetstream|zeromq|\b(redis|nats)\b",
        reason: "the core and the storage know no protocol",
    },
    Ban {
        folders: NEUTRAL,
        tests: false,
        pattern: r"\b(5671|5672|9092|1883|8883|61613|61616|6379|4222|15672)\b",
        reason: "the core and the storage know no port",
    },
    Ban {
        folders: NEUTRAL,
        tests: false,
        pattern: r"\b(ACCESS_REFUSED|NOT_FOUND|RESOURCE_LOCKED|PRECONDITION_FAILED|NOT_ALLOWED|NO_ROUTE|COMMAND_INVALID)\b",
        reason: "reply codes belong to a protocol's mapping",
    },
    Ban {
        folders: SANS_IO,
        tests: false,
        pattern: r"\btokio\b|\bstd::(net|fs|thread|process|env)\b",
        reason: "the core and the protocols perform no input or output",
    },
    Ban {
        folders: SANS_IO,
        tests: false,
        pattern: r"\b(Instant|SystemTime)::now\b|\b(Mutex|RwLock|Condvar)\b|\bthread_rng\b|\brand::|\bgetrandom\b",
        reason: "time and randomness are arguments, and state has one owner",
    },
    Ban {
        folders: EVERYWHERE,
        tests: true,
        pattern: r"\b(struct|enum|trait|type|mod|fn)\s+\w*(Manager|Helper|Util|_manager|_helper|_utils?)(s)?\b|\bmod\s+(helpers?|utils?|common|misc)\b",
        reason: "name it for what it is",
    },
    Ban {
        folders: EVERYWHERE,
        tests: true,
        pattern: r"//.*\b(TODO|FIXME|XXX|HACK)\b|//.*(?i:\bfor now\b|\bsimplified\b|\btemporary (hack|fix|solution|workaround|stub|measure)|\bstub\b)",
        reason: "do it, or refuse it in words; what is left goes to an issue",
    },
    Ban {
        folders: EVERYWHERE,
        tests: true,
        pattern: r"^\s*#\[(ignore|should_panic)",
        reason: "a test runs, and says what it expects",
    },
    Ban {
        folders: EVERYWHERE,
        tests: true,
        pattern: r"\bBox<dyn (std::error::)?Error\b",
        reason: "an error is an enum of its domain",
    },
];

/// Checks every line against every ban.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let bans: Vec<(&Ban, Regex)> = BANS
        .iter()
        .filter_map(|ban| Some((ban, Regex::new(ban.pattern).ok()?)))
        .collect();
    let checked = sources
        .iter()
        .filter(|source| !source.path.starts_with(EXEMPT));
    checked
        .flat_map(|source| check_file(source, &bans))
        .collect()
}

fn check_file(source: &Source, bans: &[(&Ban, Regex)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (ban, pattern) in bans {
        if !applies(ban, source) {
            continue;
        }
        let lines: Box<dyn Iterator<Item = (usize, &str)>> = if ban.tests {
            Box::new(source.lines())
        } else {
            Box::new(source.lines_without_tests())
        };
        findings.extend(lines.filter_map(|(number, line)| {
            if INHERITED.iter().any(|name| line.contains(name)) {
                return None;
            }
            let found = pattern.find(line)?.as_str().trim();
            Some(Finding {
                place: format!("{}:{number}", source.path),
                problem: format!("{found:?}: {}", ban.reason),
            })
        }));
    }
    findings
}

fn applies(ban: &Ban, source: &Source) -> bool {
    let here = ban.folders.is_empty()
        || ban
            .folders
            .iter()
            .any(|folder| source.path.starts_with(folder));
    here && (ban.tests || !source.is_test())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&[source])
            .into_iter()
            .map(|finding| finding.problem)
            .collect()
    }

    #[test]
    fn every_pattern_is_a_regular_expression() {
        for ban in BANS {
            assert!(Regex::new(ban.pattern).is_ok(), "{}", ban.pattern);
        }
    }

    #[test]
    fn protocol_words_are_found_in_the_core_only() {
        let line = "/// As RabbitMQ does.\n";
        assert_eq!(problems("crates/core/src/queue.rs", line).len(), 1);
        assert_eq!(problems("protocols/amqp091/src/queue.rs", line).len(), 0);
    }

    #[test]
    fn words_that_only_contain_a_protocol_are_left_alone() {
        let line = "/// Alternates between redispatch and redistribution.\n";
        assert_eq!(
            problems("crates/core/src/queue.rs", line),
            Vec::<String>::new()
        );
    }

    #[test]
    fn input_output_and_clocks_are_found_outside_of_tests() {
        let text = "use std::fs;\nlet now = Instant::now();\n#[cfg(test)]\nuse std::fs;\n";
        assert_eq!(problems("protocols/mqtt/src/session.rs", text).len(), 2);
        assert_eq!(problems("protocols/mqtt/tests/session.rs", text).len(), 0);
        assert_eq!(problems("crates/transport/src/lib.rs", text).len(), 0);
    }

    #[test]
    fn smells_are_found_everywhere() {
        for line in [
            "struct QueueManager;",
            "mod utils;",
            "// TODO: later",
            "// good enough for now",
            "    #[ignore]",
            "fn run() -> Result<(), Box<dyn Error>> {}",
        ] {
            assert_eq!(problems("server/src/main.rs", line).len(), 1, "{line}");
        }
        assert!(problems("server/src/main.rs", "/// A temporary queue.").is_empty());
    }
}
