//! A scrape of `/metrics` at 10,000 servers of some 40 series each, over a real listener and through the gate.
//!
//! Promises that every server was looked at, so that nothing is written from an empty cache; and that memory is read before the cache is filled,
//! after, and after the scrapes. The reader takes the whole answer before the time is up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/api/rig.rs"]
mod rig;
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use farrier::access::Role;
use farrier::bus::{Settings, SqliteBus};
use farrier::egress::now;
use farrier::http::serve::{Patience, tcp};
use farrier::monitor::{Part, Parts, Snapshot};
use farrier::plugin::wit::telemetry::{Quantity, Reading};
use farrier::plugin::wit::types::Health;
use farrier_lifecycle::Timestamp;
use rig::{Rig, active, commit, ready};
use support::{Limit, Report, Times};

const SERVERS: u32 = 10_000;
const SCRAPES: usize = 20;
const MIB: f64 = 1_048_576.0;

/// Memory of this process, MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}

/// What a server of today has: 8 temperatures, 8 fans, 4 of power, 2 voltages.
fn readings(n: u32) -> Vec<Reading> {
    let one = |sensor: String, quantity, value| Reading { sensor, quantity, value, health: Health::Ok };
    let mut all = vec![
        one("inlet".to_owned(), Quantity::TemperatureCelsius, 20.0 + f64::from(n % 50) / 10.0),
        one("system".to_owned(), Quantity::PowerWatts, f64::from(200 + n % 300)),
        one("system".to_owned(), Quantity::EnergyJoules, f64::from(n) * 1e6),
    ];
    for k in 0..7 {
        all.push(one(format!("cpu{k}"), Quantity::TemperatureCelsius, f64::from(40 + k)));
    }
    for k in 0..8 {
        all.push(one(format!("fan{k}"), Quantity::FanRpm, f64::from(9_000 + k * 7 + n % 100)));
    }
    for k in 0..2 {
        all.push(one(format!("psu{k}"), Quantity::PowerWatts, f64::from(100 + n % 150)));
        all.push(one(format!("psu{k}"), Quantity::VoltageVolts, 230.5));
    }
    all
}

fn fill(rig: &Rig) {
    let cache = &rig.metrics.cache;
    cache.lead(true);
    for (n, row) in (0_u32..).zip(rig.fleet.rows(|_| true)) {
        let at = now();
        let parts = Parts {
            health: Some(Health::Ok),
            drives: (0..4)
                .map(|k| Part { name: cache.name(&format!("bay{k}")), value: (Health::Ok, Some(0.97)) })
                .collect(),
            supplies: (0..2).map(|k| Part { name: cache.name(&format!("psu{k}")), value: Health::Ok }).collect(),
            links: (0..2).map(|k| Part { name: cache.name(&format!("nic{k}")), value: k == 0 }).collect(),
            firmware: vec![Part { name: cache.name("bios"), value: Timestamp(1_700_000_000_000) }],
        };
        let snapshot = Snapshot {
            at,
            took_ms: 900,
            code: None,
            seen: Some(at),
            until: Timestamp(at.0 + 86_400_000),
            points: cache.points(&readings(n)),
            parts: Some(Arc::new(parts)),
            entries: [10, 2, 0],
        };
        cache.put(&row.server.id, snapshot);
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut report = Report::new("scrape");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let bus = Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
    for n in 0..SERVERS {
        let site = if n % 2 == 0 { "ams" } else { "fra" };
        commit(&*bus, if n % 3 == 0 { active(n, site, "ACME") } else { ready(n, site) }).await;
    }
    let rig = Rig::with(bus, false).await;
    report.figure("resident, records alone", resident(), "MiB");
    fill(&rig);
    report.figure("resident, every server looked at", resident(), "MiB");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    tokio::spawn(tcp(listener, None, rig.router.clone(), Patience::new(64), rig.stop.clone()));
    let token = rig.token(Role::Viewer, None, None).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (format, accept) in [("openmetrics", "application/openmetrics-text;version=1.0.0"), ("text", "text/plain")] {
        let (mut times, mut bytes, mut series) = (Vec::new(), 0, 0);
        for _ in 0..SCRAPES {
            let begin = Instant::now();
            let answer = http.get(&url).bearer_auth(&token).header("accept", accept).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            let text = answer.bytes().await.unwrap();
            times.push(begin.elapsed());
            bytes = text.len();
            series = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#').count();
        }
        assert!(series > 40 * 9_000, "{series}");
        let times = Times::new(times);
        report.figure(&format!("{format}: series"), f64::from(u32::try_from(series).unwrap()), "series");
        report.figure(&format!("{format}: bytes"), f64::from(u32::try_from(bytes).unwrap()) / MIB, "MiB");
        report.figure(&format!("{format}: p50 of {SCRAPES}"), times.p50(), "ms");
        report.held(&format!("{format}: slowest of {SCRAPES}"), times.at(100), "ms", Limit::AtMost(1_000.0));
    }
    report.figure("resident, after the scrapes (with the reader's own copy)", resident(), "MiB");
    report.end()
}
