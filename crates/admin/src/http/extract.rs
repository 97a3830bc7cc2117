//! Bodies and query strings, with refusals in the form of all others.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::failure::Problem;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// The parameters after the question mark.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Json::from_request(request, state)
            .await
            .map(|Json(body)| Self(body))
            .map_err(|rejection: JsonRejection| {
                Problem::new(rejection.status(), rejection.body_text())
            })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(parameters)| Self(parameters))
            .map_err(|rejection: QueryRejection| {
                Problem::new(rejection.status(), rejection.body_text())
            })
    }
}
