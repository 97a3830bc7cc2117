//! Definitions as the journal and the index keep them: keys and values of bytes.

use super::Broker;
use crate::{
    id::Timestamp,
    message::value::{Table, codec},
    name::Name,
    policy::{AppliesTo, Policy},
    queue::{QueueKind, QueueSpec, settings},
    routing::{BindingKey, BindingSpec, ExchangeSpec, QueueId},
    storage::Admission,
    wire::{Malformed, Reader, Writer},
};
use bytes::Bytes;

const NAMESPACE: u8 = b'n';
const EXCHANGE: u8 = b'e';
const QUEUE: u8 = b'q';
const BINDING: u8 = b'b';
const POLICY: u8 = b'p';
const DOCUMENT: u8 = b'd';

const DURABLE: u8 = 1;
const AUTO_DELETE: u8 = 2;
const EXCLUSIVE: u8 = 4;
const INTERNAL: u8 = 8;

const KINDS: [QueueKind; 3] = [QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream];

/// A definition read back. Order matters: a namespace before what is in it, bindings last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Definition {
    Namespace {
        name: Name,
        limits: Option<(Option<u64>, Option<u64>)>,
    },
    Exchange {
        namespace: Name,
        name: Name,
        spec: Option<ExchangeSpec>,
    },
    Queue {
        namespace: Name,
        name: Name,
        queue: Option<(QueueId, QueueSpec)>,
    },
    Binding {
        namespace: Name,
        binding: StoredBinding,
        exists: bool,
    },
    Policy {
        namespace: Name,
        name: Name,
        operator: bool,
        policy: Option<Policy>,
    },
    Document {
        key: Vec<u8>,
        value: Option<Bytes>,
    },
}

/// A binding whose target is known by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredBinding {
    pub(crate) source: Name,
    pub(crate) to_queue: bool,
    pub(crate) target: Name,
    pub(crate) routing_key: Bytes,
    pub(crate) arguments: Table,
}

impl Definition {
    /// In which order definitions of an unordered set have to be made.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Namespace { .. } => 0,
            Self::Policy { .. } | Self::Document { .. } => 1,
            Self::Exchange { .. } => 2,
            Self::Queue { .. } => 3,
            Self::Binding { .. } => 4,
        }
    }

    /// Reads a definition; no value means that it was removed.
    pub(crate) fn read(key: &[u8], value: Option<&[u8]>) -> Result<Self, Malformed> {
        let mut reader = Reader(key);
        let sort = reader.byte()?;
        let mut value = value.map(Reader);
        Ok(match sort {
            NAMESPACE => Self::Namespace {
                name: reader.name()?,
                limits: read_with(&mut value, |value| {
                    Ok((value.optional_varint()?, value.optional_varint()?))
                })?,
            },
            EXCHANGE => Self::Exchange {
                namespace: reader.name()?,
                name: reader.name()?,
                spec: read_with(&mut value, read_exchange)?,
            },
            QUEUE => Self::Queue {
                namespace: reader.name()?,
                name: reader.name()?,
                queue: read_with(&mut value, read_queue)?,
            },
            BINDING => Self::Binding {
                namespace: reader.name()?,
                binding: read_binding(&mut reader)?,
                exists: value.is_some(),
            },
            POLICY => {
                let namespace = reader.name()?;
                let operator = reader.byte()? != 0;
                let name = reader.name()?;
                let policy = read_with(&mut value, |value| {
                    read_policy(value, name.clone(), operator)
                })?;
                Self::Policy {
                    namespace,
                    name,
                    operator,
                    policy,
                }
            }
            DOCUMENT => Self::Document {
                key: reader.0.to_vec(),
                value: value.map(|value| Bytes::copy_from_slice(value.0)),
            },
            _ => return Err(Malformed),
        })
    }
}

fn read_with<T>(
    value: &mut Option<Reader<'_>>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    value.as_mut().map(read).transpose()
}

fn key(sort: u8, parts: &[&str]) -> Vec<u8> {
    let mut key = vec![sort];
    for part in parts {
        Writer(&mut key).text(part);
    }
    key
}

pub(crate) fn namespace_key(name: &str) -> Vec<u8> {
    key(NAMESPACE, &[name])
}

pub(crate) fn namespace_value(queues_max: Option<u64>, sessions_max: Option<u64>) -> Vec<u8> {
    let mut value = Vec::new();
    let mut writer = Writer(&mut value);
    writer.optional_varint(queues_max);
    writer.optional_varint(sessions_max);
    value
}

pub(crate) fn exchange_key(namespace: impl AsRef<str>, name: &str) -> Vec<u8> {
    key(EXCHANGE, &[namespace.as_ref(), name])
}

pub(crate) fn exchange_value(spec: &ExchangeSpec) -> Vec<u8> {
    let mut value = Vec::new();
    let mut writer = Writer(&mut value);
    writer.text(spec.kind.type_name());
    writer.byte(flags(&[
        (DURABLE, spec.durable),
        (AUTO_DELETE, spec.auto_delete),
        (INTERNAL, spec.internal),
    ]));
    write_table(&mut value, &spec.arguments);
    value
}

fn read_exchange(value: &mut Reader<'_>) -> Result<ExchangeSpec, Malformed> {
    let type_name = value.text()?;
    let flags = value.byte()?;
    let arguments = read_table(value)?;
    let mut spec = ExchangeSpec::parse(type_name, &arguments).map_err(|_| Malformed)?;
    spec.durable = flags & DURABLE != 0;
    spec.auto_delete = flags & AUTO_DELETE != 0;
    spec.internal = flags & INTERNAL != 0;
    Ok(spec)
}

pub(crate) fn queue_key(namespace: impl AsRef<str>, name: &str) -> Vec<u8> {
    key(QUEUE, &[namespace.as_ref(), name])
}

pub(crate) fn queue_value(id: QueueId, spec: &QueueSpec) -> Vec<u8> {
    let mut value = Vec::new();
    let mut writer = Writer(&mut value);
    writer.varint(id.0);
    writer.byte(spec.kind as u8);
    writer.byte(flags(&[
        (DURABLE, spec.durable),
        (AUTO_DELETE, spec.auto_delete),
        (EXCLUSIVE, spec.exclusive),
    ]));
    settings::write_settings(&mut writer, &spec.settings);
    write_table(&mut value, &spec.arguments);
    value
}

fn read_queue(value: &mut Reader<'_>) -> Result<(QueueId, QueueSpec), Malformed> {
    let id = QueueId(value.varint()?);
    let kind = *KINDS.get(usize::from(value.byte()?)).ok_or(Malformed)?;
    let flags = value.byte()?;
    let spec = QueueSpec {
        kind,
        durable: flags & DURABLE != 0,
        auto_delete: flags & AUTO_DELETE != 0,
        exclusive: flags & EXCLUSIVE != 0,
        settings: settings::read_settings(value)?,
        arguments: read_table(value)?,
    };
    Ok((id, spec))
}

pub(crate) fn binding_key(namespace: impl AsRef<str>, binding: &StoredBinding) -> Vec<u8> {
    let mut key = key(BINDING, &[namespace.as_ref(), &binding.source]);
    let mut writer = Writer(&mut key);
    writer.byte(u8::from(binding.to_queue));
    writer.text(&binding.target);
    writer.bytes(&binding.routing_key);
    write_table(&mut key, &binding.arguments.clone().sorted());
    key
}

fn read_binding(reader: &mut Reader<'_>) -> Result<StoredBinding, Malformed> {
    Ok(StoredBinding {
        source: reader.name()?,
        to_queue: reader.byte()? != 0,
        target: reader.name()?,
        routing_key: Bytes::copy_from_slice(reader.bytes()?),
        arguments: read_table(reader)?,
    })
}

pub(crate) fn policy_key(namespace: &str, name: &str, operator: bool) -> Vec<u8> {
    let mut key = key(POLICY, &[namespace]);
    let mut writer = Writer(&mut key);
    writer.byte(u8::from(operator));
    writer.text(name);
    key
}

pub(crate) fn policy_value(policy: &Policy) -> Vec<u8> {
    let mut value = Vec::new();
    let mut writer = Writer(&mut value);
    writer.text(&policy.pattern);
    writer.byte(match policy.applies_to {
        AppliesTo::All => 0,
        AppliesTo::Exchanges => 1,
        AppliesTo::Queues => 2,
        AppliesTo::QueuesOfKind(kind) => 3 + kind as u8,
    });
    writer.varint(policy.priority.cast_unsigned());
    settings::write_settings(&mut writer, &policy.settings);
    writer.optional_text(policy.alternate_exchange.as_deref());
    write_table(&mut value, &policy.definition);
    value
}

fn read_policy(value: &mut Reader<'_>, name: Name, operator: bool) -> Result<Policy, Malformed> {
    Ok(Policy {
        name,
        operator,
        pattern: value.name()?,
        applies_to: match value.byte()? {
            0 => AppliesTo::All,
            1 => AppliesTo::Exchanges,
            2 => AppliesTo::Queues,
            kind => AppliesTo::QueuesOfKind(*KINDS.get(usize::from(kind - 3)).ok_or(Malformed)?),
        },
        priority: value.varint()?.cast_signed(),
        settings: settings::read_settings(value)?,
        alternate_exchange: value.optional_name()?,
        definition: read_table(value)?,
    })
}

pub(crate) fn document_key(key: &[u8]) -> Vec<u8> {
    let mut stored = vec![DOCUMENT];
    stored.extend_from_slice(key);
    stored
}

fn flags(flags: &[(u8, bool)]) -> u8 {
    flags
        .iter()
        .filter(|(_, set)| *set)
        .fold(0, |all, (flag, _)| all | flag)
}

/// A table that cannot be written was refused when it was declared; here it would be empty.
fn write_table(value: &mut Vec<u8>, table: &Table) {
    let mut encoded = Vec::new();
    if codec::encode_table(table, &mut encoded).is_err() {
        encoded.clear();
    }
    Writer(value).bytes(&encoded);
}

fn read_table(reader: &mut Reader<'_>) -> Result<Table, Malformed> {
    let bytes = reader.bytes()?;
    if bytes.is_empty() {
        return Ok(Table::new());
    }
    codec::decode_table(&mut Bytes::copy_from_slice(bytes)).map_err(|_| Malformed)
}

impl Broker {
    /// Writes down that a definition was made or removed.
    pub(super) fn define(&mut self, now: Timestamp, key: Vec<u8>, value: Option<Vec<u8>>) {
        if self.recovering {
            return;
        }
        if value.is_some() {
            self.memory.open.admission = Admission::Normal;
        }
        self.memory.open.catalog(&key, value.as_deref());
        self.memory.open.can_wait(now);
        self.definitions.insert(key, value);
    }

    /// A binding as it is stored, if both its ends outlive the process.
    pub(super) fn stored_binding(
        &self,
        namespace: u32,
        spec: &BindingSpec,
    ) -> Option<StoredBinding> {
        let BindingKey::Text(routing_key) = &spec.routing_key else {
            return None;
        };
        let router = &self.namespaces.get(namespace)?.router;
        router
            .exchange(&spec.source)
            .filter(|source| source.spec().durable)?;
        let (to_queue, target) = match &spec.target {
            crate::routing::Target::Queue(id) => {
                let queue = self.queues.get(id).filter(|queue| queue.is_journaled())?;
                (true, queue.name.clone())
            }
            crate::routing::Target::Exchange(name) => {
                router
                    .exchange(name)
                    .filter(|target| target.spec().durable)?;
                (false, name.clone())
            }
            crate::routing::Target::Mailbox(_) => return None,
        };
        Some(StoredBinding {
            source: spec.source.clone(),
            to_queue,
            target,
            routing_key: Bytes::copy_from_slice(routing_key.as_bytes()),
            arguments: spec.arguments.clone(),
        })
    }
}
