//! HTTP: what servers under validation ask for, and what people and programs do.
//!
//! Listeners that share nothing: the public one serves callbacks under one-time tokens and the iPXE script; the operators' one has the
//! gate of [`auth`] in front of everything; the unix socket in `state_dir`, which only this user can open, serves the same. All only read
//! the store or apply events to it.

pub mod api;
pub mod auth;
mod boot;
mod callback;
pub mod images;
mod limit;
mod local;
pub mod problem;
pub mod serve;
mod share;
mod stall;
pub mod tls;
mod ui;
pub mod view;
pub mod warranty;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::stage::{MAX_REPORT_BYTES, Parts};

pub use local::{SOCKET, serve as serve_local};

/// What people and programs ask for, behind the gate. On whichever listener it is served.
pub fn operators(api: Arc<api::Api>, auth: Arc<auth::Auth>) -> Router {
    auth::guard(api::router(api).merge(auth::routes(auth.clone())).merge(ui::routes()), auth)
}

/// The public routes.
pub fn public(parts: Arc<Parts>) -> Router {
    Router::new()
        .route("/cb/{token}/api/v1/validation/report", post(callback::report))
        .route("/cb/{token}/api/event", post(callback::event))
        .route("/boot.ipxe", get(boot::first))
        .route("/boot/ipxe", get(boot::ipxe))
        .route("/firmware/{token}/{file}", get(images::image))
        .route("/health", get(|| async { axum::Json(serde_json::json!({ "status": "ok" })) }))
        .layer(DefaultBodyLimit::max(MAX_REPORT_BYTES))
        .with_state(parts)
}

/// Connections at once; more wait in the listener's queue.
const CONNECTIONS: usize = 256;
/// Within this a client has said what it wants.
const HEADERS: Duration = Duration::from_secs(10);
/// Within this a request is over, however slow its sender is.
const LIFE: Duration = Duration::from_mins(1);
/// And within this one that fetches an image, however slow the controller is.
const LONG_LIFE: Duration = Duration::from_hours(1);
/// What is under way when the host stops may take this long.
const GRACE: Duration = Duration::from_secs(3);

/// Serve the public routes until `shutdown`: one request a connection, and no sender slow enough to hold one for long.
pub async fn serve_public(listener: tokio::net::TcpListener, parts: Arc<Parts>, shutdown: CancellationToken) {
    let routes = public(parts);
    let (permits, open) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    while let Some(Ok(permit)) = shutdown.run_until_cancelled(permits.clone().acquire_owned()).await {
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else { break };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles, as likely as not: others close some.
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).keep_alive(false);
        let patience = images::Patience::default();
        let service = TowerToHyperService::new(routes.clone().layer(Extension(patience.clone())));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        open.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // However it ends, the client knows as much as it needs; what it sent was committed or was not.
            if tokio::time::timeout(LIFE, connection.as_mut()).await.is_err() && patience.is_asked() {
                let _ = tokio::time::timeout(LONG_LIFE, connection).await;
            }
            drop(permit);
        });
    }
    open.close();
    let _ = tokio::time::timeout(GRACE, open.wait()).await;
}
