//! Class tx: publishes and acknowledgements that are held back until they are committed together.

use sabir_core::request::{Outcome, Publish, Request, Settlement};

use super::awaited::Answer;
use super::channel::{Channel, Mode};
use super::fault::Fault;
use super::link::Link;
use super::unsettled::{Entry, Taken};
use crate::codec::method::{Arguments, tx};
use crate::violation::Violation;

/// What a channel has done since the last commit.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    publishes: Vec<Publish>,
    publish_bytes: u64,
    acknowledged: Vec<(Taken, Outcome)>,
}

/// Counted for each publish besides head and body.
const PUBLISH_OVERHEAD_BYTES: u64 = 512;

impl Transaction {
    pub(super) fn publish(&mut self, publish: Publish, bytes_max: u64) -> Result<(), Violation> {
        let message = &publish.message;
        self.publish_bytes +=
            PUBLISH_OVERHEAD_BYTES + (message.head.len() + message.body.len()) as u64;
        if self.publish_bytes > bytes_max {
            return Err(Violation::TransactionTooLarge { max: bytes_max });
        }
        self.publishes.push(publish);
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, taken: Taken, outcome: Outcome) {
        match self.acknowledged.last_mut() {
            Some((last, last_outcome)) if *last_outcome == outcome => last.0.extend(taken.0),
            _ => self.acknowledged.push((taken, outcome)),
        }
    }

    /// The deliveries that were acknowledged, which a rollback makes unacknowledged again.
    pub(super) fn into_acknowledged(self) -> impl Iterator<Item = Entry> {
        self.acknowledged.into_iter().flat_map(|(taken, _)| taken.0)
    }

    fn into_parts(self) -> (Vec<Publish>, Vec<Settlement>) {
        let settlements = self
            .acknowledged
            .into_iter()
            .flat_map(|(taken, outcome)| taken.settlements(outcome));
        (self.publishes, settlements.collect())
    }
}

impl Channel {
    pub(super) fn select_transaction(&mut self, link: &mut Link) -> Result<(), Fault> {
        match self.mode {
            Mode::Confirm { .. } => return Err(Violation::TransactionAfterConfirm.into()),
            Mode::Plain => self.mode = Mode::Transaction(Transaction::default()),
            Mode::Transaction(_) => {}
        }
        link.answer(&mut self.lane, &tx::SelectOk {});
        Ok(())
    }

    fn end_transaction(&mut self) -> Result<Transaction, Violation> {
        match &mut self.mode {
            Mode::Transaction(transaction) => Ok(std::mem::take(transaction)),
            Mode::Plain | Mode::Confirm { .. } => Err(Violation::NotTransactional),
        }
    }

    pub(super) fn commit(&mut self, link: &mut Link) -> Result<(), Fault> {
        let (publishes, settlements) = self.end_transaction()?.into_parts();
        let answer = Answer::Committed {
            settlements: settlements.clone(),
        };
        link.request(
            &mut self.lane,
            tx::Commit::ID,
            Request::Commit {
                publishes,
                settlements,
            },
            answer,
        );
        Ok(())
    }

    pub(super) fn rollback(&mut self, link: &mut Link) -> Result<(), Fault> {
        let transaction = self.end_transaction()?;
        self.unsettled.restore(transaction.into_acknowledged());
        link.answer(&mut self.lane, &tx::RollbackOk {});
        Ok(())
    }
}
