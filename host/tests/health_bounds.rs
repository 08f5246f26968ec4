//! What a controller shows is bounded before it is judged or remembered: one that invents names fills neither the store nor the ticket system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod health_support;

use std::collections::BTreeMap;

use farrier::config::Health;
use farrier::health::{Engine, MOST, SUPPLIES, Sample, Seen, Settings, Step, Verdict, Who, load};
use farrier::plugin::wit::bmc_driver::{Drive, DriveProtocol, Inventory, Nic};
use farrier::plugin::wit::telemetry::{Quantity, Reading};
use farrier::plugin::wit::types::Health as Is;
use farrier_lifecycle::Timestamp;
use health_support::{inventory, supply};

const START: u64 = 1_800_000_000_000;
const WINDOW: u64 = 60_000;
/// Between two looks, milliseconds.
const INTERVAL: u64 = 10_000;

fn engine() -> Engine {
    Engine::new(load(&Health::default()).unwrap(), Settings { servers: 3, window_ms: WINDOW })
}

fn who() -> Who {
    Who {
        id: "9440c9000001".parse().unwrap(),
        name: "AMS-SRV-001".to_owned(),
        site: Some("ams".to_owned()),
        rack: Some("A01".to_owned()),
        driver: "redfish".to_owned(),
        quiet: false,
    }
}

fn reading(sensor: String, quantity: Quantity, health: Is) -> Reading {
    Reading { sensor, quantity, value: 1.0, health }
}

fn look(engine: &mut Engine, number: u64, seen: Seen) -> Vec<Verdict> {
    let at = Timestamp(START + number * INTERVAL);
    let mut out = engine.observe(&who(), &Sample { server: who().id, at, took_ms: 5, seen: Ok(seen) });
    out.extend(engine.tick(at));
    out
}

/// So many of each kind, all bad, and none that was there before; links are up in one look and down in the next.
fn hostile(number: u64, each: u64) -> Seen {
    let (long, pair) = ("y".repeat(5_000), number / 2);
    let fans = (0..each).map(|n| reading(format!("fan {number} {n} {long}"), Quantity::FanRpm, Is::Critical));
    let supplies = (0..each).map(|n| reading(format!("psu{number}{n:03}"), Quantity::VoltageVolts, Is::Critical));
    let nic = |n: u64| Nic {
        name: format!("nic {n} {long}"),
        mac: format!("link {pair} {n}"),
        speed: None,
        link_up: Some(number.is_multiple_of(2)),
    };
    let drive = |n: u64| Drive {
        slot: format!("drive {number} {n}"),
        model: long.clone(),
        serial: None,
        bytes: 1,
        protocol: DriveProtocol::Nvme,
        solid_state: true,
        endurance_left: Some(1),
        health: Is::Critical,
    };
    let on = Reading { value: 300.0, ..reading("system".to_owned(), Quantity::PowerWatts, Is::Ok) };
    let inventory = Inventory {
        nics: (0..each).map(nic).collect(),
        drives: (0..each).map(drive).collect(),
        power_supplies: (0..each).map(|n| supply(number * 1_000 + n, Is::Critical)).collect(),
        ..inventory()
    };
    Seen { readings: fans.chain(supplies).chain([on]).collect(), events: Vec::new(), inventory: Some(inventory) }
}

#[test]
fn new_names_in_every_look_fill_neither_the_store_nor_the_ticket_system() {
    for each in [200, 3] {
        let mut engine = engine();
        let (mut said, mut grown): (BTreeMap<String, Timestamp>, BTreeMap<String, usize>) = <_>::default();
        let mut kept = 0;
        for number in 0..200 {
            for verdict in look(&mut engine, number, hostile(number, each)) {
                let code = verdict.fault.code.clone();
                let before = said.insert(code.clone(), verdict.at);
                match verdict.step {
                    Step::Raise => {}
                    Step::Grow => {
                        *grown.entry(code.clone()).or_default() += 1;
                        let since = verdict.at.since(before.expect("raised before it grows"));
                        assert!(since >= WINDOW, "{code} is said again after {since} ms");
                    }
                    Step::Clear => panic!("{code} is cleared, and all is bad"),
                }
                assert!(verdict.fault.text.len() < 4_000, "{code}: a text of {} bytes", verdict.fault.text.len());
            }
            let patient = engine.patient(&who().id).unwrap();
            kept = kept.max(serde_json::to_vec(patient).unwrap().len());
        }
        for code in ["fan-failed", "power-supply-failed", "drive-failing", "drive-worn", "link-down"] {
            assert!(said.contains_key(code), "{code} is not found: {said:?}");
        }
        // Three more in each look, six looks in a window, and no more than 64; of links half as many, since they must be up before.
        assert_eq!(grown.get("fan-failed").copied(), (each == 3).then_some(4), "{grown:?}");
        assert!(grown.values().all(|times| *times <= 7), "{grown:?}");
        // Of each of five rules 64 parts, each of them two texts of 300 letters at most.
        assert!(kept < 200_000, "{kept} bytes are kept");
    }
}

#[test]
fn what_grows_within_a_window_is_said_once_with_all_of_it() {
    let mut engine = engine();
    let mut steps = Vec::new();
    for number in 0..20_u64 {
        let fans = (0..=number.min(9)).map(|n| reading(format!("fan{n}"), Quantity::FanRpm, Is::Critical));
        let seen = Seen { readings: fans.collect(), ..Seen::default() };
        steps.extend(look(&mut engine, number, seen).into_iter().map(|one| (number, one.step, one.fault.text)));
    }
    // Raised at the second look; ten fans are bad from the tenth on, and the windows end at the eighth and the fourteenth.
    let when: Vec<_> = steps.iter().map(|(number, step, _)| (*number, *step)).collect();
    assert_eq!(when, [(1, Step::Raise), (7, Step::Grow), (13, Step::Grow)]);
    assert!(steps[1].2.contains("fan7"), "{}", steps[1].2);
    assert!(steps[2].2.ends_with("; and 2 more"), "{}", steps[2].2);
}

#[test]
fn no_more_are_judged_than_metrics_show() {
    let mut engine = engine();
    let last = u64::try_from(SUPPLIES).unwrap();
    let sensors = |bad: usize| {
        let health = move |n: usize| if n == bad { Is::Critical } else { Is::Ok };
        (0..=MOST).map(|n| reading(format!("fan{n}"), Quantity::FanRpm, health(n))).collect::<Vec<_>>()
    };
    let supplies = |bad: u64| {
        let health = move |n: u64| if n == bad { Is::Critical } else { Is::Ok };
        Inventory { power_supplies: (0..=last).map(|n| supply(n, health(n))).collect(), ..inventory() }
    };
    for number in 0..10 {
        let seen = Seen { readings: sensors(MOST), events: Vec::new(), inventory: Some(supplies(last)) };
        assert_eq!(look(&mut engine, number, seen), []);
    }
    let mut codes = Vec::new();
    for number in 10..30 {
        let (sensors, supplies) = (sensors(MOST - 1), supplies(last - 1));
        let seen = Seen { readings: sensors, events: Vec::new(), inventory: Some(supplies) };
        codes.extend(look(&mut engine, number, seen).into_iter().map(|one| one.fault.code));
    }
    codes.sort();
    assert_eq!(codes, ["fan-failed", "power-supply-failed"]);
}
