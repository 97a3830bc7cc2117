//! The end of a process and the beginning of the next.

use std::collections::BTreeSet;

use sabir_core::broker::RecoveryError;
use sabir_core::storage::{Journal, Position, StorageError};
use sabir_storage::disk::{Disk, Fault, SimDisk};
use sabir_storage::engine;
use sabir_storage::index::SimIndex;

use super::World;
use crate::node::Node;
use crate::snapshot::{Snapshot, durable_queues};

/// How often a restart is interrupted at most.
const INTERRUPTIONS_MAX: u32 = 4;

impl World {
    /// The process dies or the power fails, just so.
    pub(super) fn crash(&mut self) {
        let power_fails = self.random.bool();
        self.live_again(power_fails);
    }

    /// The disk has failed: the process stops.
    pub(super) fn die(&mut self, error: &StorageError) {
        assert!(
            !matches!(
                error,
                StorageError::Corrupt { .. } | StorageError::OutOfOrder(_)
            ),
            "nothing was damaged: {error}"
        );
        let has_power = self.node.disk.list("").is_ok();
        let power_fails = !has_power || self.random.bool();
        self.live_again(power_fails);
    }

    pub(super) fn live_again(&mut self, power_fails: bool) {
        self.restarts += 1;
        let durable = self.node.journal.durable();
        let (disk, index) = self.what_is_left(power_fails);
        let (mut node, possible) = self.restart_until_it_works(disk, index);
        let first = *possible.first().expect("one restart worked");
        assert!(
            first >= durable,
            "block {durable} was durable, the last that survived is {first}"
        );
        let found = node.snapshot(self.now);
        let is_it = |last: &&Position| {
            let expected = self.node.snapshot_at(**last);
            expected.is_some_and(|expected| expected.at(&found.queues) == found)
        };
        let last = possible.iter().find(is_it).copied().unwrap_or(first);
        self.trace.say("restart after", (last, power_fails));
        let expected = self.node.snapshot_at(last);
        self.move_in(node, last, expected);
    }

    fn what_is_left(&mut self, power_fails: bool) -> (SimDisk, SimIndex) {
        let seed = self.random.u64(..);
        let disk = if power_fails {
            self.node.disk.after_power_cut(seed)
        } else {
            self.node.disk.after_process_crash()
        };
        let index = self.node.index.after_power_cut(&disk, seed);
        (disk, index)
    }

    /// Starts the broker, which may be interrupted a few times. Returns it and what may be the
    /// last block of the life before that survived. A fence may have taken the place of a block;
    /// and a torn one may be whole again: where it lacked its padding, an interrupted fence leaves
    /// that.
    fn restart_until_it_works(
        &mut self,
        mut disk: SimDisk,
        mut index: SimIndex,
    ) -> (Node, BTreeSet<Position>) {
        let copy = disk.fork();
        let (_, last) = self.start(&copy, &index.after_power_cut(&copy, 0));
        self.trace.say("a restart would find", last);
        let mut possible = BTreeSet::from([last]);
        for _ in 0..INTERRUPTIONS_MAX {
            if !self.setting.faults.crashes || self.random.u32(0..3) != 0 {
                break;
            }
            let operation = disk.operations() + self.random.u64(0..12);
            disk.inject(operation, Fault::PowerOff);
            match Node::start(&self.plan, &disk, &index, self.now) {
                Ok((node, _)) if disk.list("").is_ok() => return (node, possible),
                Ok(_)
                | Err(RecoveryError::Storage(
                    StorageError::Io { .. } | StorageError::DiskFull { .. },
                )) => {}
                Err(error) => panic!("an interrupted restart answers so: {error}"),
            }
            let seed = self.random.u64(..);
            let next = disk.after_power_cut(seed);
            index = index.after_power_cut(&next, seed);
            disk = next;
            // What only the process knew of may be lost now; fences may have been added.
            let copy = disk.fork();
            let (_, last) = self.start(&copy, &index.after_power_cut(&copy, 0));
            self.trace.say("an interrupted restart left", last);
            possible.insert(last);
        }
        let (node, last) = self.start(&disk, &index);
        self.trace.say("a restart finds", last);
        possible.insert(last);
        (node, possible)
    }

    fn start(&self, disk: &SimDisk, index: &SimIndex) -> (Node, Position) {
        match Node::start(&self.plan, disk, index, self.now) {
            Ok(started) => started,
            Err(RecoveryError::Storage(StorageError::DiskFull { .. })) => {
                // There is no room for a single block: somebody has to make some.
                disk.limit(None);
                self.start(disk, index)
            }
            Err(error) => panic!("the broker does not start again: {error}"),
        }
    }

    /// Checks that the new life has what the old one had, and goes on with it.
    fn move_in(&mut self, node: Node, last: Position, expected: Option<Snapshot>) {
        self.node = node;
        let now = self.now;
        let queues = durable_queues(&self.node.broker, now);
        self.trace.say("what came back", &queues);
        if let Some(expected) = expected {
            let found = self.node.snapshot(now);
            let expected = expected.at(&found.queues);
            for (expected, found) in expected.queues.iter().zip(&found.queues) {
                assert_eq!(expected, found, "at block {last}");
            }
            assert_eq!(expected.queues.len(), found.queues.len(), "at block {last}");
            assert_eq!(expected.definitions, found.definitions, "at block {last}");
        }
        assert_eq!(self.node.broker.lost_records(), 0);
        self.node.remember(now, self.node.committed);
        self.clients.clear();
        self.witness.restarted(last, &queues);
        self.unique.retain(|_, (position, _)| *position <= last);
        self.furnish();
    }

    /// All sessions end, everything is saved, and the broker starts again.
    pub(super) fn stop_in_order(&mut self) {
        let sessions: Vec<_> = self.clients.iter().map(|client| client.session).collect();
        for session in sessions {
            self.close(session);
        }
        if self.is_full || !self.settle_down() {
            return;
        }
        let now = self.now;
        self.node.begin_save(now);
        if !self.settle_down() {
            return;
        }
        self.restarts += 1;
        let before = self.node.snapshot(now);
        let (disk, index) = (self.node.disk.clone(), (*self.node.index).clone());
        let (successor, _) =
            match Node::start(&self.plan, &SimDisk::new(), &SimIndex::new(&disk), now) {
                Ok(started) => started,
                Err(_) => return,
            };
        let node = std::mem::replace(&mut self.node, successor);
        if let Err(error) = engine::stop(&index, node.journal) {
            drop(error);
        }
        let disk = disk.after_power_cut(self.random.u64(..));
        let index = index.after_power_cut(&disk, 0);
        let (node, last) = self.start(&disk, &index);
        self.move_in(node, last, Some(before));
    }
}
