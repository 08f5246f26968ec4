//! Firmware that controllers fetch themselves; pushing is tested with the drivers, `host/tests/plugin_firmware.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use farrier_lab::ledger::Kind as Count;
use farrier_lab::redfish::Kind;
use farrier_lab::redfish::image::{Bad, Image};
use serde_json::json;

use crate::client::{ALL, Rig, until};

const UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";

/// Serve images under their names; the base of their addresses.
async fn serve(images: &[(&str, Image)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut files = BTreeMap::new();
    for (name, image) in images {
        let path = folder.path().join(name);
        image.write(&path, 4_096).unwrap();
        files.insert((*name).to_owned(), std::fs::read(&path).unwrap());
    }
    let get = |State(files): State<Arc<BTreeMap<String, Vec<u8>>>>, Path(name): Path<String>| async move {
        files.get(&name).cloned().ok_or(StatusCode::NOT_FOUND)
    };
    let router = Router::new().route("/{name}", axum::routing::get(get)).with_state(Arc::new(files));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

#[tokio::test]
async fn what_is_fetched_changes_the_controller_after_its_restart_and_a_rom_at_the_next_boot() {
    let base = serve(&[("a.bin", Image::new("bmc", "9.99.00")), ("b.bin", Image::new("bios", "9.98.00"))]).await;
    for kind in ALL {
        let mut rig = Rig::new(kind).await;
        let (manager, system) = (rig.first("Managers").await, rig.first("Systems").await);
        let version = |path: &str, name: &str| rig.bmc.resource(path).unwrap()[name].clone();
        let pull = |name: &str| json!({"ImageURI": format!("{base}/{name}"), "TransferProtocol": "HTTP", "@Redfish.OperationApplyTime": "OnReset"});
        let now = json!({"ImageURI": format!("{base}/a.bin")});
        let answer = rig.client.post(UPDATE, now).await;
        assert!((200..300).contains(&answer.status), "{kind:?}: {}", answer.body);
        until("the update", || async { version(&manager, "FirmwareVersion") == "9.99.00" }).await;
        assert_eq!(rig.bmc.state().sessions, 0, "{kind:?}: it started again");
        until("its return", || async {
            rig.client.http.get(format!("{}/redfish/v1/", rig.client.base)).send().await.is_ok()
        })
        .await;
        let config = rig.bmc.config().clone();
        rig.client.login(&config.username, &config.password).await;
        let answer = rig.client.post(UPDATE, pull("b.bin")).await;
        assert!((200..300).contains(&answer.status), "{kind:?}: {}", answer.body);
        let dell = kind == Kind::DellIdrac9;
        until("the staged ROM", || async {
            rig.count(Count::Flashed) == 2
                || dell && rig.bmc.resource(JOBS).is_some_and(|jobs| jobs["Members@odata.count"] == 2)
        })
        .await;
        assert_ne!(version(&system, "BiosVersion"), "9.98.00", "{kind:?}: not before a boot");
        until("the job to be there", || async { !dell || scheduled(&rig) }).await;
        rig.reset("On").await;
        rig.next_event().await;
        until("the boot", || async { rig.bmc.resource(&system).unwrap()["BiosVersion"] == "9.98.00" }).await;
        assert_eq!(rig.client.post(UPDATE, json!({})).await.status, 400, "{kind:?}");
        assert_eq!((rig.count(Count::Flashed), rig.violations()), (2, Vec::<String>::new()), "{kind:?}");
    }
}

const JOBS: &str = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/Jobs";

fn scheduled(rig: &Rig) -> bool {
    let jobs = rig.bmc.resource(JOBS).unwrap();
    let paths = jobs["Members"].as_array().unwrap().iter().map(|job| job["@odata.id"].as_str().unwrap().to_owned());
    paths.collect::<Vec<_>>().iter().any(|path| rig.bmc.resource(path).unwrap()["JobState"] == "Scheduled")
}

#[tokio::test]
async fn what_cannot_be_fetched_or_is_no_good_changes_nothing() {
    let base = serve(&[("bad.bin", Image::new("bios", "9.98.00").bad(Bad::Verify))]).await;
    let rig = Rig::new(Kind::Generic).await;
    for (name, violations) in [("bad.bin", 0), ("none.bin", 1)] {
        let answer = rig.client.post(UPDATE, json!({"ImageURI": format!("{base}/{name}")})).await;
        let task = answer.header("location").unwrap().to_owned();
        until("the end of the task", || async { rig.client.get(&task).await.body["TaskState"] == "Exception" }).await;
        assert_eq!((rig.violations().len(), rig.count(Count::Flashed)), (violations, 0), "{name}");
    }
}
