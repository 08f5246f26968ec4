//! Recorded trees. The recordings are development data; without them these tests say so and pass.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use farrier_lab::ledger::{Kind as Count, Ledger};
use farrier_lab::redfish::{Scheme, replay};
use reqwest::Method;
use serde_json::json;

use crate::client::Client;

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn write(dir: &Path, path: &str, body: &serde_json::Value) {
    let dir = dir.join(path);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("index.json"), body.to_string()).unwrap();
}

#[tokio::test]
async fn a_recording_is_read_behind_a_login_and_never_written() {
    let dir = tempfile::tempdir().unwrap();
    let root = json!({"@odata.id": "/redfish/v1", "Links": {"Sessions": {"@odata.id": "/redfish/v1/Sessions"}}});
    write(dir.path(), "redfish/v1", &root);
    write(dir.path(), "redfish/v1/Systems/1/bios", &json!({"Id": "bios"}));
    write(dir.path(), "redfish/v1/Slots", &json!({"Id": "first"}));
    write(dir.path(), "redfish/v1/Slots?$skip=50", &json!({"Id": "second"}));
    let ledger = Ledger::default();
    let served = replay(dir.path(), any(), Scheme::Https, "root", "calvin", ledger.clone()).await.unwrap();
    let mut client = Client::new(&served.url());
    assert_eq!(client.get("/redfish/v1/").await.status, 200);
    assert_eq!(client.get("/redfish/v1/Slots").await.status, 401);
    let login = client.post("/redfish/v1/Sessions", json!({"UserName": "root", "Password": "nope"})).await;
    assert_eq!(login.status, 401);
    let login = client.post("/redfish/v1/Sessions", json!({"UserName": "root", "Password": "calvin"})).await;
    assert_eq!(login.status, 201);
    client.token = login.header("x-auth-token").map(str::to_owned);
    assert_eq!(client.get("/redfish/v1/systems/1/BIOS/").await.body["Id"], "bios");
    assert_eq!(client.get("/redfish/v1/Slots?$skip=50").await.body["Id"], "second");
    assert_eq!(client.get("/redfish/v1/Slots").await.body["Id"], "first");
    assert_eq!(client.patch("/redfish/v1/Slots", json!({})).await.status, 405);
    let report = ledger.report();
    assert_eq!(report.total(Count::Write), 1);
    assert_eq!(report.total(Count::LoginRefused), 1);
    assert_eq!(client.delete(login.header("location").unwrap()).await.status, 204);
    assert_eq!(client.get("/redfish/v1/Slots").await.status, 401);
}

#[tokio::test]
async fn a_folder_that_is_no_recording_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = replay(dir.path(), any(), Scheme::Http, "a", "b", Ledger::default()).await.err().unwrap().to_string();
    assert!(error.contains(&dir.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn every_recorded_tree_is_served() {
    let Some(fixtures) = fixtures() else {
        println!("SKIPPED: no recorded trees; set FARRIER_FIXTURES to a folder of them");
        return;
    };
    let mut served = 0;
    for entry in std::fs::read_dir(&fixtures).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.join("redfish/v1/index.json").is_file() {
            continue;
        }
        let ledger = Ledger::default();
        let replay = replay(&dir, any(), Scheme::Http, "root", "calvin", ledger.clone()).await.unwrap();
        let client = Client::new(&replay.url());
        let root = client.get("/redfish/v1/").await;
        assert_eq!(root.status, 200, "{}", dir.display());
        let systems = root.body["Systems"]["@odata.id"].as_str().unwrap();
        let request = client.request(Method::GET, systems).basic_auth("root", Some("calvin"));
        let members = client.send(request).await.body["Members"].as_array().unwrap().len();
        assert!(members > 0 && replay.resources() > 50, "{}", dir.display());
        assert!(ledger.report().violations.is_empty());
        served += 1;
    }
    assert!(served > 0, "{} holds no recording", fixtures.display());
    println!("served {served} recorded trees");
}

fn fixtures() -> Option<PathBuf> {
    let named = std::env::var_os("FARRIER_FIXTURES").map(PathBuf::from);
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    named.into_iter().chain([here]).find(|path| path.is_dir())
}
