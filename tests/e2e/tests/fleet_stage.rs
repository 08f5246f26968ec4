//! The update stage at fleet tools: a whole run in the lab, with an HPE server registered in a simulated OneView and a Dell server in
//! a simulated OpenManage, firmware brought to the tools' baselines there, and hardening that leaves the tools' controls alone.
//!
//! Passed means passed against the lab's rules; no appliance and no server of a vendor was asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;
use std::time::Duration;

use farrier::stage::evidence;
use farrier_lab::appliance::{Fault, Machine, Setup};
use farrier_lab::estate::{DEFAULT_BASE, Estate, Server, Vendor};
use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::oneview::{BUNDLE, Versions};
use farrier_lab::rig::Rig;
use farrier_lab::{oneview, openmanage};
use farrier_lifecycle::{Mac, ServerId};
use serde_json::json;

fn table(plugin: &str, url: &str, matches: &str, question: &str, password: &Path) -> toml::Table {
    let password = password.to_str().unwrap();
    toml::toml! {
        plugin = plugin
        url = url
        match = matches
        username = "farrier"
        password_file = password
        firmware = "update"
        questions = [question]
    }
}

/// One server of each of the two vendors.
fn estate() -> Estate {
    let mut estate = Estate::generate(11, 12, DEFAULT_BASE);
    let sound = |server: &Server| server.planted.is_none() && server.ignored_control.is_none();
    let first = |vendor| estate.servers.iter().find(|one| one.vendor == vendor && sound(one)).cloned();
    estate.servers = [first(Vendor::Hpe).unwrap(), first(Vendor::Dell).unwrap()].to_vec();
    estate
}

/// A retired server is out of its tool before anybody is asked to vouch for its drives. OneView lets go of none with a profile.
async fn retired(rig: &Rig, estate: &Estate, oneview: &oneview::OneViewHandle, ome: &openmanage::OmeHandle) {
    assert_eq!((oneview.servers().len(), ome.devices().len()), (1, 1));
    // Its answer to the removal is lost: asked again, the tool finds the server gone.
    ome.plant(Fault::LoseAnswer(1));
    for server in &estate.servers {
        rig.host.farrier(&["server", "retire", &server.name]).await.unwrap();
    }
    let stopped = |rows: &[farrier_lab::rig::ServerRow]| {
        rows.iter().all(|row| row.reason.as_deref().is_some_and(|reason| reason.starts_with("no-eraser")))
    };
    rig.host.wait(Duration::from_mins(2), stopped).await.unwrap();
    assert_eq!((oneview.servers(), ome.devices(), ome.discoveries()), (Vec::new(), Vec::new(), Vec::new()));
    for (server, tool) in estate.servers.iter().zip(["hpe-oneview", "dell-openmanage"]) {
        let why = rig.host.farrier(&["server", "why", &server.name]).await.unwrap();
        assert!(why.contains(&format!("taken out of {tool}")), "{why}");
        rig.host.farrier(&["server", "attest-erased", &server.name]).await.unwrap();
    }
    let gone = |rows: &[farrier_lab::rig::ServerRow]| rows.iter().all(|row| row.state == "decommissioned");
    rig.host.wait(Duration::from_mins(1), gone).await.unwrap();
}

/// What was compared stands beside the record with the tool's name; it is no plan of the catalogue.
async fn compared(rig: &Rig, estate: &Estate) {
    let config = farrier::config::load(rig.host.config()).unwrap();
    let store = farrier::bus::open_readonly(&config).await.unwrap();
    for (server, tool) in estate.servers.iter().zip(["hpe-oneview", "dell-openmanage"]) {
        let id = ServerId::from(server.bmc.mac.parse::<Mac>().unwrap());
        let kept = evidence::read(&*store, &id).await.unwrap();
        let firmware = &kept["firmware"].data;
        assert_eq!((&firmware["source"], &firmware["agrees"]), (&json!(tool), &json!(true)), "{firmware}");
        assert!(firmware["components"].as_u64().is_some_and(|all| all > 0), "{firmware}");
        assert!(firmware["baseline"].as_str().is_some_and(|name| !name.is_empty()), "{firmware}");
        assert_eq!(firmware.get("catalogue"), None, "{firmware}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_registered_updated_and_ready() {
    let estate = estate();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("appliance");
    std::fs::write(&password, "appliance-password-1\n").unwrap();
    let (ledger, setup) = (Ledger::default(), |name: &str, at: usize| Setup {
        work: Duration::from_secs(1),
        ..Setup::new(name, vec![Machine::of(&estate.servers[at])])
    });
    let oneview = oneview::start(setup("oneview", 0), Versions::default(), ledger.clone()).await.unwrap();
    let ome = openmanage::start(setup("ome", 1), ledger.clone()).await.unwrap();
    ome.plant(Fault::LoseAnswer(1));
    let mut hpe = table("hpe-oneview", &oneview.url(), "hpe", "/rest/server-hardware/firmware-compliance", &password);
    hpe.insert("baseline".to_owned(), BUNDLE.1.into());
    let question = "/api/UpdateService/Actions/UpdateService.GetBaselinesReportByDeviceids";
    let dell = table("dell-openmanage", &ome.url(), "dell", question, &password);
    let mut config = farrier_e2e::config(estate.clone());
    config.over.insert("fleet".to_owned(), vec![hpe, dell].into());
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(Duration::from_mins(4)).await.unwrap();
    for row in &rows {
        assert_eq!(row.state, "ready", "{row:?} {}", rig.host.tail());
    }
    for (server, tool) in estate.servers.iter().zip(["hpe-oneview", "dell-openmanage"]) {
        let timeline = rig.host.farrier(&["server", "timeline", &server.name]).await.unwrap();
        assert!(timeline.contains(&format!("registered in {tool}")), "{timeline}");
        assert!(timeline.contains(&format!("firmware is at {tool}'s baseline")), "{timeline}");
        assert!(timeline.contains("nothing of ours to change"), "{timeline}");
        assert!(timeline.contains(&format!("fleet `{tool}`, which owns")), "{timeline}");
        assert!(!timeline.contains(&server.bmc.password), "{timeline}");
        // Nothing was hardened behind the tool's back: the controller saw no change of a setting but the network boot.
        let changed =
            rig.effects().into_iter().filter(|line| line.starts_with(&format!("{} SettingsChange", server.name)));
        assert_eq!(
            changed.filter(|line| !line.to_lowercase().contains("boot")).collect::<Vec<_>>(),
            Vec::<String>::new()
        );
    }
    compared(&rig, &estate).await;
    retired(&rig, &estate, &oneview, &ome).await;
    let report = ledger.report();
    assert_eq!((report.total(Kind::Registration), report.total(Kind::FirmwareStart)), (2, 2));
    rig.host.stop(Duration::from_secs(30)).await.unwrap();
    assert_eq!((oneview.sessions(), ome.sessions()), (0, 0), "sessions are given back");
    assert_eq!(report.violations, Vec::new());
    let log = rig.host.tail();
    assert!(estate.servers.iter().all(|server| !log.contains(&server.bmc.password)), "{log}");
}
