//! Connections and consumers.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::extract::{Body, Parameters};
use crate::api::connection::{CloseReason, Connection, Consumer};
use crate::api::{Page, Selection};
use crate::backend::AdminBackend;
use crate::failure::Failure;
use crate::route;

const REASON_BYTES_MAX: usize = 200;
const REASON: &str = "closed by an administrator";

pub(super) fn routes<B: AdminBackend>() -> Router<Arc<B>> {
    Router::new()
        .route(route::CONNECTIONS, get(list::<B>))
        .route(route::CONNECTION_CLOSE, post(close::<B>))
        .route(route::CONSUMERS, get(consumers::<B>))
}

async fn list<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Connection>>, Failure> {
    let connections = backend.connections(selection.namespace.as_deref()).await?;
    Ok(Json(selection.page(connections)))
}

async fn close<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path(id): Path<u64>,
    Body(close): Body<CloseReason>,
) -> Result<StatusCode, Failure> {
    let reason = close.reason.as_deref().unwrap_or(REASON);
    if reason.len() > REASON_BYTES_MAX {
        return Err(Failure::Invalid(format!(
            "the reason is longer than {REASON_BYTES_MAX} bytes"
        )));
    }
    backend.close_connection(id, reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn consumers<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Consumer>>, Failure> {
    let consumers = backend.consumers(selection.namespace.as_deref()).await?;
    Ok(Json(selection.page(consumers)))
}
