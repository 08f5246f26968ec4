//! Health over restarts: what a host saw is what the next one goes by.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod health_support;
mod order_support;

use std::sync::Arc;

use bus::Rig;
use farrier::bus::Bus;
use farrier::config::Health;
use farrier::health::{Sample, Seen, Watch, load};
use farrier::plugin::wit::bmc_driver::{Inventory, Nic};
use farrier::plugin::wit::telemetry::{Quantity, Reading};
use farrier::plugin::wit::types::Health as Is;
use farrier::ticket::Cases;
use farrier_lifecycle::{Request, Server, Stage, Timestamp};
use health_support::{inventory, supply};
use order_support::{ready, ready_with};

const START: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

/// A host that starts, with nothing but the store.
fn watch(bus: &Arc<dyn Bus>) -> Watch {
    Watch::new(bus.clone(), load(&Health::default()).unwrap(), &Health::default(), false)
}

async fn active(rig: &Rig, n: u32) -> Server {
    let id = ready_with(rig, n, |server| {
        (server.stage, server.tenant) = (Stage::Service, Some("acme".to_owned()));
    });
    rig.read(&id.await).await
}

/// A look at a server with so many supplies, drawing so much, and its one link up or down.
fn sample(server: &Server, minute: u64, supplies: u8, watts: f64, up: bool) -> Sample {
    let mac = "88:e9:a4:00:00:01".to_owned();
    let inventory = Inventory {
        nics: vec![Nic { name: "nic1".to_owned(), mac, speed: None, link_up: Some(up) }],
        power_supplies: (1..=supplies).map(|number| supply(number, Is::Ok)).collect(),
        ..inventory()
    };
    let power = Reading { sensor: "system".to_owned(), quantity: Quantity::PowerWatts, value: watts, health: Is::Ok };
    let seen = Seen { readings: vec![power], events: Vec::new(), inventory: Some(inventory) };
    Sample { server: server.id.clone(), at: Timestamp(START + minute * MINUTE), took_ms: 5, seen: Ok(seen) }
}

async fn codes(rig: &Rig) -> Vec<String> {
    let cases = Cases(rig.bus.clone()).all().await.unwrap();
    cases.into_iter().map(|case| format!("{} {}", case.name, case.fault.code)).collect()
}

#[tokio::test]
async fn what_went_away_while_no_host_looked_is_found() {
    let rig = Rig::sqlite_memory();
    let (cable, supply) = (active(&rig, 1).await, active(&rig, 2).await);
    let before = watch(&rig.bus);
    for server in [&cable, &supply] {
        before.look(server, &sample(server, 0, 2, 300.0, true)).await.unwrap();
    }
    drop(before);
    let after = watch(&rig.bus);
    after.look(&cable, &sample(&cable, 10, 2, 300.0, false)).await.unwrap();
    after.look(&supply, &sample(&supply, 10, 1, 300.0, true)).await.unwrap();
    // The supply's fault may be its feed's, and waits for the others of its rack.
    after.tick(Timestamp(START + 12 * MINUTE)).await.unwrap();
    assert_eq!(codes(&rig).await, ["SRV-001 link-down", "SRV-002 power-supply-failed"]);
}

#[tokio::test]
async fn of_a_server_that_is_well_only_what_was_there_is_kept_and_until_it_leaves() {
    let rig = Rig::sqlite_memory();
    let server = rig.read(&ready(&rig, 1).await).await;
    let (watch, key) = (watch(&rig.bus), format!("health/server/{}", server.id));
    watch.look(&server, &sample(&server, 0, 2, 300.0, true)).await.unwrap();
    let kept = rig.bus.get(&key).await.unwrap().expect("its links and supplies");
    watch.look(&server, &sample(&server, 1, 2, 310.0, true)).await.unwrap();
    assert_eq!(rig.bus.get(&key).await.unwrap(), Some(kept), "other readings are no reason to write");
    rig.request(&server.id, Request::Retire).await.unwrap();
    watch.tick(Timestamp(START + 10 * MINUTE)).await.unwrap();
    assert_eq!(rig.bus.get(&key).await.unwrap(), None);
}
