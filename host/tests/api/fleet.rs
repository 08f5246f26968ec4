//! The read model: current with the store, whoever writes it.

use std::sync::Arc;
use std::time::Instant;

use farrier::bus::{Settings, SqliteBus};
use farrier::fleet::{Change, Fleet};
use farrier_lifecycle::Blame;
use serde_json::json;

use crate::rig::{PATIENCE, Rig, active, commit, failed, ready};

#[tokio::test]
async fn the_board_counts_what_is_there() {
    let rig = Rig::new().await;
    for server in
        [ready(1, "ams"), ready(2, "fra"), active(3, "ams", "ACME"), failed(4, "ams", "no-report", Blame::Network)]
    {
        rig.put(server).await;
    }
    let board = rig.get(None, "/api/v1/fleet").await.json();
    assert_eq!((&board["servers"], &board["problems"]), (&json!(4), &json!(1)));
    assert_eq!(
        (&board["states"]["ready"], &board["states"]["active"], &board["states"]["offline"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(
        board["sites"].as_array().unwrap().iter().map(|site| site["servers"].clone()).collect::<Vec<_>>(),
        [json!(3), json!(1)]
    );
    let stage =
        |name: &str| board["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == name).unwrap().clone();
    assert_eq!((&stage("validate")["failed"], &stage("assign")["resting"]), (&json!(1), &json!(2)));
    assert_eq!(stage("assign")["stream"], "netbox:server:ready");
    assert_eq!(board["cursor"], rig.fleet.cursor().as_str());
    assert_eq!(board["store"].as_str().unwrap().split(' ').next(), Some("sqlite"));
}

#[tokio::test]
async fn what_another_process_commits_is_seen() {
    let rig = Rig::new().await;
    let (_, mut changes) = rig.fleet.watch();
    let mut server = commit(&*rig.bus, ready(1, "ams")).await;
    for _ in 0..20 {
        server = commit(&*rig.bus, server).await;
    }
    let mut versions = Vec::new();
    while versions.len() < 21 {
        let change = tokio::time::timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
        let Change::Transition(transition) = change else { panic!("{change:?}") };
        assert!(transition.row.server.version >= transition.entry.version, "the record is not older than the entry");
        versions.push(transition.entry.version);
    }
    assert_eq!(versions, (1..=21).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_older_record_never_replaces_a_later_one() {
    let rig = Rig::new().await;
    let first = rig.put(ready(1, "ams")).await;
    let mut second = first.clone();
    second.facts.name = Some("RENAMED".to_owned());
    let second = rig.put(second).await;
    rig.fleet.put(&first);
    assert_eq!(rig.fleet.get(&first.id).unwrap().server, second);
    assert!(rig.fleet.named("renamed").is_some() && rig.fleet.named("ams-srv-00001").is_none());
}

#[tokio::test]
async fn one_time_tokens_are_not_in_it() {
    let rig = Rig::new().await;
    let mut server = ready(1, "ams");
    server.memo = Some("{\"token\":\"secret-of-a-boot\"}".to_owned());
    server.report = Some("secret-report".to_owned());
    rig.put(server.clone()).await;
    assert!(!format!("{:?}", rig.fleet.get(&server.id).unwrap()).contains("secret"));
    for path in ["/api/v1/servers", "/api/v1/servers/AMS-SRV-00001", "/api/v1/journal"] {
        assert!(!rig.get(None, path).await.text.contains("secret"), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_was_replaced_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let old = Arc::new(SqliteBus::open(folder.path(), &Settings::default()).unwrap());
    for n in 0..30 {
        commit(&*old, ready(n, "ams")).await;
    }
    drop(old);
    let bus = Arc::new(SqliteBus::open(folder.path(), &Settings::default()).unwrap());
    let fleet = Arc::new(Fleet::new(bus));
    fleet.load().await.unwrap();
    assert_eq!((fleet.rows(|_| true).len(), fleet.cursor().as_str()), (30, "30"));
}

#[tokio::test]
async fn ten_thousand_servers_are_loaded_and_listed() {
    let bus = Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
    for n in 0..10_000 {
        commit(&*bus, ready(n, if n % 2 == 0 { "ams" } else { "fra" })).await;
    }
    let rig = Rig::with(bus, false).await;
    let begin = Instant::now();
    let page = rig.get(None, "/api/v1/servers?site=ams&limit=100").await.json();
    assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(5_000), 100));
    let board = rig.get(None, "/api/v1/fleet").await.json();
    assert_eq!(board["servers"], 10_000);
    // In a debug build on a loaded machine; the bench has the figures.
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
}
