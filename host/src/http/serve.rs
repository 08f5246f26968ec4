//! Connections of people and programs: TCP, TLS, and the unix socket.
//!
//! Promises a bound on connections, in all and for each address, on the time a client takes to say what it wants and to take what it is
//! answered, and on the size of its headers; that a stop lets requests under way end. Unlike the callbacks' listener it keeps connections alive and has no bound on an answer's time: a stream of events
//! lasts as long as its reader.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer as _;

use super::auth::Door;
use super::share::Shares;
use super::stall::Stall;
use super::tls::Tls;
use crate::config::Api;

/// How patient the listener is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Within this a client has finished its TLS handshake, and the head of a request.
    pub headers: Duration,
    /// What is under way when the host stops may take this long.
    pub grace: Duration,
    /// A write that the client takes nothing of for so long ends the connection.
    pub stall: Duration,
    /// Connections at once; more wait in the listener's queue.
    pub connections: usize,
    /// Connections of one address (IPv6: of a /64); more are closed.
    pub per_address: usize,
}

impl Patience {
    /// With this many connections, whoever opens them.
    pub const fn new(connections: usize) -> Self {
        let (headers, grace, stall) = (Duration::from_secs(10), Duration::from_secs(3), Duration::from_secs(30));
        Self { headers, grace, stall, connections, per_address: connections }
    }

    /// With the connections of `[api]`.
    pub fn of(api: &Api) -> Self {
        Self { per_address: api.per_address(), ..Self::new(api.connections) }
    }
}

/// The longest head of a request, bytes.
const HEAD: usize = 32 * 1024;
/// Header lines of a request.
const LINES: usize = 100;

/// Serve on a TCP socket until `shutdown`.
pub async fn tcp(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    patience: Patience,
    shutdown: CancellationToken,
) {
    let (permits, open) = (Arc::new(Semaphore::new(patience.connections)), TaskTracker::new());
    let shares = Shares::new(patience.per_address);
    while let Some(Ok(permit)) = shutdown.run_until_cancelled(permits.clone().acquire_owned()).await {
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else { break };
        let Some((stream, peer)) = accepted_or_wait(accepted).await else { continue };
        let Some(share) = shares.take(Door::Plain { peer }.key()) else {
            tracing::debug!(%peer, most = patience.per_address, "the address has enough connections");
            continue;
        };
        let (router, end, tls) = (router.clone(), shutdown.clone(), tls.clone());
        open.spawn(async move {
            // Answers are small; waiting for more to send would only delay them.
            let _ = stream.set_nodelay(true);
            match tls {
                None => one(stream, Door::Plain { peer }, router, patience, end).await,
                Some(tls) => match tokio::time::timeout(patience.headers, tls.accept(stream)).await {
                    Ok(Ok((stream, names))) => one(stream, Door::Tls { peer, names }, router, patience, end).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
                    Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
                },
            }
            drop((permit, share));
        });
    }
    open.close();
    open.wait().await;
}

/// Serve on a unix socket until `shutdown`; who opened it is what the kernel says.
pub async fn unix(listener: UnixListener, router: Router, patience: Patience, shutdown: CancellationToken) {
    let (permits, open) = (Arc::new(Semaphore::new(patience.connections)), TaskTracker::new());
    while let Some(Ok(permit)) = shutdown.run_until_cancelled(permits.clone().acquire_owned()).await {
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else { break };
        let Some((stream, _)) = accepted_or_wait(accepted).await else { continue };
        let uid = stream.peer_cred().map(|cred| cred.uid()).ok();
        let (router, end) = (router.clone(), shutdown.clone());
        open.spawn(async move {
            let door = Door::Socket { user: user(uid) };
            one(stream, door, router, patience, end).await;
            drop(permit);
        });
    }
    open.close();
    open.wait().await;
}

fn user(uid: Option<u32>) -> String {
    let Some(uid) = uid else { return "unknown".to_owned() };
    let known = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}

/// Who runs this host.
pub fn own_name() -> String {
    user(Some(nix::unistd::getuid().as_raw()))
}

async fn accepted_or_wait<T>(accepted: std::io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            // Out of file handles, as likely as not: others close some.
            tracing::warn!(%error, "connection not accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// One connection, to its end.
async fn one<S>(stream: S, door: Door, router: Router, patience: Patience, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(Extension(door).layer(router));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.headers).max_buf_size(HEAD).max_headers(LINES);
    let mut connection =
        std::pin::pin!(builder.serve_connection(TokioIo::new(Stall::new(stream, patience.stall)), service));
    // However it ends, the client knows as much as it needs; what it sent was committed or was not.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(patience.grace, connection).await;
        }
    }
}
