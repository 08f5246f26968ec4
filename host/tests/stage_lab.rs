//! Stages against one simulated controller, with the driver in the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod stage_support;

use std::time::{Duration, Instant};

use farrier::bus::{Bus as _, Origin};
use farrier::plugin::wit::bmc_driver::{BootMode, BootOverride, BootPersistence, BootTarget};
use farrier_lab::estate::Vendor;
use farrier_lab::redfish::Fault::Lie;
use farrier_lab::redfish::{BmcState, Power};
use farrier_lifecycle::{Blame, Event, Fault, Outcome, Request, Retry, Stage, Status};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_hardening_needs_outlives_a_failure_and_an_operators_retry() {
    let Some(site) = Site::start(Vendor::Hpe).await else { return };
    let server = site.put(Stage::Harden).await;
    let (ledger, bus) = (site.ledger.clone(), &site.rig.bus);
    *bus.lose.lock().unwrap() = Some(Box::new(move |_| writes(&ledger, " PATCH ") > 0));
    bus.hand_back.open(false);
    let work = site.rig.work();
    site.rig.until("the attempt ends with its settings written", || bus.lose.lock().unwrap().is_none()).await;
    let now = bus.read(&server.id).await.unwrap().unwrap();
    let fault = Fault::new("test", Retry::Never, Blame::Controller, "it refuses");
    let failed = Event::Outcome { token: now.token(), outcome: Outcome::Failed(fault) };
    site.rig.parts.apply(&server.id, &failed, Origin::Outside).await.unwrap();
    site.rig.request(&server.id, Request::Retry).await;
    assert_eq!(site.writes("Manager.Reset"), 0);
    bus.hand_back.open(true);
    site.rig.until("the controller is told to restart", || site.writes("Manager.Reset") > 0).await;
    site.rig.stop.cancel();
    site.rig.ended(work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_that_did_not_help_a_retry_hardens_again() {
    let Some(site) = Site::start(Vendor::Hpe).await else { return };
    let server = site.put(Stage::Harden).await;
    site.bmc().set_fault(Lie { control: "ipmi-over-lan".to_owned() });
    let work = site.rig.work();
    let over = |clock: &bus::Stepped| clock.step(farrier::egress::now().0 - clock.now().0 + 60_000);
    site.rig.until("the controller is told to restart", || site.writes("Manager.Reset") > 0).await;
    over(&site.rig.clock);
    let failed = || async { site.rig.bus.read(&server.id).await.unwrap().unwrap().status };
    let end = Instant::now() + Duration::from_mins(1);
    while !matches!(failed().await, Status::Failed(fault) if fault.code == "control-not-applied") {
        assert!(Instant::now() < end, "the audit finds it: {:?}", failed().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.bmc().clear_faults();
    let before = site.writes(" PATCH ");
    site.rig.request(&server.id, Request::Retry).await;
    site.rig.until("what was not applied is written again", || site.writes(" PATCH ") > before).await;
    site.rig.stop.cancel();
    site.rig.ended(work).await;
}

/// The server is booted into the validation image over an override that stands; what the override is afterwards.
async fn booted_over(persistence: BootPersistence, mode: BootMode) -> Option<BmcState> {
    let site = Site::start(Vendor::Generic).await?;
    let server = site.put(Stage::Validate).await;
    let (driver, lend) = farrier::stage::looking(&site.rig.parts, &server).unwrap();
    let standing = BootOverride { target: BootTarget::Pxe, persistence, mode };
    driver.set_boot(&lend, &standing).await.unwrap();
    assert_eq!(driver.get_boot(&lend).await.unwrap(), standing);
    let work = site.rig.work();
    site.rig.until("the server is switched on", || site.bmc().state().power == Power::On).await;
    let seen = site.bmc().state();
    site.rig.stop.cancel();
    site.rig.ended(work).await;
    Some(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_that_stands_for_good_becomes_one_boot() {
    let Some(seen) = booted_over(BootPersistence::Continuous, BootMode::Uefi).await else { return };
    // The controller used it up when the server was switched on.
    assert_eq!((seen.boot_enabled.as_str(), seen.boot_target.as_str()), ("Disabled", "None"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_for_legacy_firmware_becomes_one_for_uefi() {
    let Some(seen) = booted_over(BootPersistence::Once, BootMode::Legacy).await else { return };
    assert_eq!(seen.boot_mode, "UEFI");
}
