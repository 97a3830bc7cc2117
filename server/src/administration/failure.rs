//! The core's refusals in the words of the administration API.

use sabir_admin::failure::Failure;
use sabir_amqp091::violation::Violation;
use sabir_core::event::Response;
use sabir_core::refusal::Refusal;
use sabir_security::Refused;

use crate::serve::AccountError;

/// Why the core did not do something.
pub(super) fn refused(refusal: &Refusal) -> Failure {
    let words = refusal.to_string();
    match refusal {
        Refusal::NotFound { .. } => Failure::NotFound(words),
        Refusal::AccessDenied { .. } | Refusal::Reserved { .. } | Refusal::Internal { .. } => {
            Failure::Denied(words)
        }
        Refusal::NotEquivalent { .. }
        | Refusal::Locked { .. }
        | Refusal::ConsumedExclusively { .. }
        | Refusal::InUse { .. }
        | Refusal::NotEmpty { .. }
        | Refusal::Full { .. }
        | Refusal::Limit { .. }
        | Refusal::NotOutstanding => Failure::Conflict(words),
        Refusal::Invalid { .. } | Refusal::NotSupported { .. } => Failure::Invalid(words),
        Refusal::Unavailable { .. } => Failure::Unavailable(words),
    }
}

/// Why arguments or properties make no sense.
pub(super) fn violated(violation: &Violation) -> Failure {
    Failure::Invalid(violation.to_string())
}

/// Why users were not changed.
pub(super) fn unchanged(error: AccountError) -> Failure {
    match error {
        AccountError::Refused(refused @ Refused::NoSuchUser { .. }) => {
            Failure::NotFound(refused.to_string())
        }
        AccountError::Refused(refused) => Failure::Invalid(refused.to_string()),
        AccountError::Core(refusal) => refused(&refusal),
        other => Failure::Unavailable(other.to_string()),
    }
}

/// The core answered something else than it was asked for.
pub(super) fn unexpected(response: &Response) -> Failure {
    tracing::error!(?response, "the core gave an answer of another kind");
    Failure::Unavailable("the core gave an answer of another kind".to_owned())
}
