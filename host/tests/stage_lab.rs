//! Stages against one simulated controller, with the driver in the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod stage_support;

use farrier_lab::estate::Vendor;
use farrier_lifecycle::Stage;
use stage_support::lab::{Site, writes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_hardening_needs_outlives_the_attempt_that_did_not_get_to_it() {
    let Some(site) = Site::start(Vendor::Hpe).await else { return };
    let server = site.put(Stage::Harden).await;
    // The settings are written, and the attempt ends before it can say so.
    let ledger = site.ledger.clone();
    *site.rig.bus.lose.lock().unwrap() = Some(Box::new(move |_| writes(&ledger, " PATCH ") > 0));
    let work = site.rig.work();
    site.rig.until("the controller is told to restart", || site.writes("Manager.Reset") > 0).await;
    assert!(site.rig.bus.lose.lock().unwrap().is_none(), "the attempt ended half-way");
    // The store's clock stood still: now it shows that the wait is over.
    site.rig.clock.step(farrier::egress::now().0 - site.rig.clock.now().0 + 60_000);
    let journal = site.rig.passed(&server.id, Stage::Harden).await;
    assert_eq!(site.writes("Manager.Reset"), 1, "told once: {journal:?}");
    site.rig.stop.cancel();
    site.rig.ended(work).await;
}
