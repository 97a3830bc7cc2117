//! basic.publish and its content, basic.return, and blocked publishers.

use bytes::Bytes;
use sabir_core::id::ProducerId;
use sabir_core::message::Message;
use sabir_core::name::Name;
use sabir_core::request::{Command, Publish};

use super::AmqpSession;
use super::channel::{Channel, Mode};
use super::fault::Fault;
use super::link::Link;
use crate::codec::assembly::{Assembly, Content};
use crate::codec::content::put_content;
use crate::codec::frame::Frame;
use crate::codec::method::{basic, connection};
use crate::mapping::message::{Intake, Route, receive};
use crate::reply::ReplyCode;
use crate::violation::Violation;

impl Channel {
    /// The method; its content follows.
    pub(super) fn begin_publish(
        &mut self,
        chunk: &Bytes,
        publish: basic::Publish<'_>,
    ) -> Result<(), Fault> {
        if publish.immediate {
            return Err(Violation::Immediate.into());
        }
        if *self.last_exchange != *publish.exchange {
            self.last_exchange = Name::from(publish.exchange);
        }
        self.assembly = Assembly::Header(Route {
            exchange: self.last_exchange.clone(),
            routing_key: chunk.slice_ref(publish.routing_key.as_bytes()),
            mandatory: publish.mandatory,
        });
        Ok(())
    }

    /// A header or body frame.
    pub(super) fn content_frame(
        &mut self,
        link: &mut Link,
        chunk: &Bytes,
        frame: Frame<'_>,
    ) -> Result<(), Fault> {
        match self
            .assembly
            .push(chunk, frame, link.config.message_bytes_max)?
        {
            None => Ok(()),
            Some(content) => self.publish(link, content),
        }
    }

    fn publish(&mut self, link: &mut Link, content: Content<Route>) -> Result<(), Fault> {
        let mandatory = content.method.mandatory;
        let reply_address = self
            .replies
            .as_ref()
            .and_then(|replies| replies.address.as_deref());
        let message = receive(
            content,
            Intake {
                place: &link.place,
                reply_address,
            },
        )?;
        link.note_publish();
        let ticket = match self.mode {
            Mode::Plain | Mode::Confirm { .. } => self.published.next(),
            Mode::Transaction(_) => 0,
        };
        let publish = Publish {
            producer: self.lane.producer,
            ticket,
            mandatory,
            message,
        };
        if let Mode::Transaction(transaction) = &mut self.mode {
            return Ok(transaction.publish(publish, link.config.transaction_bytes_max)?);
        }
        self.lane.unchecked = true;
        link.output.commands.push(Command::Publish {
            session: link.session,
            publish,
        });
        Ok(())
    }
}

impl Link {
    fn note_publish(&mut self) {
        if !self.publishing.active {
            self.publishing.active = true;
            self.tell_blocked();
        }
    }

    /// Tells a client that publishes, and understands it, that it is not read.
    pub(super) fn tell_blocked(&mut self) {
        let publishing = &mut self.publishing;
        if !publishing.active || publishing.told || !self.capabilities.connection_blocked {
            return;
        }
        if let Some(reason) = publishing.blocked.clone() {
            publishing.told = true;
            self.send(0, &connection::Blocked { reason: &reason });
        }
    }

    /// Tells it that it is read again.
    pub(super) fn tell_unblocked(&mut self) {
        self.publishing.blocked = None;
        if std::mem::take(&mut self.publishing.told) {
            self.send(0, &connection::Unblocked {});
        }
    }
}

impl AmqpSession {
    /// Gives back a mandatory message that no queue took.
    pub(super) fn returned(&mut self, producer: ProducerId, message: &Message) {
        let Some(channel) = self.channels.of_producer(producer) else {
            return;
        };
        let routing_key = String::from_utf8_lossy(message.routing_key.as_bytes());
        let method = basic::Return {
            reply_code: ReplyCode::NoRoute.code(),
            reply_text: ReplyCode::NoRoute.name(),
            exchange: &message.exchange,
            routing_key: &routing_key,
        };
        let out = &mut self.link.output.bytes;
        put_content(
            out,
            channel.lane.number,
            &method,
            &message.head,
            &message.body,
            self.link.frame_bytes_max,
        );
    }
}
