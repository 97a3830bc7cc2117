//! The HTTP server: one route table, authentication before everything, limits on all that a
//! client may hold.

mod accounts;
mod authentication;
mod bindings;
mod connections;
mod exchanges;
mod extract;
mod namespaces;
mod policies;
mod queues;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::api::overview::Overview;
use crate::backend::AdminBackend;
use crate::failure::{Failure, Problem};
use crate::route;

pub use authentication::basic_authorization;
pub use server::serve;

/// What a client of the administration API may take at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest request body.
    pub request_bytes_max: usize,
    /// Longest time for one request.
    pub request_timeout: Duration,
}

/// The whole API over a backend.
pub fn router<B: AdminBackend>(backend: Arc<B>, limits: Limits) -> Router {
    Router::new()
        .route(route::OVERVIEW, get(overview::<B>))
        .merge(namespaces::routes())
        .merge(queues::routes())
        .merge(exchanges::routes())
        .merge(bindings::routes())
        .merge(connections::routes())
        .merge(accounts::routes())
        .merge(policies::routes())
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::max(limits.request_bytes_max))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&backend),
            authentication::authenticate::<B>,
        ))
        .layer(middleware::from_fn_with_state(
            limits.request_timeout,
            bound_time,
        ))
        .with_state(backend)
}

async fn overview<B: AdminBackend>(
    State(backend): State<Arc<B>>,
) -> Result<Json<Overview>, Failure> {
    backend.overview().await.map(Json)
}

async fn no_such_path(request: Request) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("{} is not part of this version's API", request.uri().path()),
    )
}

async fn no_such_method(request: Request) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} does not serve {}",
            request.uri().path(),
            request.method()
        ),
    )
}

async fn bound_time(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the request took too long; whether it was carried out is not known".to_owned(),
        )
        .into_response(),
    }
}
