//! The declaration of a queue as the core's specification of one, with RabbitMQ's checks of the arguments.

use sabir_core::name::Name;
use sabir_core::queue::{Overflow, QueueKind, QueueSettings, QueueSpec};
use sabir_core::storage::Durability;

use super::{Place, table};
use crate::codec::method::queue::Declare;
use crate::codec::table::{FieldTable, FieldValue};
use crate::violation::Violation;

/// Ten years: the longest time to live or expiry, in milliseconds.
const EXPIRY_MS_MAX: i64 = 315_360_000_000;

/// What a declaration asks for. An exclusive queue is never durable.
pub fn spec(declare: &Declare<'_>, name: &str, place: &Place) -> Result<QueueSpec, Violation> {
    let fault = |fault: Fault| Violation::Argument {
        what: fault.what,
        entity: place.queue(name).to_string(),
        reason: fault.reason,
    };
    let arguments = Arguments {
        table: declare.arguments,
    };
    let kind = arguments.kind().map_err(fault)?;
    if kind != QueueKind::Classic {
        replicated(declare).map_err(fault)?;
        if name.is_empty() {
            return Err(Violation::ServerNamed(kind_name(kind)));
        }
    }
    if let Some(argument) = arguments.unsupported(kind) {
        return Err(Violation::Argument {
            what: format!("arg '{argument}'"),
            entity: format!(
                "{} of queue type rabbit_{}_queue",
                place.queue(name),
                kind_name(kind)
            ),
            reason: String::new(),
        });
    }
    Ok(QueueSpec {
        kind,
        durable: declare.durable && !declare.exclusive,
        exclusive: declare.exclusive,
        auto_delete: declare.auto_delete,
        settings: arguments.settings().map_err(fault)?,
        arguments: table::arguments(declare.arguments)?,
    })
}

fn kind_name(kind: QueueKind) -> &'static str {
    match kind {
        QueueKind::Classic => "classic",
        QueueKind::Quorum => "quorum",
        QueueKind::Stream => "stream",
    }
}

/// Quorum queues and streams are durable, shared and stay.
fn replicated(declare: &Declare<'_>) -> Result<(), Fault> {
    let property = if !declare.durable {
        "non-durable"
    } else if declare.exclusive {
        "exclusive-owner"
    } else if declare.auto_delete {
        "auto-delete"
    } else {
        return Ok(());
    };
    Err(Fault {
        what: format!("property '{property}'"),
        reason: String::new(),
    })
}

/// What is wrong, and with what.
struct Fault {
    what: String,
    reason: String,
}

struct Arguments<'a> {
    table: FieldTable<'a>,
}

impl<'a> Arguments<'a> {
    fn kind(&self) -> Result<QueueKind, Fault> {
        let name = "x-queue-type";
        match self.text(name)? {
            None | Some("classic") => Ok(QueueKind::Classic),
            Some("quorum") => Ok(QueueKind::Quorum),
            Some("stream") => Ok(QueueKind::Stream),
            Some(other) => Err(invalid(
                name,
                format!("\"unsupported queue type '{other}'\""),
            )),
        }
    }

    /// The first argument that would have no effect on a queue of this kind, and that RabbitMQ refuses for it.
    fn unsupported(&self, kind: QueueKind) -> Option<&'static str> {
        let refused: &[&str] = match kind {
            QueueKind::Classic => &CLASSIC_REFUSES,
            QueueKind::Quorum => &["x-max-age"],
            QueueKind::Stream => &STREAM_REFUSES,
        };
        let mut refused = refused.iter().copied();
        refused.find(|name| self.table.find(name).is_some())
    }

    fn settings(&self) -> Result<QueueSettings, Fault> {
        self.check_only()?;
        Ok(QueueSettings {
            message_ttl_ms: self.time("x-message-ttl")?,
            expires_ms: self.expires()?,
            length_max: self.natural("x-max-length")?,
            bytes_max: self.natural("x-max-length-bytes")?,
            overflow: self.choice("x-overflow", "invalid_overflow", &OVERFLOWS)?,
            dead_letter_exchange: self.text("x-dead-letter-exchange")?.map(Name::from),
            dead_letter_routing_key: self.dead_letter_routing_key()?,
            priority_max: self.priority_max()?,
            single_active: self.truth("x-single-active-consumer")?,
            delivery_limit: self.delivery_limit()?,
            age_max_ms: self.age_max()?,
            durability: self.choice("x-durability", "invalid_durability", &DURABILITIES)?,
            deduplication_ms: self.time("x-message-deduplication")?,
        })
    }

    /// Arguments that are checked and have no effect here: one machine has no members to place, and the journal
    /// has segments of its own.
    fn check_only(&self) -> Result<(), Fault> {
        for name in [
            "x-max-in-memory-length",
            "x-max-in-memory-bytes",
            "x-stream-max-segment-size-bytes",
        ] {
            self.natural(name)?;
        }
        for name in ["x-quorum-initial-group-size", "x-initial-cluster-size"] {
            if self.natural(name)? == Some(0) {
                return Err(invalid(name, "{value_zero,0}"));
            }
        }
        if self
            .natural("x-stream-filter-size-bytes")?
            .is_some_and(|size| !(16..=255).contains(&size))
        {
            return Err(invalid("x-stream-filter-size-bytes", "invalid_value"));
        }
        if let Some(version) = self.natural("x-queue-version")?
            && !(1..=2).contains(&version)
        {
            return Err(invalid(
                "x-queue-version",
                format!("\"unsupported queue version '{version}'\""),
            ));
        }
        let strategies = [("at-most-once", ()), ("at-least-once", ())];
        self.choice(
            "x-dead-letter-strategy",
            "invalid_dlx_strategy",
            &strategies,
        )?;
        let locators = [
            ("client-local", ()),
            ("balanced", ()),
            ("min-masters", ()),
            ("random", ()),
        ];
        self.choice(
            "x-queue-leader-locator",
            "invalid_queue_locator_arg",
            &locators,
        )?;
        Ok(())
    }

    fn expires(&self) -> Result<Option<u64>, Fault> {
        match self.time("x-expires")? {
            Some(0) => Err(invalid("x-expires", "{value_zero,0}")),
            expires => Ok(expires),
        }
    }

    fn dead_letter_routing_key(&self) -> Result<Option<Name>, Fault> {
        let name = "x-dead-letter-routing-key";
        let routing_key = self.text(name)?;
        if routing_key.is_some() && self.table.find("x-dead-letter-exchange").is_none() {
            return Err(invalid(name, "routing_key_but_no_dlx_defined"));
        }
        Ok(routing_key.map(Name::from))
    }

    fn priority_max(&self) -> Result<Option<u8>, Fault> {
        let name = "x-max-priority";
        let Some(value) = self.natural(name)? else {
            return Ok(None);
        };
        let priority = u8::try_from(value)
            .map_err(|_| invalid(name, format!("{{max_value_exceeded,{value}}}")))?;
        Ok(Some(priority))
    }

    /// A negative limit is none, which the core writes as the largest.
    fn delivery_limit(&self) -> Result<Option<u32>, Fault> {
        let limit = self.integer("x-delivery-limit")?;
        Ok(limit.map(|limit| u32::try_from(limit.max(-1)).unwrap_or(u32::MAX)))
    }

    fn age_max(&self) -> Result<Option<u64>, Fault> {
        let name = "x-max-age";
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        duration_ms(text)
            .map(Some)
            .ok_or_else(|| invalid(name, "invalid_max_age"))
    }

    fn time(&self, name: &'static str) -> Result<Option<u64>, Fault> {
        let Some(value) = self.integer(name)? else {
            return Ok(None);
        };
        if value > EXPIRY_MS_MAX {
            return Err(invalid(name, format!("{{value_too_large,{value}}}")));
        }
        self.natural(name)
    }

    fn natural(&self, name: &'static str) -> Result<Option<u64>, Fault> {
        let Some(value) = self.integer(name)? else {
            return Ok(None);
        };
        u64::try_from(value)
            .map(Some)
            .map_err(|_| invalid(name, format!("{{value_negative,{value}}}")))
    }

    fn integer(&self, name: &'static str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.table.find(name) else {
            return Ok(None);
        };
        let integer = value.integer();
        integer.map(Some).ok_or_else(|| {
            invalid(
                name,
                format!("\"expected integer, got {}\"", value.type_name()),
            )
        })
    }

    fn truth(&self, name: &'static str) -> Result<bool, Fault> {
        match self.table.find(name) {
            None => Ok(false),
            Some(FieldValue::Bool(truth)) => Ok(truth),
            Some(other) => Err(unacceptable(name, other)),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<&'a str>, Fault> {
        let Some(value) = self.table.find(name) else {
            return Ok(None);
        };
        value
            .text()
            .map(Some)
            .ok_or_else(|| unacceptable(name, value))
    }

    fn choice<T: Copy>(
        &self,
        name: &'static str,
        refusal: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let chosen = choices.iter().find(|(choice, _)| *choice == text);
        chosen
            .map(|(_, value)| Some(*value))
            .ok_or_else(|| invalid(name, refusal))
    }
}

const CLASSIC_REFUSES: [&str; 5] = [
    "x-consumer-timeout",
    "x-max-age",
    "x-dead-letter-strategy",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
];

const STREAM_REFUSES: [&str; 11] = [
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-expires",
    "x-max-length",
    "x-max-priority",
    "x-message-deduplication",
    "x-message-ttl",
    "x-overflow",
    "x-single-active-consumer",
];

const OVERFLOWS: [(&str, Overflow); 3] = [
    ("drop-head", Overflow::DropHead),
    ("reject-publish", Overflow::RejectPublish),
    ("reject-publish-dlx", Overflow::RejectPublishDeadLetter),
];

const DURABILITIES: [(&str, Durability); 3] = [
    ("fsync", Durability::Fsync),
    ("os", Durability::Os),
    ("memory", Durability::Memory),
];

fn invalid(name: &str, reason: impl Into<String>) -> Fault {
    Fault {
        what: format!("arg '{name}'"),
        reason: reason.into(),
    }
}

fn unacceptable(name: &str, value: FieldValue<'_>) -> Fault {
    invalid(name, format!("{{unacceptable_type,{}}}", value.type_name()))
}

/// A duration such as `7D` or `12h` in milliseconds: years, months of thirty days, days, hours, minutes, seconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let (unit_at, _) = text.char_indices().next_back()?;
    let (value, unit) = text.split_at_checked(unit_at)?;
    let seconds: u64 = match unit {
        "Y" => 365 * 86_400,
        "M" => 30 * 86_400,
        "D" => 86_400,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    let value: u64 = value.parse().ok().filter(|value| *value > 0)?;
    value.checked_mul(seconds)?.checked_mul(1000)
}

#[cfg(test)]
mod tests;
