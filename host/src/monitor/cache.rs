//! What was seen of each server last, in memory, in the form metrics are made of.
//!
//! Promises bounds whatever a controller answers: 64 sensors of each quantity, 64 drives, links and firmware components, 16 power supplies,
//! names of 64 characters; a name stands once in each list. Readings that are too old are not shown. Does not survive a restart: the first
//! round of looks fills it again.
//!
//! Not obvious: names repeat over a fleet of alike servers, so each is kept once and shared.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use farrier_lifecycle::{Facts, ServerId, Timestamp};

use crate::firmware::Catalogue;
use crate::health::{MOST, SUPPLIES};
use crate::plugin::wit::bmc_driver::Inventory;
use crate::plugin::wit::telemetry::{Quantity, Reading};
use crate::plugin::wit::types::Health;

/// Characters of a name.
const LETTERS: usize = 64;
/// Names kept to be shared; beyond that those nobody uses are dropped.
const NAMES: usize = 100_000;

/// One sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its name, as a label.
    pub sensor: Arc<str>,
    /// What it measures.
    pub quantity: Quantity,
    /// In the base unit.
    pub value: f64,
    /// As the controller judges it.
    pub health: Health,
}

/// One part.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<T> {
    /// Its slot or name, as a label.
    pub name: Arc<str>,
    /// What is known of it.
    pub value: T,
}

/// The parts, as read last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Of the whole server, as the controller judges it.
    pub health: Option<Health>,
    /// Health, and what is left of the rated endurance, 0 to 1.
    pub drives: Vec<Part<(Health, Option<f64>)>>,
    /// Health.
    pub supplies: Vec<Part<Health>>,
    /// Is the link up?
    pub links: Vec<Part<bool>>,
    /// When its firmware was made, where the version has a date.
    pub firmware: Vec<Part<Timestamp>>,
}

/// What was seen of one server.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the last look ended.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// `None`: it went well. Otherwise the fault's code.
    pub code: Option<Arc<str>>,
    /// When the last look that went well ended.
    pub seen: Option<Timestamp>,
    /// Until when readings are shown, if no look goes well before.
    pub until: Timestamp,
    /// What that look read.
    pub points: Arc<[Point]>,
    /// The parts, as read last.
    pub parts: Option<Arc<Parts>>,
    /// Entries of the logs since the first look: ok, warning, critical.
    pub entries: [u64; 3],
}

impl Snapshot {
    /// The readings, unless they are too old.
    pub fn shown(&self, now: Timestamp) -> &[Point] {
        if now <= self.until { &self.points } else { &[] }
    }
}

/// The latest of every server.
#[derive(Default)]
pub struct Cache {
    catalogue: Arc<Catalogue>,
    leads: AtomicBool,
    servers: RwLock<HashMap<ServerId, Arc<Snapshot>>>,
    polls: RwLock<BTreeMap<Arc<str>, u64>>,
    names: RwLock<HashSet<Arc<str>>>,
}

/// A text as a label's value: one line, without what would have to be escaped, 64 characters at most.
pub fn label(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() || matches!(letter, '"' | '\\') { '_' } else { letter };
    text.trim().chars().take(LETTERS).map(plain).collect()
}

impl Cache {
    /// The releases of this catalogue date firmware.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, ..Self::default() }
    }

    /// Does this host look?
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    /// It looks from now on, or not any more: then nothing is known here.
    pub fn lead(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
        if !leads {
            self.servers.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Of one server.
    pub fn get(&self, id: &ServerId) -> Option<Arc<Snapshot>> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Of these, in their order.
    pub fn all<'a>(&self, ids: impl Iterator<Item = &'a ServerId>) -> Vec<Option<Arc<Snapshot>>> {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        ids.map(|id| servers.get(id).cloned()).collect()
    }

    /// A look ended.
    pub fn put(&self, id: &ServerId, snapshot: Snapshot) {
        {
            let outcome = snapshot.code.clone().unwrap_or_else(|| "ok".into());
            let mut polls = self.polls.write().unwrap_or_else(PoisonError::into_inner);
            *polls.entry(outcome).or_default() += 1;
        }
        // A look may end after the role was lost.
        if self.leads() {
            self.servers.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::new(snapshot));
        }
    }

    /// Forget whoever is not among them.
    pub fn retain(&self, wanted: impl Fn(&ServerId) -> bool) {
        self.servers.write().unwrap_or_else(PoisonError::into_inner).retain(|id, _| wanted(id));
    }

    /// Looks by outcome: `ok`, or the fault's code.
    pub fn polls(&self) -> Vec<(Arc<str>, u64)> {
        let polls = self.polls.read().unwrap_or_else(PoisonError::into_inner);
        polls.iter().map(|(outcome, count)| (outcome.clone(), *count)).collect()
    }

    /// The name as a label, shared with whoever has the same.
    pub fn name(&self, text: &str) -> Arc<str> {
        let text = label(text);
        if let Some(known) = self.names.read().unwrap_or_else(PoisonError::into_inner).get(text.as_str()) {
            return known.clone();
        }
        let name: Arc<str> = text.into();
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES {
            names.retain(|name| Arc::strong_count(name) > 1);
        }
        names.insert(name.clone());
        name
    }

    /// Readings as they are kept. What is no number, and what repeats a name, is left out.
    pub fn points(&self, readings: &[Reading]) -> Arc<[Point]> {
        let mut taken: HashSet<(u8, Arc<str>)> = HashSet::new();
        let mut counts: HashMap<u8, usize> = HashMap::new();
        let mut points = Vec::with_capacity(readings.len());
        for reading in readings.iter().filter(|reading| reading.value.is_finite()) {
            let (kind, sensor) = (reading.quantity as u8, self.name(&reading.sensor));
            let count = counts.entry(kind).or_default();
            if *count < MOST && taken.insert((kind, sensor.clone())) {
                *count += 1;
                let Reading { quantity, value, health, .. } = *reading;
                points.push(Point { sensor, quantity, value, health });
            }
        }
        points.into()
    }

    /// Parts of this server as they are kept.
    pub fn parts(&self, facts: &Facts, inventory: &Inventory) -> Parts {
        let dates = self.catalogue.dates(facts);
        let dated =
            inventory.firmware.iter().filter_map(|one| Some((one.id.as_str(), dates.of(&one.id, &one.version)?)));
        Parts {
            health: Some(inventory.health),
            drives: self.list(
                MOST,
                inventory.drives.iter().map(|drive| {
                    let left = drive.endurance_left.map(|percent| f64::from(percent.min(100)) / 100.0);
                    (drive.slot.as_str(), (drive.health, left))
                }),
            ),
            supplies: self.list(SUPPLIES, inventory.power_supplies.iter().map(|one| (one.slot.as_str(), one.health))),
            links: self.list(MOST, inventory.nics.iter().filter_map(|nic| Some((nic.name.as_str(), nic.link_up?)))),
            firmware: self.list(MOST, dated),
        }
    }

    fn list<'a, T>(&self, most: usize, items: impl Iterator<Item = (&'a str, T)>) -> Vec<Part<T>> {
        let mut taken = HashSet::new();
        let parts = items.map(|(name, value)| Part { name: self.name(name), value });
        parts.filter(|part| taken.insert(part.name.clone())).take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn reading(sensor: &str, quantity: Quantity, value: f64) -> Reading {
        Reading { sensor: sensor.to_owned(), quantity, value, health: Health::Ok }
    }

    #[test]
    fn whatever_a_controller_answers_is_bounded_and_unique() {
        let cache = Cache::default();
        let mut all: Vec<Reading> =
            (0..500).map(|n| reading(&format!("fan{n}"), Quantity::FanRpm, f64::from(n))).collect();
        all.push(reading("inlet", Quantity::TemperatureCelsius, 21.0));
        all.push(reading("inlet", Quantity::TemperatureCelsius, 22.0));
        all.push(reading("nan", Quantity::TemperatureCelsius, f64::NAN));
        all.push(reading("a\"b\\c\nd", Quantity::PowerWatts, 1.0));
        all.push(reading(&"x".repeat(1_000), Quantity::PowerWatts, 2.0));
        let points = cache.points(&all);
        assert_eq!(points.iter().filter(|point| point.quantity == Quantity::FanRpm).count(), MOST);
        let of = |quantity| points.iter().filter(move |point| point.quantity == quantity).collect::<Vec<_>>();
        assert_eq!(of(Quantity::TemperatureCelsius).len(), 1);
        assert_eq!(of(Quantity::TemperatureCelsius)[0].value.to_bits(), 21.0_f64.to_bits());
        assert_eq!(&*of(Quantity::PowerWatts)[0].sensor, "a_b_c_d");
        assert_eq!(of(Quantity::PowerWatts)[1].sensor.len(), 64);
    }

    #[test]
    fn names_are_shared_and_a_host_that_stops_looking_knows_nothing() {
        let cache = Cache::default();
        let points = |n: f64| cache.points(&[reading("inlet", Quantity::TemperatureCelsius, n)]);
        assert!(Arc::ptr_eq(&points(1.0)[0].sensor, &points(2.0)[0].sensor));
        let id: ServerId = "9440c9000001".parse().unwrap();
        cache.lead(true);
        let at = Timestamp(10);
        let snapshot = Snapshot {
            at,
            took_ms: 5,
            code: None,
            seen: Some(at),
            until: Timestamp(20),
            points: points(3.0),
            parts: None,
            entries: [0; 3],
        };
        assert_eq!((snapshot.shown(Timestamp(20)).len(), snapshot.shown(Timestamp(21)).len()), (1, 0));
        cache.put(&id, snapshot);
        assert!(cache.get(&id).is_some());
        assert_eq!(cache.polls(), [("ok".into(), 1)]);
        cache.lead(false);
        assert!(cache.get(&id).is_none());
    }
}
