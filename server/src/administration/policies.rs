//! Policies, defined with RabbitMQ's keys.

use sabir_admin::api::Arguments;
use sabir_admin::api::policy::{Policy, PolicyRule, PolicySort};
use sabir_admin::backend::Place;
use sabir_admin::failure::Failure;
use sabir_amqp091::codec::method::queue::Declare;
use sabir_amqp091::codec::table::FieldTable;
use sabir_amqp091::mapping;
use sabir_core::admin::{AdminRequest, Listing, Report};
use sabir_core::name::Name;
use sabir_core::policy::{AppliesTo, Policy as CorePolicy};
use sabir_core::queue::{QueueKind, QueueSettings};
use sabir_core::request::PolicyChange;
use serde_json::Value as Json;

use super::Administration;
use super::failure::violated;
use super::values::{check_length, check_name, encoded, to_core, to_json};

/// The key for exchanges; all others are for queues.
const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

/// The keys for queues: each is the argument of that name without `x-`.
const QUEUE_KEYS: [&str; 12] = [
    "message-ttl",
    "expires",
    "max-length",
    "max-length-bytes",
    "overflow",
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "dead-letter-strategy",
    "delivery-limit",
    "max-age",
    "durability",
    "message-deduplication",
];

/// What a policy may apply to, by RabbitMQ's words.
const APPLIES_TO: [(&str, AppliesTo); 6] = [
    ("all", AppliesTo::All),
    ("exchanges", AppliesTo::Exchanges),
    ("queues", AppliesTo::Queues),
    (
        "classic_queues",
        AppliesTo::QueuesOfKind(QueueKind::Classic),
    ),
    ("quorum_queues", AppliesTo::QueuesOfKind(QueueKind::Quorum)),
    ("streams", AppliesTo::QueuesOfKind(QueueKind::Stream)),
];

pub(super) async fn list(
    administration: &Administration,
    namespace: Option<&str>,
) -> Result<Vec<Policy>, Failure> {
    match administration.report(Listing::Policies, namespace).await? {
        Report::Policies(rows) => Ok(rows
            .iter()
            .map(|(namespace, policy)| shown(namespace, policy))
            .collect()),
        _ => Ok(Vec::new()),
    }
}

fn shown(namespace: &Name, policy: &CorePolicy) -> Policy {
    let applies_to = APPLIES_TO
        .iter()
        .find(|(_, applies_to)| *applies_to == policy.applies_to);
    Policy {
        namespace: namespace.to_string(),
        name: policy.name.to_string(),
        rule: PolicyRule {
            pattern: policy.pattern.to_string(),
            applies_to: applies_to.map_or("all", |(word, _)| word).to_owned(),
            priority: policy.priority,
            operator: policy.operator,
            definition: to_json(&policy.definition),
        },
    }
}

pub(super) async fn set(
    administration: &Administration,
    place: Place<'_>,
    rule: PolicyRule,
) -> Result<(), Failure> {
    check_name("policy", place.name)?;
    let change = PolicyChange::Set(policy(place.name, rule)?);
    let request = AdminRequest::ChangePolicy {
        namespace: place.namespace.into(),
        change,
    };
    administration.administer(request).await.map(drop)
}

pub(super) async fn delete(
    administration: &Administration,
    place: Place<'_>,
    sort: PolicySort,
) -> Result<(), Failure> {
    let existing = list(administration, Some(place.namespace)).await?;
    let known = existing
        .iter()
        .any(|policy| policy.name == place.name && policy.rule.operator == sort.operator);
    if !known {
        let sort = if sort.operator {
            "operator policy"
        } else {
            "policy"
        };
        return Err(Failure::NotFound(format!(
            "no {sort} {:?} in namespace {:?}",
            place.name, place.namespace
        )));
    }
    let change = PolicyChange::Remove {
        name: place.name.into(),
        operator: sort.operator,
    };
    let request = AdminRequest::ChangePolicy {
        namespace: place.namespace.into(),
        change,
    };
    administration.administer(request).await.map(drop)
}

fn policy(name: &str, rule: PolicyRule) -> Result<CorePolicy, Failure> {
    let known = APPLIES_TO.iter().find(|(word, _)| *word == rule.applies_to);
    let (_, applies_to) = known.ok_or_else(|| {
        let words: Vec<&str> = APPLIES_TO.iter().map(|(word, _)| *word).collect();
        Failure::Invalid(format!(
            "applies_to {:?} is none of {}",
            rule.applies_to,
            words.join(", ")
        ))
    })?;
    if rule.definition.is_empty() {
        return Err(Failure::Invalid("the definition sets nothing".to_owned()));
    }
    Ok(CorePolicy {
        name: name.into(),
        operator: rule.operator,
        pattern: Name::from(rule.pattern),
        applies_to: *applies_to,
        priority: rule.priority,
        settings: settings(name, &rule.definition)?,
        alternate_exchange: alternate_exchange(&rule.definition)?,
        definition: to_core(&rule.definition)?,
    })
}

fn alternate_exchange(definition: &Arguments) -> Result<Option<Name>, Failure> {
    match definition.get(ALTERNATE_EXCHANGE) {
        None => Ok(None),
        Some(Json::String(name)) => {
            check_length(ALTERNATE_EXCHANGE, name)?;
            Ok(Some(Name::from(name.as_str())))
        }
        Some(other) => Err(Failure::Invalid(format!(
            "{ALTERNATE_EXCHANGE} is the name of an exchange, not {other}"
        ))),
    }
}

/// The settings for queues, checked like the arguments of a declaration.
fn settings(name: &str, definition: &Arguments) -> Result<QueueSettings, Failure> {
    let mut arguments = Arguments::new();
    for (key, value) in definition
        .iter()
        .filter(|(key, _)| *key != ALTERNATE_EXCHANGE)
    {
        if !QUEUE_KEYS.contains(&key.as_str()) {
            return Err(Failure::Invalid(format!(
                "{key:?} cannot be set by a policy; known are {ALTERNATE_EXCHANGE}, {}",
                QUEUE_KEYS.join(", ")
            )));
        }
        arguments.insert(format!("x-{key}"), value.clone());
    }
    let bytes = encoded(&arguments)?;
    let declare = Declare {
        ticket: 0,
        queue: name,
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::parse(&bytes).map_err(|violation| violated(&violation))?,
    };
    let spec = mapping::queue::spec(&declare, name, &mapping::Place::default());
    spec.map(|spec| spec.settings)
        .map_err(|violation| violated(&violation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(definition: Json) -> PolicyRule {
        PolicyRule {
            pattern: "^q".to_owned(),
            applies_to: "queues".to_owned(),
            priority: 1,
            operator: false,
            definition: definition.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn keys_become_settings_and_come_back_as_given() {
        let definition = json!({
            "message-ttl": 1000, "max-length": 5, "overflow": "reject-publish",
            "dead-letter-exchange": "dead", "alternate-exchange": "lost",
        });
        let policy = policy("p", rule(definition.clone())).unwrap();
        assert_eq!(policy.settings.message_ttl_ms, Some(1000));
        assert_eq!(policy.settings.length_max, Some(5));
        assert_eq!(policy.alternate_exchange, Some(Name::from("lost")));
        let shown = shown(&Name::from("/"), &policy);
        assert_eq!(Json::Object(shown.rule.definition), definition);
        assert_eq!(shown.rule.applies_to, "queues");
    }

    #[test]
    fn unknown_keys_and_senseless_values_are_refused() {
        for definition in [
            json!({"federation-upstream": "x"}),
            json!({"x-message-ttl": 5}),
            json!({"message-ttl": -1}),
            json!({"overflow": "explode"}),
            json!({"alternate-exchange": 5}),
            json!({}),
        ] {
            let refused = policy("p", rule(definition.clone()));
            assert!(matches!(refused, Err(Failure::Invalid(_))), "{definition}");
        }
    }

    #[test]
    fn what_it_applies_to_is_one_of_the_known_words() {
        let mut rule = rule(json!({"expires": 1000}));
        rule.applies_to = "everything".to_owned();
        assert!(
            matches!(policy("p", rule), Err(Failure::Invalid(words)) if words.contains("streams"))
        );
    }
}
