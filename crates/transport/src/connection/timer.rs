//! One sleeping deadline that is moved as seldom as possible.

use crate::Clock;
use sabir_core::id::Timestamp;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Sleep, sleep_until};

/// Wakes a connection at its deadline.
///
/// Deadlines such as idle limits move away with every byte. The timer then stays where it is and
/// is set again only when it fires too early: a busy connection does not touch the timer wheel.
#[derive(Default)]
pub(super) struct Timer {
    armed: Option<(Timestamp, Pin<Box<Sleep>>)>,
}

impl Timer {
    /// Ready when the deadline has passed.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        clock: &Clock,
        deadline: Option<Timestamp>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let (armed, sleep) = self
            .armed
            .get_or_insert_with(|| (deadline, Box::pin(sleep_until(clock.instant(deadline)))));
        if *armed > deadline {
            sleep.as_mut().reset(clock.instant(deadline));
            *armed = deadline;
        }
        while sleep.as_mut().poll(context).is_ready() {
            if clock.now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(clock.instant(deadline));
            *armed = deadline;
        }
        Poll::Pending
    }
}
