//! From a lease in the spool to the transition `discovered`, with the lab's controllers, against one HTTPS exchange with the same.
//!
//! Promises the real hook, host and drivers. The time runs from before the hook starts to the time that the journal has for the
//! transition, both of this machine's clock: nobody's polling is in it but the host's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss, clippy::cast_possible_truncation)]

mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::rig::{Programs, Rig, RigConfig, Store, store_program};
use support::{Limit, Report, Times};

const SERVERS: usize = 30;
const PATIENCE: Duration = Duration::from_mins(1);

fn programs() -> Option<Programs> {
    let farrier = PathBuf::from(env!("CARGO_BIN_EXE_farrier"));
    let plugins = support::plugins(env!("CARGO_BIN_EXE_farrier"));
    plugins.join("redfish.wasm").is_file().then_some(Programs { farrier, plugins })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// When the journal says that a server became `discovered`.
async fn discovered(rig: &Rig, name: &str) -> Option<u64> {
    let text = rig.host.farrier(&["server", "timeline", name, "--output", "json"]).await.ok()?;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text).ok()?;
    entries.iter().find(|entry| entry["to"] == "discovered")?["at"].as_u64()
}

/// A new connection, and the service root: what no host can do without.
async fn exchange(rig: &Rig, name: &str) -> Duration {
    let url = format!("{}/redfish/v1/", rig.lab.bmc(name).unwrap().url());
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
    let begin = Instant::now();
    client.get(url).send().await.unwrap().bytes().await.unwrap();
    begin.elapsed()
}

async fn on(store: Store, programs: Programs, report: &mut Report) {
    let word = if store == Store::Sqlite { "SQLite" } else { "Redis" };
    let mut config = RigConfig::new(Estate::sound(7, SERVERS, DEFAULT_BASE));
    config.store = store;
    // Only discover is looked at: what follows would take the processor from the next server.
    config.over = toml::from_str("[policy]\nvalidate = \"off\"\nupdate = \"off\"\nharden = \"off\"\n").unwrap();
    let mut rig = Rig::start_with(config, programs).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    let (mut times, mut floor) = (Vec::new(), Vec::new());
    for server in rig.lab.estate().servers {
        floor.push(exchange(&rig, &server.name).await);
        let begin = now();
        rig.lab.lease(std::slice::from_ref(&server.name), 0).await.unwrap();
        let end = Instant::now() + PATIENCE;
        let at = loop {
            if let Some(at) = discovered(&rig, &server.name).await {
                break at;
            }
            assert!(Instant::now() < end, "{} is not discovered:\n{}", server.name, rig.host.tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        times.push(Duration::from_millis(at.saturating_sub(begin)));
    }
    let (times, floor) = (Times::new(times), Times::new(floor));
    report.figure(&format!("one HTTPS exchange p50, {word}"), floor.p50(), "ms");
    report.held(&format!("lease to discovered p50, {word}"), times.p50(), "ms", Limit::AtMost(1_000.0));
    report.held(
        &format!("lease to discovered, longest of {SERVERS}, {word}"),
        times.at(100),
        "ms",
        Limit::AtMost(3_000.0),
    );
    report.figure(&format!("p50 / one exchange p50, {word}"), times.p50() / floor.p50(), "x");
    rig.host.stop(PATIENCE).await.unwrap();
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut report = Report::new("lease_to_discovered");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Some(programs) = programs() else {
        println!("SKIPPED: lease_to_discovered: no drivers; run `cargo xtask plugins`");
        return ExitCode::SUCCESS;
    };
    on(Store::Sqlite, programs.clone(), &mut report).await;
    if store_program().is_some() {
        on(Store::Redis, programs, &mut report).await;
    }
    report.end()
}
