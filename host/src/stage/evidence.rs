//! What a stage saw, kept beside the record: the inventory, the wiring, the audit, the firmware plan, the readings.
//!
//! Promises that what is kept is bounded whatever a controller answers, that it is written before the stage's outcome, and that it holds
//! nothing but the fields named here: no report, no memo, no `extra` of a plugin, so no one-time token and no password can be in it.
//! It decides nothing: no stage reads it back.
//!
//! Not obvious: a store that does not take the evidence ends the attempt, as one that does not take a checkpoint does. The outcome would
//! go to the same store a moment later, and an outcome beside the evidence of an earlier attempt would show a technician the wrong cable.

use std::collections::BTreeMap;

use farrier_lifecycle::{Server, ServerId, Stage, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Stop, Work};
use crate::bus::{Bus, BusError};
use crate::egress::now;
use crate::plugin::wit::bmc_driver::{DriveProtocol, Inventory};
use crate::plugin::wit::event_log::Entry;
use crate::plugin::wit::firmware::Step;
use crate::plugin::wit::hardening::{Finding, Verdict};
use crate::plugin::wit::telemetry::{Quantity, Reading};
use crate::plugin::wit::types::{self, Health, ResetKind};

/// Where evidence is kept in the store.
const PREFIX: &str = "evidence/";
/// Bytes of one kind of one server, at most; a large server's inventory is a quarter of it.
const MOST_BYTES: usize = 64 * 1024;
/// Entries of one list, at most, and fewer where the whole is too long.
const LENGTHS: [usize; 5] = [256, 128, 64, 32, 8];
/// Characters of one text, at most.
const MOST_TEXT: usize = 200;
/// Entries of the event log that are kept: the latest.
const LOG: usize = 50;

/// What can be kept of a server; each kind once, the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What is in it.
    Inventory,
    /// Serial and model against the inventory's.
    Identity,
    /// LLDP against the cables.
    Cabling,
    /// The security baseline.
    Audit,
    /// The firmware plan.
    Firmware,
    /// Sensors and the event log.
    Readings,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Inventory, Self::Identity, Self::Cabling, Self::Audit, Self::Firmware, Self::Readings];

    /// As in keys and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Identity => "identity",
            Self::Cabling => "cabling",
            Self::Audit => "audit",
            Self::Firmware => "firmware",
            Self::Readings => "readings",
        }
    }

    fn key(self, server: &ServerId) -> String {
        format!("{PREFIX}{server}/{}", self.as_str())
    }
}

/// What one attempt saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When, milliseconds since the epoch.
    pub at: Timestamp,
    /// Which stage.
    pub stage: Stage,
    /// Which attempt: `3.1`.
    pub attempt: String,
    /// What, by kind; `note` says what was left out of long lists.
    pub data: Value,
}

/// Everything kept of a server, by kind. What this version cannot read is passed over.
pub async fn read(bus: &dyn Bus, server: &ServerId) -> Result<BTreeMap<&'static str, Evidence>, BusError> {
    let mut all = BTreeMap::new();
    for kind in Kind::ALL {
        let Some(bytes) = bus.get(&kind.key(server)).await? else { continue };
        if let Ok(evidence) = serde_json::from_slice(&bytes) {
            all.insert(kind.as_str(), evidence);
        }
    }
    Ok(all)
}

impl Work {
    /// Keep what this attempt saw, in place of what an earlier one did.
    pub async fn keep(&self, kind: Kind, data: Value) -> Result<(), Stop> {
        Ok(keep(&*self.parts.bus, &self.server(), kind, &data).await?)
    }
}

/// One kind of what is kept of a server; none also where this version cannot read it.
pub async fn one(bus: &dyn Bus, server: &ServerId, kind: Kind) -> Result<Option<Evidence>, BusError> {
    Ok(bus.get(&kind.key(server)).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Keep what was seen of a server, in place of what was seen before.
pub async fn keep(bus: &dyn Bus, server: &Server, kind: Kind, data: &Value) -> Result<(), BusError> {
    let data = bounded(data);
    let evidence = Evidence { at: now(), stage: server.stage, attempt: server.token().to_string(), data };
    let bytes = serde_json::to_vec(&evidence)
        .map_err(|error| BusError::Corrupt { key: kind.key(&server.id), problem: error.to_string() })?;
    bus.set(&kind.key(&server.id), Some(&bytes), None).await
}

/// Keep readings made between stages: the sensors as they are now, and new entries of the log after those that are kept already.
pub async fn refresh(bus: &dyn Bus, server: &Server, sensors: &[Reading], fresh: &[Entry]) -> Result<(), BusError> {
    let mut data = readings(sensors, fresh);
    let before = one(bus, &server.id, Kind::Readings).await?;
    if let Some(Value::Array(mut events)) = before.and_then(|mut before| Some(before.data.get_mut("events")?.take())) {
        events.extend(data.get_mut("events").and_then(Value::as_array_mut).into_iter().flat_map(std::mem::take));
        events.drain(..events.len().saturating_sub(LOG));
        if let Value::Object(fields) = &mut data {
            fields.insert("events".to_owned(), events.into());
        }
    }
    keep(bus, server, Kind::Readings, &data).await
}

/// The same with long lists and texts cut, and a note of what was left out.
fn bounded(data: &Value) -> Value {
    let mut cut = Value::Null;
    for length in LENGTHS {
        let mut left = Vec::new();
        cut = shorten(data.clone(), "", length, &mut left);
        if let (false, Value::Object(fields)) = (left.is_empty(), &mut cut) {
            fields.insert("note".to_owned(), left.join("; ").into());
        }
        if cut.to_string().len() <= MOST_BYTES {
            return cut;
        }
    }
    tracing::warn!(bytes = cut.to_string().len(), "evidence is too long even when cut, and is left out");
    json!({ "note": "left out: it is too long" })
}

fn shorten(value: Value, name: &str, length: usize, left: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) => {
            Value::String(text.chars().filter(|letter| !letter.is_control()).take(MOST_TEXT).collect())
        }
        Value::Array(mut items) => {
            if items.len() > length {
                left.push(format!("{name}: {} of {} left out", items.len() - length, items.len()));
                items.truncate(length);
            }
            items.into_iter().map(|item| shorten(item, name, length, left)).collect()
        }
        Value::Object(fields) => {
            let fields: Map<String, Value> =
                fields.into_iter().map(|(name, value)| (name.clone(), shorten(value, &name, length, left))).collect();
            Value::Object(fields)
        }
        other => other,
    }
}

/// What is in the server.
pub fn inventory(found: &Inventory) -> Value {
    let list = |items: Vec<Value>| Value::Array(items);
    json!({
        "processors": list(found.processors.iter().map(|one| json!({
            "socket": one.socket, "model": one.model, "cores": one.cores, "threads": one.threads,
        })).collect()),
        "memory": list(found.memory.iter().map(|one| json!({
            "slot": one.slot, "mebibytes": one.mebibytes, "speed": one.speed,
            "part_number": one.part_number, "serial": one.serial,
        })).collect()),
        "drives": list(found.drives.iter().map(|one| json!({
            "slot": one.slot, "model": one.model, "serial": one.serial, "bytes": one.bytes,
            "protocol": protocol(one.protocol), "solid_state": one.solid_state,
            "endurance_left": one.endurance_left, "health": health(one.health),
        })).collect()),
        "nics": list(found.nics.iter().map(|one| json!({
            "name": one.name, "mac": one.mac, "speed": one.speed, "link_up": one.link_up,
        })).collect()),
        "power_supplies": list(found.power_supplies.iter().map(|one| json!({
            "slot": one.slot, "model": one.model, "serial": one.serial, "watts": one.watts, "health": health(one.health),
        })).collect()),
        "firmware": list(found.firmware.iter().map(|one| json!({
            "id": one.id, "name": one.name, "version": one.version, "updateable": one.updateable,
        })).collect()),
        "bios_version": found.bios_version,
        "health": health(found.health),
    })
}

/// Serial and model, expected and found.
pub fn identity(serial: (Option<&str>, Option<&str>), model: (Option<&str>, Option<&str>)) -> Value {
    let pair = |(expected, found): (Option<&str>, Option<&str>)| json!({ "expected": expected, "found": found });
    json!({ "serial": pair(serial), "model": pair(model) })
}

/// The findings beside what policy asked for. `by`: who brought the controller to the baseline.
pub fn audit(desired: &BTreeMap<String, Value>, findings: &[Finding], by: &str) -> Value {
    let one = |finding: &Finding| {
        let verdict = match finding.verdict {
            Verdict::Compliant => "compliant",
            Verdict::NonCompliant => "non-compliant",
            Verdict::NotApplicable => "not-applicable",
        };
        json!({
            "control": finding.control, "verdict": verdict, "observed": finding.observed.as_ref().map(setting),
            "desired": desired.get(&finding.control), "detail": finding.detail,
        })
    };
    json!({ "findings": findings.iter().map(one).collect::<Vec<_>>(), "by": by })
}

/// What the firmware was compared with.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The catalogue's images for this server, so many.
    Catalogue(usize),
    /// A baseline of a fleet tool.
    Tool {
        /// The plugin's name.
        tool: &'a str,
        /// As the tool names it.
        baseline: &'a str,
        /// So many were compared.
        components: usize,
        /// The tool's word; it may find that a server differs and not say where.
        agrees: bool,
    },
}

/// The plan, and what it goes by.
pub fn firmware(steps: &[Step], source: Source<'_>) -> Value {
    let one = |step: &Step| {
        json!({
            "component": step.image.component, "current": step.current_version, "target": step.image.version,
            "disruptive": step.disruptive, "reset": step.reset_after.map(reset),
        })
    };
    let steps: Vec<_> = steps.iter().map(one).collect();
    match source {
        Source::Catalogue(images) => json!({ "steps": steps, "source": "catalogue", "catalogue": images }),
        Source::Tool { tool, baseline, components, agrees } => json!({
            "steps": steps, "source": tool, "baseline": baseline, "components": components, "agrees": agrees,
        }),
    }
}

/// Sensors, and the latest entries of the event log.
pub fn readings(sensors: &[Reading], log: &[Entry]) -> Value {
    let sensor = |one: &Reading| {
        let (kind, unit) = quantity(one.quantity);
        json!({ "name": one.sensor, "kind": kind, "value": one.value, "unit": unit, "status": health(one.health) })
    };
    let event = |one: &Entry| {
        json!({
            "id": one.id, "log": one.log, "at": one.at, "severity": health(one.severity), "code": one.code,
            "message": one.message,
        })
    };
    let latest = log.iter().skip(log.len().saturating_sub(LOG));
    json!({
        "sensors": sensors.iter().map(sensor).collect::<Vec<_>>(), "events": latest.map(event).collect::<Vec<_>>(),
    })
}

pub(super) fn setting(value: &types::Value) -> Value {
    match value {
        types::Value::Flag(flag) => json!(flag),
        types::Value::Number(number) => json!(number),
        types::Value::Text(text) => json!(text),
        types::Value::Texts(texts) => json!(texts),
    }
}

/// As kept.
pub const fn health(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Critical => "critical",
        Health::Unknown => "unknown",
    }
}

const fn protocol(protocol: DriveProtocol) -> &'static str {
    match protocol {
        DriveProtocol::Nvme => "nvme",
        DriveProtocol::Sas => "sas",
        DriveProtocol::Sata => "sata",
        DriveProtocol::Other => "other",
    }
}

const fn reset(kind: ResetKind) -> &'static str {
    match kind {
        ResetKind::Bmc => "bmc",
        ResetKind::BmcDefaults => "bmc-defaults",
        ResetKind::BiosDefaults => "bios-defaults",
        ResetKind::Host => "host",
    }
}

/// What is measured, and in what.
/// What is measured, and the unit, as kept.
pub const fn quantity(quantity: Quantity) -> (&'static str, &'static str) {
    match quantity {
        Quantity::TemperatureCelsius => ("temperature", "°C"),
        Quantity::PowerWatts => ("power", "W"),
        Quantity::EnergyJoules => ("energy", "J"),
        Quantity::FanRpm => ("fan", "rpm"),
        Quantity::FanPercent => ("fan", "%"),
        Quantity::VoltageVolts => ("voltage", "V"),
        Quantity::CurrentAmperes => ("current", "A"),
        Quantity::UtilizationPercent => ("utilization", "%"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_list_that_is_too_long_is_cut_and_says_so() {
        let cut = bounded(&json!({ "drives": vec![json!({ "slot": "1" }); 300], "health": "ok" }));
        assert_eq!(cut["drives"].as_array().unwrap().len(), 256);
        assert_eq!(cut["note"], "drives: 44 of 300 left out");
        assert_eq!(bounded(&json!({ "health": "ok" })), json!({ "health": "ok" }), "what fits is left alone");
    }

    #[test]
    fn what_is_kept_is_bounded_whatever_a_controller_answers() {
        let long = "x\u{7}\n".repeat(5_000);
        let drives = vec![json!({ "slot": long, "model": long, "serial": long }); 1_000];
        let cut = bounded(&json!({ "drives": drives, "firmware": vec![json!({ "name": long }); 1_000] }));
        assert!(cut.to_string().len() <= MOST_BYTES, "{}", cut.to_string().len());
        let kept = cut["drives"].as_array().unwrap();
        assert_eq!(kept.len(), 64, "as many as fit");
        assert_eq!(kept[0]["slot"], "x".repeat(MOST_TEXT), "control characters are no part of a text");
        assert!(cut["note"].as_str().unwrap().contains("firmware: 936 of 1000 left out"), "{}", cut["note"]);
    }

    #[test]
    fn of_the_event_log_the_latest_are_kept() {
        let entry = |id: usize| Entry {
            id: id.to_string(),
            log: "sel".to_owned(),
            at: Some(7),
            severity: Health::Warning,
            code: None,
            message: "fan".to_owned(),
        };
        let kept = readings(&[], &(0..60).map(entry).collect::<Vec<_>>());
        let events = kept["events"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["id"], &events[49]["severity"]), (50, &json!("10"), &json!("warning")));
    }

    #[test]
    fn firmware_says_what_it_was_compared_with() {
        let tool = Source::Tool { tool: "hpe-oneview", baseline: "SPP 2024.09", components: 7, agrees: true };
        let kept = firmware(&[], tool);
        assert_eq!((&kept["source"], &kept["baseline"]), (&json!("hpe-oneview"), &json!("SPP 2024.09")));
        assert_eq!((&kept["components"], &kept["agrees"]), (&json!(7), &json!(true)));
        assert_eq!(kept.get("catalogue"), None, "a tool's components are no images of ours");
        let kept = firmware(&[], Source::Catalogue(3));
        assert_eq!((&kept["source"], &kept["catalogue"]), (&json!("catalogue"), &json!(3)));
    }

    #[test]
    fn an_audit_says_what_was_asked_for_and_what_was_seen() {
        let finding = Finding {
            control: "ssdp".to_owned(),
            verdict: Verdict::NonCompliant,
            observed: Some(types::Value::Flag(true)),
            detail: None,
        };
        let kept = audit(&BTreeMap::from([("ssdp".to_owned(), json!(false))]), &[finding], "driver");
        assert_eq!(
            kept["findings"][0],
            json!({ "control": "ssdp", "verdict": "non-compliant", "observed": true, "desired": false, "detail": null })
        );
        assert_eq!(kept["by"], "driver");
    }
}
