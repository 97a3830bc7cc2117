//! Class queue.

use sabir_core::name::Name;
use sabir_core::request::{Binding, Destination, Request};
use sabir_core::routing::Subject;

use super::awaited::{Answer, Done};
use super::channel::Channel;
use super::exchange::{clean, not_default};
use super::fault::Fault;
use super::link::Link;
use crate::codec::method::{Arguments, queue};
use crate::mapping::message::REPLY_TO;
use crate::mapping::{queue as mapping, table};
use crate::violation::Violation;

/// Begins the names that the broker makes.
const GENERATED_PREFIX: &str = "amq.gen-";

impl Channel {
    pub(super) fn queue(
        &mut self,
        link: &mut Link,
        method: queue::Method<'_>,
    ) -> Result<(), Fault> {
        use queue::Method as Ask;
        match method {
            Ask::Declare(declare) => self.declare_queue(link, declare),
            Ask::Bind(bind) => self.bind_queue(link, bind),
            Ask::Unbind(unbind) => self.unbind_queue(link, unbind),
            Ask::Purge(purge) => self.purge_queue(link, purge),
            Ask::Delete(delete) => self.delete_queue(link, delete),
            _ => Err(Violation::ServerMethod.into()),
        }
    }

    /// The name given, or that of the queue declared last.
    pub(super) fn queue_or_last(&self, name: &str) -> Result<Name, Violation> {
        match name {
            "" if self.last_queue.is_empty() => Err(Violation::NoLastQueue),
            "" => Ok(self.last_queue.clone()),
            name => Ok(clean(name)),
        }
    }

    fn declare_queue(&mut self, link: &mut Link, declare: queue::Declare<'_>) -> Result<(), Fault> {
        let name = clean(declare.queue);
        if &*name == REPLY_TO {
            let declared = queue::DeclareOk {
                queue: &name,
                message_count: 0,
                consumer_count: 1,
            };
            link.answer_unless(declare.nowait, &mut self.lane, &declared);
            return Ok(());
        }
        if name.starts_with(REPLY_TO) {
            let answer = Answer::Addressed {
                name: name.clone(),
                nowait: declare.nowait,
            };
            self.ask_after_publishes(
                link,
                queue::Declare::ID,
                Request::FindMailbox { address: name },
                answer,
            );
            return Ok(());
        }
        let request = if declare.passive {
            Request::FindQueue { name: name.clone() }
        } else {
            let spec = mapping::spec(&declare, &name, &link.place)?;
            Request::DeclareQueue {
                name: name.clone(),
                generated_prefix: GENERATED_PREFIX,
                spec,
            }
        };
        self.last_queue = name;
        self.ask_after_publishes(
            link,
            queue::Declare::ID,
            request,
            Answer::Declared {
                nowait: declare.nowait,
            },
        );
        Ok(())
    }

    fn bind_queue(&mut self, link: &mut Link, bind: queue::Bind<'_>) -> Result<(), Fault> {
        let binding =
            self.queue_binding(bind.queue, bind.exchange, bind.routing_key, bind.arguments)?;
        let answer = Done::QueueBound.unless(bind.nowait);
        link.request(
            &mut self.lane,
            queue::Bind::ID,
            Request::Bind(binding),
            answer,
        );
        Ok(())
    }

    fn unbind_queue(&mut self, link: &mut Link, unbind: queue::Unbind<'_>) -> Result<(), Fault> {
        let binding = self.queue_binding(
            unbind.queue,
            unbind.exchange,
            unbind.routing_key,
            unbind.arguments,
        )?;
        let answer = Answer::Done(Done::QueueUnbound);
        link.request(
            &mut self.lane,
            queue::Unbind::ID,
            Request::Unbind(binding),
            answer,
        );
        Ok(())
    }

    fn queue_binding(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: crate::codec::FieldTable<'_>,
    ) -> Result<Binding, Violation> {
        let name = self.queue_or_last(queue)?;
        // Without a queue and a key the key, too, is the name of the queue declared last (section 1.7.2.3).
        let routing_key = if queue.is_empty() && routing_key.is_empty() {
            &*name
        } else {
            routing_key
        };
        let routing_key = Subject::from_bytes(Name::from(routing_key).bytes().clone());
        if name.starts_with(REPLY_TO) {
            return Err(Violation::VolatileBinding);
        }
        Ok(Binding {
            source: not_default(exchange)?,
            destination: Destination::Queue(name),
            routing_key,
            arguments: table::arguments(arguments)?,
        })
    }

    fn purge_queue(&mut self, link: &mut Link, purge: queue::Purge<'_>) -> Result<(), Fault> {
        let queue = self.queue_or_last(purge.queue)?;
        let answer = Answer::Purged {
            nowait: purge.nowait,
        };
        self.ask_after_publishes(link, queue::Purge::ID, Request::Purge { queue }, answer);
        Ok(())
    }

    fn delete_queue(&mut self, link: &mut Link, delete: queue::Delete<'_>) -> Result<(), Fault> {
        let name = self.queue_or_last(delete.queue)?;
        let request = Request::DeleteQueue {
            name,
            if_unused: delete.if_unused,
            if_empty: delete.if_empty,
        };
        self.ask_after_publishes(
            link,
            queue::Delete::ID,
            request,
            Answer::Deleted {
                nowait: delete.nowait,
            },
        );
        Ok(())
    }
}
