//! Policies and limits, applied as soon as they change.

use super::{Broker, catalog};
use crate::{
    id::Timestamp,
    name::Name,
    policy::Policy,
    queue::{Purpose, QueueKind},
    refusal::{Kind, Refusal},
    request::PolicyChange,
    routing::QueueId,
};
use std::sync::Arc;

impl Broker {
    pub(super) fn change_policy(
        &mut self,
        now: Timestamp,
        name: &Name,
        change: PolicyChange,
    ) -> Result<(), Refusal> {
        let slot = self
            .namespaces
            .find(name)
            .ok_or_else(|| Refusal::NotFound {
                kind: Kind::Namespace,
                name: name.clone(),
            })?;
        match change {
            PolicyChange::Set(policy) => {
                let key = catalog::policy_key(name, &policy.name, policy.operator);
                let value = catalog::policy_value(&policy);
                self.set_policy(slot, policy)?;
                self.define(now, key, Some(value));
            }
            PolicyChange::Remove {
                name: policy,
                operator,
            } => {
                let removed = self
                    .namespaces
                    .get_mut(slot)
                    .is_some_and(|namespace| namespace.policies.remove(&policy, operator));
                if !removed {
                    return Err(Refusal::NotFound {
                        kind: Kind::Policy,
                        name: policy,
                    });
                }
                self.define(now, catalog::policy_key(name, &policy, operator), None);
            }
        }
        self.apply_policies(now, slot);
        Ok(())
    }

    pub(super) fn set_policy(&mut self, slot: u32, policy: Policy) -> Result<(), Refusal> {
        let Some(namespace) = self.namespaces.get_mut(slot) else {
            return Ok(());
        };
        namespace
            .policies
            .set(policy)
            .map_err(|error| Refusal::Invalid {
                argument: Name::from_static("pattern"),
                reason: error.to_string(),
            })
    }

    /// Brings everything in a namespace in line with its policies.
    pub(super) fn apply_policies(&mut self, now: Timestamp, slot: u32) {
        let Some(namespace) = self.namespaces.get(slot) else {
            return;
        };
        let mut queues: Vec<QueueId> = namespace.queues.values().copied().collect();
        queues.sort_unstable();
        let exchanges: Vec<Name> = namespace
            .router
            .exchanges()
            .into_iter()
            .map(|exchange| exchange.name().clone())
            .collect();
        for exchange in exchanges {
            self.apply_exchange_policy(slot, &exchange);
        }
        for id in queues {
            self.refresh_settings(now, id);
            self.recheck(now, id);
        }
    }

    /// Gives an exchange the alternate that its policy names.
    pub(super) fn apply_exchange_policy(&mut self, slot: u32, name: &Name) {
        let Some(namespace) = self.namespaces.get_mut(slot) else {
            return;
        };
        let alternate = namespace
            .policies
            .for_exchange(name)
            .and_then(|policy| policy.alternate_exchange.clone());
        let known = namespace
            .router
            .set_policy_alternate(name, alternate.as_ref());
        debug_assert!(known.is_ok(), "the exchange was just found");
    }

    /// Works out the settings in force for a queue.
    pub(super) fn refresh_settings(&mut self, now: Timestamp, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        // What is held back is not a queue to anyone but the broker.
        if queue.purpose == Purpose::Delay {
            return;
        }
        let Some(namespace) = self.namespaces.get(queue.namespace) else {
            return;
        };
        let kind = queue.spec.kind;
        let user = namespace.policies.for_queue(&queue.name, kind, false);
        let operator = namespace.policies.for_queue(&queue.name, kind, true);
        let policies = [user, operator].map(|policy| policy.map(|policy| &policy.settings));
        let settings = queue.spec.settings.in_force(kind, policies);
        queue.policy = user.map(|policy| policy.name.clone());
        queue.operator_policy = operator.map(|policy| policy.name.clone());
        if settings != *queue.settings {
            queue.settings = Arc::new(settings);
            queue.used_at = queue.used_at.max(now);
        }
        debug_assert!(kind != QueueKind::Stream || queue.lanes.len() <= 1);
    }
}
