//! How the administration API says no.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// Why a request was not carried out. Nothing has changed when it is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Nobody, or nobody known, asks.
    #[error("user name or password is wrong, or the user may not connect from this address")]
    Unauthenticated,
    /// Whoever asks may not do that.
    #[error("{0}")]
    Denied(String),
    /// What it is about does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The state of the broker forbids it.
    #[error("{0}")]
    Conflict(String),
    /// The broker cannot do it at the moment.
    #[error("{0}")]
    Unavailable(String),
}

/// What a client is told, as in RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What the status means.
    pub title: String,
    /// What happened.
    pub detail: String,
}

impl Failure {
    /// The HTTP status that says it.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Problem {
    /// A problem of this status.
    #[must_use]
    pub fn new(status: StatusCode, detail: String) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let media_type = [(CONTENT_TYPE, "application/problem+json")];
        if status == StatusCode::UNAUTHORIZED {
            let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"sabir\", charset=\"UTF-8\"")];
            return (status, media_type, challenge, Json(self)).into_response();
        }
        // `Json` sets a content type of its own; the one named here replaces it.
        (status, media_type, Json(self)).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        Problem::new(self.status(), self.to_string()).into_response()
    }
}
