//! The start of a broker without data.

use super::{Measured, Tools, mib, millis};
use crate::bench::amqp::broker::Broker;
use crate::bench::metric;

/// Starts the broker once.
pub(super) fn run(broker: &mut Broker, _tools: &Tools) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    let started = broker.start()?;
    measured.set(metric::START, millis(started.first_publish));
    measured.set(metric::EMPTY_RSS, mib(broker.usage()?.resident_bytes));
    Ok(measured)
}
