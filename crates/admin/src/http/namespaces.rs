//! Namespaces.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};

use super::extract::{Body, Parameters};
use crate::api::namespace::{Namespace, NamespaceLimits};
use crate::api::{Page, Selection};
use crate::backend::AdminBackend;
use crate::failure::Failure;
use crate::route;

pub(super) fn routes<B: AdminBackend>() -> Router<Arc<B>> {
    Router::new()
        .route(route::NAMESPACES, get(list::<B>))
        .route(route::NAMESPACE, put(create::<B>).delete(delete::<B>))
        .route(route::NAMESPACE_LIMITS, put(limit::<B>))
}

async fn list<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Namespace>>, Failure> {
    Ok(Json(selection.page(backend.namespaces().await?)))
}

async fn create<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    backend.create_namespace(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    backend.delete_namespace(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn limit<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path(name): Path<String>,
    Body(limits): Body<NamespaceLimits>,
) -> Result<StatusCode, Failure> {
    backend.limit_namespace(&name, limits).await?;
    Ok(StatusCode::NO_CONTENT)
}
