//! Users and what they may do.

use sabir_admin::api::account::{
    Permission, PermissionRules, TopicPermission, TopicRules, User, UserChange,
};
use sabir_admin::backend::{Caller, Credentials, Place, Role};
use sabir_admin::failure::Failure;
use sabir_security::users::{Credential, UserSpec};
use sabir_security::{PasswordHash, Role as SecurityRole, Roles};

use super::Administration;
use super::failure::unchanged;

pub(super) async fn authenticate(
    administration: &Administration,
    credentials: Credentials<'_>,
) -> Result<Caller, Failure> {
    let Credentials {
        name,
        password,
        address,
    } = credentials;
    let checked = administration
        .accounts
        .authenticate(name, password, address)
        .await;
    let principal = checked.map_err(unchanged)?.map_err(|failure| {
        tracing::warn!(%address, %failure, "administration refused");
        Failure::Unauthenticated
    })?;
    let role = role(principal.roles).ok_or_else(|| {
        Failure::Denied(format!(
            "user {name:?} has neither the tag administrator nor the tag monitoring"
        ))
    })?;
    Ok(Caller {
        principal: principal.name.to_string(),
        role,
    })
}

fn role(roles: Roles) -> Option<Role> {
    if roles.contains(SecurityRole::Administrator) {
        Some(Role::Administrator)
    } else if roles.contains(SecurityRole::Monitoring) {
        Some(Role::Monitor)
    } else {
        None
    }
}

pub(super) fn list(administration: &Administration) -> Vec<User> {
    let users = administration.accounts.store().users();
    users
        .into_iter()
        .map(|user| User {
            name: user.name.to_string(),
            tags: user.tags,
        })
        .collect()
}

pub(super) async fn put(
    administration: &Administration,
    name: &str,
    change: UserChange,
) -> Result<(), Failure> {
    let existing = administration.accounts.store().user(name);
    let tags = change
        .tags
        .clone()
        .or_else(|| existing.map(|user| user.tags))
        .unwrap_or_default();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let credential = credential(&change)?;
    let spec = UserSpec {
        name,
        credential,
        tags: &tags,
    };
    let changed = administration
        .accounts
        .change(|store| store.put_user(&spec))
        .await;
    changed.map_err(unchanged)
}

fn credential(change: &UserChange) -> Result<Credential<'_>, Failure> {
    match (&change.password, &change.password_hash) {
        (Some(_), Some(_)) => Err(Failure::Invalid(
            "give either a password or its hash, not both".to_owned(),
        )),
        (Some(password), None) => Ok(Credential::Password(password.as_bytes())),
        (None, Some(hash)) => {
            let algorithm = change.hashing_algorithm.as_deref().ok_or_else(|| {
                Failure::Invalid("hashing_algorithm says how the hash was made".to_owned())
            })?;
            let hash = PasswordHash::parse(algorithm, hash);
            hash.map(Credential::Hash)
                .map_err(|error| Failure::Invalid(error.to_string()))
        }
        (None, None) => Ok(Credential::Keep),
    }
}

pub(super) async fn delete(administration: &Administration, name: &str) -> Result<(), Failure> {
    let changed = administration
        .accounts
        .change(|store| store.remove_user(name))
        .await;
    changed.map_err(unchanged)
}

pub(super) fn permissions(administration: &Administration) -> Vec<Permission> {
    let permissions = administration.accounts.store().permissions();
    permissions
        .into_iter()
        .map(|permission| Permission {
            user: permission.user,
            namespace: permission.namespace,
            rules: PermissionRules {
                configure: permission.configure,
                write: permission.write,
                read: permission.read,
            },
        })
        .collect()
}

pub(super) async fn set_permission(
    administration: &Administration,
    user: &str,
    namespace: &str,
    rules: PermissionRules,
) -> Result<(), Failure> {
    require_namespace(administration, namespace).await?;
    let permission = sabir_security::Permission {
        namespace: namespace.to_owned(),
        user: user.to_owned(),
        configure: rules.configure,
        write: rules.write,
        read: rules.read,
    };
    let changed = administration
        .accounts
        .change(|store| store.set_permission(&permission))
        .await;
    changed.map_err(unchanged)
}

pub(super) async fn clear_permission(
    administration: &Administration,
    user: &str,
    namespace: &str,
) -> Result<(), Failure> {
    let changed = administration
        .accounts
        .change(|store| store.clear_permission(namespace, user))
        .await;
    changed.map_err(unchanged)
}

pub(super) fn topic_permissions(administration: &Administration) -> Vec<TopicPermission> {
    let permissions = administration.accounts.store().topic_permissions();
    permissions
        .into_iter()
        .map(|permission| TopicPermission {
            user: permission.user,
            namespace: permission.namespace,
            exchange: permission.exchange,
            rules: TopicRules {
                write: permission.write,
                read: permission.read,
            },
        })
        .collect()
}

pub(super) async fn set_topic_permission(
    administration: &Administration,
    user: &str,
    exchange: Place<'_>,
    rules: TopicRules,
) -> Result<(), Failure> {
    require_namespace(administration, exchange.namespace).await?;
    let permission = sabir_security::TopicPermission {
        namespace: exchange.namespace.to_owned(),
        user: user.to_owned(),
        exchange: exchange.name.to_owned(),
        write: rules.write,
        read: rules.read,
    };
    let changed = administration
        .accounts
        .change(|store| store.set_topic_permission(&permission))
        .await;
    changed.map_err(unchanged)
}

pub(super) async fn clear_topic_permission(
    administration: &Administration,
    user: &str,
    exchange: Place<'_>,
) -> Result<(), Failure> {
    let changed = administration.accounts.change(|store| {
        store.clear_topic_permissions(exchange.namespace, user, Some(exchange.name))
    });
    changed.await.map_err(unchanged)
}

/// Takes away all permissions in a namespace that is gone.
pub(super) async fn forget_namespace(
    administration: &Administration,
    namespace: &str,
) -> Result<(), Failure> {
    let changed = administration
        .accounts
        .change(|store| Ok(store.remove_namespace(namespace)))
        .await;
    changed.map_err(unchanged)
}

async fn require_namespace(
    administration: &Administration,
    namespace: &str,
) -> Result<(), Failure> {
    let namespaces = super::listings::namespaces(administration).await?;
    if namespaces.iter().any(|known| known.name == namespace) {
        return Ok(());
    }
    Err(Failure::NotFound(format!("no namespace {namespace:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_tag_decides_the_role() {
        assert_eq!(role(Roles::from_tags(["monitoring"])), Some(Role::Monitor));
        assert_eq!(
            role(Roles::from_tags(["monitoring", "administrator"])),
            Some(Role::Administrator)
        );
        assert_eq!(role(Roles::from_tags(["management"])), None);
    }

    #[test]
    fn a_password_and_a_hash_together_are_refused() {
        let both = UserChange {
            password: Some("p".to_owned()),
            password_hash: Some("h".to_owned()),
            ..UserChange::default()
        };
        assert!(credential(&both).is_err());
        let without_algorithm = UserChange {
            password_hash: Some("h".to_owned()),
            ..UserChange::default()
        };
        assert!(credential(&without_algorithm).is_err());
        assert!(matches!(
            credential(&UserChange::default()),
            Ok(Credential::Keep)
        ));
    }
}
