//! The scenarios: what is done, in which durability class, and what is aimed at.

use super::broker::Class;
use super::work::Work;
use crate::bench::metric;

/// One row of the comparison.
#[derive(Debug)]
pub(super) struct Scenario {
    /// Its name on the command line and in results.
    pub(super) id: &'static str,
    /// Its name on the page.
    pub(super) title: &'static str,
    /// What is done, for a reader who knows brokers.
    pub(super) text: &'static str,
    /// When publishes are confirmed, at both brokers.
    pub(super) class: Class,
    /// What is done, for the program.
    pub(super) work: Work,
    /// Whether the peer does it too.
    pub(super) compared: bool,
    /// Whether it runs only when asked for by name or option.
    pub(super) on_request: bool,
    /// What is aimed at.
    pub(super) goals: &'static [Goal],
}

/// What a quantity should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    /// The key of the quantity.
    pub(super) key: &'static str,
    /// Its bound.
    pub(super) bound: Bound,
    /// Whether it is meant at the fixed rate rather than at the greatest load.
    pub(super) at_rate: bool,
}

/// A bound of a quantity or of its ratio to the peer's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    /// At least this multiple of the peer's.
    RatioAtLeast(f64),
    /// At most this multiple of the peer's.
    RatioAtMost(f64),
    /// At most this.
    AtMost(f64),
}

const fn goal(key: &'static str, bound: Bound) -> Goal {
    Goal {
        key,
        bound,
        at_rate: false,
    }
}

const fn goal_at_rate(key: &'static str, bound: Bound) -> Goal {
    Goal {
        key,
        bound,
        at_rate: true,
    }
}

const PIPELINE_GOALS: &[Goal] = &[
    goal(metric::THROUGHPUT, Bound::RatioAtLeast(1.5)),
    goal(metric::PROCESSOR, Bound::RatioAtMost(0.15)),
    goal_at_rate(metric::CONFIRM_P99, Bound::RatioAtMost(0.5)),
];

/// The scenario with this name.
pub(super) fn of_id(id: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.id == id)
}

/// Every scenario, in the order of the page.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "start",
        title: "Start",
        text: "From the start of the process of a broker without data to the confirm of the first persistent \
               message, queue declared on the way; memory right after it.",
        class: Class::Fsync,
        work: Work::Start,
        compared: true,
        on_request: false,
        goals: &[
            goal(metric::START, Bound::AtMost(300.0)),
            goal(metric::EMPTY_RSS, Bound::AtMost(30.0)),
        ],
    },
    Scenario {
        id: "s1",
        title: "S1: confirm pipeline, 1 KiB",
        text: "One publisher with up to 500 unconfirmed persistent messages of 1 KiB, one consumer with a prefetch of \
               500 that acknowledges every 100, one quorum queue.",
        class: Class::Fsync,
        work: Work::Pipeline {
            body_bytes: 1024,
            unconfirmed: 500,
        },
        compared: true,
        on_request: false,
        goals: PIPELINE_GOALS,
    },
    Scenario {
        id: "s1-small",
        title: "S1: confirm pipeline, 12 bytes",
        text: "The same with messages of 12 bytes and up to 200 unconfirmed.",
        class: Class::Fsync,
        work: Work::Pipeline {
            body_bytes: 12,
            unconfirmed: 200,
        },
        compared: true,
        on_request: false,
        goals: PIPELINE_GOALS,
    },
    Scenario {
        id: "s2",
        title: "S2: many synchronous publishers",
        text: "200 publishers, each with a connection and a quorum queue of its own, persistent messages of 256 bytes, \
               each waits for its confirm before the next.",
        class: Class::Fsync,
        work: Work::Publishers { count: 200 },
        compared: true,
        on_request: false,
        goals: &[
            goal(metric::PROCESSOR, Bound::RatioAtMost(0.15)),
            goal_at_rate(metric::CONFIRM_P99, Bound::RatioAtMost(0.5)),
        ],
    },
    Scenario {
        id: "s3",
        title: "S3: page-cache class",
        text: "S1 with 1 KiB, a durable classic queue at RabbitMQ and `storage.durability = \"os\"` at Sabir: confirms \
               after the operating system has the message.",
        class: Class::Os,
        work: Work::Pipeline {
            body_bytes: 1024,
            unconfirmed: 500,
        },
        compared: true,
        on_request: false,
        goals: &[
            goal(metric::THROUGHPUT, Bound::RatioAtLeast(2.0)),
            goal(metric::PROCESSOR, Bound::RatioAtMost(0.15)),
            goal_at_rate(metric::CONFIRM_P99, Bound::RatioAtMost(0.5)),
        ],
    },
    Scenario {
        id: "written",
        title: "Bytes written at depth near zero",
        text: "S1 at a steady rate that both brokers follow easily, so that the queue stays almost empty.",
        class: Class::Fsync,
        work: Work::Steady {
            body_bytes: 1024,
            unconfirmed: 500,
        },
        compared: true,
        on_request: false,
        goals: &[
            goal(metric::WRITTEN, Bound::AtMost(1.15)),
            goal(metric::EXTENTS, Bound::AtMost(0.0)),
        ],
    },
    Scenario {
        id: "syncs",
        title: "Syncs per message",
        text: "S1 with up to 200 unconfirmed under `strace`, which slows both brokers: only the counts of fsync and \
               fdatasync are of use.",
        class: Class::Fsync,
        work: Work::Syncs {
            body_bytes: 1024,
            unconfirmed: 200,
        },
        compared: true,
        on_request: true,
        goals: &[goal(metric::SYNCS, Bound::AtMost(10.0))],
    },
    Scenario {
        id: "s13",
        title: "S13: backlog and crash",
        text: "Persistent messages of 1 KiB into one quorum queue without a consumer, then kill -9, restart, and one \
               consumer that drains the queue. All of them have to come.",
        class: Class::Fsync,
        work: Work::Backlog,
        compared: true,
        on_request: false,
        goals: &[
            goal(metric::PEAK_RSS, Bound::RatioAtMost(0.2)),
            goal(metric::RECOVERY, Bound::RatioAtMost(0.2)),
        ],
    },
    Scenario {
        id: "s14",
        title: "S14: many queues",
        text: "Durable classic queues, the cheapest durable ones that RabbitMQ has, with one persistent message each; \
               then an orderly restart. Sabir syncs before it confirms.",
        class: Class::Fsync,
        work: Work::Queues,
        compared: true,
        on_request: false,
        goals: &[
            goal(metric::RSS, Bound::AtMost(300.0)),
            goal(metric::OPEN_FILES, Bound::AtMost(200.0)),
            goal(metric::RESTART, Bound::AtMost(5000.0)),
        ],
    },
    Scenario {
        id: "s15",
        title: "S15: idle connections and churn",
        text: "Connections with one channel each that do nothing, then 100 connects and closes per second among them.",
        class: Class::Fsync,
        work: Work::Connections,
        compared: true,
        on_request: false,
        goals: &[goal(metric::RSS_PER_CONNECTION, Bound::RatioAtMost(0.5))],
    },
    Scenario {
        id: "growth",
        title: "Cost with more queues and connections",
        text: "Sabir alone. Publishes of 256 bytes, 500 in flight on one connection, over one and over many queues; \
               and 10 in flight, one per connection, over few and over many connections to one queue.",
        class: Class::Fsync,
        work: Work::Growth,
        compared: false,
        on_request: false,
        goals: &[
            goal(metric::QUEUE_GROWTH, Bound::AtMost(1.5)),
            goal(metric::CONNECTION_GROWTH, Bound::AtMost(1.5)),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.id).collect();
        assert_eq!(names.len(), SCENARIOS.len());
    }

    #[test]
    fn goals_are_about_known_quantities() {
        let goals = SCENARIOS.iter().flat_map(|scenario| scenario.goals);
        assert!(
            goals
                .map(|goal| goal.key)
                .all(|key| metric::of_key(key).is_some())
        );
    }
}
