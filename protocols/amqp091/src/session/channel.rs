//! Channels: opening, closing, and which method goes where.

use std::collections::BTreeMap;

use bytes::Bytes;
use sabir_core::id::{ConsumerId, ProducerId, Timestamp, WindowId};
use sabir_core::name::Name;
use sabir_core::request::{Outcome, Request};

use super::AmqpSession;
use super::acknowledge::unwanted;
use super::awaited::Answer;
use super::close::Turn;
use super::confirm::Published;
use super::consume::Replies;
use super::fault::Fault;
use super::link::Link;
use super::suspend::Suspended;
use super::transaction::Transaction;
use super::unsettled::Unsettled;
use crate::codec::assembly::Assembly;
use crate::codec::frame::{Frame, FrameKind};
use crate::codec::method::{Method, MethodId, access, basic, channel, confirm, tx};
use crate::mapping::message::Route;
use crate::violation::Violation;

/// A channel's number with what tells it from earlier channels of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) number: u16,
    /// Its sequence of confirms: unlike the number never used again.
    pub(super) producer: ProducerId,
    /// Requests of the channel that the core has not replied to.
    pub(super) awaited: u32,
    /// It has published since, and the core may still refuse that.
    pub(super) unchecked: bool,
}

/// How the channel treats publishes and acknowledgements.
pub(super) enum Mode {
    /// Carried out at once, without an answer.
    Plain,
    /// Publishes are confirmed.
    Confirm {
        /// The last publish before, which is number 0 to the client.
        after: u64,
    },
    /// Held back until `tx.commit`.
    Transaction(Transaction),
}

/// How a channel ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Methods are carried out.
    Open,
    /// Our `channel.close` waits behind answers to earlier methods.
    Draining,
    /// Our `channel.close` is sent; its answer has not come.
    Closing,
}

/// One channel of the client.
pub(super) struct Channel {
    pub(super) lane: Lane,
    state: State,
    pub(super) assembly: Assembly<Route>,
    pub(super) mode: Mode,
    pub(super) published: Published,
    /// What waits until the publishes are settled.
    pub(super) suspended: Option<Suspended>,
    pub(super) unsettled: Unsettled,
    /// Most unacknowledged deliveries of each new consumer; 0 for no limit.
    pub(super) prefetch: u16,
    /// Whether the core knows the limit that the channel's consumers share.
    pub(super) window_set: bool,
    pub(super) consumers: BTreeMap<String, ConsumerId>,
    pub(super) replies: Option<Replies>,
    pub(super) last_queue: Name,
    /// The exchange of the latest publish: most publish to one.
    pub(super) last_exchange: Name,
}

impl Channel {
    fn new(number: u16, generation: u16) -> Self {
        Self {
            lane: Lane {
                number,
                producer: ProducerId(u32::from(generation) << 16 | u32::from(number)),
                awaited: 0,
                unchecked: false,
            },
            state: State::Open,
            assembly: Assembly::Idle,
            mode: Mode::Plain,
            published: Published::default(),
            suspended: None,
            unsettled: Unsettled::default(),
            prefetch: 0,
            window_set: false,
            consumers: BTreeMap::new(),
            replies: None,
            last_queue: Name::default(),
            last_exchange: Name::default(),
        }
    }

    /// The limit that the channel's consumers share.
    pub(super) const fn window(&self) -> WindowId {
        WindowId(self.lane.producer.0)
    }

    /// Whether methods are carried out.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Ends the consumers and gives back what is not acknowledged.
    fn abandon(&mut self, link: &mut Link) {
        for consumer in std::mem::take(&mut self.consumers).into_values() {
            link.request_unawaited(Request::Cancel { consumer }, Answer::Ignored);
            link.consumers.remove(&consumer);
        }
        self.replies = None;
        if let Some(suspended) = self.suspended.take() {
            suspended.abandon(link);
        }
        if let Mode::Transaction(transaction) = std::mem::replace(&mut self.mode, Mode::Plain) {
            self.unsettled.restore(transaction.into_acknowledged());
        }
        let settlements = self.unsettled.take_all().settlements(unwanted(true));
        link.release(settlements);
        self.assembly = Assembly::Idle;
    }

    fn method(&mut self, now: Timestamp, link: &mut Link, method: Method<'_>) -> Result<(), Fault> {
        match method {
            Method::Basic(method) => self.basic(now, link, method),
            Method::Queue(method) => self.queue(link, method),
            Method::Exchange(method) => self.exchange(link, method),
            Method::Confirm(confirm::Method::Select(select)) => {
                self.select_confirms(link, select.nowait)
            }
            Method::Tx(tx::Method::Select(_)) => self.select_transaction(link),
            Method::Tx(tx::Method::Commit(_)) => self.commit(link),
            Method::Tx(tx::Method::Rollback(_)) => self.rollback(link),
            Method::Access(access::Method::Request(_)) => {
                link.answer(&mut self.lane, &access::RequestOk { ticket: 1 });
                Ok(())
            }
            Method::Channel(channel::Method::Open(_)) => Err(Violation::ChannelOpen.into()),
            Method::Channel(channel::Method::Flow(flow)) => self.flow(link, flow.active),
            Method::Channel(channel::Method::FlowOk(_)) => Ok(()),
            _ => Err(Violation::ServerMethod.into()),
        }
    }

    fn flow(&mut self, link: &mut Link, active: bool) -> Result<(), Fault> {
        if !active {
            return Err(Violation::FlowInactive.into());
        }
        link.answer(&mut self.lane, &channel::FlowOk { active });
        Ok(())
    }

    fn basic(
        &mut self,
        now: Timestamp,
        link: &mut Link,
        method: basic::Method<'_>,
    ) -> Result<(), Fault> {
        use basic::Method as Request;
        match method {
            Request::Ack(ack) => {
                self.acknowledge(link, ack.delivery_tag, ack.multiple, Outcome::Ack)
            }
            Request::Nack(nack) => self.acknowledge(
                link,
                nack.delivery_tag,
                nack.multiple,
                unwanted(nack.requeue),
            ),
            Request::Reject(reject) => {
                self.acknowledge(link, reject.delivery_tag, false, unwanted(reject.requeue))
            }
            Request::Recover(recover) => {
                self.recover(link, recover.requeue)?;
                link.answer(&mut self.lane, &basic::RecoverOk {});
                Ok(())
            }
            Request::RecoverAsync(recover) => self.recover(link, recover.requeue),
            Request::Qos(qos) => self.qos(link, qos),
            Request::Consume(consume) => self.consume(now, link, consume),
            Request::Cancel(cancel) => self.cancel(link, cancel),
            Request::CancelOk(_) => Ok(()),
            Request::Get(get) => self.get(link, get),
            _ => Err(Violation::ServerMethod.into()),
        }
    }
}

/// The channels of a connection by number.
#[derive(Default)]
pub(super) struct Channels {
    slots: Vec<Option<Box<Channel>>>,
    open: usize,
    opened: u16,
}

impl Channels {
    pub(super) fn get_mut(&mut self, number: u16) -> Option<&mut Channel> {
        self.slots.get_mut(usize::from(number))?.as_deref_mut()
    }

    /// The channel, if it is still the one that a producer belongs to and carries out methods.
    pub(super) fn of_producer(&mut self, producer: ProducerId) -> Option<&mut Channel> {
        let number = (producer.0 & u32::from(u16::MAX)) as u16;
        self.get_mut(number)
            .filter(|channel| channel.lane.producer == producer && channel.is_open())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.slots
            .iter_mut()
            .flatten()
            .map(|channel| &mut **channel)
    }

    /// Notes that a request of the channel was answered. Whether its client waits for the answer.
    pub(super) fn answered(&mut self, lane: &Lane) -> bool {
        let Some(channel) = self
            .get_mut(lane.number)
            .filter(|channel| channel.lane.producer == lane.producer)
        else {
            return false;
        };
        channel.lane.awaited = channel.lane.awaited.saturating_sub(1);
        channel.state != State::Closing
    }

    fn open(&mut self, number: u16, max: u16) -> Result<&mut Channel, Violation> {
        if number > max || self.open >= usize::from(max) {
            return Err(Violation::ChannelsExhausted {
                opened: self.open,
                max,
            });
        }
        let index = usize::from(number);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.open += 1;
        self.opened = self.opened.wrapping_add(1);
        let slot = self
            .slots
            .get_mut(index)
            .expect("the slots were made to reach the number");
        Ok(slot.insert(Box::new(Channel::new(number, self.opened))))
    }

    fn remove(&mut self, number: u16) -> Option<Box<Channel>> {
        let removed = self.slots.get_mut(usize::from(number))?.take()?;
        self.open -= 1;
        Some(removed)
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            opened: self.opened,
            ..Self::default()
        };
    }
}

impl AmqpSession {
    /// Takes one frame of a channel.
    pub(super) fn channel_frame(
        &mut self,
        now: Timestamp,
        chunk: &Bytes,
        frame: Frame<'_>,
    ) -> Result<(), Fault> {
        let Some(channel) = self.channels.get_mut(frame.channel) else {
            return self.frame_of_closed(frame);
        };
        if !channel.is_open() {
            self.frame_of_closing(frame);
            return Ok(());
        }
        if let Some(suspended) = &mut channel.suspended {
            return suspended.hold(chunk, frame, self.link.config.message_bytes_max);
        }
        match frame.kind {
            FrameKind::Heartbeat => Err(Violation::UnexpectedFrame {
                kind: frame.kind.octet(),
                channel: frame.channel,
            }
            .into()),
            FrameKind::Header | FrameKind::Body => channel
                .content_frame(&mut self.link, chunk, frame)
                .map_err(|fault| fault.at(PUBLISH)),
            FrameKind::Method => {
                if let Some(violation) = channel.assembly.method_violation() {
                    return Err(Fault::from(violation).at(PUBLISH));
                }
                let method = Method::id_of(frame.payload).unwrap_or_default();
                self.channel_method(now, chunk, frame)
                    .map_err(|fault| fault.at(method))
            }
        }
    }

    fn channel_method(
        &mut self,
        now: Timestamp,
        chunk: &Bytes,
        frame: Frame<'_>,
    ) -> Result<(), Fault> {
        let method = Method::parse(frame.payload)?;
        if matches!(method, Method::Channel(channel::Method::Close(_))) {
            self.leave_channel(frame.channel);
            return Ok(());
        }
        let Some(channel) = self.channels.get_mut(frame.channel) else {
            return Ok(());
        };
        match method {
            Method::Basic(basic::Method::Publish(publish)) => channel.begin_publish(chunk, publish),
            method => channel.method(now, &mut self.link, method),
        }
    }

    /// A channel that is not open can only be opened.
    fn frame_of_closed(&mut self, frame: Frame<'_>) -> Result<(), Fault> {
        if frame.kind != FrameKind::Method {
            return Err(Violation::ExpectedMethod.into());
        }
        let method = Method::id_of(frame.payload).unwrap_or_default();
        let fault = |violation: Violation| Fault::from(violation).at(method);
        match Method::parse(frame.payload).map_err(fault)? {
            Method::Channel(channel::Method::Open(_)) => {
                let opened = self
                    .channels
                    .open(frame.channel, self.link.channels_max)
                    .map_err(fault)?;
                self.link
                    .answer(&mut opened.lane, &channel::OpenOk { channel_id: b"" });
                Ok(())
            }
            Method::Channel(channel::Method::CloseOk(_)) => Ok(()),
            _ => Err(fault(Violation::ChannelNotOpen)),
        }
    }

    /// Until our close is answered everything but closes is passed over.
    fn frame_of_closing(&mut self, frame: Frame<'_>) {
        if frame.kind != FrameKind::Method {
            return;
        }
        match Method::parse(frame.payload) {
            Ok(Method::Channel(channel::Method::Close(_))) => {
                self.link.send(frame.channel, &channel::CloseOk {})
            }
            Ok(Method::Channel(channel::Method::CloseOk(_))) => {
                self.channels.remove(frame.channel);
            }
            _ => {}
        }
    }

    /// The client ends a channel. When it has published, the core may still refuse that, and the client is to know.
    fn leave_channel(&mut self, number: u16) {
        match self.channels.get_mut(number) {
            Some(channel) if channel.lane.unchecked => {
                self.link.barrier(&mut channel.lane, Answer::Left);
            }
            _ => self.close_channel_for_client(number),
        }
    }

    pub(super) fn close_channel_for_client(&mut self, number: u16) {
        let Some(mut channel) = self.channels.remove(number) else {
            return;
        };
        channel.abandon(&mut self.link);
        self.link.answer(&mut channel.lane, &channel::CloseOk {});
    }

    /// Sends `channel.close`.
    pub(super) fn close_channel(&mut self, number: u16, fault: &Fault, turn: Turn) {
        let Some(channel) = self
            .channels
            .get_mut(number)
            .filter(|channel| channel.is_open())
        else {
            return;
        };
        let leaving = channel
            .suspended
            .as_ref()
            .is_some_and(Suspended::holds_close);
        channel.abandon(&mut self.link);
        let (code, explanation) = fault.reply(&self.link.place);
        let close = channel::Close {
            reply_code: code.code(),
            reply_text: &code.text(&explanation),
            class_id: fault.method.class,
            method_id: fault.method.method,
        };
        match turn {
            Turn::Behind => {
                channel.state = State::Draining;
                channel.lane.unchecked = false;
                self.link.answer(&mut channel.lane, &close);
            }
            Turn::Now => {
                channel.state = State::Closing;
                self.link.send(number, &close);
            }
        }
        if leaving {
            self.link.send(number, &channel::CloseOk {});
        }
    }
}

/// `basic.publish`, the only method of a client that has a content.
pub(super) const PUBLISH: MethodId = MethodId {
    class: 60,
    method: 40,
};
