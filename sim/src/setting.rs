//! Which queues and exchanges there are in a run, and what goes wrong in it.

use fastrand::Rng;
use sabir_core::broker::Config;
use sabir_core::queue::{Overflow, QueueKind, QueueSettings, QueueSpec};
use sabir_core::storage::Durability;
use sabir_storage::journal::JournalOptions;

/// What may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The power fails or the process dies, at any operation of the disk.
    pub crashes: bool,
    /// Operations of the disk fail.
    pub errors: bool,
    /// The disk fills up for a while.
    pub full: bool,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many steps are made before everything is drained.
    pub steps: u32,
    /// What goes wrong.
    pub faults: Faults,
}

impl Setting {
    /// The usual run of a seed: what goes wrong depends on it too.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed ^ 0x5e77_1269);
        Self {
            seed,
            steps: random.u32(300..900),
            faults: Faults {
                crashes: random.u32(0..4) != 0,
                errors: random.u32(0..4) == 0,
                full: random.u32(0..4) == 0,
            },
        }
    }
}

/// One queue as clients declare it.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) spec: QueueSpec,
    /// Whether published messages can be counted against what became of them.
    pub(crate) is_balanced: bool,
}

/// Where dead letters go.
pub(crate) const DEAD: &str = "dead";

/// Exchanges: each gives its message to all queues bound to it.
pub(crate) const FAN: &str = "fan";
pub(crate) const LATER: &str = "later";

/// All queues of a run.
pub(crate) fn templates(random: &mut Rng) -> Vec<Template> {
    let ttl_ms = random.u64(1..400);
    let length_max = random.u64(1..12);
    let to_dead = QueueSettings {
        dead_letter_exchange: Some("".into()),
        dead_letter_routing_key: Some(DEAD.into()),
        ..QueueSettings::default()
    };
    let overflow = random.choice([
        Overflow::DropHead,
        Overflow::RejectPublish,
        Overflow::RejectPublishDeadLetter,
    ]);
    let plain = QueueSettings::default();
    let mut queues = vec![
        template("plain", plain.clone()),
        template(DEAD, plain.clone()),
        template(
            "ranked",
            QueueSettings {
                priority_max: Some(3),
                ..plain.clone()
            },
        ),
        template(
            "brief",
            QueueSettings {
                message_ttl_ms: Some(ttl_ms),
                ..to_dead.clone()
            },
        ),
        Template {
            is_balanced: overflow != Some(Overflow::RejectPublishDeadLetter),
            ..template(
                "short",
                QueueSettings {
                    length_max: Some(length_max),
                    overflow,
                    ..to_dead.clone()
                },
            )
        },
        template(
            "small",
            QueueSettings {
                bytes_max: Some(3_000),
                ..plain.clone()
            },
        ),
        template(
            "single",
            QueueSettings {
                single_active: true,
                ..plain.clone()
            },
        ),
        Template {
            is_balanced: false,
            ..template(
                "once",
                QueueSettings {
                    deduplication_ms: Some(2_000),
                    ..plain.clone()
                },
            )
        },
        template(
            "quick",
            QueueSettings {
                durability: Some(Durability::Os),
                ..to_dead.clone()
            },
        ),
    ];
    let mut limited = template(
        "limited",
        QueueSettings {
            delivery_limit: Some(2),
            ..to_dead
        },
    );
    limited.spec.kind = QueueKind::Quorum;
    let mut volatile = template("volatile", plain.clone());
    volatile.spec.durable = false;
    let mut kept = template(
        "kept",
        QueueSettings {
            bytes_max: Some(20_000),
            ..plain
        },
    );
    kept.spec.kind = QueueKind::Stream;
    kept.is_balanced = false;
    queues.extend([limited, volatile, kept]);
    queues
}

fn template(name: &'static str, settings: QueueSettings) -> Template {
    Template {
        name,
        spec: QueueSpec {
            durable: true,
            settings,
            ..QueueSpec::default()
        },
        is_balanced: true,
    }
}

/// What the core is told: small limits, so that they are met.
pub(crate) fn core_config(random: &mut Rng) -> Config {
    Config {
        durability: Durability::Fsync,
        session_window_bytes: random.u64(1_000..40_000),
        read_ahead_bytes: random.u64(200..8_000),
        volatile_bytes_max: random.u64(2_000..50_000),
        linger_ms: 5,
        queues_max: 1_000,
    }
}

/// A journal of small files, so that they are full often.
pub(crate) fn journal_options(random: &mut Rng) -> JournalOptions {
    let file_bytes = (4 << 10) * random.u64(4..16);
    JournalOptions {
        file_bytes,
        first_file_bytes: file_bytes.min(16 << 10),
        spares: 1,
        spares_kept_max: random.usize(0..3),
        body_bytes_max: 8 << 20,
    }
}
