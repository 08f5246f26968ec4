//! A host's API without its workers: an embedded store in memory, the read model that follows it, the gate, the router.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Extension, Router};
use farrier::access::{NewToken, Principal, Role};
use farrier::bus::{Bus, Commit, Committed, Settings, SqliteBus};
use farrier::config::Config;
use farrier::fleet::Fleet;
use farrier::http::api::{Api, ROUTES};
use farrier::http::auth::{Auth, Door};
use farrier::inventory::{FileInventory, Lag};
use farrier::metrics::Metrics;
use farrier::order::Desk;
use farrier::plugin::{Broker, FilePins, Plugins};
use farrier::stage::{Foreign, NotALease, Parts, ProgressBoard};
use farrier_lifecycle::{
    Blame, Facts, Fault, JournalEntry, Lease, LifecycleState, Policy, Retry, Server, Stage, Status, Timestamp,
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, ServiceExt as _};

/// Longer than anything that works.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The API, and what is behind it.
pub struct Rig {
    pub bus: Arc<dyn Bus>,
    pub parts: Arc<Parts>,
    pub fleet: Arc<Fleet>,
    pub auth: Arc<Auth>,
    pub router: Router,
    pub metrics: Arc<Metrics>,
    pub stop: CancellationToken,
    _folder: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(&self) -> String {
        serde_json::from_str::<Value>(&self.text)
            .ok()
            .and_then(|body| Some(body["code"].as_str()?.to_owned()))
            .unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

async fn parts(bus: Arc<dyn Bus>, folder: &std::path::Path, config: Config, observe: bool) -> Parts {
    let inventory = folder.join("inventory.toml");
    std::fs::write(&inventory, "[[site]]\nname = \"ams\"\n").unwrap();
    let mut config = Config { state_dir: folder.to_owned(), ..config };
    config.plugins.dir = folder.to_owned();
    let example: Config = toml::from_str(include_str!("../../../examples/farrier.toml")).unwrap();
    config.http = example.http;
    let (plugins, _) = Plugins::open_uncached(&config.plugins).await.unwrap();
    Parts {
        broker: Broker::new(&config.bmc, Arc::new(FilePins::new(folder))).unwrap(),
        policy: Policy::default(),
        catalogue: Arc::default(),
        foreign: Foreign(Box::new(|_| Err(NotALease::Ignored("none is taken here".to_owned())))),
        config: Arc::new(config),
        bus,
        inventory: Arc::new(FileInventory::open(&inventory).unwrap()),
        plugins,
        ansible: None,
        observe,
        progress: ProgressBoard::default(),
        projector: tokio::sync::watch::channel(Lag::default()).1,
    }
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Arc::new(SqliteBus::memory(&Settings::default()).unwrap()), false).await
    }

    /// With this configuration, as text.
    pub async fn configured(config: &str) -> Self {
        let bus = Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
        Self::built(bus, toml::from_str(config).unwrap(), false).await
    }

    /// On a store, perhaps as a host that only looks.
    pub async fn with(bus: Arc<dyn Bus>, observe: bool) -> Self {
        Self::built(bus, Config::default(), observe).await
    }

    async fn built(bus: Arc<dyn Bus>, config: Config, observe: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let parts = Arc::new(parts(bus.clone(), folder.path(), config, observe).await);
        let stop = CancellationToken::new();
        let fleet = Arc::new(Fleet::new(bus.clone()));
        fleet.load().await.unwrap();
        tokio::spawn(fleet.clone().follow(stop.clone()));
        let desk = Arc::new(Desk::new(bus.clone(), parts.config.orders.clone(), parts.policy.clone(), observe));
        let settings = farrier::config::Api { rate: 1_000_000, ..farrier::config::Api::default() };
        let auth = Arc::new(Auth::new(bus.clone(), Some(&settings), ROUTES).unwrap());
        let api = Arc::new(Api::new(parts.clone(), fleet.clone(), desk, stop.clone()));
        let metrics = api.metrics.clone();
        let router = farrier::http::operators(api, auth.clone());
        Self { bus, parts, fleet, auth, router, metrics, stop, _folder: folder }
    }

    /// A token for somebody with this role.
    pub async fn token(&self, role: Role, site: Option<&str>, tenant: Option<&str>) -> String {
        let sites = site.map(|site| BTreeSet::from([site.to_owned()]));
        let name = format!("{role}-{}", rand::random::<u64>());
        let new =
            NewToken { name, roles: BTreeSet::from([role]), sites, tenant: tenant.map(str::to_owned), seconds: None };
        let (_, secret) =
            self.auth.tokens.create(&new, &Principal::local("test"), farrier::egress::now()).await.unwrap();
        secret.expose().to_owned()
    }

    /// Send it; with a token as its bearer, without one by the socket.
    pub async fn send(
        &self,
        token: Option<&str>,
        request: axum::http::request::Builder,
        body: Body,
    ) -> axum::response::Response {
        let door = match token {
            // Each from an address of its own: attempts with wrong tokens are counted by address.
            Some(_) => Door::Plain { peer: (std::net::Ipv4Addr::from(rand::random::<u32>()), 9).into() },
            None => Door::Socket { user: "tester".to_owned() },
        };
        let request =
            token.iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
        Extension(door).layer(self.router.clone()).oneshot(request.body(body).unwrap()).await.unwrap()
    }

    pub async fn ask(&self, token: Option<&str>, request: axum::http::request::Builder, body: Body) -> Answer {
        let response = self.send(token, request, body).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    pub async fn get(&self, token: Option<&str>, path: &str) -> Answer {
        self.ask(token, Request::get(path), Body::empty()).await
    }

    pub async fn post(&self, token: Option<&str>, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.ask(token, request, Body::from(body.to_string())).await
    }

    /// Put a record into the store as its first commit, and wait until the read model has it.
    pub async fn put(&self, server: Server) -> Server {
        let server = commit(&*self.bus, server).await;
        self.until("the record is in the read model", || {
            self.fleet.get(&server.id).is_some_and(|row| row.server.version >= server.version)
        })
        .await;
        server
    }

    /// Look until it is so.
    pub async fn until(&self, what: &str, so: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so() {
            assert!(Instant::now() < end, "{what}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Commit the record at the version after the one it has.
pub async fn commit(bus: &dyn Bus, mut server: Server) -> Server {
    let before = server.clone();
    server.version += 1;
    let journal = JournalEntry {
        transition: format!("{}:{}", server.id, server.version),
        server: server.id.clone(),
        name: server.label().to_owned(),
        version: server.version,
        at: farrier::egress::now(),
        event: "test".to_owned(),
        from: if before.version == 0 { LifecycleState::Offline } else { before.lifecycle_state() },
        to: server.lifecycle_state(),
        stage: server.stage,
        status: server.status.as_str().to_owned(),
        since: before.since,
        note: None,
        fault: None,
    };
    let publish = server.outstanding();
    let commit = Commit {
        expected: before.version,
        server: server.clone(),
        publish,
        journal,
        fence: None,
        ack: false,
        ack_foreign: None,
    };
    assert_eq!(bus.commit(&commit).await.unwrap(), Committed::Done);
    server
}

/// Server `n`, ready, without a tenant, in rack A01 of `site`.
pub fn ready(n: u32, site: &str) -> Server {
    let mac = format!("94:40:c9:{:02x}:{:02x}:{:02x}", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
    let lease = Lease {
        mac: mac.parse().unwrap(),
        ip: std::net::Ipv4Addr::from(0x0a00_0000 + n).into(),
        hostname: None,
        vendor_class: None,
        at: Timestamp(1_700_000_000_000),
        source: "test".to_owned(),
    };
    let mut server = Server::unseen(lease);
    server.stage = Stage::Assign;
    server.status = Status::Resting;
    server.entered = 1;
    server.attempt = 1;
    server.facts = Facts {
        name: Some(format!("{}-SRV-{n:05}", site.to_uppercase())),
        inventory_id: Some(n.to_string()),
        site: Some(site.to_owned()),
        rack: Some("A01".to_owned()),
        unit: Some(n % 42 + 1),
        model: Some("ProLiant DL360 Gen11".to_owned()),
        serial: Some(format!("MXQ{n:05}")),
        ..Facts::default()
    };
    server
}

/// Server `n`, active with a tenant.
pub fn active(n: u32, site: &str, tenant: &str) -> Server {
    let mut server = ready(n, site);
    server.stage = Stage::Service;
    server.tenant = Some(tenant.to_owned());
    server
}

/// Server `n`, failed in validate with this fault.
pub fn failed(n: u32, site: &str, code: &str, blame: Blame) -> Server {
    let mut server = ready(n, site);
    server.stage = Stage::Validate;
    server.status = Status::Failed(Fault::new(code, Retry::Never, blame, "as a test has it").hint("mend it"));
    server
}
