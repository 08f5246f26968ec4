//! Firmware through the real host: the catalogue written and proved, waves that halt at a bad image whatever brings it, and a host
//! that is killed while it flashes.
//!
//! Passed means passed against the lab's rules; no controller and no appliance of a vendor was asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::path::Path;
use std::time::{Duration, Instant};

use farrier_e2e::dice::Dice;
use farrier_lab::appliance::{Fault, Machine, Setup};
use farrier_lab::estate::{DEFAULT_BASE, Estate, Server, Vendor};
use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::oneview::{BUNDLE, Versions};
use farrier_lab::redfish::Timing;
use farrier_lab::redfish::image::{Bad, Image};
use farrier_lab::rig::{Rig, RigConfig};
use farrier_lab::{oneview, openmanage};
use serde_json::Value;

/// The version every controller is to have.
const WANTED: &str = "9.99";
const PATIENCE: Duration = Duration::from_mins(3);

fn sound(server: &Server) -> bool {
    server.planted.is_none() && server.ignored_control.is_none()
}

/// So many servers without planted faults.
fn estate(count: usize, wanted: impl Fn(&Server) -> bool) -> Estate {
    let mut estate = Estate::generate(11, 240, DEFAULT_BASE);
    estate.servers.retain(|server| sound(server) && wanted(server));
    estate.servers.truncate(count);
    assert_eq!(estate.servers.len(), count, "the estate has enough of them");
    estate
}

/// An image for the controllers of these drivers, as a line of the catalogue.
fn image(folder: &Path, matches: &str, bad: Option<Bad>) -> toml::Table {
    // An iDRAC looks at the ending of the name, the others do not.
    let file = folder.join(format!("{}-bmc_9.99.d9", matches.replace('*', "all")));
    let image = Image::new("bmc", WANTED);
    let image = bad.map_or_else(|| image.clone(), |bad| image.clone().bad(bad));
    let sha256 = image.write(&file, 64 * 1024).unwrap();
    let file = file.to_str().unwrap();
    toml::toml! {
        match = matches
        component = "bmc"
        version = WANTED
        sha256 = sha256
        file = file
        released = "2026-01-31"
    }
}

/// Short times; servers come to ready as they are, so that waves have something to do.
fn numbers() -> toml::Table {
    toml::toml! {
        [lifecycle]
        lease_ms = 6_000
        beat_ms = 800
        [bmc]
        request_timeout_ms = 4_000
        [policy.update]
        apply = false
        settle_ms = 3_000
        look_ms = 1_500
    }
}

fn config(estate: Estate, images: Vec<toml::Table>) -> RigConfig {
    let mut over = numbers();
    if !images.is_empty() {
        let mut firmware = toml::Table::new();
        firmware.insert("image".to_owned(), images.into());
        over.insert("firmware".to_owned(), firmware.into());
    }
    let timing = Timing { job: Duration::from_secs(2), ..Timing::default() };
    RigConfig { over, timing, ..farrier_e2e::config(estate) }
}

/// Every server ready.
async fn ready(rig: &mut Rig) {
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    for row in rig.settled(PATIENCE).await.unwrap() {
        assert_eq!(row.state, "ready", "{row:?} {}", rig.host.tail());
    }
}

async fn json(rig: &Rig, arguments: &[&str]) -> Value {
    let text = rig.host.farrier(&[arguments, &["--output", "json"]].concat()).await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Ask until the wave does not run any more.
async fn over(rig: &Rig, id: &str, patience: Duration) -> Value {
    let deadline = Instant::now() + patience;
    loop {
        let wave = json(rig, &["firmware", "wave", "status", id]).await;
        if wave["state"] != "running" {
            return wave;
        }
        assert!(Instant::now() < deadline, "{wave:#} {}", rig.host.tail());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn members<'a>(wave: &'a Value, standing: &'a str) -> impl Iterator<Item = &'a str> {
    let all = wave["servers"].as_array().unwrap().iter();
    all.filter(move |one| one["standing"] == standing).map(|one| one["name"].as_str().unwrap())
}

/// When each of these things happened to a server, milliseconds since the epoch.
async fn times(rig: &Rig, name: &str, event: &str) -> Vec<u64> {
    let timeline = json(rig, &["server", "timeline", name]).await;
    let entries = timeline.as_array().unwrap().iter();
    entries.filter(|one| one["event"] == event).map(|one| one["at"].as_u64().unwrap()).collect()
}

/// How many servers of a halted wave were started after the first had failed.
async fn extra(rig: &Rig, wave: &Value) -> usize {
    let mut failed = Vec::new();
    for name in members(wave, "failed") {
        failed.extend(times(rig, name, "failed").await);
    }
    let first = failed.into_iter().min().expect("one has failed");
    let mut extra = 0;
    for one in wave["servers"].as_array().unwrap().iter().filter(|one| one["standing"] != "waiting") {
        let started = times(rig, one["name"].as_str().unwrap(), "update").await;
        assert_eq!(started.len(), 1, "{one} is started once");
        extra += usize::from(started[0] > first);
    }
    extra
}

fn flashed(rig: &Rig, name: &str) -> usize {
    let start = format!("{name} Flashed");
    rig.effects().iter().filter(|line| line.starts_with(&start)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_servers_are_rolled_out_and_a_bad_image_halts_the_wave() {
    let folder = tempfile::tempdir().unwrap();
    let images = vec![image(folder.path(), "*", None), image(folder.path(), "supermicro", Some(Bad::Version))];
    let mut rig = Rig::start(config(estate(50, |_| true), images)).await.unwrap();
    ready(&mut rig).await;
    let plans = json(&rig, &["firmware", "plan"]).await;
    let differ = plans.as_array().unwrap().iter().filter(|plan| plan["changes"][0]["target"] == WANTED).count();
    assert_eq!(differ, 50, "{plans:#}");
    assert!(rig.effects().iter().all(|line| !line.contains(" Flashed")), "ready as they were");
    let start = ["firmware", "wave", "start", "--all", "--soak", "1s", "--concurrency", "4"];
    let wave = json(&rig, &start).await;
    let halted = over(&rig, wave["id"].as_str().unwrap(), Duration::from_mins(2)).await;
    assert_eq!(halted["state"], "halted", "{halted:#}");
    let reason = halted["reason"].as_str().unwrap();
    assert!(reason.contains("firmware-"), "{reason}");
    assert!(halted["next"].as_str().unwrap().contains("farrier server why"), "{halted:#}");
    let extra = extra(&rig, &halted).await;
    assert!(extra <= 1, "{extra} servers were started after the first had failed: {halted:#}");
    rig.settled(PATIENCE).await.unwrap();
    for name in members(&halted, "waiting") {
        assert_eq!(flashed(&rig, name), 0, "{name} was not touched");
    }
    // The good image, on everybody who has one.
    let drivers = ["hpe", "dell"];
    let mut passed = 0;
    for driver in drivers {
        let all = [
            "firmware",
            "wave",
            "start",
            "--driver",
            driver,
            "--steps",
            "1,rest",
            "--soak",
            "0s",
            "--concurrency",
            "32",
        ];
        let Ok(text) = rig.host.farrier(&[&all[..], &["--output", "json"]].concat()).await else { continue };
        let wave: Value = serde_json::from_str(&text).unwrap();
        let done = over(&rig, wave["id"].as_str().unwrap(), Duration::from_mins(2)).await;
        assert_eq!(done["state"], "done", "{done:#}");
        for name in members(&done, "passed") {
            assert_eq!(flashed(&rig, name), 1, "{name} was written once, whichever wave it was in");
            passed += 1;
        }
    }
    assert!(passed > 20, "{passed} have the new version");
    let plans = json(&rig, &["firmware", "plan", "--driver", "hpe"]).await;
    assert!(plans.as_array().unwrap().iter().all(|plan| plan["changes"] == serde_json::json!([])), "{plans:#}");
}

fn tool(plugin: &str, url: &str, matches: &str, question: &str, password: &Path) -> toml::Table {
    let password = password.to_str().unwrap();
    toml::toml! {
        plugin = plugin
        url = url
        match = matches
        username = "farrier"
        password_file = password
        firmware = "check"
        questions = [question]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_update_of_a_fleet_tool_halts_the_wave() {
    let (hpe, dell) = (estate(50, |one| one.vendor == Vendor::Hpe), estate(50, |one| one.vendor == Vendor::Dell));
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("appliance");
    std::fs::write(&password, "appliance-password-1\n").unwrap();
    let (ledger, setup) = (Ledger::default(), |name: &str, of: &Estate| Setup {
        work: Duration::from_secs(1),
        ..Setup::new(name, of.servers.iter().map(Machine::of).collect())
    });
    let oneview = oneview::start(setup("oneview", &hpe), Versions::default(), ledger.clone()).await.unwrap();
    let ome = openmanage::start(setup("ome", &dell), ledger.clone()).await.unwrap();
    let mut first = tool("hpe-oneview", &oneview.url(), "hpe", "/rest/server-hardware/firmware-compliance", &password);
    first.insert("baseline".to_owned(), BUNDLE.1.into());
    let question = "/api/UpdateService/Actions/UpdateService.GetBaselinesReportByDeviceids";
    let second = tool("dell-openmanage", &ome.url(), "dell", question, &password);
    let mut both = hpe.clone();
    both.servers.extend(dell.servers.clone());
    let mut config = config(both, Vec::new());
    config.over.insert("fleet".to_owned(), vec![first, second].into());
    let mut rig = Rig::start(config).await.unwrap();
    ready(&mut rig).await;
    assert_eq!(ledger.report().total(Kind::FirmwareStart), 0, "the tools only compare");
    oneview.plant(Fault::WorkFails { code: "LAB_FLASH".to_owned(), times: 1_000 });
    ome.plant(Fault::WorkFails { code: "LAB_FLASH".to_owned(), times: 1_000 });
    for (driver, system) in [("hpe", "oneview"), ("dell", "ome")] {
        let start =
            ["firmware", "wave", "start", "--driver", driver, "--steps", "rest", "--concurrency", "1", "--soak", "0s"];
        let wave = json(&rig, &start).await;
        let halted = over(&rig, wave["id"].as_str().unwrap(), Duration::from_mins(2)).await;
        assert_eq!(halted["state"], "halted", "{halted:#}");
        let extra = extra(&rig, &halted).await;
        assert!(extra <= 1, "{extra}: {halted:#}");
        let begun = ledger.report().of(system, Kind::FirmwareStart);
        assert!((1..=4).contains(&begun), "{system} began {begun} updates");
        let untouched = members(&halted, "waiting").count();
        assert!(untouched >= 2, "{halted:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_at_twenty_instants_of_a_flash_flashes_once() {
    let mut dice = Dice::for_test("firmware kills");
    let folder = tempfile::tempdir().unwrap();
    let vendors = [Vendor::Hpe, Vendor::Dell, Vendor::Supermicro];
    let mut servers = Vec::new();
    for vendor in vendors {
        servers.extend(estate(2, |one| one.vendor == vendor).servers);
    }
    let mut few = estate(1, |_| true);
    few.servers = servers;
    let names: Vec<String> = few.servers.iter().map(|one| one.name.clone()).collect();
    let mut rig = Rig::start(config(few, vec![image(folder.path(), "*", None)])).await.unwrap();
    ready(&mut rig).await;
    let start = ["firmware", "wave", "start", "--all", "--steps", "rest", "--soak", "0s", "--concurrency", "8"];
    let wave = json(&rig, &start).await;
    let id = wave["id"].as_str().unwrap();
    for _ in 0..20 {
        tokio::time::sleep(dice.between(Duration::from_millis(50), Duration::from_millis(1_500))).await;
        rig.host.kill().await.unwrap();
        rig.host.start(&[]).await.unwrap();
    }
    let done = over(&rig, id, PATIENCE).await;
    assert_eq!(done["state"], "done", "seed {}: {done:#}", dice.seed());
    for name in &names {
        assert_eq!(flashed(&rig, name), 1, "seed {}: {name}\n{}", dice.seed(), rig.effects().join("\n"));
    }
    let plans = json(&rig, &["firmware", "plan"]).await;
    assert!(plans.as_array().unwrap().iter().all(|plan| plan["changes"] == serde_json::json!([])), "{plans:#}");
}
