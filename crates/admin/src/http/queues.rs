//! Queues and the messages in them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Json, Router};
use tokio::time::Instant;

use super::extract::{Body, Parameters};
use crate::api::message::{Fetch, Message, Publication, Published};
use crate::api::queue::{Counters, DeleteConditions, Queue, QueueDeclaration, Rates};
use crate::api::{Page, Removed, Selection};
use crate::backend::{AdminBackend, Caller, Place};
use crate::failure::Failure;
use crate::route;

const RATES_MS_MIN: u64 = 100;
const RATES_MS_MAX: u64 = 10_000;

pub(super) fn routes<B: AdminBackend>() -> Router<Arc<B>> {
    Router::new()
        .route(route::QUEUES, get(list::<B>))
        .route(
            route::QUEUE,
            put(declare::<B>).delete(delete_queue::<B>).get(show::<B>),
        )
        .route(route::QUEUE_MESSAGES, delete(purge::<B>))
        .route(route::QUEUE_FETCH, post(fetch::<B>))
        .route(route::PUBLISH, post(publish::<B>))
}

async fn list<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Parameters(selection): Parameters<Selection>,
) -> Result<Json<Page<Queue>>, Failure> {
    let namespace = selection.namespace.as_deref();
    let queues = match selection.rates_ms {
        None => backend.queues(namespace).await?,
        Some(interval) => measured(&*backend, namespace, interval).await?,
    };
    Ok(Json(selection.page(queues)))
}

/// The queues with their rates, from two readings of their counters. Nothing is sampled while
/// nobody asks, so idle queues cost nothing.
async fn measured<B: AdminBackend>(
    backend: &B,
    namespace: Option<&str>,
    interval_ms: u64,
) -> Result<Vec<Queue>, Failure> {
    if !(RATES_MS_MIN..=RATES_MS_MAX).contains(&interval_ms) {
        return Err(Failure::Invalid(format!(
            "rates_ms is {RATES_MS_MIN} to {RATES_MS_MAX}, not {interval_ms}"
        )));
    }
    let started = Instant::now();
    let earlier: HashMap<(String, String), Counters> = backend
        .queues(namespace)
        .await?
        .into_iter()
        .map(|queue| ((queue.namespace, queue.name), queue.counters))
        .collect();
    tokio::time::sleep(Duration::from_millis(interval_ms)).await;
    let mut queues = backend.queues(namespace).await?;
    let seconds = started.elapsed().as_secs_f64();
    for queue in &mut queues {
        let name = (queue.namespace.clone(), queue.name.clone());
        let before = earlier.get(&name).copied().unwrap_or_default();
        queue.rates = Some(Rates::between(&before, &queue.counters, seconds));
    }
    Ok(queues)
}

async fn show<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<Queue>, Failure> {
    let queues = backend.queues(Some(&namespace)).await?;
    queues
        .into_iter()
        .find(|queue| queue.name == name)
        .map(Json)
        .ok_or_else(|| Failure::NotFound(format!("no queue {name:?} in namespace {namespace:?}")))
}

async fn declare<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name)): Path<(String, String)>,
    Body(declaration): Body<QueueDeclaration>,
) -> Result<StatusCode, Failure> {
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    backend.declare_queue(&caller, place, declaration).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete_queue<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name)): Path<(String, String)>,
    Parameters(conditions): Parameters<DeleteConditions>,
) -> Result<Json<Removed>, Failure> {
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    let messages = backend.delete_queue(&caller, place, conditions).await?;
    Ok(Json(Removed { messages }))
}

async fn purge<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<Removed>, Failure> {
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    let messages = backend.purge_queue(&caller, place).await?;
    Ok(Json(Removed { messages }))
}

async fn fetch<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path((namespace, name)): Path<(String, String)>,
    Body(fetch): Body<Fetch>,
) -> Result<Json<Vec<Message>>, Failure> {
    if !(1..=Fetch::COUNT_MAX).contains(&fetch.count) {
        return Err(Failure::Invalid(format!(
            "count is 1 to {}, not {}",
            Fetch::COUNT_MAX,
            fetch.count
        )));
    }
    let place = Place {
        namespace: &namespace,
        name: &name,
    };
    backend.fetch(&caller, place, fetch).await.map(Json)
}

async fn publish<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    Extension(caller): Extension<Caller>,
    Path(namespace): Path<String>,
    Body(publication): Body<Publication>,
) -> Result<Json<Published>, Failure> {
    backend
        .publish(&caller, &namespace, publication)
        .await
        .map(Json)
}
