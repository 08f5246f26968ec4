//! What LLDP heard against the cables of the inventory, port by port, in words a technician can follow.
//!
//! Pure: it reads a report and an expectation and judges nothing; `compare` decides what it means for the stage. Switches give their
//! names with or without a domain and their ports by id or description, so a neighbour is first matched with the ends the inventory
//! names for this server; only what matches none of them keeps the switch's own words.

mod plan;

use std::collections::BTreeMap;

use farrier_lifecycle::Mac;
use serde::{Serialize, Serializer};

pub use self::plan::{Place, Step};
use self::plan::{Row, Seen, plan};
use super::report::{Neighbour, Nic, Report};
use crate::inventory::{Expected, ExpectedNic};

/// The wiring of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cabling {
    /// There are cables in the inventory, and each is where it should be.
    pub agrees: bool,
    /// Each interface that should have a cable, or hears a switch.
    pub ports: Vec<Port>,
    /// What a technician does, in order; nothing where it agrees.
    #[serde(serialize_with = "as_words")]
    pub steps: Vec<Step>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Its name in the inventory, or the report's where the inventory has none.
    pub nic: String,
    /// Its MAC, where either knows it.
    pub mac: Option<Mac>,
    /// Where its cable should end.
    pub expected: Option<Place>,
    /// What LLDP heard, as the switch says it.
    pub found: Option<Heard>,
    /// What that comes to.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub say: String,
}

/// A neighbour as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// System name of the switch.
    pub device: String,
    /// Id of the port, then its description; or one of them.
    pub ports: Vec<String>,
}

/// What one interface comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Where it should be.
    Ok,
    /// Another port of the right switch.
    WrongPort,
    /// Another switch.
    WrongSwitch,
    /// It should have a cable, and no switch was heard.
    NothingHeard,
    /// A switch was heard, and the inventory has no cable.
    NotExpected,
}

fn as_words<S: Serializer>(steps: &[Step], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(steps.iter().map(Step::to_string))
}

/// Compare the wiring that was found with the wiring that should be.
pub fn cabling(report: &Report, expected: &Expected) -> Cabling {
    let ends: Vec<Place> = expected.nics.iter().filter_map(|nic| nic.cable.as_ref()).map(place).collect();
    let mut ports = Vec::new();
    let mut rows = Vec::new();
    for nic in &expected.nics {
        let found = report.nics.iter().find(|found| is_same(nic, found));
        let heard = found.and_then(|found| found.neighbour.as_ref());
        let wanted = nic.cable.as_ref().map(place);
        if wanted.is_some() || heard.is_some() {
            let mac = nic.mac.or_else(|| found.map(|found| found.mac));
            rows.push(Row { nic: nic.name.clone(), wanted, seen: seen(heard, &ends) });
            ports.push((mac, heard, found.is_some()));
        }
    }
    for found in report.nics.iter().filter(|found| !expected.nics.iter().any(|nic| is_same(nic, found))) {
        if found.neighbour.is_some() {
            rows.push(Row { nic: found.name.clone(), wanted: None, seen: seen(found.neighbour.as_ref(), &ends) });
            ports.push((Some(found.mac), found.neighbour.as_ref(), true));
        }
    }
    doubt(&mut rows);
    let ports: Vec<Port> =
        rows.iter().zip(ports).map(|(row, (mac, heard, there))| port(row, mac, heard, there)).collect();
    let agrees = ports.iter().any(|port| port.expected.is_some())
        && ports.iter().all(|port| matches!(port.verdict, Verdict::Ok | Verdict::NotExpected));
    Cabling { agrees, steps: plan(&rows), ports }
}

/// An interface is known by its MAC, or by its name where the inventory has no MAC.
fn is_same(nic: &ExpectedNic, found: &Nic) -> bool {
    nic.mac.map_or_else(|| nic.name == found.name, |mac| mac == found.mac)
}

fn place((device, port): &(String, String)) -> Place {
    Place { device: device.clone(), port: port.clone() }
}

/// Without its domain, in lower case.
fn label(name: &str) -> String {
    name.split('.').next().unwrap_or(name).trim().to_lowercase()
}

/// Is the neighbour this end of a cable?
pub fn is_at(seen: &Neighbour, device: &str, port: &str) -> bool {
    label(&seen.switch) == label(device) && seen.ports.iter().any(|name| name.trim().eq_ignore_ascii_case(port.trim()))
}

/// Where a neighbour is, in the inventory's words where it has some.
fn seen(heard: Option<&Neighbour>, ends: &[Place]) -> Seen {
    let Some(heard) = heard else { return Seen::Nothing };
    if let Some(end) = ends.iter().find(|end| is_at(heard, &end.device, &end.port)) {
        return Seen::At(end.clone());
    }
    let device = ends.iter().map(|end| &end.device).find(|device| label(device) == label(&heard.switch));
    let port = heard.ports.first().map_or("?", String::as_str);
    Seen::At(Place { device: device.unwrap_or(&heard.switch).clone(), port: port.to_owned() })
}

/// One port holds one cable: where several interfaces hear it, only the one that belongs there is believed.
fn doubt(rows: &mut [Row]) {
    let mut count: BTreeMap<Place, usize> = BTreeMap::new();
    for row in rows.iter() {
        if let Seen::At(place) = &row.seen {
            *count.entry(place.clone()).or_default() += 1;
        }
    }
    for row in rows {
        if let Seen::At(place) = &row.seen
            && row.wanted.as_ref() != Some(place)
            && count.get(place).is_some_and(|count| *count > 1)
        {
            row.seen = Seen::Doubtful(place.clone());
        }
    }
}

fn port(row: &Row, mac: Option<Mac>, heard: Option<&Neighbour>, there: bool) -> Port {
    let verdict = match (&row.wanted, &row.seen) {
        (None, _) => Verdict::NotExpected,
        (Some(_), Seen::Nothing) => Verdict::NothingHeard,
        (Some(wanted), Seen::At(place)) if place == wanted => Verdict::Ok,
        (Some(wanted), Seen::At(place) | Seen::Doubtful(place)) if place.device == wanted.device => Verdict::WrongPort,
        (Some(_), Seen::At(_) | Seen::Doubtful(_)) => Verdict::WrongSwitch,
    };
    Port {
        nic: row.nic.clone(),
        mac,
        expected: row.wanted.clone(),
        found: heard.map(|heard| Heard { device: heard.switch.clone(), ports: heard.ports.clone() }),
        verdict,
        say: say(row, there),
    }
}

fn say(row: &Row, there: bool) -> String {
    let nic = &row.nic;
    match (&row.wanted, &row.seen) {
        (None, Seen::At(place) | Seen::Doubtful(place)) => {
            format!("{nic} is in {place}; the inventory has no cable there")
        }
        (None, Seen::Nothing) => format!("{nic} hears nothing, and the inventory has no cable there"),
        (Some(wanted), Seen::Nothing) if there => format!("no LLDP heard on {nic}, which should be in {wanted}"),
        (Some(wanted), Seen::Nothing) => format!("the server did not report {nic}, which should be in {wanted}"),
        (Some(wanted), Seen::At(place)) if place == wanted => format!("{nic} is in {place}, as it should be"),
        (Some(wanted), Seen::At(place)) => format!("{nic} is in {place} and should be in {}", wanted.after(place)),
        (Some(wanted), Seen::Doubtful(place)) => {
            format!("{nic} hears {place}, as another interface does, and should be in {}", wanted.after(place))
        }
    }
}

#[cfg(test)]
mod tests;
