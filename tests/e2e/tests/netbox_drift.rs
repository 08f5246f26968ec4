//! What is changed in NetBox by somebody else, in both versions: webhooks, rounds, and what they may and may not do to a server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod netbox_rig;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier::bus::{self, Origin};
use farrier::config::Config;
use farrier::drift::{self, Item, Looked, Rounds, WebhookError};
use farrier::inventory::Lag;
use farrier::netbox::projector::{self, CURSOR, Pace};
use farrier::netbox::{NetBoxInventory, webhook};
use farrier::plugin::{Broker, FilePins, Plugins};
use farrier::stage::{Foreign, NotALease, Parts, ProgressBoard};
use farrier_lab::netbox::Version;
use farrier_lifecycle::{Event, Facts, Outcome, Policy, Server, ServerId, Stage};
use hmac::{Hmac, Mac as _};
use netbox_rig::{BOTH, README_MAC, Rig, V1, V2, lease};
use serde_json::{Value, json};
use tokio::sync::watch;

const NAME: &str = "AMS-SRV-001";
const SECRET: &str = "a secret of the webhook";

struct Estate {
    rig: Rig,
    version: Version,
    parts: Arc<Parts>,
    id: ServerId,
    device: u64,
    stop: watch::Sender<bool>,
    _state: tempfile::TempDir,
}

impl Estate {
    /// A NetBox with the example estate, and a host's parts whose projector writes one server that is ready.
    async fn ready(version: Version, requests: bool) -> Self {
        let rig = Rig::populated(version).await;
        let device = rig.device_id(NAME);
        let state = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = state.path().join(name);
            writeln!(std::fs::File::create(&path).unwrap(), "{text}").unwrap();
            path.display().to_string()
        };
        std::fs::create_dir(state.path().join("plugins")).unwrap();
        let token = file("token", if version == Version::V3_7 { V1 } else { V2 });
        let text = format!(
            "state_dir = \"{0}\"\n[plugins]\ndir = \"{0}/plugins\"\n[netbox]\nurl = \"{1}\"\ntoken_file = \"{token}\"\nwebhook_secret_file = \"{2}\"\nwebhook_requests = {requests}\n",
            state.path().display(),
            rig.lab.url(),
            file("secret", SECRET),
        );
        let config: Arc<Config> = Arc::new(toml::from_str(&text).expect("a configuration"));
        let bus = bus::in_memory(&config).unwrap();
        bus.check().await.unwrap();
        let inventory = Arc::new(NetBoxInventory::new(config.netbox.clone().unwrap()).unwrap());
        let (lag_to, lag) = watch::channel(Lag::default());
        let (plugins, _) = Plugins::open(&config.plugins, &config.state_dir, None).await.unwrap();
        let parts = Arc::new(Parts {
            policy: Policy::default(),
            catalogue: Arc::default(),
            bus: bus.clone(),
            inventory: inventory.clone(),
            plugins,
            broker: Broker::new(&config.bmc, Arc::new(FilePins::new(state.path()))).unwrap(),
            ansible: None,
            observe: false,
            foreign: Foreign(Box::new(|_| Err(NotALease::Malformed("none is expected".to_owned())))),
            progress: ProgressBoard::default(),
            projector: lag,
            config,
        });
        let (stop, stopped) = watch::channel(false);
        let pace = Pace { wait: Duration::from_millis(20), ..Pace::default() };
        tokio::spawn(projector::run(Arc::new(drift::Journal(bus)), inventory, pace, lag_to, stopped));
        let seen = lease(README_MAC, "10.0.100.50", 1_795_363_849_100);
        let id = ServerId::from(seen.mac);
        parts.lease(&seen, None).await.unwrap();
        let estate = Self { rig, version, parts, id, device, stop, _state: state };
        let facts = Facts { name: Some(NAME.to_owned()), inventory_id: Some(device.to_string()), ..Facts::default() };
        estate.outcome(Outcome::Done { facts: Box::new(facts), marks: Vec::new(), evidence: "found".to_owned() }).await;
        for evidence in ["validated", "nothing to update", "hardened", "first readings"] {
            estate.outcome(Outcome::done(evidence)).await;
        }
        estate.outcome(Outcome::Rest).await;
        assert_eq!(estate.server().await.stage, Stage::Assign);
        estate.written().await;
        estate
    }

    async fn server(&self) -> Server {
        self.parts.bus.read(&self.id).await.unwrap().unwrap()
    }

    async fn outcome(&self, outcome: Outcome) {
        let event = Event::Outcome { token: self.server().await.token(), outcome };
        self.parts.apply(&self.id, &event, Origin::Outside).await.unwrap();
    }

    /// Until the projector has written everything.
    async fn written(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let cursor = String::from_utf8(self.parts.bus.get(CURSOR).await.unwrap().unwrap_or_default()).unwrap();
            if self.parts.bus.journal(&cursor, 1, Duration::ZERO).await.unwrap().is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "the projector does not come to its end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn now(&self) -> Value {
        self.rig.lab.get("dcim/devices", self.device)
    }

    /// As an operator at NetBox's pages; the body of the webhook that NetBox sends for it.
    fn change(&self, body: &Value) -> Vec<u8> {
        let before = self.now();
        self.rig.lab.patch("dcim/devices", self.device, body).unwrap();
        self.body(&before)
    }

    /// The body for a change from `before` to now, by anna.
    fn body(&self, before: &Value) -> Vec<u8> {
        let after = self.now();
        let snapshot = |device: &Value| {
            let mut device = device.clone();
            device["tenant"] = device["tenant"]["id"].clone();
            device["status"] = device["status"]["value"].clone();
            device
        };
        let mut body = json!({"event": "updated", "timestamp": "2026-11-22T16:10:49Z", "request_id": "r", "data": after,
            "snapshots": {"prechange": snapshot(before), "postchange": snapshot(&after)}});
        if self.version == Version::V3_7 {
            body["model"] = json!("device");
            body["username"] = json!("anna");
        } else {
            body["object_type"] = json!("dcim.device");
            body["request"] = json!({"id": "r", "method": "PATCH", "path": "/", "user": "anna"});
        }
        serde_json::to_vec(&body).unwrap()
    }

    async fn hears(&self, body: &[u8]) -> Result<(), WebhookError> {
        drift::netbox_webhook(&self.parts, Some(&signature(body)), body).await
    }

    async fn items(&self) -> Vec<Item> {
        drift::list(&self.parts.bus).await.unwrap()
    }

    fn tenant(&self, name: &str) -> u64 {
        self.rig.lab.create("tenancy/tenants", &json!({"name": name, "slug": name.to_lowercase()})).unwrap()
    }
}

fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[tokio::test]
async fn a_status_set_in_netbox_is_shown_never_obeyed_and_forgotten_when_it_is_right_again() {
    for version in BOTH {
        let estate = Estate::ready(version, true).await;
        let before = estate.server().await;
        let body = estate.change(&json!({"status": "failed"}));
        estate.hears(&body).await.unwrap();
        let items = estate.items().await;
        assert_eq!(items.len(), 1, "{items:?}");
        let item = &items[0];
        assert_eq!((item.server.as_str(), item.field.as_str()), (NAME, "status"));
        assert_eq!((item.ours.as_str(), item.theirs.as_str(), item.by.as_deref()), ("staged", "failed", Some("anna")));
        assert_eq!(estate.server().await, before, "the server does not move");
        assert_eq!(estate.now()["status"]["value"], "failed", "and nothing is written over");
        estate.hears(&body).await.unwrap();
        assert_eq!(estate.items().await, items, "the same news again is no news");
        let body = estate.change(&json!({"status": "staged"}));
        estate.hears(&body).await.unwrap();
        assert_eq!(estate.items().await, []);
        estate.rig.assert_correct();
    }
}

#[tokio::test]
async fn a_tenant_set_on_a_ready_server_is_a_request_in_the_operators_name() {
    for version in BOTH {
        let estate = Estate::ready(version, true).await;
        let acme = estate.tenant("Acme");
        let body = estate.change(&json!({"tenant": acme}));
        estate.hears(&body).await.unwrap();
        let server = estate.server().await;
        assert_eq!(server.tenant.as_deref(), Some("Acme"));
        let notes: Vec<String> = estate
            .parts
            .bus
            .timeline(&estate.id)
            .await
            .unwrap()
            .into_iter()
            .filter_map(|entry| Some(entry.note?.text))
            .collect();
        assert!(notes.iter().any(|note| note.contains("anna (NetBox)")), "{notes:?}");
        let asked = estate.now();
        estate.outcome(Outcome::done("delivered to Acme")).await;
        estate.written().await;
        assert_eq!(estate.now()["status"]["value"], "active");
        assert_eq!(estate.now()["tenant"]["id"], acme);
        let delivered = estate.server().await;
        // What this host wrote comes back, and what was heard comes a second time.
        for body in [estate.body(&asked), body] {
            estate.hears(&body).await.unwrap();
            assert_eq!(estate.server().await, delivered);
            assert_eq!(estate.items().await, []);
        }
        estate.rig.assert_correct();
    }
}

#[tokio::test]
async fn a_tenant_is_only_shown_where_requests_are_not_taken_from_netbox() {
    for version in BOTH {
        let estate = Estate::ready(version, false).await;
        let acme = estate.tenant("Acme");
        let before = estate.server().await;
        let body = estate.change(&json!({"tenant": acme}));
        estate.hears(&body).await.unwrap();
        assert_eq!(estate.server().await, before);
        let items = estate.items().await;
        assert_eq!((items.len(), items[0].field.as_str(), items[0].theirs.as_str()), (1, "tenant", "Acme"));
        assert!(items[0].hint.as_deref().unwrap().contains("farrier server assign AMS-SRV-001"), "{items:?}");
    }
}

#[tokio::test]
async fn a_body_is_believed_only_with_its_signature() {
    let estate = Estate::ready(Version::V4_6, true).await;
    let acme = estate.tenant("Acme");
    let body = estate.change(&json!({"tenant": acme}));
    let before = estate.server().await;
    let other = signature(b"another body");
    for wrong in [None, Some(""), Some("00"), Some(other.as_str())] {
        let error = drift::netbox_webhook(&estate.parts, wrong, &body).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (401, "bad-signature"));
    }
    let nonsense = b"{}";
    let error = drift::netbox_webhook(&estate.parts, Some(&signature(nonsense)), nonsense).await.unwrap_err();
    assert_eq!(error.status(), 400, "{error}");
    assert_eq!(estate.server().await, before);
    assert_eq!(webhook::SIGNATURE, "X-Hook-Signature");
}

#[tokio::test]
async fn the_rounds_find_what_no_webhook_told_of_and_not_what_is_being_written() {
    for version in BOTH {
        let estate = Estate::ready(version, false).await;
        let rounds = Rounds { pause: Duration::from_millis(10), looks: 2, ..Rounds::default() };
        let (bus, inventory) = (estate.parts.bus.clone(), estate.parts.inventory.clone());
        let round = || async { drift::round(&*bus, &*inventory, rounds).await.unwrap() };
        assert!(round().await);
        assert_eq!(estate.items().await, [], "what was written agrees");
        estate.change(&json!({"status": "offline", "custom_fields": {"lifecycle_state": "failed"}}));
        let writes = estate.rig.writes();
        assert!(round().await);
        let fields: Vec<String> = estate.items().await.into_iter().map(|item| item.field).collect();
        assert_eq!(fields, ["lifecycle_state", "status"]);
        assert_eq!(estate.rig.writes(), writes, "the rounds write nothing");
        // From here on nothing is written, so what happens next is no difference of NetBox's.
        estate.stop.send(true).unwrap();
        let event = Event::Requested {
            by: "anna".to_owned(),
            request: farrier_lifecycle::Request::Hold { reason: "a look".to_owned() },
        };
        estate.parts.apply(&estate.id, &event, Origin::Outside).await.unwrap();
        let looked = drift::look(&*bus, &*inventory, &estate.id, None).await.unwrap();
        assert_eq!(looked, Looked::Moving);
        estate.rig.assert_correct();
    }
}
