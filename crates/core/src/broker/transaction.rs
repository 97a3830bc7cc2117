//! Publishes and settlements that take effect together: all their entries are in one block.

use super::{Broker, Effects};
use crate::{
    event::Response,
    id::{SessionId, Timestamp},
    refusal::Refusal,
    request::{Publish, Settlement},
    storage::Durability,
};

impl Broker {
    /// Carries out a transaction. Nothing of it happens when a message may not be published.
    pub(super) fn commit(
        &mut self,
        now: Timestamp,
        session: SessionId,
        publishes: Vec<Publish>,
        settlements: Vec<Settlement>,
        effects: &mut Effects,
    ) -> Result<(Response, Option<Durability>), Refusal> {
        for publish in &publishes {
            self.check_publish(session, &publish.message)?;
        }
        let work = !publishes.is_empty() || !settlements.is_empty();
        for mut publish in publishes {
            publish.ticket = 0;
            self.publish(now, session, publish, effects);
        }
        for settlement in &settlements {
            self.settle(now, session, settlement, effects);
        }
        let written = work && !self.memory.open.is_empty();
        Ok((Response::Done, written.then_some(self.config.durability)))
    }
}
