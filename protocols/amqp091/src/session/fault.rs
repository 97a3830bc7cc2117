//! Why a channel or a connection is closed from our side.

use sabir_core::refusal::Refusal;

use crate::codec::MethodId;
use crate::mapping::{Place, refusal};
use crate::reply::ReplyCode;
use crate::violation::Violation;

/// What went wrong, and at which method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    cause: Cause,
    pub(super) method: MethodId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    /// The client broke the protocol.
    Violation(Violation),
    /// The core says no.
    Refused(Refusal),
    /// Someone decided to end the connection.
    Forced(String),
    /// The core answered something else than it was asked.
    Internal(&'static str),
    /// Nobody was authenticated. The details are for the log alone.
    Login { mechanism: String },
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        Self::of(Cause::Violation(violation))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::of(Cause::Refused(refusal))
    }
}

impl Fault {
    const fn of(cause: Cause) -> Self {
        Self {
            cause,
            method: MethodId::NONE,
        }
    }

    pub(super) fn forced(reason: &str) -> Self {
        Self::of(Cause::Forced(reason.to_owned()))
    }

    pub(super) const fn internal(what: &'static str) -> Self {
        Self::of(Cause::Internal(what))
    }

    pub(super) fn login(mechanism: &str) -> Self {
        Self::of(Cause::Login {
            mechanism: mechanism.to_owned(),
        })
    }

    /// The fault, blamed on a method unless it is already on another.
    pub(super) fn at(mut self, method: MethodId) -> Self {
        if self.method == MethodId::NONE {
            self.method = method;
        }
        self
    }

    /// The reply code and the explanation.
    pub(super) fn reply(&self, place: &Place) -> (ReplyCode, String) {
        match &self.cause {
            Cause::Violation(violation) => (violation.reply_code(), violation.to_string()),
            Cause::Refused(refusal) => refusal::reply(refusal, place),
            Cause::Forced(reason) => (ReplyCode::ConnectionForced, reason.clone()),
            Cause::Internal(what) => (ReplyCode::InternalError, (*what).to_owned()),
            Cause::Login { mechanism } => (
                ReplyCode::AccessRefused,
                format!(
                    "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
                ),
            ),
        }
    }
}
