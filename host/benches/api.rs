//! Reads of the API at 10,000 servers, and events to 100 readers, over a real listener.
//!
//! Promises that every request goes through the gate, over TCP, one after the other; and that an event's time runs from before its commit to
//! the moment the last of 100 readers has it. The board's first paint is a new browser's, by the page's own clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/api/rig.rs"]
mod rig;
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier::access::Role;
use farrier::bus::{Settings, SqliteBus};
use farrier::http::serve::{Patience, tcp};
use farrier_lifecycle::Blame;
use rig::{Rig, active, commit, failed, ready};
use support::{Limit, Report, Times};

const SERVERS: u32 = 10_000;
const READERS: usize = 100;
const EVENTS: usize = 50;
const READS: [&str; 7] = [
    "/api/v1/fleet",
    "/api/v1/servers",
    "/api/v1/servers?site=ams&state=ready&limit=100",
    "/api/v1/servers?q=dl360%2000042",
    "/api/v1/servers?problem=true&sort=since",
    "/api/v1/servers/AMS-SRV-00042",
    "/api/v1/racks?site=ams",
];

async fn serve(rig: &Rig) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(tcp(listener, None, rig.router.clone(), Patience::new(1_024), rig.stop.clone()));
    base
}

async fn reads(base: &str, http: &reqwest::Client, report: &mut Report) {
    for path in READS {
        let mut times = Vec::new();
        for _ in 0..100 {
            let begin = Instant::now();
            let answer = http.get(format!("{base}{path}")).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            answer.bytes().await.unwrap();
            times.push(begin.elapsed());
        }
        let times = Times::new(times);
        report.figure(&format!("GET {path} p50"), times.p50(), "ms");
        report.held(&format!("GET {path} p95"), times.at(95), "ms", Limit::AtMost(50.0));
    }
}

/// Until this reader has seen `count` transitions; the moments it saw them.
async fn follow(mut stream: reqwest::Response, count: usize) -> Vec<Instant> {
    let (mut seen, mut text) = (Vec::new(), String::new());
    while seen.len() < count {
        let bytes = stream.chunk().await.unwrap().expect("the stream goes on");
        text.push_str(&String::from_utf8_lossy(&bytes));
        while let Some((event, rest)) = text.split_once("\n\n") {
            if event.contains("event: transition") {
                seen.push(Instant::now());
            }
            text = rest.to_owned();
        }
    }
    seen
}

async fn events(rig: &Rig, base: &str, http: &reqwest::Client, report: &mut Report) {
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let stream = http.get(format!("{base}/api/v1/events")).send().await.unwrap();
        assert!(stream.status().is_success(), "{}", stream.status());
        readers.push(tokio::spawn(follow(stream, EVENTS)));
    }
    let mut server = rig.fleet.rows(|_| true).first().unwrap().server.clone();
    let mut begun = Vec::new();
    for _ in 0..EVENTS {
        begun.push(Instant::now());
        server = commit(&*rig.bus, server).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut last = begun.clone();
    for reader in readers {
        for (last, seen) in last.iter_mut().zip(reader.await.unwrap()) {
            *last = (*last).max(seen);
        }
    }
    let times = Times::new(last.iter().zip(&begun).map(|(last, begun)| *last - *begun));
    report.figure(&format!("commit to the last of {READERS} readers p50"), times.p50(), "ms");
    report.held(&format!("commit to the last of {READERS} readers p95"), times.at(95), "ms", Limit::AtMost(1_000.0));
}

/// How soon a browser that knows nothing of us shows the board; needs what `cargo xtask test` installs for `tests/browser`.
#[allow(clippy::print_stderr, reason = "a bench says what it left out")]
async fn paint(base: &str, token: &str, report: &mut Report) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/browser/first-paint.mjs");
    let exe = std::env::current_exe().unwrap();
    let Some(modules) = exe.ancestors().map(|folder| folder.join("browser")).find(|folder| folder.is_dir()) else {
        return eprintln!("SKIPPED: first paint: no browser beside the build; run `cargo xtask test` once");
    };
    let mut node = tokio::process::Command::new("node");
    node.args([script, base, token, "10"]).env("FARRIER_NODE_MODULES", modules);
    let output = match node.output().await {
        Ok(output) if output.status.success() => output,
        Ok(output) => return eprintln!("SKIPPED: first paint: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return eprintln!("SKIPPED: first paint: node: {error}"),
    };
    let times: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str, which: &str| times[name][which].as_f64().unwrap();
    report.figure("board, first contentful paint, median of 10", of("first_paint_ms", "median"), "ms");
    report.figure("board, the pipeline's counts shown, median of 10", of("pipeline_shown_ms", "median"), "ms");
    report.held(
        "board, first contentful paint, slowest of 10",
        of("first_paint_ms", "most"),
        "ms",
        Limit::AtMost(1_000.0),
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut report = Report::new("api");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let bus = Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
    for n in 0..SERVERS {
        let site = if n % 2 == 0 { "ams" } else { "fra" };
        let server = match n % 10 {
            0 => failed(n, site, "cable-swapped", Blame::Cabling),
            1..4 => active(n, site, "ACME"),
            _ => ready(n, site),
        };
        commit(&*bus, server).await;
    }
    let begin = Instant::now();
    let rig = Rig::with(bus, false).await;
    report.figure(&format!("{SERVERS} servers into the read model"), begin.elapsed().as_secs_f64() * 1e3, "ms");
    let base = serve(&rig).await;
    let token = rig.token(Role::Viewer, None, None).await;
    let bearer = format!("Bearer {token}").parse().unwrap();
    let headers = reqwest::header::HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, bearer)]);
    let http = reqwest::Client::builder().default_headers(headers).no_proxy().build().unwrap();
    reads(&base, &http, &mut report).await;
    events(&rig, &base, &http, &mut report).await;
    paint(&base, &token, &mut report).await;
    report.end()
}
