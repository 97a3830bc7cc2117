//! One immutable state of all users, with every pattern compiled.

use super::document::{self, Change, DocumentError, DocumentFault, Key};
use super::{Permission, TopicPermission, User};
use crate::pattern::{Pattern, PatternError, TopicPattern};
use crate::principal::Roles;
use std::collections::HashMap;
use std::sync::Arc;

/// All users and their permissions at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    generation: u64,
    entries: HashMap<Arc<str>, Arc<Entry>>,
}

/// What is stored under one user's name.
///
/// Permissions may be there without the account, when documents arrive in that order; they grant
/// nothing until it is there as well.
#[derive(Debug, Clone, Default)]
struct Entry {
    account: Option<Account>,
    namespaces: HashMap<Box<str>, Access>,
}

/// A user with the roles that its tags grant.
#[derive(Debug, Clone)]
pub(super) struct Account {
    user: User,
    roles: Roles,
}

/// What a user may do in one namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    permission: Option<Arc<CompiledPermission>>,
    topics: HashMap<Box<str>, Arc<CompiledTopicPermission>>,
}

/// A permission's patterns, ready to match names.
#[derive(Debug)]
pub(super) struct CompiledPermission {
    pub(super) configure: Pattern,
    pub(super) write: Pattern,
    pub(super) read: Pattern,
}

/// A topic permission's patterns, ready to match routing keys.
#[derive(Debug)]
pub(super) struct CompiledTopicPermission {
    pub(super) write: TopicPattern,
    pub(super) read: TopicPattern,
}

impl Snapshot {
    /// The state after a change, or what is wrong with it.
    pub(super) fn with(&self, change: &Change) -> Result<Self, DocumentError> {
        let mut next = self.clone();
        next.generation += 1;
        for write in &change.writes {
            next.put(&write.key, write.value.as_deref())
                .map_err(|fault| DocumentError {
                    key: write.key.clone(),
                    fault,
                })?;
        }
        Ok(next)
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &Account> {
        let entries = self.entries.values();
        entries.filter_map(|entry| entry.account.as_ref())
    }

    pub(super) fn account(&self, name: &str) -> Option<&Account> {
        self.entries.get(name)?.account.as_ref()
    }

    /// What an existing user may do in a namespace.
    pub(super) fn access(&self, name: &str, namespace: &str) -> Option<(&Account, &Access)> {
        let entry = self.entries.get(name)?;
        let account = entry.account.as_ref()?;
        Some((account, entry.namespaces.get(namespace)?))
    }

    pub(super) fn permissions(&self) -> Vec<Permission> {
        let listed = |(user, namespace, access): (&Arc<str>, &str, &Access)| {
            let compiled = access.permission.as_ref()?;
            Some(Permission {
                namespace: namespace.to_owned(),
                user: user.to_string(),
                configure: compiled.configure.source().to_owned(),
                write: compiled.write.source().to_owned(),
                read: compiled.read.source().to_owned(),
            })
        };
        self.grants().filter_map(listed).collect()
    }

    pub(super) fn topic_permissions(&self) -> Vec<TopicPermission> {
        let mut listed = Vec::new();
        for (user, namespace, access) in self.grants() {
            for (exchange, compiled) in &access.topics {
                listed.push(TopicPermission {
                    namespace: namespace.to_owned(),
                    user: user.to_string(),
                    exchange: exchange.to_string(),
                    write: compiled.write.source().to_owned(),
                    read: compiled.read.source().to_owned(),
                });
            }
        }
        listed
    }

    fn grants(&self) -> impl Iterator<Item = (&Arc<str>, &str, &Access)> {
        self.entries.iter().flat_map(|(user, entry)| {
            let namespaces = entry.namespaces.iter();
            namespaces.map(move |(namespace, access)| (user, &**namespace, access))
        })
    }

    fn put(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), DocumentFault> {
        match Key::parse(key).ok_or(DocumentFault::Key)? {
            Key::User(name) => {
                let user = value.map(|value| document::decode_user(&name, value));
                let account = user.transpose()?.map(Account::new);
                self.change_entry(&name, |entry| entry.account = account);
            }
            Key::Permission { namespace, user } => {
                let permission = value.map(|value| {
                    document::decode_permission(namespace.clone(), user.clone(), value)
                });
                let compiled = permission.transpose()?.map(compile).transpose()?;
                self.change_access(&user, namespace, |access| access.permission = compiled);
            }
            Key::TopicPermission {
                namespace,
                user,
                exchange,
            } => {
                let names = (namespace.clone(), user.clone(), exchange.clone());
                let permission = value.map(|value| document::decode_topic_permission(names, value));
                let compiled = permission.transpose()?.map(compile_topic).transpose()?;
                self.change_access(&user, namespace, |access| match compiled {
                    Some(compiled) => {
                        access.topics.insert(exchange.into(), compiled);
                    }
                    None => {
                        access.topics.remove(&*exchange);
                    }
                });
            }
        }
        Ok(())
    }

    fn change_access(&mut self, user: &str, namespace: String, change: impl FnOnce(&mut Access)) {
        self.change_entry(user, |entry| {
            let namespace: Box<str> = namespace.into();
            let access = entry.namespaces.entry(namespace.clone()).or_default();
            change(access);
            if access.permission.is_none() && access.topics.is_empty() {
                entry.namespaces.remove(&namespace);
            }
        });
    }

    fn change_entry(&mut self, name: &str, change: impl FnOnce(&mut Entry)) {
        let entry = self.entries.entry(name.into()).or_default();
        let entry = Arc::make_mut(entry);
        change(entry);
        if entry.account.is_none() && entry.namespaces.is_empty() {
            self.entries.remove(name);
        }
    }
}

impl Account {
    fn new(user: User) -> Self {
        let roles = Roles::from_tags(user.tags.iter().map(String::as_str));
        Self { user, roles }
    }

    pub(super) const fn roles(&self) -> Roles {
        self.roles
    }

    pub(super) const fn user(&self) -> &User {
        &self.user
    }

    pub(super) fn listed(&self) -> User {
        self.user.clone()
    }
}

impl Access {
    pub(super) fn permission(&self) -> Option<&CompiledPermission> {
        self.permission.as_deref()
    }

    pub(super) fn topic(&self, exchange: &str) -> Option<&CompiledTopicPermission> {
        self.topics.get(exchange).map(|compiled| &**compiled)
    }
}

fn compile(permission: Permission) -> Result<Arc<CompiledPermission>, PatternError> {
    Ok(Arc::new(CompiledPermission {
        configure: Pattern::compile(&permission.configure)?,
        write: Pattern::compile(&permission.write)?,
        read: Pattern::compile(&permission.read)?,
    }))
}

fn compile_topic(
    permission: TopicPermission,
) -> Result<Arc<CompiledTopicPermission>, PatternError> {
    let TopicPermission {
        namespace, user, ..
    } = &permission;
    Ok(Arc::new(CompiledTopicPermission {
        write: TopicPattern::compile(&permission.write, user, namespace)?,
        read: TopicPattern::compile(&permission.read, user, namespace)?,
    }))
}
