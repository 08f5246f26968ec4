//! A lab held to what a host does with it: boot override and power through the controller, a boot script,
//! a report; and its control API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Lab, LabConfig};
use crate::estate::server::{BootSettings, BootState};
use crate::estate::{DEFAULT_BASE, Estate, Vendor};
use crate::ledger::Kind;
use crate::rig::free_port;

type Taken = Arc<Mutex<Vec<Value>>>;

/// A boot server and callback in one; every MAC may boot.
async fn boot_server() -> (String, Taken) {
    let taken = Taken::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let callback = format!("{url}/cb/token");
    let script = move |Query(query): Query<HashMap<String, String>>| async move {
        assert!(query["mac"].contains(':'));
        format!("#!ipxe\nkernel {callback}/vmlinuz bm.callback_url={callback}\nboot\n")
    };
    let take =
        |State(taken): State<Taken>, Json(report): Json<Value>| async move { taken.lock().unwrap().push(report) };
    let router = Router::new()
        .route("/boot/ipxe", get(script))
        .route("/cb/token/api/event", post(take))
        .route("/cb/token/api/v1/validation/report", post(take))
        .with_state(taken.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, taken)
}

async fn lab(estate: Estate, boot_url: Option<String>) -> Lab {
    let mut config = LabConfig::new(estate, free_port().unwrap());
    config.boot = BootSettings { url: boot_url, delay: Duration::from_millis(5), ..config.boot };
    Lab::start(config).await.unwrap()
}

/// Log in to a controller and act, as a client of any vendor that follows links would.
async fn boot_from_network(lab: &Lab, name: &str) {
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    let bmc = lab.bmc(name).unwrap();
    let (url, config) = (bmc.url(), bmc.config());
    let login = json!({ "UserName": config.username, "Password": config.password });
    let answer = client.post(format!("{url}/redfish/v1/SessionService/Sessions")).json(&login).send().await.unwrap();
    let token = answer.headers()["x-auth-token"].to_str().unwrap().to_owned();
    let read = |path: String| client.get(format!("{url}{path}")).header("X-Auth-Token", &token).send();
    let root: Value = read("/redfish/v1/".to_owned()).await.unwrap().json().await.unwrap();
    let systems = root["Systems"]["@odata.id"].as_str().unwrap().to_owned();
    let systems: Value = read(systems).await.unwrap().json().await.unwrap();
    let path = systems["Members"][0]["@odata.id"].as_str().unwrap_or_else(|| panic!("{name}: {systems}")).to_owned();
    let answer = read(path.clone()).await.unwrap();
    let etag = answer.headers().get("etag").cloned();
    let system: Value = answer.json().await.unwrap();
    let boot = json!({ "Boot": { "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe" } });
    let mut change = client.patch(format!("{url}{path}")).header("X-Auth-Token", &token).json(&boot);
    if let Some(etag) = etag {
        change = change.header("If-Match", etag);
    }
    let answer = change.send().await.unwrap();
    assert!(answer.status().is_success(), "{name}: {}", answer.text().await.unwrap());
    let reset = system["Actions"]["#ComputerSystem.Reset"]["target"].as_str().unwrap();
    let on = client.post(format!("{url}{reset}")).header("X-Auth-Token", &token).json(&json!({ "ResetType": "On" }));
    let answer = on.send().await.unwrap();
    assert!(answer.status().is_success(), "{name}: {}", answer.text().await.unwrap());
}

async fn until(lab: &Lab, name: &str, wanted: impl Fn(&BootState) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let state = lab.server(name).unwrap().state();
        if wanted(&state) {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is {state:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_of_every_vendor_boots_from_the_network_and_reports() {
    let estate = Estate::sound(7, 3, DEFAULT_BASE);
    let (url, taken) = boot_server().await;
    let lab = lab(estate.clone(), Some(url)).await;
    for server in &estate.servers {
        boot_from_network(&lab, &server.name).await;
        until(&lab, &server.name, |state| *state == BootState::Reported(200)).await;
        assert_eq!(taken.lock().unwrap().pop().unwrap()["hardware"]["serial"], server.serial);
        assert_eq!(lab.ledger().report().of(&server.name, Kind::PowerTransition), 1);
    }
    assert_eq!(lab.ledger().report().violations, []);
}

#[tokio::test]
async fn a_server_switched_on_by_hand_boots_from_its_disk() {
    let estate = Estate::sound(7, 1, DEFAULT_BASE);
    let (url, taken) = boot_server().await;
    let lab = lab(estate.clone(), Some(url)).await;
    let name = &estate.servers[0].name;
    let bmc = lab.bmc(name).unwrap();
    bmc.power_on_by_hand();
    let deadline = Instant::now() + Duration::from_secs(10);
    while lab.ledger().report().of(name, Kind::PowerTransition) == 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lab.server(name).unwrap().state(), BootState::Idle);
    assert!(taken.lock().unwrap().is_empty());
}

#[tokio::test]
async fn cables_and_faults_are_ordered_over_the_control_api() {
    let estate = Estate::sound(7, 2, DEFAULT_BASE);
    let lab = lab(estate.clone(), None).await;
    let server = estate.servers.iter().find(|server| server.vendor == Vendor::Hpe).unwrap();
    let client = reqwest::Client::new();
    let root = format!("{}/lab/servers/{}", lab.control_url(), server.name);
    let order = |path: &str, body: Value| client.post(format!("{root}/{path}")).json(&body).send();

    let end = server.nics[1].cable.clone().unwrap();
    let moved = json!({ "nic": "ens1f0", "device": end.device, "port": end.port });
    assert_eq!(order("cable", moved).await.unwrap().status(), 204);
    assert_eq!(lab.estate().server(&server.name).unwrap().nics[0].end(), Some(&end));
    let nowhere = json!({ "nic": "ens1f0", "device": end.device, "port": "Ethernet999" });
    let refused = order("cable", nowhere).await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("no port Ethernet999"));
    assert_eq!(order("cable", json!({ "nic": "ens1f0" })).await.unwrap().status(), 204);
    assert_eq!(lab.estate(), estate);

    assert_eq!(order("fault", json!({ "kind": "error", "status": 500, "times": 1 })).await.unwrap().status(), 204);
    let strange = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
    let root_of_bmc = format!("{}/redfish/v1/", lab.bmc(&server.name).unwrap().url());
    assert_eq!(strange.get(&root_of_bmc).send().await.unwrap().status(), 500);
    assert_eq!(strange.get(&root_of_bmc).send().await.unwrap().status(), 200);

    let without_hook = order("power-on", json!({})).await.unwrap();
    assert_eq!(without_hook.status(), 409);
    let views: Value =
        client.get(format!("{}/lab/servers", lab.control_url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(views[0]["boot"], "idle");
    let report: Value =
        client.get(format!("{}/lab/report", lab.control_url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(report["violations"], json!([]));
}
