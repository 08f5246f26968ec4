//! What the engine decides: a fault is there, has grown, or is over.

use farrier_lifecycle::{Fault, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::judge::{clipped, unit, word};
use super::rule::Severity;
use crate::plugin::wit::event_log::Entry;
use crate::plugin::wit::telemetry::Reading;
use crate::plugin::wit::types::Health;
use crate::ticket::Subject;

/// Readings and log lines kept with a fault.
pub const SHOWN: usize = 12;

/// What happened to a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is there.
    Raise,
    /// It is there already, and more than was said.
    Grow,
    /// It is over.
    Clear,
}

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it is about.
    pub about: Subject,
    /// What people call that.
    pub name: String,
    /// Which step.
    pub step: Step,
    /// The fault; its code names it.
    pub fault: Fault,
    /// How bad.
    pub severity: Severity,
    /// Since when it lasts.
    pub since: Timestamp,
    /// When it was decided.
    pub at: Timestamp,
    /// Readings and log lines, as evidence has them.
    pub shown: Value,
    /// When over: why.
    pub note: String,
}

/// A log line kept to be shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// As the controller says.
    pub at: Option<u64>,
    /// As lists show it.
    pub severity: String,
    /// What it says.
    pub message: String,
}

impl From<&Entry> for Line {
    fn from(entry: &Entry) -> Self {
        Self { at: entry.at, severity: word(entry.severity).to_owned(), message: clipped(&entry.message) }
    }
}

/// Readings that are not well, then the others, as many as are shown.
pub fn readings(all: &[Reading]) -> Vec<Value> {
    let well = |one: &&Reading| one.health == Health::Ok;
    let (good, bad): (Vec<&Reading>, Vec<&Reading>) = all.iter().partition(well);
    let shown = bad.into_iter().chain(good).take(SHOWN);
    shown
        .map(|one| {
            let (unit, status) = (unit(one.quantity), word(one.health));
            json!({ "name": clipped(&one.sensor), "value": one.value, "unit": unit, "status": status })
        })
        .collect()
}

/// In the shape of the evidence a ticket is written from.
pub fn shown<'a>(readings: &[Value], lines: impl Iterator<Item = &'a Line>) -> Value {
    let events: Vec<Value> =
        lines.map(|line| json!({ "at": line.at, "severity": line.severity, "message": line.message })).collect();
    json!({ "sensors": readings, "events": events })
}
