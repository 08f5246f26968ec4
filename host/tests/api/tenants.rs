//! A server that goes from one tenant to the next: neither reads of the other.

use axum::http::StatusCode;
use farrier::access::Role;
use farrier::bus::Origin;
use farrier_lifecycle::{Event, Outcome, Request, Server, Stage, Status};
use serde_json::Value;

use crate::rig::{Rig, ready};

const PATH: &str = "/api/v1/servers/AMS-SRV-00001";

async fn apply(rig: &Rig, id: &farrier_lifecycle::ServerId, event: Event) {
    rig.parts.apply(id, &event, Origin::Outside).await.unwrap();
}

async fn ask(rig: &Rig, server: &Server, request: Request) {
    apply(rig, &server.id, Event::Requested { by: "token:desk".to_owned(), request }).await;
}

/// What the workers would do, until the server rests or stops.
async fn work(rig: &Rig, server: &Server) -> Server {
    loop {
        let now = rig.bus.read(&server.id).await.unwrap().unwrap();
        if now.status != Status::Running {
            return now;
        }
        let outcome = if now.stage == Stage::Assign && now.tenant.is_none() {
            Outcome::Rest
        } else {
            Outcome::done("as it should be")
        };
        apply(rig, &server.id, Event::Outcome { token: now.token(), outcome }).await;
    }
}

/// Ready, then kept for an order of the tenant and given to it.
async fn give(rig: &Rig, server: &Server, tenant: &str, order: &str) {
    let (tenant, order) = (tenant.to_owned(), order.to_owned());
    let until = farrier::egress::now().plus(60_000);
    ask(rig, server, Request::Reserve { order: order.clone(), tenant: tenant.clone(), until, accept: false }).await;
    ask(rig, server, Request::Assign { tenant, accept: false, order: Some(order) }).await;
    assert!(work(rig, server).await.in_service());
}

fn events(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_tenant_reads_what_happened_since_the_server_was_given_to_them() {
    let rig = Rig::new().await;
    let server = rig.put(ready(1, "ams")).await;
    let alpha = rig.token(Role::Tenant, None, Some("ALPHA")).await;
    let beta = rig.token(Role::Tenant, None, Some("BETA")).await;
    let looks_for_beta = rig.token(Role::Viewer, None, Some("BETA")).await;
    give(&rig, &server, "ALPHA", "ORD-1").await;
    rig.until("alpha has it", || rig.fleet.get(&server.id).is_some_and(|row| row.server.in_service())).await;
    assert_eq!(rig.get(Some(&beta), &format!("{PATH}/timeline")).await.code(), "no-server");

    ask(&rig, &server, Request::Release).await;
    ask(&rig, &server, Request::AttestErased).await;
    assert!(work(&rig, &server).await.is_ready(), "provisioned again");
    give(&rig, &server, "BETA", "ORD-2").await;
    let version = rig.bus.read(&server.id).await.unwrap().unwrap().version;
    rig.until("beta has it", || rig.fleet.get(&server.id).is_some_and(|row| row.server.version == version)).await;

    assert_eq!(rig.get(Some(&alpha), &format!("{PATH}/timeline")).await.status, StatusCode::NOT_FOUND);
    let timeline = rig.get(Some(&beta), &format!("{PATH}/timeline")).await;
    assert_eq!(events(&timeline.json()["items"]), ["assign", "done"], "{timeline:?}");
    let whole = rig.get(None, &format!("{PATH}/timeline")).await;
    assert!(whole.text.contains("ALPHA") && whole.text.contains("ORD-1"), "who runs the host reads it all: {whole:?}");
    for (token, path) in [
        (&beta, format!("{PATH}/timeline")),
        (&beta, "/api/device/1/timeline".to_owned()),
        (&looks_for_beta, "/api/v1/journal".to_owned()),
        (&looks_for_beta, "/api/v1/journal?last=50".to_owned()),
        (&looks_for_beta, "/api/queue".to_owned()),
    ] {
        let answer = rig.get(Some(token), &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        assert!(answer.text.contains("BETA"), "{path}: {answer:?}");
        for theirs in ["ALPHA", "ORD-1"] {
            assert!(!answer.text.contains(theirs), "{path} tells of {theirs}: {}", answer.text);
        }
    }

    // So many transitions later the assign is not kept any more: what is, is theirs.
    for _ in 0..20 {
        ask(&rig, &server, Request::Hold { reason: "inspection".to_owned() }).await;
        ask(&rig, &server, Request::Unhold).await;
    }
    let timeline = rig.get(Some(&beta), &format!("{PATH}/timeline")).await.json();
    assert!(events(&timeline["items"]).iter().all(|event| event == "hold" || event == "unhold"), "{timeline}");
    assert!(timeline["items"].as_array().unwrap().len() >= 30, "{timeline}");
}
