//! Every way in which a peer can break the protocol, with the reply code that answers it.
//!
//! A violation knows no session: who sent the frame and which method was at fault is added by the session that closes.

use crate::codec::MethodId;
use crate::reply::ReplyCode;

/// The peer broke the protocol. The message is the explanation that follows the code's name in the reply text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A frame announces more payload than was negotiated.
    #[error(
        "type {kind}, channel {channel}: frame_too_large, {size} octets of payload, at most {max}"
    )]
    FrameTooLarge {
        /// The frame's type octet.
        kind: u8,
        /// The frame's channel.
        channel: u16,
        /// Announced payload bytes.
        size: u32,
        /// Accepted payload bytes.
        max: u32,
    },
    /// The octet after the payload is not 0xCE.
    #[error("type {kind}, channel {channel}: invalid_frame_end_marker, {found}")]
    FrameEnd {
        /// The frame's type octet.
        kind: u8,
        /// The frame's channel.
        channel: u16,
        /// The octet found.
        found: u8,
    },
    /// A frame type that the specification does not define.
    #[error("type {kind}: unknown_frame")]
    UnknownFrame {
        /// The frame's type octet.
        kind: u8,
    },
    /// A short string that is not UTF-8.
    #[error("Malformed UTF-8 in shortstr")]
    TextNotUtf8,
    /// The fields end before the method, header or table does.
    #[error("fields end in the middle of a value")]
    Truncated,
    /// Bytes follow the last field.
    #[error("{count} octets follow the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A field value type that neither the specification nor its errata define.
    #[error("unknown field value type {tag}")]
    UnknownFieldType {
        /// The type octet.
        tag: u8,
    },
    /// Tables and arrays nested too deep.
    #[error("tables nested deeper than {max}")]
    TableTooDeep {
        /// The accepted depth.
        max: usize,
    },
    /// Property flags that class basic does not define.
    #[error("undefined property flags {flags:#06x}")]
    PropertyFlags {
        /// The flags as sent.
        flags: u16,
    },
    /// A class or method that does not exist.
    #[error("unknown method {0}")]
    UnknownMethod(MethodId),
    /// A content frame where a method must come first.
    #[error("expected method frame, got non method frame instead")]
    ExpectedMethod,
    /// Something else where a content header must follow its method.
    #[error("expected content header for class {class}, got non content header frame instead")]
    ExpectedHeader {
        /// The method's class.
        class: u16,
    },
    /// A content header of another class than its method.
    #[error("expected content header for class {expected}, got one for class {found} instead")]
    HeaderClass {
        /// The method's class.
        expected: u16,
        /// The header's class.
        found: u16,
    },
    /// A content header whose weight is not zero.
    #[error("content header with weight {weight}")]
    HeaderWeight {
        /// The weight field.
        weight: u16,
    },
    /// Something else where a body frame must follow.
    #[error("expected content body, got non content body frame instead")]
    ExpectedBody,
    /// Body frames that add up to more than the header announced.
    #[error("content body frame exceeds remaining content size")]
    BodyOverrun,
    /// A body longer than the server takes.
    #[error("message size {size} is larger than configured max size {max}")]
    BodyTooLarge {
        /// Announced body bytes.
        size: u64,
        /// Accepted body bytes.
        max: u64,
    },
    /// A table or a text that is longer than the bounds of the server.
    #[error("{what}: {count} are more than {max}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are accepted.
        max: usize,
    },
    /// A method that clients do not send.
    #[error("unimplemented method")]
    ServerMethod,
    /// A method of class connection that does not fit the state of the connection.
    #[error("unexpected method in connection state {state}")]
    ConnectionState {
        /// The state.
        state: &'static str,
    },
    /// The client settled a limit outside of what was proposed.
    #[error("negotiated {limit} = {value}{detail} is {relation} allowed value ({bound})")]
    Negotiation {
        /// `frame_max` or `channel_max`.
        limit: &'static str,
        /// What the client wants.
        value: u32,
        /// Says that 0 means no limit.
        detail: &'static str,
        /// `lower than the minimum` or `higher than the maximum`.
        relation: &'static str,
        /// The bound it breaks.
        bound: u32,
    },
    /// A mechanism that was not offered.
    #[error("unknown authentication mechanism '{0}'")]
    UnknownMechanism(String),
    /// Frames before the answer to `connection.open`, more than are kept.
    #[error("too much input before the virtual host is open")]
    EarlyInput,
    /// Frames behind a method that waits for earlier publishes, more than are kept.
    #[error("too much input behind a method that waits for what was published before")]
    UnansweredInput,
    /// More channels than were negotiated.
    #[error("number of channels opened ({opened}) has reached the negotiated channel_max ({max})")]
    ChannelsExhausted {
        /// How many are open.
        opened: usize,
        /// How many may be.
        max: u16,
    },
    /// A method on a channel that is not open.
    #[error("expected 'channel.open'")]
    ChannelNotOpen,
    /// An open channel opened again.
    #[error("second 'channel.open' seen")]
    ChannelOpen,
    /// `channel.flow` that wants deliveries to pause.
    #[error("active=false")]
    FlowInactive,
    /// A publish with the immediate flag.
    #[error("immediate=true")]
    Immediate,
    /// A prefetch in octets.
    #[error("prefetch_size!=0 ({0})")]
    PrefetchSize(u32),
    /// A recover that wants its messages on the same consumer.
    #[error("requeue=false")]
    RecoverWithoutRequeue,
    /// An acknowledgement of what is not unacknowledged.
    #[error("unknown delivery tag {0}")]
    UnknownDeliveryTag(u64),
    /// A delivery waited too long for its acknowledgement.
    #[error(
        "delivery acknowledgement on channel {channel} timed out. Timeout value used: {milliseconds} ms. \
         This timeout value can be configured, see consumers doc guide to learn more"
    )]
    AcknowledgementTimeout {
        /// The channel.
        channel: u16,
        /// The timeout.
        milliseconds: u64,
    },
    /// A consumer tag in use on the channel.
    #[error("attempt to reuse consumer tag '{0}'")]
    ConsumerTagInUse(String),
    /// More consumers than a channel may have.
    #[error("reached maximum ({0}) of consumers per channel")]
    TooManyConsumers(u32),
    /// An empty queue name without a queue declared before.
    #[error("no previously declared queue")]
    NoLastQueue,
    /// A consumer of replies that wants to acknowledge.
    #[error("reply consumer cannot acknowledge")]
    ReplyConsumerAcknowledges,
    /// A second consumer of replies on the channel.
    #[error("reply consumer already set")]
    ReplyConsumerSet,
    /// A request to be replied to without a consumer of replies.
    #[error("fast reply consumer does not exist")]
    NoReplyConsumer,
    /// `tx.select` on a channel that confirms.
    #[error("cannot switch from confirm to tx mode")]
    TransactionAfterConfirm,
    /// `confirm.select` on a transactional channel.
    #[error("cannot switch from tx to confirm mode")]
    ConfirmAfterTransaction,
    /// Commit or rollback on a channel that is not transactional.
    #[error("channel is not transactional")]
    NotTransactional,
    /// A transaction that holds more than the server keeps.
    #[error("transaction of more than {max} bytes")]
    TransactionTooLarge {
        /// The limit.
        max: u64,
    },
    /// An expiration that is no number of milliseconds.
    #[error("invalid expiration '{text}': {reason}")]
    Expiration {
        /// As sent.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A user id that is not the connection's user.
    #[error("user_id property set to '{claimed}' but authenticated user was '{actual}'")]
    UserId {
        /// As sent.
        claimed: String,
        /// Whose connection it is.
        actual: String,
    },
    /// A CC or BCC header that is no list of texts.
    #[error("invalid message: {{unacceptable_type_in_header,\"{header}\",{kind}}}")]
    RouteHeader {
        /// The header.
        header: &'static str,
        /// The type of what is wrong.
        kind: &'static str,
    },
    /// The default exchange declared, deleted or bound.
    #[error("operation not permitted on the default exchange")]
    DefaultExchange,
    /// A predeclared exchange deleted.
    #[error("deletion of system {0} not allowed")]
    SystemExchange(String),
    /// A binding to an address of direct replies.
    #[error("cannot bind or unbind to a volatile (direct reply-to) queue")]
    VolatileBinding,
    /// An exchange type that does not exist.
    #[error("unknown exchange type '{0}'")]
    UnknownExchangeType(String),
    /// An argument or a property of a declaration that makes no sense.
    #[error("invalid {what} for {entity}{separator}{reason}", separator = if reason.is_empty() { "" } else { ": " })]
    Argument {
        /// `arg 'x-expires'` or `property 'non-durable'`.
        what: String,
        /// What it was given for, such as `queue 'q' in vhost '/'`.
        entity: String,
        /// What is wrong with it; may be empty.
        reason: String,
    },
    /// A queue without a name, of a type that needs one.
    #[error("Cannot declare a server-named queue for type rabbit_{0}_queue")]
    ServerNamed(&'static str),
    /// A frame that is well formed and has no place in this state.
    #[error("type {kind}, channel {channel}")]
    UnexpectedFrame {
        /// The frame's type octet.
        kind: u8,
        /// The frame's channel.
        channel: u16,
    },
}

impl Violation {
    /// The reply code that closes the connection or the channel.
    pub const fn reply_code(&self) -> ReplyCode {
        match self {
            Self::FrameTooLarge { .. }
            | Self::FrameEnd { .. }
            | Self::UnknownFrame { .. }
            | Self::TextNotUtf8
            | Self::BodyOverrun => ReplyCode::FrameError,
            Self::Truncated
            | Self::TrailingBytes { .. }
            | Self::UnknownFieldType { .. }
            | Self::TableTooDeep { .. }
            | Self::PropertyFlags { .. }
            | Self::HeaderWeight { .. }
            | Self::TooMany { .. } => ReplyCode::SyntaxError,
            Self::ServerMethod | Self::UnknownMechanism(_) => ReplyCode::CommandInvalid,
            Self::ConnectionState { .. } | Self::ChannelNotOpen | Self::ChannelOpen => {
                ReplyCode::ChannelError
            }
            Self::ExpectedMethod
            | Self::ExpectedHeader { .. }
            | Self::HeaderClass { .. }
            | Self::ExpectedBody
            | Self::UnexpectedFrame { .. } => ReplyCode::UnexpectedFrame,
            Self::EarlyInput | Self::UnansweredInput => ReplyCode::ResourceError,
            Self::Negotiation { .. }
            | Self::ChannelsExhausted { .. }
            | Self::ConsumerTagInUse(_)
            | Self::TooManyConsumers(_) => ReplyCode::NotAllowed,
            Self::UnknownMethod(_)
            | Self::FlowInactive
            | Self::Immediate
            | Self::PrefetchSize(_)
            | Self::RecoverWithoutRequeue => ReplyCode::NotImplemented,
            Self::NoLastQueue => ReplyCode::NotFound,
            Self::DefaultExchange | Self::SystemExchange(_) | Self::VolatileBinding => {
                ReplyCode::AccessRefused
            }
            Self::BodyTooLarge { .. }
            | Self::UnknownDeliveryTag(_)
            | Self::AcknowledgementTimeout { .. }
            | Self::ReplyConsumerAcknowledges
            | Self::ReplyConsumerSet
            | Self::NoReplyConsumer
            | Self::TransactionAfterConfirm
            | Self::ConfirmAfterTransaction
            | Self::NotTransactional
            | Self::TransactionTooLarge { .. }
            | Self::Expiration { .. }
            | Self::UserId { .. }
            | Self::RouteHeader { .. }
            | Self::UnknownExchangeType(_)
            | Self::Argument { .. }
            | Self::ServerNamed(_) => ReplyCode::PreconditionFailed,
        }
    }

    /// Whether the whole connection ends rather than one channel.
    pub const fn closes_connection(&self) -> bool {
        self.reply_code().closes_connection()
    }
}
