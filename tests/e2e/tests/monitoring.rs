//! A real host looks at the lab's controllers, of every vendor, one of them with a tenant; Prometheus' own parser reads `/metrics`.
//!
//! Promises that what is shown is what the controllers say when they are asked directly, that no controller ever had two requests at once, and that
//! looking wrote nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use farrier_e2e::seen;
use farrier_lab::estate::{DEFAULT_BASE, Estate, Server, Vendor};
use farrier_lab::redfish::Fault;
use farrier_lab::rig::{Rig, RigConfig, free_port, skip, venv};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_mins(2);
const SERVERS: usize = 12;

/// One line of a scrape, as the parser read it.
#[derive(Clone, Debug, Deserialize)]
struct Sample {
    #[serde(rename = "type")]
    kind: String,
    help: String,
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Somebody who scrapes.
struct Scraper {
    python: PathBuf,
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Scraper {
    async fn scrape(&self) -> Vec<Sample> {
        let answer = self.http.get(&self.url).bearer_auth(&self.token);
        let answer = answer.header("accept", "application/openmetrics-text;version=1.0.0").send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        let text = answer.text().await.unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitoring_parser/parse.py");
        let mut python = Command::new(&self.python);
        python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = python.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let sent = text.clone();
        let feed = tokio::spawn(async move { input.write_all(sent.as_bytes()).await });
        let output = child.wait_with_output().await.unwrap();
        // A parser that refuses the text says more than the pipe.
        let _ = feed.await;
        assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Scrape until it is so.
    async fn until(&self, what: &str, so: impl Fn(&[Sample]) -> bool) -> Vec<Sample> {
        let end = Instant::now() + PATIENCE;
        loop {
            let all = self.scrape().await;
            if so(&all) {
                return all;
            }
            assert!(Instant::now() < end, "{what}: {all:#?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

fn find<'a>(all: &'a [Sample], name: &str, server: &str) -> impl Iterator<Item = &'a Sample> {
    all.iter().filter(move |one| one.name == name && one.labels.get("server").is_some_and(|is| is == server))
}

fn value(all: &[Sample], name: &str, server: &str) -> Option<f64> {
    find(all, name, server).next().map(|one| one.value)
}

fn polls(all: &[Sample]) -> f64 {
    all.iter().filter(|one| one.name == "farrier_polls_total").map(|one| one.value).sum()
}

async fn start() -> (Rig, u16) {
    let port = free_port().unwrap();
    let over = format!(
        "[api]\nlisten = \"127.0.0.1:{port}\"\nrate = 100000\n[monitor]\ninterval_ms = 1_000\nslowest_ms = 4_000\ninventory_every = 4\n"
    );
    let mut config = farrier_e2e::config(Estate::sound(7, SERVERS, DEFAULT_BASE));
    config.timing.latency = Duration::from_millis(4);
    let mut rig = Rig::start(RigConfig { over: toml::from_str(&over).unwrap(), ..config }).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    (rig, port)
}

/// The controller's own answers, asked without the host: power as a whole, and the inlet's temperature.
async fn asked_directly(rig: &Rig, server: &Server) -> (f64, f64) {
    let bmc = rig.lab.bmc(&server.name).unwrap();
    let chassis = if server.vendor == Vendor::Dell { "System.Embedded.1" } else { "1" };
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let get = async |name: &str| -> Value {
        let url = format!("{}/redfish/v1/Chassis/{chassis}/{name}", bmc.url());
        let ask = http.get(url).basic_auth(&server.bmc.username, Some(&server.bmc.password));
        ask.send().await.unwrap().json().await.unwrap()
    };
    let (power, thermal) = (get("Power").await, get("Thermal").await);
    let watts = power["PowerControl"][0]["PowerConsumedWatts"].as_f64();
    let inlet = thermal["Temperatures"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["Name"].as_str().is_some_and(|name| name.to_lowercase().contains("inlet")));
    (watts.unwrap(), inlet.unwrap()["ReadingCelsius"].as_f64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_s_own_parser_reads_what_the_lab_reports() {
    let Some(venv) = venv("openmetrics") else { return skip("no virtual environment with prometheus-client") };
    let (mut rig, port) = start().await;
    let servers = rig.lab.estate().servers;
    let tenant = servers[0].name.clone();
    rig.host.farrier(&["server", "assign", &tenant, "--tenant", "ACME"]).await.unwrap();
    rig.settled(PATIENCE).await.unwrap();
    let made =
        rig.host.farrier(&["token", "create", "--name", "prometheus", "--role", "viewer", "--output", "json"]).await;
    let made: Value = serde_json::from_str(&made.unwrap()).unwrap();
    let scraper = Scraper {
        python: venv.join("bin/python"),
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        url: format!("http://127.0.0.1:{port}/metrics"),
        token: made["secret"].as_str().unwrap().to_owned(),
    };
    let writes = || servers.iter().map(|server| rig.lab.bmc(&server.name).unwrap().state().writes).collect::<Vec<_>>();
    let before = writes();
    let seen_all = |all: &[Sample]| {
        servers.iter().all(|server| {
            value(all, "farrier_poll_success", &server.name) == Some(1.0)
                && value(all, "farrier_hardening_compliant", &server.name) == Some(1.0)
        })
    };
    let first = scraper.until("every server is looked at", seen_all).await;
    // Looked at again and again, the one with a tenant too.
    let all = scraper.until("five looks each", |all| seen_all(all) && polls(all) >= polls(&first) + 60.0).await;
    assert!(all.iter().all(|one| !one.help.is_empty()), "every family says what it is");
    a_silent_controller(&rig, &scraper, &servers[1].name).await;
    assert_eq!(writes(), before, "looking writes nothing");
    for server in &servers {
        let (requests, most) = rig.lab.bmc(&server.name).unwrap().traffic();
        assert!(requests > 50, "{}: {requests}", server.name);
        assert_eq!(most, 1, "{} had {most} requests at once", server.name);
    }
    let (status, _) = rig.host.stop(Duration::from_secs(30)).await.unwrap();
    assert!(status.success(), "{status}:\n{}", rig.host.tail());
    assert_eq!(seen::blemishes(&rig), Vec::<String>::new());
    assert_eq!(seen::open_sessions(&rig), Vec::new(), "a host that stops logs out");
    // Asked when the host is gone, so that no controller has two who ask.
    shown(&rig, &all, &servers, &tenant).await;
}

/// What is shown of each server is what its controller says.
async fn shown(rig: &Rig, all: &[Sample], servers: &[Server], tenant: &str) {
    let mut watts_of_tenant = 0.0;
    for server in servers {
        let (watts, inlet) = asked_directly(rig, server).await;
        let of = |name: &str, sensor: &str| {
            find(all, name, &server.name).find(|one| one.labels["sensor"] == sensor).map(|one| one.value)
        };
        assert_eq!(of("farrier_power_watts", "system"), Some(watts), "{}", server.name);
        assert_eq!(of("farrier_temperature_celsius", "inlet"), Some(inlet), "{}", server.name);
        assert!(
            find(all, "farrier_fan_speed_rpm", &server.name)
                .chain(find(all, "farrier_fan_speed_ratio", &server.name))
                .count()
                > 0
        );
        assert!(find(all, "farrier_drive_health", &server.name).count() > 0, "{}", server.name);
        assert_eq!(find(all, "farrier_log_entries_total", &server.name).count(), 3);
        let info: Vec<_> = find(all, "farrier_server_info", &server.name).collect();
        assert_eq!(
            (info.len(), info[0].kind.as_str(), info[0].labels["rack"].as_str()),
            (1, "info", server.rack.as_str())
        );
        let state = if server.name == tenant { "active" } else { "ready" };
        assert_eq!(info[0].labels["state"], state, "{}", server.name);
        if server.name == tenant {
            watts_of_tenant = watts;
        }
    }
    let one = |name: &str| all.iter().find(|one| one.name == name).map(|one| one.value);
    assert_eq!(one("farrier_tenant_power_watts"), Some(watts_of_tenant));
    assert_eq!((one("farrier_bus_up"), one("farrier_monitor_leader")), (Some(1.0), Some(1.0)));
    let ready: f64 = all
        .iter()
        .filter(|one| one.name == "farrier_servers" && one.labels["state"] == "ready")
        .map(|one| one.value)
        .sum();
    assert!((ready - 11.0).abs() < 0.1, "{ready}");
    let harden =
        all.iter().filter(|one| one.name == "farrier_stage_duration_seconds_count" && one.labels["stage"] == "harden");
    assert!(harden.map(|one| one.value).sum::<f64>() > 11.5, "each server was timed in each stage");
    let calls = all
        .iter()
        .filter(|one| one.name == "farrier_plugin_calls_total" && one.labels["function"] == "telemetry.read-sensors");
    assert!(calls.count() >= 3, "of each vendor's driver");
}

/// A controller that stops answering is shown as such, and as well again when it is.
async fn a_silent_controller(rig: &Rig, scraper: &Scraper, name: &str) {
    let bmc = rig.lab.bmc(name).unwrap();
    bmc.set_fault(Fault::Drop { times: 100_000 });
    let silent = scraper.until("it is silent", |all| value(all, "farrier_poll_success", name) == Some(0.0)).await;
    assert!(value(&silent, "farrier_poll_age_seconds", name).unwrap() > 0.0);
    assert!(value(&silent, "farrier_power_watts", name).is_some(), "what was read a moment ago is still shown");
    bmc.clear_faults();
    scraper.until("it is well again", |all| value(all, "farrier_poll_success", name) == Some(1.0)).await;
}
