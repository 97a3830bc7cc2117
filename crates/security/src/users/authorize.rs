//! The answer to the core's questions: operations onto configure, write and read patterns.

use super::UserStore;
use super::snapshot::{Access, CompiledPermission};
use crate::principal::{Role, Roles};
use sabir_core::authorize::{Authorizer, Operation, Resource, ResourceKind};

/// The name that patterns see where the resource is the default exchange.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// Which of a permission's three patterns guards an operation.
enum Guard {
    Configure,
    Write,
    Read,
    /// Any permission in the namespace will do.
    Access,
    /// A role, whatever the permissions.
    Role,
}

impl Authorizer for UserStore {
    fn permits(
        &self,
        principal: &str,
        namespace: &str,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        let snapshot = self.snapshot.load();
        let guard = guard(operation);
        if matches!(guard, Guard::Role) {
            let Some(account) = snapshot.account(principal) else {
                return false;
            };
            let access = snapshot.access(principal, namespace);
            let accessible = access.is_some_and(|(_, access)| access.permission().is_some());
            return role_permits(account.roles(), operation, resource.kind, accessible);
        }
        let Some((_, access)) = snapshot.access(principal, namespace) else {
            return false;
        };
        access.permission().is_some_and(|permission| {
            name_permitted(permission, &guard, resource) && key_permitted(access, &guard, resource)
        })
    }

    fn generation(&self) -> u64 {
        self.snapshot.load().generation()
    }
}

const fn guard(operation: Operation) -> Guard {
    match operation {
        Operation::Create | Operation::Delete | Operation::Configure => Guard::Configure,
        Operation::Publish | Operation::BindTarget | Operation::Transact => Guard::Write,
        Operation::Consume
        | Operation::Browse
        | Operation::Purge
        | Operation::BindSource
        | Operation::JoinGroup => Guard::Read,
        Operation::Connect | Operation::Describe => Guard::Access,
        Operation::AdminRead
        | Operation::AdminWrite
        | Operation::Impersonate
        | Operation::Replicate => Guard::Role,
    }
}

fn name_permitted(permission: &CompiledPermission, guard: &Guard, resource: Resource<'_>) -> bool {
    let name = match resource.kind {
        ResourceKind::Exchange if resource.name.is_empty() => DEFAULT_EXCHANGE,
        _ => resource.name,
    };
    match guard {
        Guard::Configure => permission.configure.matches(name),
        Guard::Write => permission.write.matches(name),
        Guard::Read => permission.read.matches(name),
        Guard::Access => true,
        Guard::Role => false,
    }
}

/// A topic permission limits only the exchange it names; without one, every key is permitted.
fn key_permitted(access: &Access, guard: &Guard, resource: Resource<'_>) -> bool {
    let Some(routing_key) = resource.routing_key else {
        return true;
    };
    let Some(topic) = access.topic(resource.name) else {
        return true;
    };
    let pattern = match guard {
        Guard::Write => &topic.write,
        Guard::Read => &topic.read,
        Guard::Configure | Guard::Access | Guard::Role => return true,
    };
    std::str::from_utf8(routing_key)
        .is_ok_and(|routing_key| pattern.matches(routing_key, resource.client_id))
}

fn role_permits(roles: Roles, operation: Operation, kind: ResourceKind, accessible: bool) -> bool {
    if roles.contains(Role::Administrator) {
        return operation != Operation::Impersonate || roles.contains(Role::Impersonator);
    }
    match operation {
        Operation::AdminRead => {
            roles.contains(Role::Monitoring)
                || (accessible
                    && !is_global(kind)
                    && (roles.contains(Role::Management) || roles.contains(Role::Policymaker)))
        }
        Operation::Impersonate => roles.contains(Role::Impersonator),
        _ => false,
    }
}

/// Whether things of this kind belong to the broker and not to a namespace.
const fn is_global(kind: ResourceKind) -> bool {
    matches!(
        kind,
        ResourceKind::Cluster | ResourceKind::User | ResourceKind::Audit | ResourceKind::Bridge
    )
}
