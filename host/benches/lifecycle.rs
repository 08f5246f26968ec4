//! Full lifecycles whose stages do nothing, per second: the pure function alone, each store, and Redis' own functions alone.
//!
//! One lifecycle is a lease, six commands taken, begun and committed, and rest in `ready`. The walk of the library's functions without
//! the host is the bound for Redis: the same calls with the same texts, prepared beforehand and read by nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::cast_precision_loss)]

mod support;
mod walk;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farrier::bus::{ApplyError, Begin, Bus, Origin, RedisBus, Settings, SqliteBus, apply, apply_lease};
use farrier::egress::now;
use farrier_lab::rig::{StoreProcess, store_program};
use farrier_lifecycle::{Event, Lease, Outcome, Policy, Server, ServerId, Stage, Step, step};
use support::{Limit, Report};
use tokio::sync::Semaphore;
use walk::Walk;

/// Servers of one run.
const SERVERS: usize = 1_000;
/// Commands worked at once: the host's default.
const PERMITS: usize = 64;
const STEPS: usize = 50_000;

/// The lease of server `n`.
fn lease(n: usize) -> Lease {
    Lease {
        mac: format!("02:00:{:02x}:{:02x}:{:02x}:{:02x}", n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255)
            .parse()
            .unwrap(),
        ip: format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255).parse().unwrap(),
        hostname: Some("ILOMXQ00001".to_owned()),
        vendor_class: Some("CPQRIB3".to_owned()),
        at: now(),
        source: "bench".to_owned(),
    }
}

/// What an attempt that does nothing comes to.
fn outcome(stage: Stage) -> Outcome {
    if stage == Stage::Assign { Outcome::Rest } else { Outcome::done("nothing to do") }
}

/// The function alone, from the lease to rest.
fn pure(n: usize, policy: &Policy) -> Vec<Server> {
    let lease = lease(n);
    let mut servers = vec![Server::unseen(lease.clone())];
    let mut event = Event::LeaseSeen(lease);
    loop {
        let before = servers.last().unwrap();
        let Step::Commit(transition) = step(before, &event, policy, now()).unwrap() else { panic!("a walk goes on") };
        let server = transition.server;
        event = Event::Outcome { token: server.token(), outcome: outcome(server.stage) };
        let rests = server.outstanding().is_none();
        servers.push(server);
        if rests {
            return servers;
        }
    }
}

/// Every server from its lease to rest; lifecycles per second.
async fn through(bus: Arc<dyn Bus>, servers: usize) -> f64 {
    let (policy, permits) = (Arc::new(Policy::default()), Arc::new(Semaphore::new(PERMITS)));
    let rested = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let (feed, sown) = (Arc::clone(&bus), Arc::clone(&policy));
    let feeder = tokio::spawn(async move {
        for n in 0..servers {
            apply_lease(feed.as_ref(), &lease(n), &sown, now(), None).await.unwrap();
        }
    });
    while rested.load(Ordering::Relaxed) < servers {
        let mut held = vec![permits.clone().acquire_owned().await.unwrap()];
        while let Ok(more) = permits.clone().try_acquire_owned() {
            held.push(more);
        }
        let entries = bus.take(&Stage::WORKED, held.len(), Duration::from_millis(50)).await.unwrap();
        for (entry, permit) in entries.into_iter().zip(held) {
            let (bus, policy, rested) = (Arc::clone(&bus), Arc::clone(&policy), Arc::clone(&rested));
            tokio::spawn(async move {
                let Begin::Run { fence, .. } = bus.begin(&entry).await.unwrap() else { panic!("the command runs") };
                let event = Event::Outcome { token: fence.token, outcome: outcome(fence.stage) };
                let applied: Result<_, ApplyError> =
                    apply(bus.as_ref(), &fence.server, &event, &policy, now(), Origin::Attempt(&fence)).await;
                if applied.unwrap().server().is_some_and(|server| server.outstanding().is_none()) {
                    rested.fetch_add(1, Ordering::Relaxed);
                }
                drop(permit);
            });
        }
    }
    let taken = begin.elapsed();
    feeder.await.unwrap();
    let last = bus.read(&ServerId::from(lease(servers - 1).mac)).await.unwrap().unwrap();
    assert_eq!(last.lifecycle_state().as_str(), "ready");
    servers as f64 / taken.as_secs_f64()
}

async fn on_redis(report: &mut Report, step_rate: f64) {
    if store_program().is_none() {
        println!("SKIPPED: lifecycle on Redis: neither redis-server nor a Valkey is here");
        return;
    }
    let records = pure(0, &Policy::default());
    let (mut host, mut raw) = (0.0_f64, 0.0_f64);
    // Turn by turn, each on a server of its own; the better of three stands for what it can do.
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreProcess::start(&folder.path().join("host")).await.unwrap();
        let bus = RedisBus::new(&store.url().parse().unwrap(), None, None, &Settings::default()).unwrap();
        bus.check().await.unwrap();
        host = host.max(through(Arc::new(bus), SERVERS).await);
        drop(store);
        let store = StoreProcess::start(&folder.path().join("raw")).await.unwrap();
        raw = raw.max(Walk::load(&store.url(), &records).await.through(SERVERS, PERMITS).await);
    }
    report.figure("functions of the library alone", raw, "lifecycles/s");
    report.figure("host on Redis (AOF everysec)", host, "lifecycles/s");
    report.figure("host on Redis / pure function", host / step_rate, "x");
    report.held("host on Redis / functions alone", host / raw, "x", Limit::AtLeast(0.5));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut report = Report::new("lifecycle");
    let policy = Policy::default();
    let begin = Instant::now();
    let commits: usize = (0..STEPS).map(|n| pure(n, &policy).len() - 1).sum();
    let step_rate = STEPS as f64 / begin.elapsed().as_secs_f64();
    report.figure("commits of one lifecycle", commits as f64 / STEPS as f64, "");
    report.figure("pure function", step_rate, "lifecycles/s");

    let memory = through(Arc::new(SqliteBus::memory(&Settings::default()).unwrap()), SERVERS).await;
    let folder = tempfile::tempdir().unwrap();
    let file = through(Arc::new(SqliteBus::open(folder.path(), &Settings::default()).unwrap()), SERVERS).await;
    report.figure("host on SQLite in memory", memory, "lifecycles/s");
    report.figure("host on SQLite in a file", file, "lifecycles/s");
    report.figure("host on SQLite in memory / pure function", memory / step_rate, "x");
    report.held("SQLite in a file / in memory", file / memory, "x", Limit::AtLeast(0.2));
    on_redis(&mut report, step_rate).await;
    report.end()
}
