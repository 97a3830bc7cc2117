//! Bindings.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};

use super::extract::{Body, Parameters};
use crate::api::binding::{Binding, BindingRow};
use crate::api::{Page, Selection};
use crate::backend::{AdminBackend, Caller};
use crate::failure::Failure;
use crate::route;

pub(super) fn routes<B: AdminBackend>() -> Router<Arc<B>> {
    Router::new()
        .route(route::BINDINGS, get(list::<B>))
        .route(route::BIND, post(bind::<B>))
        .route(route::UNBIND, post(unbind::<B>))
}

async fn list<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<BindingRow>>, Failure> {
    let bindings = backend.bindings(selection.namespace.as_deref()).await?;
    Ok(Json(selection.page(bindings)))
}

async fn bind<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path(namespace): Path<String>,
    Body(binding): Body<Binding>,
) -> Result<StatusCode, Failure> {
    backend.bind(&caller, &namespace, binding).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unbind<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path(namespace): Path<String>,
    Body(binding): Body<Binding>,
) -> Result<StatusCode, Failure> {
    backend.unbind(&caller, &namespace, binding).await?;
    Ok(StatusCode::NO_CONTENT)
}
