//! The door a playbook is given instead of a controller: loopback HTTPS, a one-time credential, the broker behind it.
//!
//! Promises that the door serves one run and closes with it, and that each request behind it passes the same guard, pace and login as
//! a plugin's. Its certificate is made for the run; the playbook cannot know it and need not: both ends are this machine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::PrivateKeyDer;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::egress::Gate;
use crate::fault::Secret;
use crate::plugin::wit::http::HttpError;
use crate::plugin::{CallError, Endpoint, Exchange, Images, Secrets};

/// How long one request of a playbook may take.
const REQUEST: Duration = Duration::from_mins(1);

/// An open door; closed when dropped.
pub struct Loopback {
    url: String,
    username: String,
    password: Secret,
    door: Arc<Door>,
    _open: DropGuard,
}

struct Door {
    endpoint: Arc<Endpoint>,
    gate: Gate,
    credential: Secret,
    refused: Mutex<Option<CallError>>,
}

impl Loopback {
    /// Open a door to this endpoint, guarded by this gate.
    ///
    /// # Errors
    /// No port, or no certificate.
    pub async fn start(endpoint: Arc<Endpoint>, gate: Gate) -> std::io::Result<Self> {
        let username = "farrier".to_owned();
        let password = Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>()));
        let basic = STANDARD.encode(format!("{username}:{}", password.expose()));
        let credential = Secret::new(format!("Basic {basic}"));
        let door = Arc::new(Door { endpoint, gate, credential, refused: Mutex::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("https://127.0.0.1:{}", listener.local_addr()?.port());
        let open = CancellationToken::new();
        tokio::spawn(serve(listener, acceptor()?, door.clone(), open.clone()));
        Ok(Self { url, username, password, door, _open: open.drop_guard() })
    }

    /// Where the playbook finds it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The one-time credential's name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The one-time credential's password.
    pub const fn password(&self) -> &Secret {
        &self.password
    }

    /// What the guard or the controller's login refused first, if anything. Taken: asked again, it is `None`.
    pub fn refused(&self) -> Option<CallError> {
        self.door.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn acceptor() -> std::io::Result<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(std::io::Error::other)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(std::io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(std::io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, door: Arc<Door>, open: CancellationToken) {
    let routes = Router::new().fallback(forward).with_state(door);
    while let Some(Ok((stream, _))) = open.run_until_cancelled(listener.accept()).await {
        let (tls, routes, open) = (tls.clone(), routes.clone(), open.clone());
        tokio::spawn(open.run_until_cancelled_owned(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = TowerToHyperService::new(routes);
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }));
    }
}

async fn forward(State(door): State<Arc<Door>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if !bool::from(given.ct_eq(door.credential.expose().as_bytes())) {
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"farrier\"")];
        return (StatusCode::UNAUTHORIZED, ask, "the one-time credential of this run is needed\n").into_response();
    }
    let path = uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string);
    let passed: Vec<(String, String)> = headers
        .iter()
        .filter(|(name, _)| **name != header::AUTHORIZATION)
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let secrets = Secrets::none();
    let images = Images::none();
    let exchange = Exchange {
        gate: &door.gate,
        secrets: &secrets,
        images: &images,
        deadline: Instant::now() + REQUEST,
        questions: &[],
    };
    match door.endpoint.forward(method.as_str(), &path, &passed, body.to_vec(), &exchange).await {
        Ok(answer) => answered(answer.status, &answer.headers, answer.body),
        Err(failure) => {
            let answer = refused(failure.denied.is_some(), &failure.error);
            let why = match (failure.denied, failure.error) {
                (Some(denied), _) => Some(CallError::Refused(denied)),
                (None, error @ HttpError::Unauthenticated) => Some(CallError::from(error)),
                _ => None,
            };
            let mut first = door.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if first.is_none() {
                *first = why;
            }
            answer
        }
    }
}

fn answered(status: u16, headers: &[(String, String)], body: Vec<u8>) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body).into_response();
    for (name, value) in headers {
        let hop = ["content-length", "transfer-encoding", "connection"].contains(&name.as_str());
        if let (false, Ok(name), Ok(value)) = (hop, name.parse::<header::HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The playbook sees an HTTP error with a reason it can print.
fn refused(denied: bool, error: &HttpError) -> Response {
    let (status, text) = match error {
        HttpError::Denied(why) => (StatusCode::FORBIDDEN, format!("refused by Farrier: {why}")),
        HttpError::Unauthenticated => {
            (StatusCode::BAD_GATEWAY, "the controller refused the host's credentials".to_owned())
        }
        HttpError::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "the controller did not answer in time".to_owned()),
        HttpError::Unreachable(why) => (StatusCode::BAD_GATEWAY, format!("the controller does not answer: {why}")),
        HttpError::TooLarge(bytes) => {
            (StatusCode::BAD_GATEWAY, format!("the controller's answer is too large: {bytes} bytes"))
        }
        HttpError::Throttled(millis) => (StatusCode::TOO_MANY_REQUESTS, format!("too many requests; wait {millis} ms")),
    };
    tracing::debug!(denied, text, "a playbook's request was not carried out");
    (status, text + "\n").into_response()
}
