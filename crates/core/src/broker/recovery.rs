//! How a broker comes back: the index first, then the journal from the mark on.

use super::{Broker, Effects, catalog::Definition, checkpoint::NEXT_QUEUE};
use crate::{
    id::{LogId, Offset, Timestamp},
    journal::entry::{Entries, Entry},
    log::chunk::{ChunkId, Slot},
    message::RecordView,
    queue::{lane::Lane, lane_of},
    routing::{BindingKey, BindingSpec, QueueId, Subject, Target},
    storage::{Block, BlockKind, ExtentFile, FileUsage, Keyspace, Position, Run, StorageError},
    wire::{Malformed, Reader},
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Why stored state could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A value is not what this version writes.
    #[error("the index holds a value in {keyspace} that cannot be read")]
    Index {
        /// Where.
        keyspace: &'static str,
    },
    /// An entry is not what this version writes.
    #[error("journal block {position} holds an entry that cannot be read")]
    Entry {
        /// In which block.
        position: Position,
    },
    /// A record was not added behind the one that came before it in its log.
    #[error("journal block {position} adds record {offset} to log {log}, which ends at {tail}")]
    OutOfPlace {
        /// In which block.
        position: Position,
        /// The log.
        log: LogId,
        /// Where the block says that the record was added.
        offset: Offset,
        /// Where the log ends by all that came before.
        tail: Offset,
    },
    /// A record that was confirmed is in no file.
    #[error("record {offset} of log {log} is missing")]
    Missing {
        /// Its log.
        log: LogId,
        /// Its place.
        offset: Offset,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why an entry cannot be redone.
enum Misfit {
    Malformed,
    Place {
        log: LogId,
        offset: Offset,
        tail: Offset,
    },
}

impl From<Malformed> for Misfit {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Misfit {
    fn in_block(self, position: Position) -> RecoveryError {
        match self {
            Self::Malformed => RecoveryError::Entry { position },
            Self::Place { log, offset, tail } => RecoveryError::OutOfPlace {
                position,
                log,
                offset,
                tail,
            },
        }
    }
}

/// What the index holds, collected before it is applied.
#[derive(Debug, Default)]
pub struct Recovery {
    definitions: Vec<Definition>,
    states: BTreeMap<u64, Vec<u8>>,
    runs: BTreeMap<u64, Vec<Run>>,
    files: BTreeMap<ExtentFile, FileUsage>,
    seen: BTreeMap<QueueId, Vec<u8>>,
    next_queue: u64,
}

impl Recovery {
    /// Takes one entry of the index, in order of keys within a keyspace.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add(
        &mut self,
        keyspace: Keyspace,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), RecoveryError> {
        let unreadable = |_: Malformed| RecoveryError::Index {
            keyspace: keyspace.name(),
        };
        match keyspace {
            Keyspace::Catalog => {
                let definition = Definition::read(key, Some(value)).map_err(unreadable)?;
                self.definitions.push(definition);
            }
            Keyspace::State => {
                let log = number(key).map_err(unreadable)?;
                self.states.insert(log, value.to_vec());
            }
            Keyspace::Runs => {
                let run = Run::from_entry(key, value)?;
                self.runs.entry(run.log).or_default().push(run);
            }
            Keyspace::Files => {
                let usage = FileUsage::from_value(key, value)?;
                self.files.insert(ExtentFile::from_key(key)?, usage);
            }
            Keyspace::Deduplication => {
                let queue = number(key).map_err(unreadable)?;
                self.seen.insert(QueueId(queue), value.to_vec());
            }
            Keyspace::Mark => {
                if key == NEXT_QUEUE {
                    self.next_queue = Reader(value).varint().map_err(unreadable)?;
                }
            }
        }
        Ok(())
    }
}

fn number(key: &[u8]) -> Result<u64, Malformed> {
    Ok(u64::from_be_bytes(key.try_into().map_err(|_| Malformed)?))
}

impl Broker {
    /// Takes over what the index holds. The journal follows by [`Broker::replay`].
    ///
    /// # Errors
    /// When a state cannot be read.
    pub fn restore(&mut self, now: Timestamp, recovery: Recovery) -> Result<(), RecoveryError> {
        self.recovering = true;
        let Recovery {
            mut definitions,
            states,
            mut runs,
            files,
            seen,
            next_queue,
        } = recovery;
        definitions.sort_by_key(Definition::rank);
        for definition in definitions {
            self.make(now, definition);
        }
        self.definitions.clear();
        self.next_queue = self.next_queue.max(next_queue);
        for (file, usage) in files {
            self.memory.files.recovered(file, usage);
        }
        for (log, state) in states {
            let log = LogId(log);
            let runs = runs.remove(&log.0).unwrap_or_default();
            let lane = Lane::read_state(log, &state, runs, &mut self.memory).map_err(|_| {
                RecoveryError::Index {
                    keyspace: Keyspace::State.name(),
                }
            })?;
            if let Some(queue) = self.queues.get_mut(&log.queue()) {
                *lane_of(&mut queue.lanes, log.lane(), || {
                    Lane::new(log.queue(), log.lane(), true)
                }) = lane;
            }
        }
        for run in runs.into_values().flatten() {
            self.memory.files.run_recovered(&run, 0);
        }
        for (queue, seen) in seen {
            self.remember_seen(now, queue, &seen)
                .map_err(|_| RecoveryError::Index {
                    keyspace: Keyspace::Deduplication.name(),
                })?;
        }
        Ok(())
    }

    fn remember_seen(
        &mut self,
        now: Timestamp,
        queue: QueueId,
        seen: &[u8],
    ) -> Result<(), Malformed> {
        let mut reader = Reader(seen);
        while !reader.is_empty() {
            let until = Timestamp(reader.varint()?);
            let id = Bytes::copy_from_slice(reader.bytes()?);
            self.see(now, queue, id, until);
        }
        Ok(())
    }

    fn see(&mut self, now: Timestamp, queue: QueueId, id: Bytes, until: Timestamp) {
        if until > now
            && let Some(queue) = self.queues.get_mut(&queue)
            && queue.seen.insert(id.clone())
        {
            queue.seen_order.push_back((until, id));
        }
    }

    /// Takes one block of the journal, in order. Up to `states` only records are taken: the index
    /// knows what has become of them.
    ///
    /// # Errors
    /// When an entry cannot be read or does not fit what came before.
    pub fn replay(
        &mut self,
        now: Timestamp,
        block: &Block,
        states: Position,
    ) -> Result<(), RecoveryError> {
        self.generations.insert(block.file, block.position);
        match block.kind {
            BlockKind::Fence => return Ok(()),
            BlockKind::Lost => {
                self.tolerant = true;
                return Ok(());
            }
            BlockKind::Entries => {}
        }
        let chunk = ChunkId::journal(block.position.0);
        let position = block.position;
        for entry in Entries::of(&block.body) {
            let entry = entry.map_err(|_| RecoveryError::Entry { position })?;
            self.redo(now, entry, chunk, position <= states)
                .map_err(|misfit| misfit.in_block(position))?;
        }
        self.memory.chunks.seal(chunk, block.body.clone());
        Ok(())
    }

    fn redo(
        &mut self,
        now: Timestamp,
        entry: Entry<'_>,
        chunk: ChunkId,
        known: bool,
    ) -> Result<(), Misfit> {
        if let Entry::Publish {
            record,
            record_start,
            targets,
        } = entry
        {
            let slot = Slot {
                chunk,
                start: u32::try_from(record_start).map_err(|_| Malformed)?,
                length: u32::try_from(record.len()).map_err(|_| Malformed)?,
            };
            let body_bytes = RecordView::parse(record)?.body.len() as u64;
            for (log, offset) in targets {
                if known {
                    self.restore_record(log, offset, slot);
                } else {
                    self.redo_append(log, offset, slot, body_bytes)?;
                }
            }
            return Ok(());
        }
        if known {
            return Ok(());
        }
        match entry {
            Entry::Settle { log, bytes, ranges } => self.redo_settle(log, bytes, &ranges),
            Entry::Attempts {
                log,
                offset,
                attempts,
            } => {
                if let Some(lane) = self.lane_of_log(log) {
                    lane.ledger.set_attempts(offset, attempts);
                }
                self.changed_log(log);
            }
            Entry::Catalog { key, value } => {
                let definition = Definition::read(key, value)?;
                self.make(now, definition);
                self.definitions
                    .insert(key.to_vec(), value.map(<[u8]>::to_vec));
            }
            Entry::Truncate { log, head } => {
                if let Some(queue) = self.queues.get_mut(&log.queue())
                    && let Some(lane) = queue.lane_mut(log.lane())
                {
                    let gone = lane.truncate(head, &mut self.memory);
                    lane.bytes = lane.bytes.saturating_sub(gone);
                }
                self.changed_log(log);
            }
            Entry::Deduplicate { log, id, until_ms } => {
                let id = Bytes::copy_from_slice(id);
                self.see(now, log.queue(), id, Timestamp(until_ms));
            }
            Entry::Publish { .. } => {}
        }
        Ok(())
    }

    fn lane_of_log(&mut self, log: LogId) -> Option<&mut Lane> {
        self.queues.get_mut(&log.queue())?.lane_mut(log.lane())
    }

    fn restore_record(&mut self, log: LogId, offset: Offset, slot: Slot) {
        let Some(queue) = self.queues.get_mut(&log.queue()) else {
            return;
        };
        let Some(lane) = queue.lane_mut(log.lane()) else {
            return;
        };
        if lane.ledger.wants(offset) && lane.log.restore(offset, slot, &mut self.memory.chunks) {
            lane.in_memory = true;
            self.recent.insert(log);
        }
    }

    fn redo_append(
        &mut self,
        log: LogId,
        offset: Offset,
        slot: Slot,
        body_bytes: u64,
    ) -> Result<(), Misfit> {
        let Some(queue) = self.queues.get_mut(&log.queue()) else {
            return Ok(());
        };
        let bytes = queue.weight(slot, body_bytes);
        let lane = lane_of(&mut queue.lanes, log.lane(), || {
            Lane::new(log.queue(), log.lane(), true)
        });
        let tail = lane.log.tail();
        if offset > tail && self.tolerant {
            lane.log.skip_to(offset);
        } else if offset != tail {
            return Err(Misfit::Place { log, offset, tail });
        }
        lane.log.append(slot, &mut self.memory.chunks);
        lane.bytes += bytes;
        lane.in_memory = true;
        self.recent.insert(log);
        self.changed_log(log);
        Ok(())
    }

    fn redo_settle(&mut self, log: LogId, bytes: u64, ranges: &[(u64, u64)]) {
        let Some(queue) = self.queues.get_mut(&log.queue()) else {
            return;
        };
        let Some(lane) = queue.lane_mut(log.lane()) else {
            return;
        };
        lane.bytes = lane.bytes.saturating_sub(bytes);
        for (first, last) in ranges {
            let end = Offset(last + 1).min(lane.log.tail());
            if *first <= lane.ledger.head().0 {
                lane.truncate(end, &mut self.memory);
                continue;
            }
            for offset in (*first..end.0).map(Offset) {
                if lane.ledger.wants(offset) {
                    lane.ledger.settle(offset);
                    let memory = &mut self.memory;
                    lane.log
                        .discard(offset, &mut memory.chunks, &mut memory.files);
                }
            }
        }
        self.changed_log(log);
    }

    /// Ends recovery: everything that is not settled is ready. After an unclean stop, all of it
    /// may have been delivered before.
    ///
    /// # Errors
    /// When a record that should be there is not.
    pub fn recovered(
        &mut self,
        now: Timestamp,
        next: Position,
        clean: bool,
    ) -> Result<(), RecoveryError> {
        let mut ids: Vec<QueueId> = self.queues.keys().copied().collect();
        ids.sort_unstable();
        for id in &ids {
            let Some(mut queue) = self.queues.remove(id) else {
                continue;
            };
            let kept = queue.keeps_records();
            let outcome = queue
                .lanes
                .iter_mut()
                .try_for_each(|lane| self.restart_lane(lane, kept, clean));
            self.queues.insert(*id, queue);
            outcome?;
        }
        self.memory.open = crate::journal::open::OpenBlock::new(next);
        self.committed = Position(next.0.saturating_sub(1));
        self.recovering = false;
        for id in ids {
            self.recheck(now, id);
        }
        Ok(())
    }

    fn restart_lane(
        &mut self,
        lane: &mut Lane,
        kept: bool,
        clean: bool,
    ) -> Result<(), RecoveryError> {
        let log = lane.log.id();
        let tail = lane.log.tail();
        while let Some(offset) = lane.log.first_missing(|offset| lane.ledger.wants(offset)) {
            if !self.tolerant {
                return Err(RecoveryError::Missing { log, offset });
            }
            lane.ledger.settle(offset);
            self.lost += 1;
        }
        let delivered = if clean { lane.ledger.delivered() } else { tail };
        if delivered > lane.ledger.delivered() && lane.ready() > 0 && !lane.unsaved {
            lane.unsaved = true;
            self.unsaved.push(log);
        }
        lane.ledger.restart(delivered);
        lane.visible = tail;
        lane.offered = tail;
        if kept {
            lane.log.forget_dues();
            return Ok(());
        }
        for (offset, slot) in lane.log.until(Offset(0), ChunkId::journal(u64::MAX >> 1)) {
            let due = self
                .memory
                .read(slot)
                .and_then(|bytes| RecordView::parse(&bytes).ok().and_then(|view| view.due()));
            if let Some(due) = due {
                lane.dues.watch(due, offset);
            }
        }
        lane.set_due_timer(false, &mut self.timers);
        Ok(())
    }

    /// Makes or removes what a definition says, without writing it down again.
    fn make(&mut self, now: Timestamp, definition: Definition) {
        match definition {
            Definition::Namespace { name, limits } => match limits {
                Some((queues_max, sessions_max)) => {
                    let (slot, _) = self.namespaces.create(&name);
                    if let Some(namespace) = self.namespaces.get_mut(slot) {
                        namespace.queues_max = queues_max;
                        namespace.sessions_max = sessions_max;
                    }
                }
                None => drop(self.namespaces.remove(&name)),
            },
            Definition::Document { key, value } => {
                match value {
                    Some(value) => self.documents.insert(key, value),
                    None => self.documents.remove(&key),
                };
            }
            Definition::Policy {
                namespace,
                name,
                operator,
                policy,
            } => {
                let Some(slot) = self.namespaces.find(&namespace) else {
                    return;
                };
                match policy {
                    Some(policy) => drop(self.set_policy(slot, policy)),
                    None => {
                        if let Some(namespace) = self.namespaces.get_mut(slot) {
                            namespace.policies.remove(&name, operator);
                        }
                    }
                }
                self.apply_policies(now, slot);
            }
            Definition::Exchange {
                namespace,
                name,
                spec,
            } => {
                let Some(slot) = self.namespaces.find(&namespace) else {
                    return;
                };
                let Some(spec) = spec else {
                    self.remove_exchange(now, slot, &name);
                    return;
                };
                if let Some(namespace) = self.namespaces.get_mut(slot) {
                    drop(namespace.router.declare_exchange(&name, spec));
                }
                self.apply_exchange_policy(slot, &name);
            }
            Definition::Queue {
                namespace,
                name,
                queue,
            } => {
                self.make_queue(now, &namespace, name, queue);
            }
            Definition::Binding {
                namespace,
                binding,
                exists,
            } => {
                self.make_binding(&namespace, binding, exists);
            }
        }
    }

    fn make_queue(
        &mut self,
        now: Timestamp,
        namespace: &crate::name::Name,
        name: crate::name::Name,
        queue: Option<(QueueId, crate::queue::QueueSpec)>,
    ) {
        let Some(slot) = self.namespaces.find(namespace) else {
            return;
        };
        if let Some((id, spec)) = queue {
            self.insert_queue(now, id, slot, name, spec, None);
            return;
        }
        let known = self.namespaces.get(slot).and_then(|namespace| {
            namespace
                .queues
                .get(&name)
                .copied()
                .or(namespace.delays.filter(|_| name.starts_with('\u{0}')))
        });
        if let Some(id) = known {
            self.remove_queue(now, id, &mut Effects::default());
        }
    }

    fn make_binding(
        &mut self,
        namespace: &crate::name::Name,
        binding: super::catalog::StoredBinding,
        exists: bool,
    ) {
        let Some(slot) = self.namespaces.find(namespace) else {
            return;
        };
        let Some(namespace) = self.namespaces.get_mut(slot) else {
            return;
        };
        let target = if binding.to_queue {
            let Some(id) = namespace.queues.get(&binding.target) else {
                return;
            };
            Target::Queue(*id)
        } else {
            Target::Exchange(binding.target)
        };
        let spec = BindingSpec {
            source: binding.source,
            target,
            routing_key: BindingKey::Text(Subject::from_bytes(binding.routing_key)),
            arguments: binding.arguments,
        };
        if exists {
            drop(namespace.router.bind(&spec));
        } else {
            drop(namespace.router.unbind(&spec));
        }
    }
}
