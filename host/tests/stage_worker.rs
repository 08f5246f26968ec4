//! The worker over a store in memory: leases that run out, entries that come again, drains. The stage is discover, held up in the inventory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod stage_support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use farrier::bus::{Begin, Bus as _};
use farrier_lifecycle::{Request, Stage};
use stage_support::{Rig, known};

const GAP: Duration = Duration::from_hours(1);

/// Attempts on one server that its worker lost: taken and begun, and never heard of again.
async fn lost(rig: &Rig) {
    let entries = rig.bus.take(&[Stage::Discover], 1, Duration::ZERO).await.unwrap();
    assert!(matches!(rig.bus.begin(&entries[0]).await.unwrap(), Begin::Run { .. }));
}

#[tokio::test]
async fn a_clock_that_jumps_takes_nothing_away_from_the_process_that_has_it() {
    let rig = Rig::new(|_| {}).await;
    let theirs = rig.lease(1).await;
    lost(&rig).await;
    let ours = rig.lease(2).await;
    let work = rig.work();
    rig.until("the attempt is under way", || rig.desk.asked(&ours).all == 1).await;
    rig.clock.step(u64::try_from(GAP.as_millis()).unwrap());
    rig.until("what a lost worker had is taken over", || rig.desk.asked(&theirs).all == 1).await;
    rig.stop.cancel();
    rig.desk.open();
    rig.ended(work).await;
    assert_eq!(rig.desk.asked(&ours).all, 1, "its own was beaten first");
}

#[tokio::test]
async fn an_entry_that_comes_again_is_not_begun_while_its_attempt_runs() {
    let rig = Rig::new(|_| {}).await;
    let id = rig.lease(1).await;
    let work = rig.work();
    rig.until("the attempt is under way", || rig.desk.asked(&id).all == 1).await;
    // Between the heartbeat and the take-over: nothing but the worker itself can tell now.
    *rig.bus.jump.lock().unwrap() = Some(GAP);
    rig.until("it is taken over", || rig.desk.asked(&id).all == 2).await;
    let asked = rig.desk.asked(&id);
    assert_eq!((asked.now, asked.most), (1, 1), "the first attempt was over before the second began");
    rig.stop.cancel();
    rig.desk.open();
    rig.ended(work).await;
    assert_eq!(rig.desk.asked(&id).all, 2);
}

/// Nothing but the attempt itself gives back what it had: no take-over, no heartbeat.
async fn alone() -> Rig {
    Rig::new(|config| config.lifecycle.recovery_permits = 0).await
}

#[tokio::test]
async fn an_attempt_that_counts_no_more_leaves_the_server_to_the_next_at_once() {
    let rig = alone().await;
    let id = rig.lease(1).await;
    rig.desk.says(known());
    let work = rig.work();
    rig.until("the attempt is under way", || rig.desk.asked(&id).all == 1).await;
    rig.request(&id, Request::Hold { reason: "look".to_owned() }).await;
    rig.request(&id, Request::Unhold).await;
    // What it learnt is not taken any more: the attempt ends there.
    rig.desk.open();
    rig.until("the attempt that is wanted begins", || rig.desk.asked(&id).all >= 2).await;
    rig.stop.cancel();
    rig.ended(work).await;
}

#[tokio::test]
async fn a_call_to_the_store_that_failed_costs_no_lease() {
    let rig = alone().await;
    let id = rig.lease(1).await;
    rig.desk.says(known());
    rig.desk.open();
    // What discover learns is its first commit.
    *rig.bus.lose.lock().unwrap() = Some(Box::new(|commit| commit.fence.is_some() && !commit.ack));
    let work = rig.work();
    rig.until("the attempt is repeated", || rig.desk.asked(&id).all >= 2).await;
    rig.stop.cancel();
    rig.ended(work).await;
}

#[tokio::test]
async fn a_drain_waits_for_no_hand_back_before_it_cancels_the_next_attempt() {
    let rig = Rig::new(|_| {}).await;
    let ids = [rig.lease(1).await, rig.lease(2).await, rig.lease(3).await];
    let under_way = |rig: &Rig| ids.iter().map(|id| rig.desk.asked(id).now).sum::<usize>();
    let work = rig.work();
    rig.until("all attempts are under way", || under_way(&rig) == ids.len()).await;
    rig.bus.hand_back.open(false);
    rig.stop.cancel();
    rig.until("all are cancelled", || under_way(&rig) == 0).await;
    rig.bus.hand_back.open(true);
    rig.ended(work).await;
    let back = rig.bus.take(&[Stage::Discover], 10, Duration::ZERO).await.unwrap();
    assert_eq!(back.len(), ids.len(), "all are handed back");
}

#[tokio::test]
async fn what_is_begun_during_a_drain_is_handed_back_at_once() {
    // The grace is longer than the test.
    let rig = Rig::new(|config| config.lifecycle.grace_ms = 3_600_000).await;
    rig.bus.begin.open(false);
    let id = rig.lease(1).await;
    let work = rig.work();
    // The entry is taken, and the next read of the streams goes on; a drain begins when that is over.
    rig.until("the entry is taken", || rig.bus.taking.load(Ordering::SeqCst) == 1).await;
    rig.stop.cancel();
    rig.until("nothing is read any more", || rig.bus.taking.load(Ordering::SeqCst) == 0).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    rig.bus.begin.open(true);
    rig.ended(work).await;
    assert_eq!(rig.desk.asked(&id).all, 0, "it never ran");
    assert_eq!(rig.bus.take(&[Stage::Discover], 10, Duration::ZERO).await.unwrap().len(), 1, "it is handed back");
}
