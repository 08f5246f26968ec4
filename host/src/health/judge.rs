//! What one look means for one rule.
//!
//! Promises that what was not looked at says nothing: a look without an inventory neither finds a drive failing nor finds it well; and bounds on
//! what is judged and remembered, whatever a controller answers: [`MOST`] of each kind, [`SUPPLIES`] power supplies, texts of 300 letters. Not
//! obvious: a log has no "now". An entry counts for `within_ms` from when it was read, not by the controller's clock, which may be wrong;
//! only an entry whose own time is believable and long past is passed over.

use std::collections::{BTreeMap, BTreeSet};

use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};

use super::rule::{LogWhen, Rule, SensorWhen, Severity, When};
use super::sample::{MOST, SUPPLIES, Sample, Seen};
use crate::plugin::wit::bmc_driver::Inventory;
use crate::plugin::wit::event_log::Entry;
use crate::plugin::wit::telemetry::{Quantity, Reading};
use crate::plugin::wit::types::Health;

/// Bad parts by name, with what is said of each.
pub type Parts = BTreeMap<String, String>;

/// A clock before 2020 was never set.
const CLOCK: u64 = 1_577_836_800_000;
/// Entries kept for one rule.
const HITS: usize = 64;
/// Letters of a message or name that are kept.
const SAID: usize = 300;

/// What a look says.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// Nothing.
    Unknown,
    /// All is well.
    Good,
    /// These parts are not.
    Bad(Parts),
}

impl Judged {
    fn of(parts: Parts) -> Self {
        let parts: Parts = parts.into_iter().take(MOST).map(|(part, said)| (clipped(&part), clipped(&said))).collect();
        if parts.is_empty() { Self::Good } else { Self::Bad(parts) }
    }
}

/// An entry that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// When it was read.
    pub at: Timestamp,
    /// What it is about.
    pub part: String,
    /// How many it counts for.
    pub weight: u32,
}

/// What earlier looks left behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Power supplies that were there, by number.
    pub supplies: BTreeSet<String>,
    /// Those that the last inventory called bad or no longer has.
    pub supplies_bad: Parts,
    /// Links that were up: MAC and name.
    pub links: BTreeMap<String, String>,
    /// Entries that count, by code of the rule.
    pub hits: BTreeMap<String, Vec<Hit>>,
}

/// Judge a look; what it leaves behind is remembered.
pub fn judge(rule: &Rule, driver: &str, sample: &Sample, memory: &mut Memory) -> Judged {
    let seen = match (&rule.when, &sample.seen) {
        (When::Look { codes }, Err(fault)) if codes.contains(&fault.code) => {
            return Judged::of(Parts::from([("controller".to_owned(), fault.text.clone())]));
        }
        // Whatever it says instead, it was not this.
        (When::Look { .. }, _) => return Judged::Good,
        (When::Log(when), Err(_)) => return log(rule, when, driver, &[], sample.at, memory),
        (_, Err(_)) => return Judged::Unknown,
        (_, Ok(seen)) => seen,
    };
    match &rule.when {
        When::Look { .. } => Judged::Good,
        When::Sensor(when) => sensors(when, seen),
        When::PowerSupply(at) => supplies(*at, seen, memory),
        When::Drive(at) => with(seen, |inventory| {
            let bad = inventory.drives.iter().take(MOST).filter(|drive| worse(drive.health, *at));
            bad.map(|drive| {
                let serial = drive.serial.as_deref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
                (drive.slot.clone(), format!("{} {}{serial} ({})", drive.slot, drive.model, word(drive.health)))
            })
            .collect()
        }),
        When::Endurance(below) => with(seen, |inventory| {
            let left = inventory.drives.iter().take(MOST).filter_map(|drive| Some((drive, drive.endurance_left?)));
            left.filter(|(_, left)| f64::from(*left) < *below)
                .map(|(drive, left)| (drive.slot.clone(), format!("{} {} has {left} % left", drive.slot, drive.model)))
                .collect()
        }),
        When::Link { off_below_watts } => links(seen, *off_below_watts, memory),
        When::Log(when) => log(rule, when, driver, &seen.events, sample.at, memory),
    }
}

fn with(seen: &Seen, parts: impl FnOnce(&Inventory) -> Parts) -> Judged {
    seen.inventory.as_ref().map_or(Judged::Unknown, |inventory| Judged::of(parts(inventory)))
}

/// At this severity or beyond.
pub fn worse(health: Health, at: Severity) -> bool {
    match at {
        Severity::Warning => matches!(health, Health::Warning | Health::Critical),
        Severity::Critical => health == Health::Critical,
    }
}

/// As lists show it.
pub const fn word(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Critical => "critical",
        Health::Unknown => "unknown",
    }
}

/// The unit people write.
pub const fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::TemperatureCelsius => "°C",
        Quantity::PowerWatts => "W",
        Quantity::EnergyJoules => "J",
        Quantity::FanRpm => "rpm",
        Quantity::FanPercent | Quantity::UtilizationPercent => "%",
        Quantity::VoltageVolts => "V",
        Quantity::CurrentAmperes => "A",
    }
}

fn sensors(when: &SensorWhen, seen: &Seen) -> Judged {
    let ours = |reading: &&Reading| {
        (when.quantities.is_empty() || when.quantities.contains(&reading.quantity))
            && when.sensor.as_ref().is_none_or(|name| name.is_match(&reading.sensor))
            && !when.except.as_ref().is_some_and(|name| name.is_match(&reading.sensor))
    };
    let bad = |reading: &&Reading| {
        let flagged = when.at.is_some_and(|at| worse(reading.health, at));
        let other_rule = when.below_critical && reading.health == Health::Critical;
        (flagged && !other_rule)
            || when.above.is_some_and(|above| reading.value > above)
            || when.below.is_some_and(|below| reading.value < below)
    };
    let mut any = false;
    let all = seen.sensors().filter(ours).inspect(|_| any = true);
    let parts: Parts = all
        .filter(bad)
        .map(|one| {
            let said = format!("{} {} {} ({})", one.sensor, one.value, unit(one.quantity), word(one.health));
            (format!("{}/{}", one.sensor, unit(one.quantity)), said)
        })
        .collect();
    // A controller that shows no such sensor now (the server is off) says nothing of those it showed.
    if any { Judged::of(parts) } else { Judged::Unknown }
}

/// The number in a text such as `PSU.Slot.2` or `Bay 1`.
fn number(text: &str) -> Option<String> {
    let digits: String =
        text.chars().rev().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).take(SAID).collect();
    let digits: String = digits.chars().rev().collect();
    (!digits.is_empty()).then_some(digits)
}

fn supplies(at: Severity, seen: &Seen, memory: &mut Memory) -> Judged {
    let mut known = false;
    if let Some(inventory) = &seen.inventory {
        known = true;
        memory.supplies_bad.clear();
        let mut here = BTreeSet::new();
        for (index, supply) in inventory.power_supplies.iter().take(SUPPLIES).enumerate() {
            let number = number(&supply.slot).unwrap_or_else(|| (index + 1).to_string());
            if worse(supply.health, at) {
                let model = supply.model.as_deref().unwrap_or_default();
                let said = format!("{} {model} ({})", supply.slot, word(supply.health));
                memory.supplies_bad.insert(number.clone(), clipped(&said));
            }
            here.insert(number);
        }
        for gone in memory.supplies.difference(&here).filter(|_| !here.is_empty()) {
            memory.supplies_bad.insert(gone.clone(), format!("power supply {gone} is gone"));
        }
        for number in here {
            if memory.supplies.len() < SUPPLIES {
                memory.supplies.insert(number);
            }
        }
    }
    let mut parts = memory.supplies_bad.clone();
    for reading in seen.sensors().filter(|reading| reading.sensor.starts_with("psu")) {
        let Some(number) = number(&reading.sensor) else { continue };
        known = true;
        if worse(reading.health, at) {
            parts.entry(number).or_insert_with(|| {
                format!("{} {} {} ({})", reading.sensor, reading.value, unit(reading.quantity), word(reading.health))
            });
        }
    }
    if known { Judged::of(parts) } else { Judged::Unknown }
}

fn links(seen: &Seen, off_below_watts: f64, memory: &mut Memory) -> Judged {
    let Some(inventory) = &seen.inventory else { return Judged::Unknown };
    let mut down = Parts::new();
    let mut up = 0_usize;
    let mut here = BTreeSet::new();
    for nic in inventory.nics.iter().take(MOST) {
        let mac = clipped(&nic.mac);
        match nic.link_up {
            Some(true) => {
                up += 1;
                memory.links.insert(mac.clone(), clipped(&nic.name));
            }
            Some(false) if memory.links.contains_key(&mac) => {
                down.insert(mac.clone(), format!("{} ({mac})", nic.name));
            }
            _ => {}
        }
        here.insert(mac);
    }
    // Adapters are replaced; of those that are gone for good none is missed.
    if memory.links.len() > MOST {
        memory.links.retain(|mac, _| here.contains(mac));
    }
    let drawn = seen.sensors().filter(|one| one.quantity == Quantity::PowerWatts).map(|one| one.value);
    let off = drawn.fold(0.0, f64::max) < off_below_watts;
    // Nothing is said of the links of a server that is off: it may come back, and they with it.
    if up == 0 && off && !down.is_empty() { Judged::Unknown } else { Judged::of(down) }
}

fn log(rule: &Rule, when: &LogWhen, driver: &str, events: &[Entry], at: Timestamp, memory: &mut Memory) -> Judged {
    if !when.vendors.is_empty() && !when.vendors.iter().any(|vendor| driver.starts_with(vendor.as_str())) {
        return Judged::Good;
    }
    let hits = memory.hits.entry(rule.code.clone()).or_default();
    hits.retain(|hit| at.since(hit.at) < when.within_ms);
    for entry in events.iter().filter(|entry| !is_history(entry, at, when.within_ms)) {
        let part = part(when, &entry.message);
        if when.recovered.as_ref().is_some_and(|pattern| pattern.is_match(&entry.message)) {
            hits.retain(|hit| when.part.is_some() && hit.part != part);
        } else if matches(when, entry) {
            let code = entry.code.as_deref().unwrap_or_default();
            let storm = |pattern: &regex::Regex| pattern.is_match(&entry.message) || pattern.is_match(code);
            let weight = if when.at_once.as_ref().is_some_and(storm) { when.count } else { 1 };
            if hits.len() >= HITS {
                hits.remove(0);
            }
            hits.push(Hit { at, part, weight });
        }
    }
    let counted: u32 = hits.iter().map(|hit| hit.weight).fold(0, u32::saturating_add);
    let bad = counted >= when.count.min(u32::try_from(HITS).unwrap_or(u32::MAX));
    let parts = hits.iter().map(|hit| (hit.part.clone(), hit.part.clone())).collect();
    if hits.is_empty() {
        memory.hits.remove(&rule.code);
    }
    if bad { Judged::of(parts) } else { Judged::Good }
}

/// An entry of another day: the first look at a log brings all of it.
pub fn is_history(entry: &Entry, at: Timestamp, within_ms: u64) -> bool {
    entry.at.is_some_and(|written| written >= CLOCK && at.since(Timestamp(written)) > within_ms)
}

fn matches(when: &LogWhen, entry: &Entry) -> bool {
    let in_log = when.logs.is_empty() || when.logs.contains(&entry.log);
    let severe = when.severity.is_none_or(|at| worse(entry.severity, at));
    let code =
        when.code.as_ref().is_none_or(|pattern| entry.code.as_deref().is_some_and(|code| pattern.is_match(code)));
    let message = when.message.as_ref().is_none_or(|pattern| pattern.is_match(&entry.message));
    let taken_back = when.except.as_ref().is_some_and(|pattern| pattern.is_match(&entry.message));
    in_log && severe && code && message && !taken_back
}

fn part(when: &LogWhen, message: &str) -> String {
    let found = when.part.as_ref().and_then(|pattern| pattern.find(message)).map(|found| found.as_str());
    clipped(found.unwrap_or(message))
}

/// As much of a text as is kept.
pub fn clipped(text: &str) -> String {
    text.chars().take(SAID).collect()
}
