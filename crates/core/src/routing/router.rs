//! The exchanges and bindings of one namespace.

use hashbrown::HashMap;

use super::binding::{BINDING_KEY_BYTES_MAX, Binding, BindingId, BindingSpec, Bindings};
use super::error::RoutingError;
use super::exchange::{Exchange, ExchangeSpec, predeclared};
use super::kind::Kind;
use super::target::{Destination, ExchangeId, MailboxId, QueueId, Target};
use crate::name::Name;

/// The exchange with the empty name: it leads to every queue by the queue's name.
pub(super) const DEFAULT_EXCHANGE: ExchangeId = ExchangeId(0);

/// How much a router may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterLimits {
    /// How many exchanges, those that every namespace has included.
    pub exchanges_max: u32,
    /// How many bindings, those of queues to the default exchange not included.
    pub bindings_max: u32,
}

impl Default for RouterLimits {
    fn default() -> Self {
        Self {
            exchanges_max: 100_000,
            bindings_max: 4_000_000,
        }
    }
}

/// What a declaration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// The exchange was made.
    New,
    /// It existed and is equivalent.
    Existing,
}

/// What went when bindings or an exchange were removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The bindings, in order.
    pub bindings: Vec<BindingSpec>,
    /// Exchanges declared to go with their last binding that just lost it, in order. They are
    /// still there: deleting them, and what follows from that, is up to the caller.
    pub unused: Vec<Name>,
}

/// The exchanges and bindings of one namespace, with the names that the default exchange knows.
#[derive(Debug)]
pub struct Router {
    exchanges: Vec<Option<Exchange>>,
    vacant: Vec<ExchangeId>,
    names: HashMap<Name, ExchangeId>,
    registered: HashMap<Name, Destination>,
    bindings: Bindings,
    limits: RouterLimits,
    epoch: u64,
}

impl Router {
    /// A router with the exchanges that every namespace has.
    pub fn new(limits: RouterLimits) -> Self {
        let mut router = Self {
            exchanges: Vec::new(),
            vacant: Vec::new(),
            names: HashMap::new(),
            registered: HashMap::new(),
            bindings: Bindings::default(),
            limits,
            epoch: 0,
        };
        router.add_exchange(Name::default(), ExchangeSpec::durable(Kind::Direct));
        for (name, spec) in predeclared() {
            router.add_exchange(name, spec);
        }
        router
    }

    /// A number that grows with every change that can alter a route.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Makes an exchange, or checks that the existing one is equivalent. Whether the name may be
    /// used is up to the caller, see [`super::is_reserved`].
    ///
    /// # Errors
    /// [`RoutingError::DefaultExchange`], [`RoutingError::Inequivalent`],
    /// [`RoutingError::TooManyExchanges`].
    pub fn declare_exchange(
        &mut self,
        name: &Name,
        spec: ExchangeSpec,
    ) -> Result<Declared, RoutingError> {
        refuse_default(name)?;
        if let Some(current) = self.exchange(name) {
            return match spec.difference(current.spec()) {
                None => Ok(Declared::Existing),
                Some(difference) => Err(RoutingError::Inequivalent {
                    name: name.clone(),
                    difference,
                }),
            };
        }
        let limit = self.limits.exchanges_max;
        if self.names.len() >= limit as usize {
            return Err(RoutingError::TooManyExchanges(limit));
        }
        self.add_exchange(name.detached(), spec.detached());
        Ok(Declared::New)
    }

    /// Removes an exchange with all bindings from it and to it.
    ///
    /// # Errors
    /// [`RoutingError::DefaultExchange`], [`RoutingError::NoExchange`].
    pub fn delete_exchange(&mut self, name: &Name) -> Result<Removal, RoutingError> {
        refuse_default(name)?;
        let id = self.exchange_id(name)?;
        let mut bindings = self.bindings.leading_to(Destination::Exchange(id));
        if let Some(exchange) = self.exchange_at(id) {
            bindings.extend(&exchange.outgoing);
        }
        let mut removal = self.remove_bindings(bindings);
        removal.unused.retain(|unused| unused != name);
        self.names.remove(name);
        self.exchanges[id.0 as usize] = None;
        self.vacant.push(id);
        self.epoch += 1;
        Ok(removal)
    }

    /// The exchange of that name; the default exchange has the empty one.
    pub fn exchange(&self, name: &Name) -> Option<&Exchange> {
        self.exchange_at(*self.names.get(name)?)
    }

    /// All exchanges by name, the default exchange first.
    pub fn exchanges(&self) -> Vec<&Exchange> {
        let mut exchanges: Vec<_> = self.exchanges.iter().flatten().collect();
        exchanges.sort_unstable_by_key(|exchange| exchange.name());
        exchanges
    }

    /// Sets or clears the alternate exchange that a policy gives an exchange. One from the
    /// exchange's own declaration comes first.
    ///
    /// # Errors
    /// [`RoutingError::NoExchange`].
    pub fn set_policy_alternate(
        &mut self,
        name: &Name,
        alternate: Option<&Name>,
    ) -> Result<(), RoutingError> {
        let id = self.exchange_id(name)?;
        if let Some(exchange) = self.exchange_at_mut(id)
            && exchange.policy_alternate.as_ref() != alternate
        {
            exchange.policy_alternate = alternate.map(Name::detached);
            self.epoch += 1;
        }
        Ok(())
    }

    /// Adds a binding; tells whether it is new. That a queue or mailbox exists is up to the
    /// caller.
    ///
    /// # Errors
    /// [`RoutingError::DefaultExchange`] and [`RoutingError::NoExchange`] for source and target,
    /// [`RoutingError::KeyTooLong`], [`RoutingError::TooManyBindings`], and what the kind of the
    /// source makes of key and arguments.
    pub fn bind(&mut self, spec: &BindingSpec) -> Result<bool, RoutingError> {
        let binding = self.resolve(spec)?;
        if self.bindings.find(&binding).is_some() {
            return Ok(false);
        }
        let limit = self.limits.bindings_max;
        let id = self
            .bindings
            .next_id()
            .filter(|_| self.bindings.len() < limit as usize)
            .ok_or(RoutingError::TooManyBindings(limit))?;
        if let Some(source) = self.exchange_at_mut(binding.source) {
            source.matcher.insert(id, &binding)?;
            source.outgoing.insert(id);
        }
        self.bindings.insert(id, binding);
        self.epoch += 1;
        Ok(true)
    }

    /// Removes a binding. One that does not exist is no error and leaves the removal empty.
    ///
    /// # Errors
    /// [`RoutingError::DefaultExchange`] and [`RoutingError::NoExchange`] for source and target,
    /// [`RoutingError::KeyTooLong`].
    pub fn unbind(&mut self, spec: &BindingSpec) -> Result<Removal, RoutingError> {
        let binding = self.resolve(spec)?;
        let found = self.bindings.find(&binding);
        Ok(self.remove_bindings(found))
    }

    /// Removes all bindings to a target that goes.
    pub fn unbind_target(&mut self, target: &Target) -> Removal {
        match self.destination_of(target) {
            Ok(destination) => {
                let bindings = self.bindings.leading_to(destination);
                self.remove_bindings(bindings)
            }
            Err(_) => Removal::default(),
        }
    }

    /// All bindings, in order. What the default exchange leads to is not among them.
    pub fn bindings(&self) -> Vec<BindingSpec> {
        sorted(self.bindings.iter().filter_map(|one| self.spec_of(one)))
    }

    /// The bindings from an exchange, in order.
    pub fn bindings_from(&self, source: &Name) -> Vec<BindingSpec> {
        let outgoing = self.exchange(source).map(|exchange| &exchange.outgoing);
        self.specs_of(outgoing.into_iter().flatten().copied())
    }

    /// The bindings to a target, in order.
    pub fn bindings_to(&self, target: &Target) -> Vec<BindingSpec> {
        match self.destination_of(target) {
            Ok(destination) => self.specs_of(self.bindings.leading_to(destination)),
            Err(_) => Vec::new(),
        }
    }

    /// Lets the default exchange lead to a queue by its name, in place of what had that name.
    pub fn register_queue(&mut self, name: &Name, queue: QueueId) {
        self.register(name, Destination::Queue(queue));
    }

    /// Lets the default exchange lead to a mailbox by its address, in place of what had it.
    pub fn register_mailbox(&mut self, address: &Name, mailbox: MailboxId) {
        self.register(address, Destination::Mailbox(mailbox));
    }

    /// Takes back a queue's or mailbox's name; tells whether it was registered.
    pub fn unregister(&mut self, name: &Name) -> bool {
        let known = self.registered.remove(name).is_some();
        self.epoch += u64::from(known);
        known
    }

    /// The queue registered under that name.
    pub fn queue(&self, name: &Name) -> Option<QueueId> {
        match self.registered.get(name)? {
            Destination::Queue(queue) => Some(*queue),
            _ => None,
        }
    }

    pub(super) fn registered(&self, name: &[u8]) -> Option<Destination> {
        self.registered.get(name).copied()
    }

    pub(super) fn exchange_id(&self, name: &Name) -> Result<ExchangeId, RoutingError> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| RoutingError::NoExchange(name.clone()))
    }

    pub(super) fn exchange_at(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(id.0 as usize)?.as_ref()
    }

    fn exchange_at_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges.get_mut(id.0 as usize)?.as_mut()
    }

    fn add_exchange(&mut self, name: Name, spec: ExchangeSpec) {
        let exchange = Exchange::new(name.clone(), spec);
        let id = match self.vacant.pop() {
            Some(id) => {
                self.exchanges[id.0 as usize] = Some(exchange);
                id
            }
            None => {
                let id = u32::try_from(self.exchanges.len())
                    .expect("the number of exchanges is limited to a 32-bit number");
                self.exchanges.push(Some(exchange));
                ExchangeId(id)
            }
        };
        self.names.insert(name, id);
        self.epoch += 1;
    }

    fn register(&mut self, name: &Name, destination: Destination) {
        let previous = self.registered.insert(name.detached(), destination);
        self.epoch += u64::from(previous != Some(destination));
    }

    fn resolve(&self, spec: &BindingSpec) -> Result<Binding, RoutingError> {
        refuse_default(&spec.source)?;
        let source = self.exchange_id(&spec.source)?;
        let destination = self.destination_of(&spec.target)?;
        if spec.routing_key.bytes() > BINDING_KEY_BYTES_MAX {
            return Err(RoutingError::KeyTooLong(BINDING_KEY_BYTES_MAX));
        }
        Ok(Binding::new(spec, source, destination))
    }

    fn destination_of(&self, target: &Target) -> Result<Destination, RoutingError> {
        Ok(match target {
            Target::Queue(queue) => Destination::Queue(*queue),
            Target::Mailbox(mailbox) => Destination::Mailbox(*mailbox),
            Target::Exchange(name) => {
                refuse_default(name)?;
                Destination::Exchange(self.exchange_id(name)?)
            }
        })
    }

    fn remove_bindings(&mut self, ids: impl IntoIterator<Item = BindingId>) -> Removal {
        let mut removal = Removal::default();
        for id in ids {
            removal.bindings.extend(self.remove_binding(id));
        }
        removal.bindings.sort_unstable();
        let sources = removal.bindings.iter().map(|binding| &binding.source);
        removal.unused = sources
            .filter(|name| self.exchange(name).is_some_and(Exchange::has_outlived_use))
            .cloned()
            .collect();
        removal.unused.dedup();
        removal
    }

    /// Removes a binding; nothing when it is gone already, as one from an exchange to itself is
    /// the second time.
    fn remove_binding(&mut self, id: BindingId) -> Option<BindingSpec> {
        let binding = self.bindings.remove(id)?;
        if let Some(source) = self.exchange_at_mut(binding.source) {
            source.matcher.remove(id, &binding);
            source.outgoing.remove(&id);
        }
        self.epoch += 1;
        self.spec_of(&binding)
    }

    fn specs_of(&self, ids: impl IntoIterator<Item = BindingId>) -> Vec<BindingSpec> {
        let bindings = ids.into_iter().filter_map(|id| self.bindings.binding(id));
        sorted(bindings.filter_map(|binding| self.spec_of(binding)))
    }

    fn spec_of(&self, binding: &Binding) -> Option<BindingSpec> {
        let target = match binding.destination {
            Destination::Queue(queue) => Target::Queue(queue),
            Destination::Mailbox(mailbox) => Target::Mailbox(mailbox),
            Destination::Exchange(id) => Target::Exchange(self.exchange_at(id)?.name().clone()),
        };
        Some(BindingSpec {
            source: self.exchange_at(binding.source)?.name().clone(),
            target,
            routing_key: binding.key.clone(),
            arguments: binding.arguments.clone(),
        })
    }
}

fn refuse_default(name: &Name) -> Result<(), RoutingError> {
    if name.bytes().is_empty() {
        return Err(RoutingError::DefaultExchange);
    }
    Ok(())
}

fn sorted(bindings: impl Iterator<Item = BindingSpec>) -> Vec<BindingSpec> {
    let mut bindings: Vec<_> = bindings.collect();
    bindings.sort_unstable();
    bindings
}

#[cfg(test)]
#[path = "router/tests.rs"]
mod tests;
