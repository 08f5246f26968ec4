//! A real host watches servers in service: what breaks in the lab is a fault on the command line, of the server or of its rack, and is over when
//! it is mended; a silence keeps it back, and a restart forgets nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use farrier_lab::estate::{DEFAULT_BASE, Estate, Server};
use farrier_lab::redfish::{Broken, Logged};
use farrier_lab::rig::{Rig, RigConfig};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(2);
const SERVERS: usize = 12;

async fn faults(rig: &Rig) -> BTreeSet<(String, String)> {
    let text = rig.host.farrier(&["--output", "json", "health", "list"]).await.unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let word = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    all.iter().map(|one| (word(one, "name"), word(one, "code"))).collect()
}

/// Look until the open faults are these.
async fn until(rig: &Rig, wanted: &[(&str, &str)]) {
    let wanted: BTreeSet<_> = wanted.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())).collect();
    let end = Instant::now() + PATIENCE;
    loop {
        let found = faults(rig).await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < end, "{found:?}\nand not\n{wanted:?}\n{}", rig.host.tail());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn order(rig: &Rig, path: &str, body: Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.post(format!("{}{path}", rig.lab.control_url())).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
}

#[tokio::test]
async fn what_breaks_is_a_fault_until_it_is_mended() {
    let over = "[monitor]\ninterval_ms = 1_000\nslowest_ms = 2_000\ninventory_every = 2\n\
                [health]\nrack_servers = 3\nrack_window_ms = 4_000\n";
    let config = farrier_e2e::config(Estate::sound(7, SERVERS, DEFAULT_BASE));
    let mut rig = Rig::start(RigConfig { over: toml::from_str(over).unwrap(), ..config }).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    until(&rig, &[]).await;

    // A rack of three, and one server elsewhere.
    let servers = rig.lab.estate().servers;
    let same = |a: &Server, b: &Server| (&a.site, &a.rack) == (&b.site, &b.rack);
    let first = servers.iter().find(|one| servers.iter().filter(|other| same(one, other)).count() >= 3).unwrap();
    let other = servers.iter().find(|one| !same(one, first)).unwrap();
    let rack = format!("rack {}", first.rack);
    let feed = format!("/lab/racks/{}/{}/feed", first.site, first.rack);
    order(&rig, &feed, json!({ "on": false, "supply": 2 })).await;
    let hardware = format!("/lab/servers/{}/hardware", other.name);
    order(&rig, &hardware, json!({ "do": "break", "part": "fan", "number": 1 })).await;
    until(&rig, &[(&rack, "rack-power-feed"), (&other.name, "fan-failed")]).await;

    // Silenced: nothing new of that server; and a host that starts anew knows what it knew.
    let silence = ["--output", "json", "health", "silence", &other.name, "--for", "1h", "--reason", "work"];
    let made: Value = serde_json::from_str(&rig.host.farrier(&silence).await.unwrap()).unwrap();
    assert_eq!(made["scope"], format!("server {}", other.name));
    rig.host.kill().await.unwrap();
    rig.lab.bmc(&other.name).unwrap().log_times(Logged::MachineCheck, 1);
    rig.lab.bmc(&other.name).unwrap().break_part(Broken::Drive { number: 1 });
    rig.host.start(&[]).await.unwrap();
    order(&rig, &feed, json!({ "on": true, "supply": 2 })).await;
    until(&rig, &[(&other.name, "fan-failed")]).await;
    let id = made["id"].as_str().unwrap();
    rig.host.farrier(&["health", "unsilence", id]).await.unwrap();
    let name = other.name.as_str();
    until(&rig, &[(name, "fan-failed"), (name, "drive-failing"), (name, "processor-failed")]).await;
    order(&rig, &hardware, json!({ "do": "mend-all" })).await;
    // A log tells of no end: that one stays for a day.
    until(&rig, &[(name, "processor-failed")]).await;
    let violations = rig.lab.ledger().report().violations;
    assert!(violations.is_empty(), "{violations:#?}");
}
