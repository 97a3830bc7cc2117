//! Replies of the core as answers to the client.

use sabir_core::event::{Delivery, Response};
use sabir_core::id::{ConsumerId, RequestId, Timestamp};
use sabir_core::refusal::Refusal;

use super::AmqpSession;
use super::awaited::{Answer, Done, Due};
use super::channel::Lane;
use super::close::{Ending, Turn};
use super::fault::Fault;
use super::link::Link;
use crate::codec::method::{basic, channel, exchange, queue, tx};

/// Shown when the core's reply does not fit the request.
const CONFUSED: &str = "the reply does not fit the request";

impl AmqpSession {
    /// Takes the reply to the oldest request, and sends what was waiting behind it.
    pub(super) fn reply(
        &mut self,
        now: Timestamp,
        id: RequestId,
        result: Result<Response, Refusal>,
    ) {
        match self.link.awaited.pop() {
            Some(due) if due.id == id => self.resolve(now, due, result),
            _ => self.close_connection(now, Fault::internal(CONFUSED), Ending::Answered),
        }
        while let Some(frames) = self.link.awaited.pop_ready() {
            self.link.output.bytes.extend_from_slice(&frames);
        }
    }

    fn resolve(&mut self, now: Timestamp, due: Due, result: Result<Response, Refusal>) {
        let Due {
            lane,
            method,
            answer,
            ..
        } = due;
        match (answer, result) {
            (Answer::Opened, Ok(_)) => self.opened(now),
            (Answer::Ignored, _) => {}
            (answer, result) => {
                let Some(lane) = lane else {
                    let fault = result.err().map_or(Fault::internal(CONFUSED), Fault::from);
                    return self.close_connection(now, fault.at(method), Ending::Answered);
                };
                if !self.channels.answered(&lane) {
                    return self.discard(lane, answer, result);
                }
                let outcome = match forgiven(&answer, result) {
                    Ok(response) => self.answer(now, &lane, answer, response),
                    Err(refusal) => {
                        self.undo(answer);
                        Err(Fault::from(refusal))
                    }
                };
                if let Err(fault) = outcome {
                    self.fail(now, lane.number, fault.at(method), Turn::Now);
                }
            }
        }
    }

    fn answer(
        &mut self,
        now: Timestamp,
        lane: &Lane,
        answer: Answer,
        response: Response,
    ) -> Result<(), Fault> {
        let number = lane.number;
        let link = &mut self.link;
        match (answer, response) {
            (Answer::Nothing | Answer::Ignored | Answer::Opened, _) => {}
            (Answer::Left, _) => self.close_channel_for_client(number),
            (Answer::Done(done), _) => link.send_done(number, done),
            (
                Answer::Declared { nowait },
                Response::Queue {
                    name,
                    ready,
                    consumers,
                    ..
                },
            ) => {
                link.send_declared(nowait, number, &name, ready, consumers);
                if let Some(channel) = self.channels.get_mut(number) {
                    channel.last_queue = name;
                }
            }
            (Answer::Addressed { name, nowait }, _) => {
                link.send_declared(nowait, number, &name, 0, 1)
            }
            (Answer::Purged { nowait }, response) => {
                let message_count = removed(&response);
                link.send_unless(nowait, number, &queue::PurgeOk { message_count });
            }
            (Answer::Deleted { nowait }, response) => {
                let message_count = removed(&response);
                link.send_unless(nowait, number, &queue::DeleteOk { message_count });
            }
            (Answer::Consuming { consumer, nowait }, response) => {
                self.consuming(number, consumer, nowait, response)
            }
            (Answer::Cancelled(cancelled), _) => {
                link.consumers.remove(&cancelled.consumer);
                let ok = basic::CancelOk {
                    consumer_tag: &cancelled.tag,
                };
                link.send_unless(cancelled.nowait, number, &ok);
            }
            (Answer::Got, Response::Got { delivery, ready }) => {
                self.got(now, number, delivery, ready)?
            }
            (Answer::Committed { .. }, _) => link.send(number, &tx::CommitOk {}),
            (Answer::Declared { .. } | Answer::Got, _) => return Err(Fault::internal(CONFUSED)),
        }
        Ok(())
    }

    fn consuming(&mut self, number: u16, consumer: ConsumerId, nowait: bool, response: Response) {
        let Some(added) = self.link.consumers.get_mut(&consumer) else {
            return;
        };
        match response {
            Response::Queue { keeps_records, .. } => added.keeps_records = keeps_records,
            Response::Mailbox { address } => {
                let replies = self
                    .channels
                    .get_mut(number)
                    .and_then(|channel| channel.replies.as_mut());
                if let Some(replies) = replies.filter(|replies| replies.consumer == consumer) {
                    replies.address = Some(address);
                }
            }
            _ => {}
        }
        let tag = added.tag.clone();
        self.link
            .send_unless(nowait, number, &basic::ConsumeOk { consumer_tag: &tag });
    }

    fn got(
        &mut self,
        now: Timestamp,
        number: u16,
        delivery: Option<Box<Delivery>>,
        ready: u64,
    ) -> Result<(), Fault> {
        let Some(delivery) = delivery else {
            self.link.send(number, &basic::GetEmpty { cluster_id: "" });
            return Ok(());
        };
        match self.channels.get_mut(number) {
            Some(channel) => channel.send_got(now, &mut self.link, &delivery, ready),
            None => {
                self.link.give_back(&delivery);
                Ok(())
            }
        }
    }

    /// A reply for a channel that no longer listens: what it brought goes back.
    fn discard(&mut self, lane: Lane, answer: Answer, result: Result<Response, Refusal>) {
        match (answer, result) {
            (
                Answer::Got,
                Ok(Response::Got {
                    delivery: Some(delivery),
                    ..
                }),
            ) => self.link.give_back(&delivery),
            (Answer::Left, _) => self.link.send(lane.number, &channel::CloseOk {}),
            (answer, Err(_)) => self.undo(answer),
            _ => {}
        }
    }

    /// Takes back what was done in the expectation of a reply that was a refusal.
    fn undo(&mut self, answer: Answer) {
        match answer {
            Answer::Consuming { consumer, .. } => self.forget_consumer(consumer),
            Answer::Committed { settlements } => self.link.release(settlements),
            _ => {}
        }
    }

    fn forget_consumer(&mut self, consumer: ConsumerId) {
        let Some(refused) = self.link.consumers.remove(&consumer) else {
            return;
        };
        let Some(channel) = self.channels.of_producer(refused.producer) else {
            return;
        };
        channel.consumers.remove(&refused.tag);
        channel
            .replies
            .take_if(|replies| replies.consumer == consumer);
    }

    /// The session settled or asked for something that it should not have.
    pub(super) fn violated(&mut self, now: Timestamp, refusal: Refusal) {
        match refusal {
            // A queue that was deleted takes its deliveries with it, and their acknowledgements may be on the way.
            Refusal::NotOutstanding | Refusal::NotFound { .. } => {}
            refusal => self.close_connection(now, refusal.into(), Ending::Answered),
        }
    }
}

impl Link {
    fn send_done(&mut self, channel: u16, done: Done) {
        match done {
            Done::ExchangeDeclared => self.send(channel, &exchange::DeclareOk {}),
            Done::ExchangeDeleted => self.send(channel, &exchange::DeleteOk {}),
            Done::ExchangeBound => self.send(channel, &exchange::BindOk {}),
            Done::ExchangeUnbound => self.send(channel, &exchange::UnbindOk {}),
            Done::QueueBound => self.send(channel, &queue::BindOk {}),
            Done::QueueUnbound => self.send(channel, &queue::UnbindOk {}),
        }
    }

    fn send_declared(
        &mut self,
        nowait: bool,
        channel: u16,
        name: &str,
        ready: u64,
        consumer_count: u32,
    ) {
        let message_count = count(ready);
        let declared = queue::DeclareOk {
            queue: name,
            message_count,
            consumer_count,
        };
        self.send_unless(nowait, channel, &declared);
    }
}

/// Removing a binding whose ends do not exist succeeds, as in RabbitMQ.
fn forgiven(answer: &Answer, result: Result<Response, Refusal>) -> Result<Response, Refusal> {
    match (answer, result) {
        (
            Answer::Done(Done::QueueUnbound | Done::ExchangeUnbound),
            Err(Refusal::NotFound { .. }),
        ) => Ok(Response::Done),
        (_, result) => result,
    }
}

/// How many messages a purge or a deletion took; none when there was no such queue.
fn removed(response: &Response) -> u32 {
    match response {
        Response::Removed { messages } => count(*messages),
        _ => 0,
    }
}

/// A count as the protocol's 32 bits tell it.
fn count(messages: u64) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}
