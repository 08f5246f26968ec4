//! How long a DHCP server waits for its hook: with Redis up, hung, stopped, and against `/bin/true` of the same run.
//!
//! Promises the real program under its hook's name, a real `farrier ship` reading the spool beside it, and rounds in which every kind
//! of start has its turn, so that a busy minute touches all of them alike.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use farrier_lab::rig::{StoreProcess, store_program};
use support::{Limit, Report, Times};

const ROUNDS: u32 = 400;
const FARRIER: &str = env!("CARGO_BIN_EXE_farrier");

/// One start to its end, as dnsmasq makes it.
fn hook(program: &Path, spool: &Path, round: u32) -> Duration {
    let mac = format!("a0:36:9f:{:02x}:{:02x}:{:02x}", round >> 16 & 255, round >> 8 & 255, round & 255);
    let mut command = Command::new(program);
    command.args(["add", &mac, "10.77.1.2", "ILOMXQ1234"]).current_dir("/").env_clear();
    command.env("FARRIER_SPOOL", spool).env("DNSMASQ_VENDOR_CLASS", "CPQRIB3").stdin(Stdio::null());
    time(&mut command)
}

fn time(command: &mut Command) -> Duration {
    let begin = Instant::now();
    assert!(command.status().expect("a start").success());
    begin.elapsed()
}

/// The hook and `/bin/true`, turn by turn.
fn rounds(program: &Path, spool: &Path, from: u32) -> (Times, Times) {
    let pairs = (from..from + ROUNDS).map(|round| {
        (hook(program, spool, round), time(Command::new("/bin/true").current_dir("/").env_clear().stdin(Stdio::null())))
    });
    let (hooks, nothing): (Vec<_>, Vec<_>) = pairs.unzip();
    (Times::new(hooks), Times::new(nothing))
}

fn ship(folder: &Path, url: &str) -> Child {
    let mut command = Command::new(FARRIER);
    command.args(["ship", "--redis", url, "--spool"]).arg(folder.join("spool"));
    command.arg("--state-dir").arg(folder.join("state")).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("farrier ship")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut report = Report::new("hook");
    if store_program().is_none() {
        println!("SKIPPED: hook: neither redis-server nor a Valkey is here");
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("farrier-lease-dnsmasq");
    std::os::unix::fs::symlink(FARRIER, &program).unwrap();
    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let mut store = StoreProcess::start(&folder.path().join("redis")).await.unwrap();
    let mut ship = ship(folder.path(), &store.url());

    let up = rounds(&program, &spool, 0);
    store.hang().unwrap();
    let hung = rounds(&program, &spool, ROUNDS);
    store.resume().unwrap();
    store.kill().await.unwrap();
    let stopped = rounds(&program, &spool, 2 * ROUNDS);
    ship.kill().unwrap();
    ship.wait().unwrap();
    assert!(std::fs::read_dir(&spool).unwrap().count() >= ROUNDS as usize, "leases wait while Redis is away");

    for (state, (hooks, nothing)) in [("up", up), ("hung", hung), ("stopped", stopped)] {
        report.figure(&format!("/bin/true p50, Redis {state}"), nothing.p50(), "ms");
        report.figure(&format!("/bin/true p99, Redis {state}"), nothing.p99(), "ms");
        report.figure(&format!("hook p50, Redis {state}"), hooks.p50(), "ms");
        report.held(&format!("hook p99, Redis {state}"), hooks.p99(), "ms", Limit::AtMost(5.0));
        report.held(&format!("hook / true p50, Redis {state}"), hooks.p50() / nothing.p50(), "x", Limit::AtMost(4.0));
        report.held(&format!("hook / true p99, Redis {state}"), hooks.p99() / nothing.p99(), "x", Limit::AtMost(4.0));
    }
    report.end()
}
