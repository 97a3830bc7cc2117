//! Exchanges.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Extension, Json, Router};

use super::extract::{Body, Parameters};
use crate::api::exchange::{Exchange, ExchangeDeclaration};
use crate::api::queue::DeleteConditions;
use crate::api::{Page, Selection};
use crate::backend::{AdminBackend, Caller, Place};
use crate::failure::Failure;
use crate::route;

pub(super) fn routes<B: AdminBackend>() -> Router<Arc<B>> {
    Router::new()
        .route(route::EXCHANGES, get(list::<B>))
        .route(route::EXCHANGE, put(declare::<B>).delete(delete::<B>))
}

async fn list<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Exchange>>, Failure> {
    let exchanges = backend.exchanges(selection.namespace.as_deref()).await?;
    Ok(Json(selection.page(exchanges)))
}

async fn declare<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name)): Path<(String, String)>,
    Body(declaration): Body<ExchangeDeclaration>,
) -> Result<StatusCode, Failure> {
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    backend
        .declare_exchange(&caller, place, declaration)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name)): Path<(String, String)>,
    Parameters(conditions): Parameters<DeleteConditions>,
) -> Result<StatusCode, Failure> {
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    backend.delete_exchange(&caller, place, conditions).await?;
    Ok(StatusCode::NO_CONTENT)
}
