//! What a host at rest takes of the machine: with nothing, 1,000 and 10,000 servers in its store; and how long it takes to look one up.
//!
//! Promises a real `farrier serve` on the embedded store, filled beforehand by the same `apply` that hosts use. The look-ups are those that
//! grow with the estate: the list an operator asks for, and the boot script that every booting server on the network asks for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::cast_precision_loss)]

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use farrier::bus::{Begin, Bus, Origin, Settings, SqliteBus, apply, apply_lease};
use farrier::egress::now;
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::rig::{Programs, Rig, RigConfig};
use farrier_lifecycle::{Event, Facts, Lease, Mac, Outcome, Policy, ServerId, Stage};
use support::{Limit, Report, Times};

const LOOKS: usize = 50;
const PATIENCE: Duration = Duration::from_mins(1);

fn mac(oui: &str, n: usize) -> String {
    format!("{oui}:{:02x}:{:02x}:{:02x}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

/// Half of the servers rest in `ready`, half stand in validate.
async fn fill(folder: &Path, servers: usize) {
    let bus = SqliteBus::open(folder, &Settings::default()).unwrap();
    let policy = Policy::default();
    for n in 0..servers {
        let lease = Lease {
            mac: mac("94:40:c9", n).parse().unwrap(),
            // Nobody answers there: the host looks at what is in service, and is to meet nobody's controller.
            ip: format!("127.100.{}.{}", n >> 8 & 255, n & 255).parse().unwrap(),
            hostname: Some(format!("ILOMXQ{n:06}")),
            vendor_class: Some("CPQRIB3".to_owned()),
            at: now(),
            source: "bench".to_owned(),
        };
        apply_lease(&bus, &lease, &policy, now(), None).await.unwrap();
        loop {
            let Some(entry) = bus.take(&Stage::WORKED, 1, Duration::ZERO).await.unwrap().pop() else { break };
            let Begin::Run { fence, .. } = bus.begin(&entry).await.unwrap() else { panic!("the command runs") };
            let outcome = match fence.stage {
                Stage::Discover => {
                    Outcome::Done { facts: Box::new(facts(n)), marks: Vec::new(), evidence: "bench".to_owned() }
                }
                Stage::Validate if n % 2 == 1 => {
                    Outcome::Wait { until: now().plus(86_400_000), job: None, memo: "{}".to_owned() }
                }
                Stage::Assign => Outcome::Rest,
                _ => Outcome::done("nothing to do"),
            };
            let event = Event::Outcome { token: fence.token, outcome };
            apply(&bus, &fence.server, &event, &policy, now(), Origin::Attempt(&fence)).await.unwrap();
        }
    }
    // As validate leaves them behind: servers that booted, and are not awaited any more.
    for n in 0..servers {
        let id = ServerId::from(mac("94:40:c9", n).parse::<Mac>().unwrap());
        bus.set(&format!("boot-mac/{}", mac("88:e9:a4", 2 * n)), Some(id.as_str().as_bytes()), None).await.unwrap();
    }
    bus.leave().await.unwrap();
}

fn facts(n: usize) -> Facts {
    Facts {
        name: Some(format!("AMS-SRV-{n:05}")),
        inventory_id: Some(n.to_string()),
        site: Some("ams".to_owned()),
        vendor: Some("HPE".to_owned()),
        model: Some("ProLiant DL360 Gen10 Plus".to_owned()),
        serial: Some(format!("MXQ{n:06}")),
        controller: Some("iLO 5 v3.04".to_owned()),
        driver: Some("hpe-ilo".to_owned()),
        boot_macs: vec![mac("88:e9:a4", 2 * n).parse().unwrap(), mac("88:e9:a4", 2 * n + 1).parse().unwrap()],
        ..Facts::default()
    }
}

/// Resident memory of a process in MiB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Memory, once it no longer changes.
async fn settled(pid: u32) -> f64 {
    let (end, mut last) = (Instant::now() + PATIENCE, 0.0);
    loop {
        let found = resident(pid);
        if (found - last).abs() < 0.25 || Instant::now() > end {
            return found;
        }
        last = found;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn with(servers: usize, programs: Programs, report: &mut Report) -> f64 {
    let mut rig = Rig::start_with(RigConfig::new(Estate::sound(7, 1, DEFAULT_BASE)), programs).await.unwrap();
    // Filled in memory: tens of thousands of commits, each synced, are not what is measured here.
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    fill(memory.path(), servers).await;
    for file in std::fs::read_dir(memory.path()).unwrap().flatten() {
        if file.path().is_file() {
            std::fs::copy(file.path(), rig.folder().join("state").join(file.file_name())).unwrap();
        }
    }
    rig.host.start(&[]).await.unwrap();
    let memory = settled(rig.host.pid().unwrap()).await;
    report.figure(&format!("memory at rest, {servers} servers"), memory, "MiB");
    if servers > 0 {
        look(&rig, servers, report).await;
        report.figure(
            &format!("memory after the look-ups, {servers} servers"),
            resident(rig.host.pid().unwrap()),
            "MiB",
        );
    }
    rig.host.stop(PATIENCE).await.unwrap();
    memory
}

async fn look(rig: &Rig, servers: usize, report: &mut Report) {
    let (mut lists, mut boots) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let begin = Instant::now();
        let rows = rig.host.servers().await.unwrap();
        lists.push(begin.elapsed());
        assert_eq!(rows.len(), servers);
    }
    let text = std::fs::read_to_string(rig.host.config()).unwrap();
    let config: toml::Table = toml::from_str(&text).unwrap();
    let url = config["http"]["public_url"].as_str().unwrap().trim_end_matches('/').to_owned();
    let client = reqwest::Client::new();
    for n in 0..LOOKS {
        // A server that is known and not awaited, and one that nobody knows: the two that ask again and again.
        for mac in [mac("88:e9:a4", 2 * (n * 2 % servers)), mac("02:00:00", n)] {
            let begin = Instant::now();
            let answer = client.get(format!("{url}/boot/ipxe?mac={mac}")).send().await.unwrap();
            boots.push(begin.elapsed());
            assert_eq!(answer.status().as_u16(), 404);
        }
    }
    let (lists, boots) = (Times::new(lists), Times::new(boots));
    report.held(&format!("`server list` p50, {servers} servers"), lists.p50(), "ms", Limit::AtMost(1_500.0));
    report.held(&format!("boot script p50, {servers} servers"), boots.p50(), "ms", Limit::AtMost(20.0));
    report.figure(&format!("boot script p99, {servers} servers"), boots.p99(), "ms");
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut report = Report::new("rss");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let farrier = PathBuf::from(env!("CARGO_BIN_EXE_farrier"));
    let plugins = support::plugins(env!("CARGO_BIN_EXE_farrier"));
    if !plugins.join("redfish.wasm").is_file() {
        println!("SKIPPED: rss: no drivers in {}; run `cargo xtask plugins`", plugins.display());
        return ExitCode::SUCCESS;
    }
    let programs = Programs { farrier, plugins };
    let idle = with(0, programs.clone(), &mut report).await;
    let thousand = with(1_000, programs.clone(), &mut report).await;
    let many = with(10_000, programs, &mut report).await;
    report.held("memory at rest, nothing in the store", idle, "MiB", Limit::AtMost(128.0));
    report.held("memory of 1,000 servers more", thousand - idle, "MiB", Limit::AtMost(32.0));
    report.held("memory of 10,000 servers / of none", many / idle, "x", Limit::AtMost(2.0));
    report.end()
}
