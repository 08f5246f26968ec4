//! A real listener with the gate in front of a few routes, and a client that says what it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::body::Body;
use axum::routing::{get, post};
use axum::{Json, Router};
use farrier::access::{NewToken, Permission, Principal, Role};
use farrier::bus::{Bus, Settings, SqliteBus};
use farrier::config::Api;
use farrier::http::api::{ROUTES, Route};
use farrier::http::auth::{Auth, Csrf, Who, guard, routes};
use farrier::http::serve::{Patience, tcp};
use farrier::http::tls::Tls;
use farrier_lifecycle::Timestamp;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the test serves beside signing in and tokens. `/api/v1/forgotten` is served and not in the table.
const EXTRA: &[Route] = &[
    ("GET", "/open", Permission::Public),
    ("POST", "/open", Permission::Public),
    ("GET", "/flood", Permission::Public),
    ("GET", "/page", Permission::SignedIn),
    ("GET", "/test/me", Permission::SignedIn),
    ("GET", "/test/servers", Permission::ReadServers),
    ("POST", "/test/change", Permission::Operate),
];

pub struct Site {
    pub auth: Arc<Auth>,
    pub bus: Arc<dyn Bus>,
    pub address: SocketAddr,
    pub tls: Option<Arc<Tls>>,
    pub stop: CancellationToken,
    pub done: tokio::task::JoinHandle<()>,
}

impl Site {
    pub async fn start() -> Self {
        Self::with(Api::default(), Patience::new(64)).await
    }

    pub async fn with(api: Api, patience: Patience) -> Self {
        provider();
        let bus = Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
        let table: &'static [Route] = Box::leak([ROUTES, EXTRA].concat().into_boxed_slice());
        let auth = Arc::new(Auth::new(bus.clone(), Some(&api), table).unwrap());
        let router = guard(handlers().merge(routes(auth.clone())), auth.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Tls::load(&api).unwrap();
        let stop = CancellationToken::new();
        let done = tokio::spawn(tcp(listener, tls.clone(), router, patience, stop.clone()));
        Self { auth, bus, address, tls, stop, done }
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// A token of these roles; the text.
    pub async fn token(&self, name: &str, roles: &[Role]) -> String {
        self.make(&new_token(name, roles)).await.1
    }

    /// A token; its id and the text.
    pub async fn make(&self, new: &NewToken) -> (String, String) {
        let made = self.auth.tokens.create(new, &Principal::local("root"), now()).await.unwrap();
        (made.0.id, made.1.expose().to_owned())
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, None).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        self.ask("POST", path, headers, Some(body)).await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        ask(&client(), method, &self.url(path), headers, body).await
    }

    /// Sign in with a token: what the browser sends afterwards, and the whole cookie.
    pub async fn sign_in(&self, token: &str) -> (String, String) {
        let answer = self.post("/auth/token", &[], json!({ "token": token })).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let cookie = answer.header("set-cookie").to_owned();
        (cookie.split(';').next().unwrap().to_owned(), cookie)
    }

    /// What stands in the audit log.
    pub async fn audits(&self) -> Vec<Value> {
        let entries = self.bus.audits("", 1_000).await.unwrap();
        entries.into_iter().map(|(_, text)| serde_json::from_str(&text).unwrap()).collect()
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// Its last value; empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().rev().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(&self) -> String {
        let problem = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], self.status);
        problem["code"].as_str().unwrap().to_owned()
    }
}

pub async fn ask(
    client: &reqwest::Client,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = client.request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    Answer { status: response.status().as_u16(), headers, body: response.text().await.unwrap() }
}

pub fn client() -> reqwest::Client {
    provider();
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.tls_certs_only([]).timeout(Duration::from_secs(20)).build().unwrap()
}

pub fn provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}

pub fn now() -> Timestamp {
    farrier::egress::now()
}

pub fn new_token(name: &str, roles: &[Role]) -> NewToken {
    NewToken {
        name: name.to_owned(),
        roles: BTreeSet::from_iter(roles.to_vec()),
        sites: None,
        tenant: None,
        seconds: None,
    }
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn handlers() -> Router {
    Router::new()
        .route("/open", get(|| async { "open" }).post(|body: String| async move { body.len().to_string() }))
        .route(
            "/flood",
            get(|| async { Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(vec![b'x'; 0x10000]))) }),
        )
        .route("/page", get(|| async { "page" }))
        .route("/test/me", get(me))
        .route("/test/servers", get(|| async { "servers" }))
        .route("/test/change", post(|| async { "changed" }))
        .route("/api/v1/forgotten", get(|| async { "never" }))
}

async fn me(Who(who): Who, csrf: Csrf) -> Json<BTreeMap<&'static str, Value>> {
    let mut shown = BTreeMap::from([("csrf", json!(csrf.0))]);
    shown.insert("who", serde_json::to_value(who).unwrap());
    Json(shown)
}
