//! Class exchange.

use sabir_core::name::Name;
use sabir_core::request::{Binding, Destination, Request};
use sabir_core::routing::{Subject, is_reserved};

use super::awaited::Done;
use super::channel::Channel;
use super::fault::Fault;
use super::link::Link;
use crate::codec::FieldTable;
use crate::codec::method::{Arguments, exchange};
use crate::mapping::{exchange as mapping, table};
use crate::violation::Violation;

/// A name without line ends, which RabbitMQ takes out of names too.
pub(super) fn clean(name: &str) -> Name {
    if name.contains(['\r', '\n']) {
        Name::from(name.replace(['\r', '\n'], ""))
    } else {
        Name::from(name)
    }
}

/// The name of an exchange other than the default exchange.
pub(super) fn not_default(name: &str) -> Result<Name, Violation> {
    let name = clean(name);
    if name.is_empty() {
        Err(Violation::DefaultExchange)
    } else {
        Ok(name)
    }
}

impl Channel {
    pub(super) fn exchange(
        &mut self,
        link: &mut Link,
        method: exchange::Method<'_>,
    ) -> Result<(), Fault> {
        use exchange::Method as Ask;
        match method {
            Ask::Declare(declare) => self.declare_exchange(link, declare),
            Ask::Delete(delete) => self.delete_exchange(link, delete),
            Ask::Bind(bind) => {
                let binding = exchange_binding(
                    bind.source,
                    bind.destination,
                    bind.routing_key,
                    bind.arguments,
                )?;
                let answer = Done::ExchangeBound.unless(bind.nowait);
                link.request(
                    &mut self.lane,
                    exchange::Bind::ID,
                    Request::Bind(binding),
                    answer,
                );
                Ok(())
            }
            Ask::Unbind(unbind) => {
                let binding = exchange_binding(
                    unbind.source,
                    unbind.destination,
                    unbind.routing_key,
                    unbind.arguments,
                )?;
                let answer = Done::ExchangeUnbound.unless(unbind.nowait);
                link.request(
                    &mut self.lane,
                    exchange::Unbind::ID,
                    Request::Unbind(binding),
                    answer,
                );
                Ok(())
            }
            _ => Err(Violation::ServerMethod.into()),
        }
    }

    fn declare_exchange(
        &mut self,
        link: &mut Link,
        declare: exchange::Declare<'_>,
    ) -> Result<(), Fault> {
        let name = not_default(declare.exchange)?;
        let request = if declare.passive {
            Request::FindExchange { name }
        } else {
            let spec = mapping::spec(&declare, &name, &link.place)?;
            Request::DeclareExchange { name, spec }
        };
        let answer = Done::ExchangeDeclared.unless(declare.nowait);
        link.request(&mut self.lane, exchange::Declare::ID, request, answer);
        Ok(())
    }

    fn delete_exchange(
        &mut self,
        link: &mut Link,
        delete: exchange::Delete<'_>,
    ) -> Result<(), Fault> {
        let name = not_default(delete.exchange)?;
        if is_reserved(name.as_bytes()) {
            return Err(Violation::SystemExchange(link.place.exchange(&name).to_string()).into());
        }
        let request = Request::DeleteExchange {
            name,
            if_unused: delete.if_unused,
        };
        let answer = Done::ExchangeDeleted.unless(delete.nowait);
        link.request(&mut self.lane, exchange::Delete::ID, request, answer);
        Ok(())
    }
}

fn exchange_binding(
    source: &str,
    destination: &str,
    routing_key: &str,
    arguments: FieldTable<'_>,
) -> Result<Binding, Violation> {
    Ok(Binding {
        destination: Destination::Exchange(not_default(destination)?),
        source: not_default(source)?,
        routing_key: Subject::from_bytes(Name::from(routing_key).bytes().clone()),
        arguments: table::arguments(arguments)?,
    })
}
