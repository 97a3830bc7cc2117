//! The way of one message through the exchanges.

use super::error::RoutingError;
use super::exchange::Exchange;
use super::kind::Kind;
use super::matcher::Basis;
use super::outcome::{RouteInput, Targets};
use super::router::{DEFAULT_EXCHANGE, Router};
use super::stable::mix;
use super::target::ExchangeId;
use crate::name::Name;

impl Router {
    /// Finds the targets of a message published to an exchange.
    ///
    /// Bindings between exchanges are followed, to each exchange once. Whenever none of the
    /// bindings of an exchange on the way matches, the message goes on to that exchange's
    /// alternate, if it is declared and exists. Each queue and mailbox is listed once.
    ///
    /// # Errors
    /// [`RoutingError::NoExchange`]; `targets` is then as it was.
    pub fn route(
        &self,
        exchange: &Name,
        input: &mut RouteInput<'_>,
        targets: &mut Targets,
    ) -> Result<(), RoutingError> {
        let first = self.exchange_id(exchange)?;
        targets.begin(first, input.extra_keys.is_empty());
        let mut passed = 0;
        while let Some(exchange) = targets.reached(passed) {
            self.pass(exchange, passed, input, targets);
            passed += 1;
        }
        targets.finish();
        Ok(())
    }

    /// Lets the message pass one exchange, which is number `index` on its way.
    fn pass(
        &self,
        id: ExchangeId,
        index: usize,
        input: &mut RouteInput<'_>,
        targets: &mut Targets,
    ) {
        if id == DEFAULT_EXCHANGE {
            self.pass_default(input, targets);
            return;
        }
        let Some(exchange) = self.exchange_at(id) else {
            return;
        };
        match exchange.spec().kind {
            Kind::Delayed { .. } if input.hold_delayed => {
                targets.delayed_by.push(exchange.name().clone());
                return;
            }
            Kind::RecentHistory { .. } => targets.recorded_by.push(exchange.name().clone()),
            _ => {}
        }
        let random = mix(input.random.wrapping_add(index as u64));
        self.match_bindings(exchange, random, input, targets);
        if !targets.take_matched()
            && let Some(alternate) = exchange.alternate()
            && let Ok(alternate) = self.exchange_id(alternate)
        {
            targets.reach(alternate);
        }
    }

    /// The default exchange leads to what is registered under the name that the key is.
    fn pass_default(&self, input: &RouteInput<'_>, targets: &mut Targets) {
        for destination in input.keys().filter_map(|key| self.registered(key)) {
            targets.add(destination);
        }
        targets.take_matched();
    }

    fn match_bindings(
        &self,
        exchange: &Exchange,
        random: u64,
        input: &mut RouteInput<'_>,
        targets: &mut Targets,
    ) {
        let mut walk = std::mem::take(&mut targets.walk);
        let basis = exchange
            .matcher
            .collect(input, random, &mut walk, &mut |one| targets.add(one));
        targets.walk = walk;
        targets.cacheable &= basis == Basis::RoutingKey;
    }
}
