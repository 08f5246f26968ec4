//! What one projection writes into the simulated NetBox of both versions, and what it leaves alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod netbox_rig;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use farrier::inventory::Inventory as _;
use farrier::netbox::init;
use farrier_lab::netbox::{Fault, Version};
use farrier_lifecycle::{Event, Outcome, Request, Retry};
use netbox_rig::{BOTH, README_MAC, Rig, V1, V2, Walker};
use serde_json::json;

const NAME: &str = "AMS-SRV-001";

async fn project(rig: &Rig, walker: &Walker) {
    rig.inventory.project_all(&walker.entries, &walker.server).await.expect("projected");
}

#[tokio::test]
async fn a_server_on_its_way_shows_in_status_fields_address_and_journal() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        project(&rig, &walker).await;
        assert_eq!(rig.device(NAME)["status"]["value"], "offline", "left as found");
        walker.discovered(rig.device_id(NAME), NAME);
        project(&rig, &walker).await;
        let device = rig.device(NAME);
        assert_eq!(device["status"]["value"], "staged");
        assert_eq!(device["custom_fields"]["lifecycle_state"], "discovered");
        assert!(device["custom_fields"]["discovered_at"].as_str().unwrap().starts_with("2026-11-22T"), "{device}");
        assert_eq!(device["oob_ip"]["address"], "10.0.100.50/24");
        let address = rig.lab.get("ipam/ip-addresses", device["oob_ip"]["id"].as_u64().unwrap());
        assert_eq!(address["assigned_object"]["name"], "bmc");
        assert!(address["description"].as_str().unwrap().starts_with("Auto-assigned by DHCP on 2026-"));
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.ready(rig.device_id(NAME), NAME);
        project(&rig, &walker).await;
        let fields = &rig.device(NAME)["custom_fields"];
        assert_eq!(fields["lifecycle_state"], "ready");
        for name in ["pxe_boot_initiated_at", "hardened_at", "last_monitored_at"] {
            assert!(fields[name].is_string(), "{name}: {fields}");
        }
        let journal = rig.journal(NAME);
        assert_eq!(journal.len(), walker.notes());
        let found = journal
            .iter()
            .find(|text| text.contains("BMC discovered via DHCP - MAC: a0:36:9f:01:00:00, IP: 10.0.100.50"));
        let text = found.expect("the PoC's text");
        assert!(text.starts_with("[2026-11-22T") && text.contains("[farrier:a0369f010000:2]"), "{text}");
        assert!(text.contains("Lifecycle state changed: offline → discovered"), "{text}");
        rig.assert_correct();
    }
}

#[tokio::test]
async fn what_is_written_is_not_written_again() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.ready(rig.device_id(NAME), NAME);
        project(&rig, &walker).await;
        let writes = rig.writes();
        project(&rig, &walker).await;
        for entry in &walker.entries {
            rig.inventory.project(entry, &walker.server).await.unwrap();
        }
        assert_eq!(rig.writes(), writes, "repeating a projection writes nothing");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_entry() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.ready(rig.device_id(NAME), NAME);
        let mut lost = 0;
        for _ in 0..10 {
            rig.lab.set_fault(Fault::DropAnswers(1));
            let outcome = rig.inventory.project_all(&walker.entries, &walker.server).await;
            rig.lab.set_fault(Fault::None);
            match outcome {
                Ok(()) => break,
                Err(fault) => assert_eq!(fault.retry, Retry::Backoff),
            }
            lost += 1;
        }
        assert_eq!(lost, 3, "address, device, journal: each write lost once");
        assert_eq!(rig.journal(NAME).len(), walker.notes());
        assert_eq!(rig.lab.find("ipam/ip-addresses", "address", &json!("10.0.100.50/24")).len(), 1);
    }
}

/// The way to a NetBox in which another projector, paused past its term, writes the same journal entries a moment earlier.
async fn with_a_paused_projector(rig: &Rig) -> SocketAddr {
    // An error: a test in this process was first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (http, target) = (reqwest::Client::builder().no_proxy().build().unwrap(), rig.lab.url());
    let pass = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let (http, target) = (http.clone(), target.clone());
        async move {
            let send = || {
                let mut request = http.request(method.clone(), format!("{target}{uri}")).body(body.clone());
                for name in ["authorization", "content-type"] {
                    request = headers.get(name).into_iter().fold(request, |request, value| request.header(name, value));
                }
                request.send()
            };
            if method == Method::POST && uri.path() == "/api/extras/journal-entries/" {
                assert_eq!(send().await.unwrap().status(), 201);
            }
            let answer = send().await.unwrap();
            (StatusCode::from_u16(answer.status().as_u16()).unwrap(), answer.bytes().await.unwrap())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(pass)).await });
    address
}

#[tokio::test]
async fn what_two_projectors_wrote_at_once_stands_there_once() {
    for (version, token) in [(Version::V3_7, V1), (Version::V4_6, V2)] {
        let rig = Rig::populated(version).await;
        let address = with_a_paused_projector(&rig).await;
        let (inventory, _file) = Rig::inventory(&format!("http://{address}"), token);
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.ready(rig.device_id(NAME), NAME);
        inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        let left = rig.lab.find("extras/journal-entries", "assigned_object_id", &json!(rig.device_id(NAME)));
        assert_eq!(left.len(), walker.notes());
        let ids: Vec<u64> = left.iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
        let notes = u64::try_from(walker.notes()).unwrap();
        assert!(ids.iter().all(|id| *id <= notes), "the first of two stays: {ids:?}");
        // One note alone is asked for in another way.
        walker.moves_to("10.0.100.51");
        let last = walker.entries.last().unwrap().clone();
        inventory.project(&last, &walker.server).await.unwrap();
        assert_eq!(rig.journal(NAME).len(), walker.notes());
        rig.assert_correct();
    }
}

#[tokio::test]
async fn the_address_follows_the_lease() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let mut first = Walker::new(README_MAC, "10.0.100.50");
        first.discovered(rig.device_id(NAME), NAME);
        project(&rig, &first).await;
        let made = rig.device(NAME)["oob_ip"]["id"].clone();
        first.moves_to("10.0.100.51");
        project(&rig, &first).await;
        assert_eq!(rig.device(NAME)["oob_ip"]["address"], "10.0.100.51/24");
        assert_eq!(rig.device(NAME)["oob_ip"]["id"], made, "the object moves, no second one is made");
        let mut second = Walker::new("94:40:c9:00:01:02", "10.0.100.52");
        second.discovered(rig.device_id("AMS-SRV-002"), "AMS-SRV-002");
        project(&rig, &second).await;
        // Both leases change places.
        first.moves_to("10.0.100.52");
        second.moves_to("10.0.100.51");
        project(&rig, &first).await;
        project(&rig, &second).await;
        assert_eq!(rig.device(NAME)["oob_ip"]["address"], "10.0.100.52/24");
        assert_eq!(rig.device("AMS-SRV-002")["oob_ip"]["address"], "10.0.100.51/24");
        let addresses = rig.lab.find("ipam/ip-addresses", "status", &json!("dhcp"));
        assert_eq!(addresses.len(), 2, "{addresses:#?}");
        // Outside of every prefix the configured length is taken.
        second.moves_to("192.0.2.9");
        project(&rig, &second).await;
        assert_eq!(rig.device("AMS-SRV-002")["oob_ip"]["address"], "192.0.2.9/24");
        rig.assert_correct();
    }
}

#[tokio::test]
async fn an_operators_address_is_taken_into_use_or_left_alone() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let free =
            rig.lab.create("ipam/ip-addresses", &json!({"address": "10.0.100.50/24", "status": "reserved"})).unwrap();
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.discovered(rig.device_id(NAME), NAME);
        project(&rig, &walker).await;
        assert_eq!(rig.device(NAME)["oob_ip"]["id"], free);
        let bmcs = rig.lab.find("dcim/interfaces", "name", &json!("bmc"));
        let theirs = bmcs.iter().find(|bmc| bmc["device"] == rig.device_id("AMS-SRV-002")).unwrap()["id"].clone();
        let body = json!({"address": "10.0.100.60/24", "assigned_object_type": "dcim.interface", "assigned_object_id": theirs});
        rig.lab.create("ipam/ip-addresses", &body).unwrap();
        walker.moves_to("10.0.100.60");
        let fault = rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap_err();
        assert_eq!(fault.code, "address-taken");
        assert!(fault.text.contains("AMS-SRV-002"), "{fault}");
        assert_eq!(rig.device(NAME)["oob_ip"]["id"], free, "left alone");
        assert_eq!(rig.journal(NAME).len(), walker.notes(), "the rest is written all the same");
    }
}

#[tokio::test]
async fn what_an_operator_keeps_an_address_for_is_not_written_over() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let body =
            json!({"address": "10.0.100.50/24", "status": "reserved", "description": "VIP of the storage cluster"});
        let kept = rig.lab.create("ipam/ip-addresses", &body).unwrap();
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.discovered(rig.device_id(NAME), NAME);
        for _ in 0..2 {
            let fault = rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap_err();
            assert_eq!(fault.code, "address-taken");
            assert!(fault.text.contains("VIP of the storage cluster") && fault.hint.is_some(), "{fault}");
        }
        let address = rig.lab.get("ipam/ip-addresses", kept);
        assert_eq!(address["description"], "VIP of the storage cluster");
        assert!(address["assigned_object_id"].is_null() && rig.device(NAME)["oob_ip"].is_null(), "{address}");
        assert_eq!(rig.journal(NAME).len(), walker.notes(), "the rest is written all the same");
    }
}

#[tokio::test]
async fn the_same_number_in_another_routing_table_is_another_address() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let vrf = rig.lab.create("ipam/vrfs", &json!({"name": "management"})).unwrap();
        let site = rig.device(NAME)["site"]["id"].clone();
        let place = match version {
            Version::V3_7 => json!({"prefix": "10.0.100.0/26", "vrf": vrf, "site": site}),
            Version::V4_6 => {
                json!({"prefix": "10.0.100.0/26", "vrf": vrf, "scope_type": "dcim.site", "scope_id": site})
            }
        };
        rig.lab.create("ipam/prefixes", &place).unwrap();
        let bmcs = rig.lab.find("dcim/interfaces", "name", &json!("bmc"));
        let theirs = bmcs.iter().find(|bmc| bmc["device"] == rig.device_id("AMS-SRV-002")).unwrap()["id"].clone();
        let body = json!({"address": "10.0.100.50/24", "assigned_object_type": "dcim.interface", "assigned_object_id": theirs});
        let elsewhere = rig.lab.create("ipam/ip-addresses", &body).unwrap();
        let free = rig.lab.create("ipam/ip-addresses", &json!({"address": "10.0.100.51/24"})).unwrap();
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.discovered(rig.device_id(NAME), NAME);
        for ip in ["10.0.100.50", "10.0.100.51"] {
            if ip != "10.0.100.50" {
                walker.moves_to(ip);
            }
            project(&rig, &walker).await;
            let address = rig.lab.get("ipam/ip-addresses", rig.device(NAME)["oob_ip"]["id"].as_u64().unwrap());
            assert_eq!((&address["address"], &address["vrf"]["id"]), (&json!(format!("{ip}/26")), &json!(vrf)));
        }
        assert_eq!(rig.lab.get("ipam/ip-addresses", elsewhere)["assigned_object_id"], theirs, "not ours to take");
        assert_eq!(rig.lab.get("ipam/ip-addresses", free)["description"], "");
        rig.assert_correct();
    }
}

#[tokio::test]
async fn a_failure_in_discover_shows_although_the_server_has_no_id_yet() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        let fault = farrier_lifecycle::Fault::new(
            "identity-mismatch",
            Retry::Never,
            farrier_lifecycle::Blame::Hardware,
            "the controller says MXQ, NetBox says S5101001",
        );
        walker.outcome(Outcome::Failed(fault));
        project(&rig, &walker).await;
        assert_eq!(rig.device(NAME)["status"]["value"], "failed");
        assert!(rig.journal(NAME).iter().any(|text| text.contains("identity-mismatch")));
        let mut unknown = Walker::new("02:00:00:00:00:09", "10.0.100.9");
        unknown.event(&Event::Requested { by: "x".to_owned(), request: Request::Hold { reason: "y".to_owned() } });
        let writes = rig.writes();
        project(&rig, &unknown).await;
        assert_eq!(rig.writes(), writes, "a server NetBox does not know is written nowhere");
    }
}

#[tokio::test]
async fn a_server_that_was_never_taken_is_left_where_netbox_has_it() {
    for (field, value) in [("status", "active"), ("lifecycle_state", "maintenance"), ("lifecycle_state", "failed")] {
        for version in BOTH {
            let rig = Rig::populated(version).await;
            let id = rig.device_id(NAME);
            let body = match field {
                "status" => json!({ "status": value }),
                name => json!({ "custom_fields": { name: value } }),
            };
            rig.lab.patch("dcim/devices", id, &body).unwrap();
            let before = rig.device(NAME);
            let mut walker = Walker::new(README_MAC, "10.0.100.50");
            project(&rig, &walker).await;
            let fault = farrier_lifecycle::Fault::new(
                "claimed-active",
                Retry::Never,
                farrier_lifecycle::Blame::Operator,
                "NetBox has it at status active",
            );
            walker.outcome(Outcome::Failed(fault));
            project(&rig, &walker).await;
            let after = rig.device(NAME);
            for field in ["status", "custom_fields", "oob_ip"] {
                assert_eq!(before[field], after[field], "{field}");
            }
            assert!(rig.journal(NAME).iter().any(|text| text.contains("claimed-active")));
            // Once it was taken, the record decides again.
            walker.event(&Event::Requested { by: "anna".to_owned(), request: Request::Retry });
            walker.discovered(id, NAME);
            project(&rig, &walker).await;
            assert_eq!(rig.device(NAME)["status"]["value"], "staged");
        }
    }
}

#[tokio::test]
async fn a_site_with_a_status_discovered_gets_it() {
    let ledger = farrier_lab::ledger::Ledger::default();
    for (version, token) in [(Version::V3_7, V1), (Version::V4_6, V2)] {
        let mut config = farrier_lab::netbox::NetBoxConfig::new(version, token);
        config.extra_statuses = vec!["discovered".to_owned()];
        let lab = farrier_lab::netbox::start(config, ledger.clone()).await.unwrap();
        let (inventory, _file) = Rig::inventory(&lab.url(), token);
        let silent = farrier::netbox::populate::Silent;
        farrier::netbox::populate::populate(inventory.client(), &netbox_rig::example(), &silent).await.unwrap();
        let id = lab.find("dcim/devices", "name", &json!(NAME))[0]["id"].as_u64().unwrap();
        let mut walker = Walker::new(README_MAC, "10.0.100.50");
        walker.discovered(id, NAME);
        inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        // Without `netbox init` there is no custom field, and none is written.
        assert_eq!(lab.get("dcim/devices", id)["status"]["value"], "discovered");
    }
}

/// Passes everything on; before the first `edits` changes of a device, an operator is faster.
async fn with_a_faster_operator(rig: &Rig, edits: u32) -> SocketAddr {
    struct Shared {
        target: String,
        left: AtomicU32,
        edit: Box<dyn Fn() + Send + Sync>,
        http: reqwest::Client,
    }
    let url = rig.lab.url();
    let device = format!("{url}/api/dcim/devices/{}/", rig.device_id(NAME));
    // An error: a test in this process was first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // The operator's change goes through NetBox's API like any other.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let edits_done = Arc::new(AtomicU32::new(0));
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<std::sync::mpsc::Sender<()>>();
    let operator = http.clone();
    tokio::spawn(async move {
        while let Some(done) = receiver.recv().await {
            let number = edits_done.fetch_add(1, Ordering::Relaxed);
            let request = operator.patch(&device).bearer_auth(V2).json(&json!({"comments": format!("edit {number}")}));
            assert_eq!(request.send().await.unwrap().status(), 200);
            done.send(()).unwrap();
        }
    });
    let edit = Box::new(move || {
        let (done, wait) = std::sync::mpsc::channel();
        sender.send(done).unwrap();
        tokio::task::block_in_place(|| wait.recv().unwrap());
    });
    let shared = Arc::new(Shared { target: url, left: AtomicU32::new(edits), edit, http });
    let pass = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let shared = Arc::clone(&shared);
        async move {
            let is_change = method == Method::PATCH && uri.path().starts_with("/api/dcim/devices/");
            let less = |left: u32| left.checked_sub(1);
            if is_change && shared.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                (shared.edit)();
            }
            let mut request = shared.http.request(method, format!("{}{uri}", shared.target)).body(body);
            for name in ["authorization", "content-type", "if-match"] {
                if let Some(value) = headers.get(name) {
                    request = request.header(name, value);
                }
            }
            let answer = request.send().await.unwrap();
            let (status, etag) = (answer.status(), answer.headers().get("etag").cloned());
            let mut headers = HeaderMap::new();
            etag.map(|etag| headers.insert("etag", etag));
            (StatusCode::from_u16(status.as_u16()).unwrap(), headers, answer.bytes().await.unwrap())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(pass)).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_was_faster_keeps_the_edit() {
    let rig = Rig::populated(Version::V4_6).await;
    let address = with_a_faster_operator(&rig, 2).await;
    let (inventory, _file) = Rig::inventory(&format!("http://{address}"), V2);
    let mut walker = Walker::new(README_MAC, "10.0.100.50");
    walker.discovered(rig.device_id(NAME), NAME);
    inventory.project_all(&walker.entries, &walker.server).await.unwrap();
    let device = rig.device(NAME);
    assert_eq!((&device["comments"], &device["status"]["value"]), (&json!("edit 1"), &json!("staged")));
    assert_eq!(rig.journal(NAME).len(), walker.notes());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_never_stops_does_not_hold_the_projector_for_ever() {
    let rig = Rig::populated(Version::V4_6).await;
    let address = with_a_faster_operator(&rig, 1000).await;
    let (inventory, _file) = Rig::inventory(&format!("http://{address}"), V2);
    let mut walker = Walker::new(README_MAC, "10.0.100.50");
    walker.discovered(rig.device_id(NAME), NAME);
    let fault = inventory.project_all(&walker.entries, &walker.server).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.retry), ("netbox-changed", Retry::Backoff));
}

#[tokio::test]
async fn times_go_into_the_pocs_date_fields_as_days() {
    let rig = Rig::empty(Version::V3_7).await;
    let field = json!({"name": "discovered_at", "type": "date", "content_types": ["dcim.device"]});
    rig.lab.create("extras/custom-fields", &field).unwrap();
    init::apply(rig.inventory.client(), |_| {}).await.unwrap();
    let silent = farrier::netbox::populate::Silent;
    farrier::netbox::populate::populate(rig.inventory.client(), &netbox_rig::example(), &silent).await.unwrap();
    let mut walker = Walker::new(README_MAC, "10.0.100.50");
    walker.discovered(rig.device_id(NAME), NAME);
    project(&rig, &walker).await;
    assert_eq!(rig.device(NAME)["custom_fields"]["discovered_at"], "2026-11-22");
}
