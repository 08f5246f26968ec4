//! Facts about the embedded store alone: restarts, its lock, its schema, a look from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bus;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus::{NOW, Rig, Stepped, checkpoint};
use farrier::bus::{BusError, MAX_TAKEOVERS, SqliteBus};
use farrier_lifecycle::{Outcome, Stage};
use tokio_util::sync::CancellationToken;

fn open(dir: &Path, clock: &Stepped) -> Rig {
    // The thread of the store before may still be closing the file it had locked.
    let end = std::time::Instant::now() + bus::LONG;
    loop {
        match SqliteBus::open(dir, &clock.settings()) {
            Ok(bus) => return Rig::new(Arc::new(bus), clock.clone()),
            Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_restarted_host_takes_its_own_work_back_at_once() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    let rig = open(dir.path(), &clock);
    for n in 1..=3 {
        rig.see(n).await;
    }
    let (_, begun) = rig.run_one(Stage::Discover).await;
    let kept = rig.outcome(&begun, checkpoint("{}")).await.unwrap().server().unwrap().clone();
    rig.take(Stage::Discover, 1).await;
    drop(rig);
    let rig = open(dir.path(), &clock);
    assert_eq!(rig.take(Stage::Discover, 8).await.len(), 2, "taken or waiting, not begun: they wait");
    let taken = rig.bus.reap(8).await.unwrap();
    assert_eq!(taken.len(), 1, "begun: taken over, without a wait for the lease");
    let (server, fence) = rig.run(&taken[0]).await;
    assert_eq!((server, fence.epoch), (kept, begun.epoch + 1));
    rig.outcome(&fence, Outcome::done("found")).await.unwrap();
}

/// Every entry is gone from its stream, and the records do not know.
fn lose_all(dir: &Path) {
    let file = rusqlite::Connection::open(dir.join("bus.db")).unwrap();
    file.execute_batch("PRAGMA busy_timeout = 5000; DELETE FROM entry").unwrap();
}

#[tokio::test]
async fn a_lost_command_is_published_again_without_a_restart() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    let rig = open(dir.path(), &clock);
    for n in 1..=3 {
        rig.see(n).await;
    }
    let (_, begun) = rig.run_one(Stage::Discover).await;
    rig.take(Stage::Discover, 1).await;
    assert_eq!(rig.bus.sweep().await.unwrap(), 0, "begun, taken or waiting: none is lost");
    lose_all(dir.path());
    assert_eq!(rig.bus.sweep().await.unwrap(), 3);
    assert_eq!(rig.bus.sweep().await.unwrap(), 0, "once each");
    assert_eq!(rig.bus.beat(&[begun]).await.unwrap(), [false], "whose entry is gone cannot end");
    for entry in rig.take(Stage::Discover, 8).await {
        let (_, fence) = rig.run(&entry).await;
        rig.outcome(&fence, Outcome::done("found")).await.unwrap();
    }
    assert_eq!(rig.backlog(Stage::Validate).await, (3, 0));
    // By itself.
    lose_all(dir.path());
    let stop = CancellationToken::new();
    let sweeping = tokio::spawn(farrier::bus::sweep(rig.bus.clone(), Duration::from_millis(1), stop.clone()));
    assert!(!rig.bus.take(&[Stage::Validate], 1, bus::LONG).await.unwrap().is_empty());
    stop.cancel();
    sweeping.await.unwrap();
}

#[tokio::test]
async fn a_crash_loop_ends_as_poison() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    let rig = open(dir.path(), &clock);
    rig.see(1).await;
    rig.run_one(Stage::Discover).await;
    drop(rig);
    for round in 1..=MAX_TAKEOVERS + 1 {
        let rig = open(dir.path(), &clock);
        let entry = rig.bus.reap(8).await.unwrap().pop().unwrap();
        let begun = rig.bus.begin(&entry).await.unwrap();
        assert_eq!(matches!(begun, farrier::bus::Begin::Poison { .. }), round > MAX_TAKEOVERS, "{begun:?}");
    }
}

#[tokio::test]
async fn one_process_has_the_file() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    let first = open(dir.path(), &clock);
    let Err(BusError::Unusable { problem, hint }) = SqliteBus::open(dir.path(), &clock.settings()) else {
        panic!("a second host is refused")
    };
    assert!(problem.contains(&format!("process {}", std::process::id())), "{problem}");
    assert!(!hint.is_empty());
    drop(first);
    open(dir.path(), &clock);
}

#[tokio::test]
async fn a_look_from_outside_changes_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    assert!(matches!(SqliteBus::open_readonly(dir.path(), &clock.settings()), Err(BusError::Unusable { .. })));
    let host = open(dir.path(), &clock);
    let seen = host.see(1).await;
    host.run_one(Stage::Discover).await;
    let look = Rig::new(Arc::new(SqliteBus::open_readonly(dir.path(), &clock.settings()).unwrap()), clock.clone());
    assert_eq!(look.bus.list().await.unwrap(), vec![seen.clone()]);
    assert_eq!(look.bus.status().await.unwrap(), host.bus.status().await.unwrap());
    assert_eq!(look.bus.journal("", 8, NOW).await.unwrap().len(), 1);
    assert_eq!(look.bus.timeline(&seen.id).await.unwrap().len(), 1);
    let refused = look.bus.publish_lease(&look.lease(2, 1)).await;
    assert!(matches!(refused, Err(BusError::Unusable { .. })), "{refused:?}");
    drop(host);
    assert_eq!(look.bus.list().await.unwrap().len(), 1, "without a host, too");
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    drop(open(dir.path(), &clock));
    let file = rusqlite::Connection::open(dir.path().join("bus.db")).unwrap();
    file.execute_batch("PRAGMA user_version = 99").unwrap();
    for opened in
        [SqliteBus::open(dir.path(), &clock.settings()), SqliteBus::open_readonly(dir.path(), &clock.settings())]
    {
        assert!(matches!(opened, Err(BusError::Unusable { problem, .. }) if problem.contains("99")));
    }
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    let rig = open(dir.path(), &clock);
    let seen = rig.see(1).await;
    drop(rig);
    let file = rusqlite::Connection::open(dir.path().join("bus.db")).unwrap();
    file.execute_batch("DROP TABLE audit; PRAGMA user_version = 1").unwrap();
    let look = SqliteBus::open_readonly(dir.path(), &clock.settings()).err();
    assert!(matches!(look, Some(BusError::Unusable { hint, .. }) if hint.contains("start the host")));
    let rig = open(dir.path(), &clock);
    assert_eq!(rig.read(&seen.id).await, seen);
    rig.bus.audit("{}").await.unwrap();
    clock.step(8 * 24 * 3_600_000);
    rig.bus.audit("[]").await.unwrap();
    let kept: Vec<_> = rig.bus.audits("", 8).await.unwrap().into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(kept, ["[]"], "kept as long as the journal");
}

#[tokio::test]
async fn the_journal_forgets_and_the_timelines_do_not() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Stepped::default());
    let rig = open(dir.path(), &clock);
    let old = rig.see(1).await;
    clock.step(8 * 24 * 3_600_000);
    let busy = rig.see(2).await;
    for _ in 0..260 {
        rig.request(&busy.id, bus::hold()).await.unwrap();
        rig.request(&busy.id, farrier_lifecycle::Request::Unhold).await.unwrap();
    }
    assert_eq!(rig.bus.status().await.unwrap().journal, 521, "the old server's entry is forgotten");
    assert_eq!(rig.bus.timeline(&old.id).await.unwrap().len(), 1);
}
