//! Policies.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};

use super::extract::{Body, Parameters};
use crate::api::policy::{Policy, PolicyRule, PolicySort};
use crate::api::{Page, Selection};
use crate::backend::{AdminBackend, Place};
use crate::failure::Failure;
use crate::route;

pub(super) fn routes<B: AdminBackend>() -> Router<Arc<B>> {
    Router::new()
        .route(route::POLICIES, get(list::<B>))
        .route(route::POLICY, put(set::<B>).delete(delete::<B>))
}

async fn list<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Policy>>, Failure> {
    let policies = backend.policies(selection.namespace.as_deref()).await?;
    Ok(Json(selection.page(policies)))
}

async fn set<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path((namespace, name)): Path<(String, String)>,
    Body(rule): Body<PolicyRule>,
) -> Result<StatusCode, Failure> {
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    backend.set_policy(place, rule).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path((namespace, name)): Path<(String, String)>,
    Parameters(sort): Parameters<PolicySort>,
) -> Result<StatusCode, Failure> {
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    backend.delete_policy(place, sort).await?;
    Ok(StatusCode::NO_CONTENT)
}
