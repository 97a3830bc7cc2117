//! When the clients are done: everything comes to rest, what is left is taken, and the broker has
//! given everything back.

use sabir_core::admin::{AdminRequest, Listing, Report as List};
use sabir_core::broker::{Effects, Footprint};
use sabir_core::name::Name;
use sabir_core::request::{Command, Outcome, PolicyChange, Settlement};

use super::World;
use crate::snapshot;

/// Steps after which everything must have come to rest.
const PATIENCE: u32 = 4_000;

impl World {
    /// Everything that is under way ends, without time passing. False if the process had to be
    /// started again.
    pub(super) fn settle_down(&mut self) -> bool {
        let restarts = self.restarts;
        for _ in 0..PATIENCE {
            self.tick();
            self.finish();
            if restarts != self.restarts {
                return false;
            }
            let timers_due = self
                .node
                .broker
                .next_timer()
                .is_some_and(|due| due <= self.now);
            let waits = self.node.keeper.waits_for();
            if let Some(position) = waits
                && self.node.committed >= position
            {
                let synced = self.node.sync();
                self.survive(synced);
                if restarts != self.restarts {
                    return false;
                }
            }
            if !self.node.is_busy() && !self.node.keeper.is_busy() && !timers_due {
                return true;
            }
            self.hasten();
        }
        panic!(
            "the broker does not come to rest: {:?} {} {:?}, bytes in memory {:?}",
            self.node.broker.footprint(),
            self.node.describe(),
            self.node.broker.next_timer(),
            self.node.broker.memory_bytes(),
        );
    }

    fn tick(&mut self) {
        let mut effects = Effects::default();
        self.node.tick(self.now, &mut effects);
        self.take(effects);
    }

    fn hasten(&mut self) {
        let mut effects = Effects::default();
        let result = self.node.journal_step(self.now, false, &mut effects);
        self.take(effects);
        self.survive(result.map(drop));
        self.fetch_step();
        let result = self.node.keeper_step(self.now);
        self.survive(result);
    }

    /// What went into a queue is what is in it and what has left it.
    pub(super) fn check_balance(&mut self) {
        let Some(List::Queues(rows)) =
            snapshot::list(&mut self.node.broker, self.now, Listing::Queues)
        else {
            return;
        };
        let waiting = self.clients.iter().flat_map(|client| client.asked.values());
        let purging = waiting.filter(|asked| matches!(asked, crate::clients::Asked::Purge(_)));
        if purging.count() > 0 {
            return;
        }
        for row in rows {
            let Some(template) = self.templates.iter().find(|one| *one.name == *row.name) else {
                continue;
            };
            if !template.is_balanced || self.uncounted.contains(template.name) {
                continue;
            }
            let before = self.ready_before.get(template.name).copied().unwrap_or(0);
            let purged = self.purged.get(template.name).copied().unwrap_or(0);
            let counters = row.counters;
            let came = before + counters.published;
            let left = counters.acknowledged + counters.dead_lettered + counters.dropped + purged;
            assert_eq!(
                came,
                left + row.ready + row.unsettled,
                "{row:?}, purged {purged}"
            );
            assert_eq!(row.bytes == 0, row.ready + row.unsettled == 0, "{row:?}");
        }
    }

    /// Ends a run.
    pub(super) fn end(&mut self) {
        let faults = std::mem::take(&mut self.setting.faults);
        if faults.crashes || faults.errors {
            // A last crash: after it the disk has no fault in store.
            self.live_again(false);
        }
        self.node.disk.limit(None);
        assert!(self.settle_down());
        assert_eq!(self.witness.unanswered(), 0, "publishers wait for answers");
        self.check_balance();
        let sessions: Vec<_> = self.clients.iter().map(|client| client.session).collect();
        for session in sessions {
            self.close(session);
        }
        assert!(self.settle_down());
        self.administer(AdminRequest::ChangePolicy {
            namespace: Name::from_static("/"),
            change: PolicyChange::Remove {
                name: Name::from_static("limits"),
                operator: false,
            },
        });
        self.take_everything();
        self.delete_everything();
    }

    /// Every record that is ready can be had.
    fn take_everything(&mut self) {
        let session = self.connect();
        let queues: Vec<_> = self.queues.iter().copied().collect();
        for queue in queues.into_iter().filter(|queue| *queue != "kept") {
            let (id, request) = {
                let client = self.client(session).expect("it has just connected");
                client.consume_all(queue)
            };
            let sabir_core::request::Request::Consume(consume) = &request else {
                return;
            };
            self.started(session, consume.consumer, queue);
            self.apply(Command::Request {
                session,
                id,
                request,
            });
        }
        for _ in 0..PATIENCE {
            assert!(self.settle_down());
            let client = self.client(session).expect("it has just connected");
            let bytes = std::mem::take(&mut client.taken_bytes);
            let held: Vec<_> = client.held.drain(..).collect();
            if held.is_empty() && bytes == 0 {
                break;
            }
            for held in held {
                let position = self.node.broker.open_position();
                self.witness.settled(held.id, position);
                let settlement = Settlement {
                    log: held.id.log,
                    first: held.id.offset,
                    last: held.id.offset,
                    outcome: Outcome::Ack,
                };
                self.apply(Command::Settle {
                    session,
                    settlement,
                });
            }
            self.apply(Command::Written { session, bytes });
        }
        for queue in self.node.broker.inventory(self.now) {
            let left = queue.lanes.iter().flat_map(|lane| &lane.unsettled);
            let held_back = queue.name.is_empty() || &*queue.name == "kept";
            assert!(
                held_back || left.count() == 0,
                "{queue:?} cannot be drained"
            );
        }
    }

    /// When everything is deleted, nothing is left in memory or on disk.
    fn delete_everything(&mut self) {
        self.now = self.now.after(10_000);
        assert!(self.settle_down());
        let Some(session) = self.clients.first().map(|client| client.session) else {
            return;
        };
        let queues: Vec<_> = self.queues.iter().copied().collect();
        for queue in queues {
            self.delete(session, queue);
        }
        self.close(session);
        assert!(self.settle_down());
        self.node.begin_save(self.now);
        assert!(self.settle_down());
        // Logs without records in memory are forgotten when the next journal file is full.
        let lanes = self.node.broker.inventory(self.now);
        let lanes = lanes.iter().map(|queue| queue.lanes.len()).sum();
        let footprint = self.node.broker.footprint();
        assert!(footprint.recent <= lanes, "{footprint:?}");
        let rest = Footprint {
            recent: 0,
            ..footprint
        };
        assert_eq!(rest, Footprint::default());
        assert_eq!(self.node.broker.disk_bytes(), 0);
    }
}
