//! What the tests of the Ansible runner share: a controller that notes what it is asked, and gates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "each test binary uses a part of it"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use farrier::config::Bmc;
use farrier::egress::{Effect, Gate, Standing};
use farrier::fault::Secret;
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::{Broker, Endpoint, Login, MemoryPins, Target};
use farrier_lifecycle::{Action, Lease, Server, ServerId, Stage, Timestamp};

/// One request as the controller saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A controller that answers every request of `admin` with its own method, and refuses everybody else.
pub struct Controller {
    pub endpoint: Arc<Endpoint>,
    seen: Log,
}

/// The controller's own password, which no playbook may see.
pub const PASSWORD: &str = "controllers-own-password";

impl Controller {
    pub async fn start(password: &str) -> Self {
        let seen = Log::default();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let origin = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let routes = Router::new().fallback(answer).with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let broker = Broker::new(&Bmc::default(), Arc::new(MemoryPins::default())).unwrap();
        let login = Some(Login { username: "admin".to_owned(), password: Secret::new(password) });
        let target = Target { origin, pin: "test".to_owned(), auth: AuthScheme::Basic, login };
        Self { endpoint: broker.endpoint(&target).unwrap(), seen }
    }

    /// Requests so far to paths below `/x`.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|one| one.path.starts_with("/x")).cloned().collect()
    }
}

async fn answer(State(seen): State<Log>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let login = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = String::from_utf8_lossy(&body).into_owned();
    seen.lock().unwrap().push(Seen { method: method.to_string(), path: uri.to_string(), headers, body });
    // admin:controllers-own-password
    if login.as_deref() != Some("Basic YWRtaW46Y29udHJvbGxlcnMtb3duLXBhc3N3b3Jk") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let headers = [("etag", "\"7\""), ("x-auth-token", "never"), ("content-type", "application/json")];
    let status = if uri.path() == "/x/teapot" { StatusCode::IM_A_TEAPOT } else { StatusCode::OK };
    (status, headers, format!("{{\"method\":\"{method}\"}}")).into_response()
}

/// Acts for hardening, about no server of a store.
pub fn free() -> Gate {
    Gate::detached(Effect::Act(Action::Harden))
}

/// A store with one server, or one that cannot be read.
pub struct Store(pub Result<Server, String>);

#[async_trait::async_trait]
impl Standing for Store {
    async fn standing(&self, _server: &ServerId) -> Result<Option<Server>, String> {
        self.0.clone().map(Some)
    }
}

/// A gate about a server at this stage.
pub fn at(stage: Stage) -> Gate {
    let lease = Lease {
        mac: "94:40:c9:00:00:01".parse().unwrap(),
        ip: "127.0.0.1".parse().unwrap(),
        hostname: None,
        vendor_class: None,
        at: Timestamp(1),
        source: "test".to_owned(),
    };
    let mut server = Server::unseen(lease);
    server.stage = stage;
    Gate { server: Some(server.id.clone()), standing: Some(Arc::new(Store(Ok(server)))), ..free() }
}

/// Wait for something, up to ten seconds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
