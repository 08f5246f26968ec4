//! The socket side: accept, TLS, HTTP/1.1 with keep-alive, and answers cut short on purpose.
//!
//! Promises one listener task and one task for each connection, all ended by the token. It knows nothing of
//! Redfish: a handler gets an [`Ask`] and gives an [`Outcome`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::reply::Reply;
use super::tls::Tls;

/// The largest body that is read: an image of firmware.
const BODY_LIMIT: usize = 96 * 1024 * 1024;

/// One request, read in full.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) peer: SocketAddr,
}

impl Ask {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What to do with a request.
pub(crate) enum Outcome {
    /// Answer.
    Answer(Reply),
    /// Answer, and stop half-way through the body.
    Cut(Reply),
    /// Close the connection without an answer.
    Drop,
}

/// Gives an outcome for each request.
pub(crate) type Handler = Arc<dyn Fn(Ask) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

/// Serve until the token is cancelled; `tls` `None` serves plain HTTP.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<(Arc<Tls>, String)>,
    handler: Handler,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, peer)) = accepted else { continue };
        let local = socket.local_addr().unwrap_or(peer);
        let (handler, stop, tls) = (Arc::clone(&handler), stop.clone(), tls.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(socket, peer, local, tls, handler) => {}
            }
        });
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    tls: Option<(Arc<Tls>, String)>,
    handler: Handler,
) {
    let _ = socket.set_nodelay(true);
    let Some((tls, name)) = tls else { return http(socket, peer, handler).await };
    let acceptor = match tls.acceptor(local, &name) {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(%error, "simulated controller has no certificate"),
    };
    if let Ok(stream) = acceptor.accept(socket).await {
        http(stream, peer, handler).await;
    }
}

async fn http<S>(stream: S, peer: SocketAddr, handler: Handler)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        async move { answer(request, peer, &handler).await }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::trace!(%error, "connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    handler: &Handler,
) -> Result<Response<BoxBody<Bytes, io::Error>>, Closed> {
    let (parts, body) = request.into_parts();
    let head = parts.method == Method::HEAD;
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(response(Reply { status: 413, headers: Vec::new(), body: None }, head, false)),
    };
    let ask = Ask {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
        peer,
    };
    match handler(ask).await {
        Outcome::Answer(reply) => Ok(response(reply, head, false)),
        Outcome::Cut(reply) => Ok(response(reply, head, true)),
        Outcome::Drop => Err(Closed),
    }
}

fn response(reply: Reply, head: bool, cut: bool) -> Response<BoxBody<Bytes, io::Error>> {
    let text = reply.body.map(|body| body.to_string()).unwrap_or_default();
    let mut builder = Response::builder()
        .status(StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("OData-Version", "4.0")
        .header("Cache-Control", "no-cache");
    if !text.is_empty() {
        builder = builder.header(CONTENT_TYPE, "application/json; charset=utf-8");
    }
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    let body = if head {
        whole(Bytes::new())
    } else if cut && text.len() > 1 {
        builder = builder.header(CONTENT_LENGTH, text.len());
        half(&text)
    } else {
        whole(Bytes::from(text))
    };
    builder.body(body).unwrap_or_else(|_| Response::new(whole(Bytes::new())))
}

fn whole(bytes: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
}

fn half(text: &str) -> BoxBody<Bytes, io::Error> {
    let bytes = Bytes::copy_from_slice(text.as_bytes()).slice(..text.len() / 2);
    let start = stream::once(async move { Ok(Frame::data(bytes)) });
    let end = stream::once(async {
        // Long enough for the head and the first half to leave before the connection ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("cut short on purpose"))
    });
    BodyExt::boxed(StreamBody::new(start.chain(end)))
}
