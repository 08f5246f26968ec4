//! The socket: HTTP/1.1 on loopback, and faults.
//!
//! Promises that a fault hits before NetBox sees the request, except [`Fault::DropAnswers`], which lets the
//! write happen and then says nothing: the case a client must survive without writing twice. While down,
//! connections are closed without an answer rather than refused, so that the port stays ours.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HOST, HeaderName, IF_MATCH};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Body};
use super::api::{Api, Request};

/// What goes wrong with NetBox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every connection is closed without an answer.
    Down,
    /// Every answer comes this many milliseconds late.
    Slow(u64),
    /// The next so many requests are answered 503 by what stands before NetBox.
    Error5xx(u32),
    /// Every request is answered 403, as after a token was withdrawn.
    Forbidden,
    /// The next so many writes happen, and the connection is closed instead of an answer.
    DropAnswers(u32),
}

/// What the connections share.
#[derive(Clone)]
pub struct Shared {
    /// The simulated NetBox.
    pub api: Arc<Api>,
    /// What goes wrong now.
    pub fault: Arc<Mutex<Fault>>,
    /// Ends everything.
    pub stop: CancellationToken,
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the simulated NetBox closes the connection without an answer")]
struct Dropped;

/// Accept connections until stopped; the address is the listener's.
pub async fn serve(listener: TcpListener, shared: Shared) {
    loop {
        let stream = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            let stop = shared.stop.clone();
            let service = hyper::service::service_fn(move |request| {
                let shared = shared.clone();
                async move { respond(&shared, request).await }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "netbox connection ended");
                    }
                }
            }
        });
    }
}

async fn respond(shared: &Shared, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
    let request = read(request).await.ok_or(Dropped)?;
    let writes = !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    match take(&shared.fault, writes) {
        Fault::Down => return Err(Dropped),
        Fault::Slow(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        Fault::Error5xx(_) => {
            let page = Body::Html("<html><body><h1>503 Service Unavailable</h1></body></html>\n".into());
            return Ok(http(Answer { status: 503, headers: Vec::new(), body: page }));
        }
        Fault::Forbidden => return Ok(http(Answer::detail(403, "Invalid token"))),
        Fault::DropAnswers(_) => {
            shared.api.handle(&request);
            return Err(Dropped);
        }
        Fault::None => {}
    }
    let answer = shared.api.handle(&request);
    Ok(http(answer))
}

/// The fault that hits this request; those with a number are used up.
fn take(fault: &Mutex<Fault>, writes: bool) -> Fault {
    let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
    let now = *fault;
    *fault = match now {
        Fault::Error5xx(left) => left.checked_sub(1).filter(|left| *left > 0).map_or(Fault::None, Fault::Error5xx),
        Fault::DropAnswers(left) if writes => {
            left.checked_sub(1).filter(|left| *left > 0).map_or(Fault::None, Fault::DropAnswers)
        }
        other => other,
    };
    match now {
        Fault::Error5xx(0) | Fault::DropAnswers(0) => Fault::None,
        Fault::DropAnswers(_) if !writes => Fault::None,
        hit => hit,
    }
}

async fn read(request: hyper::Request<Incoming>) -> Option<Request> {
    let (head, body) = request.into_parts();
    let header = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = body.collect().await.ok()?.to_bytes().to_vec();
    Some(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        host: header(HOST).unwrap_or_default(),
        authorization: header(AUTHORIZATION),
        if_match: header(IF_MATCH),
        body,
    })
}

fn http(answer: Answer) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    let (kind, bytes) = match answer.body {
        Body::Json(value) => ("application/json", Bytes::from(value.to_string())),
        Body::Html(page) => ("text/html; charset=utf-8", Bytes::from(page)),
        Body::Empty => return builder.body(Full::default()).unwrap_or_else(|_| broken()),
    };
    builder.header("Content-Type", kind).body(Full::new(bytes)).unwrap_or_else(|_| broken())
}

fn broken() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Bind the address; the listener and where it really listens.
pub async fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
