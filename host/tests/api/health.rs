//! Faults and silences over the API: who sees them, who sets them, and that an engine on the same store obeys.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use farrier::access::Role;
use farrier::config::Health;
use farrier::fault::{Blame, Fault, Retry};
use farrier::health::{Sample, Watch, load};
use farrier::ticket::{Cases, Finding, Problem, Subject};
use farrier_lifecycle::{Stage, Timestamp};
use serde_json::json;

use crate::rig::{Rig, active};

fn finding(about: Subject, name: &str, code: &str) -> Finding {
    let fault = Fault::new(code, Retry::Never, Blame::Hardware, "as a test has it").hint("mend it");
    let at = Timestamp(1_800_000_000_000);
    Finding { about, name: name.to_owned(), fault, since: at, at, warning: false, shown: None }
}

#[tokio::test]
async fn faults_are_seen_by_who_sees_the_server_or_the_site() {
    let rig = Rig::new().await;
    let server = rig.put(active(1, "ams", "blue")).await;
    let cases = Cases(rig.bus.clone());
    cases.find(&finding(Subject::Server(server.id.clone()), server.label(), "fan-failed")).await.unwrap();
    let rack = Subject::Rack { site: "fra".to_owned(), rack: "A01".to_owned(), feed: Some("a".to_owned()) };
    cases.find(&finding(rack, "rack A01", "rack-power-feed")).await.unwrap();
    for (role, site, tenant, seen) in [
        (Role::Viewer, None, None, vec!["fan-failed", "rack-power-feed"]),
        (Role::Viewer, Some("ams"), None, vec!["fan-failed"]),
        (Role::Technician, Some("fra"), None, vec!["rack-power-feed"]),
        (Role::Tenant, None, Some("blue"), vec!["fan-failed"]),
        (Role::Tenant, None, Some("green"), vec![]),
    ] {
        let token = rig.token(role, site, tenant).await;
        let page = rig.get(Some(&token), "/api/v1/faults").await.json();
        let codes: Vec<&str> =
            page["items"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(codes, seen, "{role} {site:?} {tenant:?}");
        assert_eq!(page["total"], seen.len());
    }
    let page = rig.get(None, "/api/v1/faults").await.json();
    assert_eq!(page["items"][1]["about"], "rack/fra/A01/feed-a");
    assert_eq!((&page["items"][0]["severity"], &page["items"][0]["hint"]), (&json!("critical"), &json!("mend it")));
}

#[tokio::test]
async fn faults_of_hardware_in_service_are_work_for_hands_and_not_to_be_tried_again() {
    let rig = Rig::new().await;
    let server = rig.put(active(1, "ams", "blue")).await;
    let cases = Cases(rig.bus.clone());
    let about = Subject::Server(server.id.clone());
    for (code, blame) in [
        ("fan-failed", Blame::Hardware),
        ("link-down", Blame::Cabling),
        ("controller-silent", Blame::Network),
        ("controller-resets", Blame::Controller),
        ("chassis-open", Blame::Operator),
    ] {
        let mut found = finding(about.clone(), "as it was called then", code);
        found.fault.blame = blame;
        cases.find(&found).await.unwrap();
    }
    // Of a stage: that is told by the record, while it stands.
    let fault = Fault::new("drive-missing", Retry::Never, Blame::Hardware, "as a test has it");
    let (at, version, stage) = (Timestamp(1), 1, Some(Stage::Validate));
    let (id, name) = (server.id.clone(), server.label().to_owned());
    let told = Problem { server: id, name, stage, fault, at, version, warning: false };
    cases.raise(&told).await.unwrap();
    let over = finding(about.clone(), server.label(), "memory-failed");
    cases.find(&over).await.unwrap();
    let open = cases.get(&about, "memory-failed").await.unwrap().unwrap();
    cases.clear(open, over.at.plus(1), u64::MAX, "replaced").await.unwrap();
    let rack = Subject::Rack { site: "fra".to_owned(), rack: "B07".to_owned(), feed: Some("a".to_owned()) };
    cases.find(&finding(rack, "rack B07", "rack-power-feed")).await.unwrap();

    let work = async |token: Option<&str>, query: &str| {
        let list = rig.get(token, &format!("/api/v1/work{query}")).await.json();
        list["items"].as_array().unwrap().clone()
    };
    let codes = |items: &[serde_json::Value]| -> BTreeSet<String> {
        items.iter().map(|item| item["code"].as_str().unwrap().to_owned()).collect()
    };
    let mine = BTreeSet::from(["fan-failed", "link-down", "controller-silent", "controller-resets"].map(str::to_owned));
    let at_ams = work(Some(&rig.token(Role::Technician, Some("ams"), None).await), "").await;
    assert_eq!(codes(&at_ams), mine);
    assert_eq!(codes(&work(None, "?site=ams").await), mine);
    assert_eq!(codes(&work(Some(&rig.token(Role::Tenant, None, Some("blue")).await), "").await), mine);
    assert_eq!(
        work(Some(&rig.token(Role::Tenant, None, Some("green")).await), "").await,
        Vec::<serde_json::Value>::new()
    );
    let fan = at_ams.iter().find(|item| item["code"] == "fan-failed").unwrap();
    assert_eq!((&fan["server"], &fan["rack"], &fan["unit"]), (&json!("AMS-SRV-00001"), &json!("A01"), &json!(2)));
    assert_eq!(
        (&fan["kind"], &fan["headline"], &fan["steps"]),
        (&json!("part"), &json!("as a test has it"), &json!(["mend it"]))
    );
    assert_eq!((&fan["check"], &fan["severity"], &fan["tenant"]), (&json!(false), &json!("critical"), &json!("blue")));
    let kinds: BTreeSet<&str> = at_ams.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["access", "cabling", "other", "part"]));
    let at_fra = work(Some(&rig.token(Role::Technician, Some("fra"), None).await), "").await;
    assert_eq!(codes(&at_fra), BTreeSet::from(["rack-power-feed".to_owned()]));
    assert_eq!((&at_fra[0]["server"], &at_fra[0]["rack"]), (&json!("rack B07"), &json!("B07")));

    // The server's page asks for its own.
    let of = async |token: &str, name: &str| rig.get(Some(token), &format!("/api/v1/faults?server={name}")).await;
    let (ams, fra) =
        (rig.token(Role::Viewer, Some("ams"), None).await, rig.token(Role::Viewer, Some("fra"), None).await);
    assert_eq!(of(&ams, "ams-srv-00001").await.json()["total"], 6, "all but the rack's and what is over");
    assert_eq!(of(&fra, "ams-srv-00001").await.code(), "no-server");
}

#[tokio::test]
async fn a_silence_is_set_seen_obeyed_and_ended() {
    let rig = Rig::new().await;
    let server = rig.put(active(1, "ams", "blue")).await;
    let (ams, fra) =
        (rig.token(Role::Operator, Some("ams"), None).await, rig.token(Role::Operator, Some("fra"), None).await);
    let body = |extra: serde_json::Value| {
        let mut body = json!({ "seconds": 3_600, "reason": "a new PDU" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let rack = body(json!({ "site": "ams", "rack": "A01" }));
    assert_eq!(rig.post(Some(&fra), "/api/v1/silences", &rack).await.status, StatusCode::FORBIDDEN);
    let name = body(json!({ "server": server.label() }));
    assert_eq!(rig.post(Some(&fra), "/api/v1/silences", &name).await.status, StatusCode::NOT_FOUND);
    for wrong in [
        json!({ "rack": "A01" }),
        json!({ "server": "x", "site": "ams" }),
        json!({ "site": "ams", "seconds": 0 }),
        json!({ "site": "ams", "reason": " " }),
    ] {
        assert_eq!(rig.post(Some(&ams), "/api/v1/silences", &body(wrong)).await.status, StatusCode::BAD_REQUEST);
    }
    let made = rig.post(Some(&ams), "/api/v1/silences", &rack).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made_view = made.json();
    assert_eq!(made_view["scope"], "rack A01 at ams");
    assert_eq!(rig.get(Some(&fra), "/api/v1/silences").await.json()["total"], 0);
    assert_eq!(rig.get(Some(&ams), "/api/v1/silences").await.json()["items"][0]["reason"], "a new PDU");

    // The engine of whichever host looks has it from the store.
    let settings = Health::default();
    let watch = Watch::new(rig.bus.clone(), load(&settings).unwrap(), &settings, false);
    let start = farrier::egress::now();
    let cases = Cases(rig.bus.clone());
    for look in 1..=6 {
        let at = start.plus(look * 30_000);
        let refused = Fault::new("credentials-refused", Retry::Never, Blame::Operator, "no");
        let sample = Sample { server: server.id.clone(), at, took_ms: 1, seen: Err(refused) };
        watch.look(&server, &sample).await.unwrap();
        watch.tick(at).await.unwrap();
    }
    assert_eq!(cases.all().await.unwrap(), []);

    // Ended: what lasts is a case, and another host that takes over knows of it.
    let path = format!("/api/v1/silences/{}", made_view["id"].as_str().unwrap());
    assert_eq!(made.header("location"), path);
    let delete = |token: &str| {
        let (token, path, rig) = (token.to_owned(), path.clone(), &rig);
        async move { rig.ask(Some(&token), Request::delete(path), Body::empty()).await.status }
    };
    assert_eq!(delete(&fra).await, StatusCode::NOT_FOUND);
    assert_eq!(delete(&ams).await, StatusCode::NO_CONTENT);
    watch.tick(start.plus(200_000)).await.unwrap();
    let open = cases.all().await.unwrap();
    assert_eq!((open.len(), open[0].fault.code.as_str()), (1, "controller-refuses"));
    watch.pause().await;
    let next = Watch::new(rig.bus.clone(), load(&settings).unwrap(), &settings, false);
    for at in [230_000, 260_000] {
        let seen = Ok(farrier::health::Seen::default());
        let sample = Sample { server: server.id.clone(), at: start.plus(at), took_ms: 1, seen };
        next.look(&server, &sample).await.unwrap();
    }
    assert_eq!(cases.all().await.unwrap(), [], "over, and nobody has to close a ticket");
    let kept = rig.bus.keys("health/server/").await.unwrap();
    assert_eq!(kept, [], "nothing is kept of a server that is well");
}
