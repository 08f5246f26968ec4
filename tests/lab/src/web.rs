//! A plain HTTP/1.1 socket for simulated systems that are no controllers.
//!
//! Promises each request read in full and handed to one function, and a connection closed without an answer where that
//! function says so: the case in which a client does not know whether what it asked for happened. Knows no system.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The largest body that is read.
const LIMIT: usize = 1024 * 1024;

/// One request.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// In order, decoded; a name may repeat.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first value of a name in the query.
    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// The fields of a form, or why it is none.
    pub(crate) fn form(&self) -> Result<Vec<(String, String)>, String> {
        let kind = self.header("content-type").unwrap_or_default();
        if self.body.is_empty() || kind.starts_with("application/x-www-form-urlencoded") {
            return Ok(url::form_urlencoded::parse(&self.body).into_owned().collect());
        }
        Err(format!("a body of the type `{kind}` where a form belongs"))
    }

    /// The JSON body, or why it is none.
    pub(crate) fn json(&self) -> Result<Value, String> {
        let kind = self.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(format!("a body of the type `{kind}` where JSON belongs"));
        }
        serde_json::from_slice(&self.body).map_err(|error| format!("a body that is not JSON: {error}"))
    }

    /// `POST /path`, for the ledger.
    pub(crate) fn line(&self) -> String {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, query.join("&"))
    }
}

/// The first value of a name.
pub(crate) fn first<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// No body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// Plain text.
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
            body: body.into().into_bytes(),
        }
    }

    /// One more header.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What to do with a request.
pub(crate) enum Outcome {
    /// Answer.
    Answer(Reply),
    /// Close the connection.
    Drop,
}

/// Decides on a request.
pub(crate) type Handler = Arc<dyn Fn(&Ask) -> Outcome + Send + Sync>;

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
struct Closed;

/// Listen, and serve in the background until the token is cancelled.
pub(crate) async fn serve(
    listen: SocketAddr,
    handler: Handler,
    stop: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((socket, _)) = accepted else { continue };
            let (handler, stop) = (Arc::clone(&handler), stop.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, Arc::clone(&handler)));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = connection => {}
                }
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>, handler: Handler) -> Result<Response<Full<Bytes>>, Closed> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LIMIT).collect().await.map_err(|_| Closed)?.to_bytes();
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let ask = Ask { method: parts.method, path: parts.uri.path().to_owned(), query, headers: parts.headers, body };
    let Outcome::Answer(reply) = handler(&ask) else { return Err(Closed) };
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
