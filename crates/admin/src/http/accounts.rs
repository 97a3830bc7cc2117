//! Users and permissions.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};

use super::extract::{Body, Parameters};
use crate::api::account::{
    Permission, PermissionRules, TopicPermission, TopicRules, User, UserChange,
};
use crate::api::{Page, Selection};
use crate::backend::{AdminBackend, Place};
use crate::failure::Failure;
use crate::route;

pub(super) fn routes<B: AdminBackend>() -> Router<Arc<B>> {
    Router::new()
        .route(route::USERS, get(list::<B>))
        .route(route::USER, put(put_user::<B>).delete(delete::<B>))
        .route(route::PERMISSIONS, get(permissions::<B>))
        .route(
            route::PERMISSION,
            put(set_permission::<B>).delete(clear_permission::<B>),
        )
        .route(route::TOPIC_PERMISSIONS, get(topic_permissions::<B>))
        .route(
            route::TOPIC_PERMISSION,
            put(set_topic_permission::<B>).delete(clear_topic_permission::<B>),
        )
}

async fn list<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<User>>, Failure> {
    Ok(Json(selection.page(backend.users().await?)))
}

async fn put_user<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path(name): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<StatusCode, Failure> {
    backend.put_user(&name, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    backend.delete_user(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn permissions<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Permission>>, Failure> {
    let mut permissions = backend.permissions().await?;
    if let Some(namespace) = &selection.namespace {
        permissions.retain(|permission| permission.namespace == *namespace);
    }
    Ok(Json(selection.page(permissions)))
}

async fn set_permission<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path((namespace, user)): Path<(String, String)>,
    Body(rules): Body<PermissionRules>,
) -> Result<StatusCode, Failure> {
    backend.set_permission(&user, &namespace, rules).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_permission<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path((namespace, user)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    backend.clear_permission(&user, &namespace).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn topic_permissions<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<TopicPermission>>, Failure> {
    let mut permissions = backend.topic_permissions().await?;
    if let Some(namespace) = &selection.namespace {
        permissions.retain(|permission| permission.namespace == *namespace);
    }
    Ok(Json(selection.page(permissions)))
}

async fn set_topic_permission<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path((namespace, user, exchange)): Path<(String, String, String)>,
    Body(rules): Body<TopicRules>,
) -> Result<StatusCode, Failure> {
    let exchange = Place {
        namespace: &namespace,
        name: &exchange,
    };
    backend.set_topic_permission(&user, exchange, rules).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_topic_permission<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path((namespace, user, exchange)): Path<(String, String, String)>,
) -> Result<StatusCode, Failure> {
    let exchange = Place {
        namespace: &namespace,
        name: &exchange,
    };
    backend.clear_topic_permission(&user, exchange).await?;
    Ok(StatusCode::NO_CONTENT)
}
