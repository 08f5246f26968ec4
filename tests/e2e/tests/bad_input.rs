//! Bad input, line by line: one clear error with a hint, a journal or dead-letter entry where an event is concerned, nothing lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use farrier_e2e::seen;
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::ledger::Kind;
use farrier_lab::netbox::{Fault, Version};
use farrier_lab::rig::{Rig, RigConfig, ServerRow};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

async fn rig(servers: usize, netbox: Option<Version>) -> Rig {
    let config = RigConfig { netbox, ..farrier_e2e::config(Estate::sound(5, servers, DEFAULT_BASE)) };
    Rig::start(config).await.unwrap()
}

/// Change the configuration file's text.
fn edit(rig: &Rig, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(rig.host.config()).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text, "the change must change something");
    std::fs::write(rig.host.config(), changed).unwrap();
}

/// `config check` and `serve` say the same, and exit 1.
async fn refused(rig: &mut Rig, wanted: &[&str]) {
    let check = rig.host.farrier(&["config", "check"]).await.unwrap_err().to_string();
    let serve = rig.host.start(&[]).await.unwrap_err().to_string();
    for said in [check, serve] {
        assert!(wanted.iter().all(|text| said.contains(text)), "{wanted:?} should be in: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

async fn one(rig: &Rig, what: &str, is: impl Fn(&ServerRow) -> bool) -> ServerRow {
    let rows =
        rig.host.wait(PATIENCE, |rows| rows.iter().any(&is)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    rows.into_iter().find(is).unwrap()
}

fn reason(row: &ServerRow) -> &str {
    row.reason.as_deref().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_configuration_keys_are_all_named_with_the_nearest_known_one() {
    let mut rig = rig(1, None).await;
    edit(&rig, |text| {
        format!(
            "stat_dir = \"/x\"\n{}",
            text.replace("request_timeout_ms", "request_timeout").replace("lease_ms", "leese_ms")
        )
    });
    refused(
        &mut rig,
        &[
            "3 problem(s)",
            "stat_dir: unknown key\n    hint: did you mean `state_dir`?",
            "bmc.request_timeout: unknown key\n    hint: did you mean `request_timeout_ms`?",
            "lifecycle.leese_ms: unknown key\n    hint: did you mean `lease_ms`?",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_file_is_named_with_its_key() {
    let mut rig = rig(1, None).await;
    let secret = rig.folder().join("secrets").read_dir().unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&secret).unwrap();
    let path = secret.display().to_string();
    refused(&mut rig, &["bmc.credentials[0].password_file", &path, "hint: the file holds the secret"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_rules_file_is_found_before_the_start() {
    let mut rig = rig(1, None).await;
    edit(&rig, |text| format!("{text}\n[health]\nrules_file = \"rules.toml\"\n"));
    refused(&mut rig, &["health", "read the rules in", "rules.toml", "No such file"]).await;
    std::fs::write(rig.folder().join("rules.toml"), "[[rule]]\ncode = \"fan-failed\"\nseverety = \"major\"\n").unwrap();
    refused(&mut rig, &["health", "fan-failed", "severety"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_not_one_and_one_of_another_contract_leave_the_others_working() {
    let mut rig = rig(1, None).await;
    let folder = rig.folder().join("plugins");
    std::fs::create_dir(&folder).unwrap();
    let plugins = farrier_lab::rig::Programs::find().unwrap().plugins;
    for entry in plugins.read_dir().unwrap().flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    std::fs::write(folder.join("notes.wasm"), "this is no component").unwrap();
    // The same length, so that the component stays well formed: a contract this host has never heard of.
    let driver = std::fs::read(folder.join("redfish.wasm")).unwrap();
    let other = replace(&driver, b"farrier:provisioning/", b"farrier:provisionieg/");
    assert_ne!(other, driver, "the contract's name stands in the component");
    std::fs::write(folder.join("other.wasm"), other).unwrap();
    let text = |path: &std::path::Path| path.display().to_string();
    edit(&rig, |config| config.replace(&text(&plugins), &text(&folder)));
    let said = rig.host.farrier(&["plugin", "list"]).await.unwrap_err().to_string();
    assert!(said.contains("notes.wasm") && said.contains("other.wasm"), "{said}");
    rig.host.start(&[]).await.unwrap();
    let log = rig.host.log();
    for file in ["notes.wasm", "other.wasm"] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(file) && line.contains("not loaded")).collect();
        assert_eq!(lines.len(), 1, "one error for {file}: {log}");
        assert!(lines[0].contains("hint"), "{}", lines[0]);
    }
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_netbox_is_waited_for_and_loses_nothing() {
    let mut rig = rig(2, Some(Version::V4_6)).await;
    rig.netbox.as_ref().unwrap().set_fault(Fault::Down);
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    // Past the failures a stage may have: an inventory that is away is no fault of the server.
    let waits = |row: &ServerRow| row.rest["attempt"].as_u64() > Some(9) && row.text("status") == Some("waiting");
    let rows = rig.host.wait(PATIENCE, |rows| rows.len() == 2 && rows.iter().all(waits)).await.unwrap();
    for row in rows {
        assert!(row.state == "offline" && reason(&row).starts_with("netbox-unreachable"), "{row:?}");
        assert!(row.text("next").unwrap().contains("tried again"), "{row:?}");
    }
    rig.netbox.as_ref().unwrap().set_fault(Fault::None);
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    seen::journal_is_exact(&rig, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_said_at_the_start_and_leases_wait_for_the_right_one() {
    let mut rig = rig(1, Some(Version::V3_7)).await;
    let right = std::fs::read_to_string(rig.folder().join("secrets/netbox-token")).unwrap();
    std::fs::write(rig.folder().join("secrets/netbox-token"), "0000000000000000000000000000000000000000\n").unwrap();
    rig.host.start(&[]).await.unwrap();
    let log = rig.host.log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(
        ["refuses the token", "Invalid token", "hint="].iter().all(|text| errors[0].contains(text)),
        "{}",
        errors[0]
    );
    rig.lab.lease_all(0).await.unwrap();
    let row = one(&rig, "waits for the right token", |row| reason(row).starts_with("netbox-forbidden")).await;
    assert!(row.text("who") == Some("operator") && row.text("status") == Some("waiting"), "{row:?}");
    let said = rig.host.farrier(&["netbox", "check"]).await.unwrap_err().to_string();
    assert!(said.contains("refuses the token") && said.contains("hint: "), "{said}");
    std::fs::write(rig.folder().join("secrets/netbox-token"), right).unwrap();
    rig.host.stop(Duration::from_secs(30)).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mac_that_nobody_knows_waits_visibly_and_goes_on_when_netbox_knows_it() {
    let mut rig = rig(1, Some(Version::V4_6)).await;
    let server = rig.lab.estate().servers[0].clone();
    let netbox = rig.netbox.as_ref().unwrap();
    let known = netbox.find("dcim/mac-addresses", "mac_address", &json!(server.bmc.mac.to_uppercase()));
    let id = known[0]["id"].as_u64().unwrap();
    netbox.patch("dcim/mac-addresses", id, &json!({ "mac_address": "02:00:00:00:00:01" })).unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let row = one(&rig, "unknown", |row| reason(row).starts_with("unknown-mac")).await;
    assert_eq!((row.state.as_str(), row.text("who")), ("offline", Some("inventory")), "{row:?}");
    let journal = seen::timeline(&rig, &server.bmc.mac).await.unwrap();
    assert_eq!(journal.iter().filter(|one| one.note.is_some()).count(), 1, "journalled once: {journal:?}");
    let text = rig.host.farrier(&["server", "why", &server.bmc.mac]).await.unwrap();
    assert!(text.contains("unknown-mac") && text.contains("tried again in"), "{text}");
    rig.netbox.as_ref().unwrap().patch("dcim/mac-addresses", id, &json!({ "mac_address": server.bmc.mac })).unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_with_one_mac_stop_the_server_and_name_both() {
    let mut rig = rig(2, Some(Version::V3_7)).await;
    let servers = rig.lab.estate().servers;
    let netbox = rig.netbox.as_ref().unwrap();
    let found = netbox.find("dcim/interfaces", "mac_address", &json!(servers[1].bmc.mac.to_uppercase()));
    let id = found[0]["id"].as_u64().unwrap();
    netbox.patch("dcim/interfaces", id, &json!({ "mac_address": servers[0].bmc.mac })).unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease(&[servers[0].name.clone()], 0).await.unwrap();
    let row = one(&rig, "ambiguous", |row| row.state == "failed").await;
    assert!(reason(&row).starts_with("ambiguous-mac"), "{row:?}");
    assert!(servers.iter().all(|server| reason(&row).contains(&server.name)), "{row:?}");
    assert!(row.text("next").unwrap().contains("farrier server retry"), "{row:?}");
    assert_eq!(rig.counted(Kind::PowerTransition), 0);
    rig.netbox.as_ref().unwrap().patch("dcim/interfaces", id, &json!({ "mac_address": servers[1].bmc.mac })).unwrap();
    rig.host.farrier(&["server", "retry", &servers[0].bmc.mac]).await.unwrap();
    rig.lab.lease(&[servers[1].name.clone()], 0).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_server_without_a_record_is_left_alone_and_its_address_noted() {
    let mut rig = rig(1, Some(Version::V4_6)).await;
    let server = rig.lab.estate().servers[0].clone();
    let netbox = rig.netbox.as_ref().unwrap();
    let id = netbox.find("dcim/devices", "name", &json!(server.name))[0]["id"].as_u64().unwrap();
    netbox.patch("dcim/devices", id, &json!({ "status": "active" })).unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let row = one(&rig, "claimed", |row| reason(row).starts_with("claimed-active")).await;
    assert_eq!((row.state.as_str(), row.text("who")), ("failed", Some("operator")), "{row:?}");
    let journal = seen::timeline(&rig, &server.bmc.mac).await.unwrap();
    let note = journal.last().unwrap().note.as_ref().unwrap().to_string();
    let line = format!("BMC IP {} leased (none is on record)", server.bmc.address);
    assert!(note.contains("claimed-active") && note.contains(&line), "{note}");
    let deadline = Instant::now() + PATIENCE;
    let noted = || seen::notes(&rig).get(&server.name).is_some_and(|all| all.iter().any(|text| text.contains(&line)));
    while !noted() {
        assert!(Instant::now() < deadline, "the address is not noted in NetBox: {}", rig.host.tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let device = rig.netbox.as_ref().unwrap().find("dcim/devices", "name", &json!(server.name))[0].clone();
    assert_eq!((&device["status"], &device["oob_ip"]), (&json!("active"), &Value::Null), "NetBox keeps what it said");
    assert_eq!(rig.counted(Kind::PowerTransition), 0);
}

/// The callback of the one server under validation, from the boot script that is handed out once.
async fn callback(rig: &Rig) -> String {
    let mac = rig.lab.estate().servers[0].nics[0].mac.clone();
    let config: toml::Table = toml::from_str(&std::fs::read_to_string(rig.host.config()).unwrap()).unwrap();
    let url = config["http"]["public_url"].as_str().unwrap().to_owned();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = reqwest::get(format!("{url}/boot/ipxe?mac={mac}")).await.unwrap();
        if answer.status().is_success() {
            let script = answer.text().await.unwrap();
            let at = script.split("bm.callback_url=").nth(1).unwrap();
            return at.split_whitespace().next().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "no boot script for {mac}: {}", rig.host.tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn post(url: &str, body: String) -> (u16, Value) {
    let client = reqwest::Client::new();
    let answer = client.post(url).header("content-type", "application/json").body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_callback_and_a_replayed_one_are_journalled_and_change_nothing() {
    let estate = Estate::sound(5, 1, DEFAULT_BASE);
    // The simulated server is offered no network boot: the test boots in its place.
    let config = RigConfig { network_boot: false, ..farrier_e2e::config(estate) };
    let mut rig = Rig::start(config).await.unwrap();
    let server = rig.lab.estate().servers[0].clone();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let row = one(&rig, "awaits its report", |row| {
        row.text("status") == Some("waiting") && row.text("stage") == Some("validate")
    })
    .await;
    assert!(reason(&row).contains("has not reported"), "{row:?}");
    let callback = callback(&rig).await;
    assert!(!rig.host.log().contains(callback.rsplit('/').next().unwrap()), "no log line holds a token");
    for (path, body, field) in [
        ("api/event", "{".to_owned(), "body"),
        ("api/v1/validation/report", "{\"hardware\":{}}".to_owned(), "interfaces"),
    ] {
        let (status, answer) = post(&format!("{callback}/{path}"), body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("malformed")), "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(field) && answer["hint"].is_string(), "{answer}");
    }
    let journal = seen::timeline(&rig, &server.name).await.unwrap();
    let refused: Vec<_> = journal.iter().filter(|one| one.event == "report-refused").collect();
    assert_eq!(refused.len(), 1, "journalled once: {journal:?}");
    assert!(refused[0].note.as_ref().unwrap().to_string().contains("malformed-report"), "{refused:?}");
    let good = report(&server);
    let (status, answer) = post(&format!("{callback}/api/event"), good.to_string()).await;
    assert_eq!((status, &answer["status"]), (200, &json!("accepted")), "{answer}");
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    one(&rig, "rests", |row| row.text("status") == Some("resting")).await;
    let before = seen::timeline(&rig, &server.name).await.unwrap();
    for _ in 0..3 {
        let (status, answer) = post(&format!("{callback}/api/event"), good.to_string()).await;
        assert_eq!((status, &answer["code"]), (404, &json!("token")), "{answer}");
        assert!(answer["hint"].as_str().unwrap().contains("good for one report"), "{answer}");
    }
    let after = seen::timeline(&rig, &server.name).await.unwrap();
    assert_eq!(after.len(), before.len() + 1, "a replayed token is journalled once: {after:?}");
    let note = after.last().unwrap().note.as_ref().unwrap().to_string();
    assert!(note.contains("replayed-report") && note.contains("was not taken"), "{note}");
    one(&rig, "and changes nothing", |row| row.state == "ready" && row.text("status") == Some("resting")).await;
    assert_eq!(post(&format!("{callback}x/api/event"), good.to_string()).await.0, 404);
    assert_eq!(seen::timeline(&rig, &server.name).await.unwrap().len(), after.len(), "one that never was is not");
    assert!(rig.host.log().contains("report refused"), "and is seen in the log");
    assert!(!rig.host.log().contains(callback.rsplit('/').next().unwrap()), "no log line holds a token");
}

fn report(server: &farrier_lab::estate::Server) -> Value {
    let nic = |nic: &farrier_lab::estate::Nic| {
        let cable = nic.cable.clone().unwrap();
        json!({ "name": nic.name, "mac": nic.mac, "lldp_neighbor": cable.device, "lldp_port": cable.port })
    };
    json!({ "event": "server_live", "hardware": { "serial": server.serial, "model": server.model },
        "nics": server.nics.iter().map(nic).collect::<Vec<_>>(), "tests": {}, "overall_result": "PASS" })
}
