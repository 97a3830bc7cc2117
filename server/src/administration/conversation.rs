//! Questions to the core and its answers, one after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sabir_core::admin::AdminRequest;
use sabir_core::event::{Event, Response};
use sabir_core::id::{ProducerId, RequestId, SessionId};
use sabir_core::message::Message;
use sabir_core::name::Name;
use sabir_core::refusal::Refusal;
use sabir_core::request::{Command, Publish, Request};
use sabir_core::session::{Door, Outbox};
use tokio::sync::Notify;

use crate::serve::SessionIds;
use crate::shard::Shard;

/// The only sequence of confirms of a conversation.
const PRODUCER: ProducerId = ProducerId(1);

/// A session number with the core and what has come for it. It consumes nothing, so that only
/// what it asks for comes: its mailbox stays small.
pub(crate) struct Conversation {
    shard: Arc<Shard>,
    session: SessionId,
    mailbox: Arc<Mailbox>,
    requests: u64,
    tickets: u64,
}

#[derive(Default)]
struct Mailbox {
    events: Mutex<VecDeque<Event>>,
    arrived: Notify,
}

impl Outbox for Mailbox {
    fn deliver(&self, events: &mut Vec<Event>) {
        let mut waiting = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(events.drain(..));
        drop(waiting);
        self.arrived.notify_one();
    }
}

impl Mailbox {
    async fn next(&self) -> Event {
        loop {
            let arrived = self.arrived.notified();
            let event = self
                .events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            match event {
                Some(event) => return event,
                None => arrived.await,
            }
        }
    }
}

impl Conversation {
    /// A conversation that is no session yet: enough to administer.
    pub(crate) fn begin(shard: Arc<Shard>, sessions: &SessionIds) -> Self {
        let session = sessions.next();
        let mailbox = Arc::new(Mailbox::default());
        shard.attach(session, Arc::<Mailbox>::clone(&mailbox));
        Self {
            shard,
            session,
            mailbox,
            requests: 0,
            tickets: 0,
        }
    }

    /// Makes it a session of a principal in a namespace.
    pub(crate) async fn open(
        &mut self,
        namespace: Name,
        principal: Name,
        description: Name,
    ) -> Result<(), Refusal> {
        let session = self.session;
        self.submit(vec![Command::Open {
            session,
            namespace,
            principal,
            description,
        }]);
        self.reply(RequestId(0)).await.map(drop)
    }

    /// Asks as the session's principal.
    pub(crate) async fn request(&mut self, request: Request) -> Result<Response, Refusal> {
        let (session, id) = (self.session, self.next_request());
        self.submit(vec![Command::Request {
            session,
            id,
            request,
        }]);
        self.reply(id).await
    }

    /// Asks as the broker itself.
    pub(crate) async fn administer(&mut self, request: AdminRequest) -> Result<Response, Refusal> {
        let (session, id) = (self.session, self.next_request());
        self.submit(vec![Command::Administer {
            id,
            session,
            request,
        }]);
        self.reply(id).await
    }

    /// Asks several things at once, so that they are written down together.
    pub(crate) async fn administer_all(
        &mut self,
        requests: Vec<AdminRequest>,
    ) -> Result<(), Refusal> {
        let session = self.session;
        let mut ids = Vec::with_capacity(requests.len());
        let mut commands = Vec::with_capacity(requests.len());
        for request in requests {
            let id = self.next_request();
            ids.push(id);
            commands.push(Command::Administer {
                id,
                session,
                request,
            });
        }
        self.submit(commands);
        for id in ids {
            self.reply(id).await?;
        }
        Ok(())
    }

    /// Publishes a message and waits until it is as safe as its queues promise; tells whether any
    /// queue took it.
    pub(crate) async fn publish(&mut self, message: Message) -> Result<bool, Refusal> {
        self.tickets += 1;
        let publish = Publish {
            producer: PRODUCER,
            ticket: self.tickets,
            mandatory: true,
            message,
        };
        let session = self.session;
        self.submit(vec![Command::Publish { session, publish }]);
        let mut routed = true;
        loop {
            match self.mailbox.next().await {
                Event::Returned { .. } => routed = false,
                Event::Confirmed { last, .. } if last >= self.tickets => return Ok(routed),
                Event::Refused { refusal, .. } => return Err(refusal),
                Event::Disconnect { reason } => return Err(ended(&reason)),
                _ => {}
            }
        }
    }

    async fn reply(&self, wanted: RequestId) -> Result<Response, Refusal> {
        loop {
            match self.mailbox.next().await {
                Event::Reply { id, result } if id == wanted => return result,
                Event::Disconnect { reason } => return Err(ended(&reason)),
                _ => {}
            }
        }
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn submit(&self, mut commands: Vec<Command>) {
        self.shard.submit(&mut commands);
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.submit(vec![Command::Close {
            session: self.session,
        }]);
    }
}

fn ended(reason: &Name) -> Refusal {
    Refusal::Unavailable {
        reason: format!("the session was ended: {reason}"),
    }
}
