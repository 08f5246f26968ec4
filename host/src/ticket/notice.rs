//! What happened to cases, in order, for receivers of notices.
//!
//! Promises that a change stands here before it stands in its case, so that a crash in between tells it twice and never loses it; kept for as
//! long as the journal. Cases that stand in the way of a stage are left out: a transition told of each.
//!
//! Not obvious: the log is made of small values with numbers, each taken by the first who writes it, so that there is no gap between numbers
//! and nobody passes by one that is still being written. The newest number is kept as a hint only: a writer goes on from it to the first
//! that is free.

use std::time::Duration;

use farrier_lifecycle::{Fault, Timestamp};
use serde::{Deserialize, Serialize};

use super::case::{Case, Subject};
use crate::bus::{Bus, BusError, JOURNAL_KEPT};

const PREFIX: &str = "ticket/change/";
/// The newest number, or one shortly before it.
const NEWEST: &str = "ticket/changes";

/// What happened to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It is new, or it is back.
    Raised,
    /// Another text, or it is no warning any more.
    Changed,
    /// It is over.
    Over,
}

/// A change of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    pub what: What,
    /// What the case is about.
    pub about: Subject,
    /// What people call that.
    pub name: String,
    /// What is wrong, or was.
    pub fault: Fault,
    /// `warning` or `critical`.
    pub severity: String,
    /// Since when, milliseconds since the epoch.
    pub since: Timestamp,
    /// When it changed.
    pub at: Timestamp,
    /// Why it is over.
    #[serde(default)]
    pub note: Option<String>,
}

impl Change {
    /// Of this case; `None` where a transition told of it.
    pub fn of(case: &Case, what: What, at: Timestamp, note: Option<&str>) -> Option<Self> {
        case.stage.is_none().then(|| Self {
            what,
            about: case.about.clone(),
            name: case.name.clone(),
            fault: case.fault.clone(),
            severity: if case.warning { "warning" } else { "critical" }.to_owned(),
            since: case.since,
            at,
            note: note.map(str::to_owned),
        })
    }
}

fn key(number: u64) -> String {
    format!("{PREFIX}{number}")
}

/// The newest number, or one shortly before it; 0: nothing happened yet.
async fn newest(bus: &dyn Bus) -> Result<u64, BusError> {
    let kept = bus.get(NEWEST).await?;
    Ok(kept.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()).unwrap_or(0))
}

/// Put a change at the end.
pub async fn append(bus: &dyn Bus, change: &Change) -> Result<(), BusError> {
    let bytes = serde_json::to_vec(change)
        .map_err(|error| BusError::Corrupt { key: PREFIX.to_owned(), problem: error.to_string() })?;
    let kept = Some(Duration::from_millis(JOURNAL_KEPT));
    let mut number = newest(bus).await?.saturating_add(1);
    while !bus.swap(&key(number), None, Some(&bytes), kept).await? {
        number = number.saturating_add(1);
    }
    bus.set(NEWEST, Some(number.to_string().as_bytes()), None).await
}

/// The number of the last change.
pub async fn end(bus: &dyn Bus) -> Result<u64, BusError> {
    let mut number = newest(bus).await?;
    while bus.get(&key(number.saturating_add(1))).await?.is_some() {
        number = number.saturating_add(1);
    }
    Ok(number)
}

/// The first change after this number, with its own; those that were kept too long are passed over, as are those of another version's shape.
pub async fn next(bus: &dyn Bus, after: u64) -> Result<Option<(u64, Change)>, BusError> {
    let newest = newest(bus).await?;
    let mut number = after;
    loop {
        number = number.saturating_add(1);
        match bus.get(&key(number)).await? {
            Some(bytes) => match serde_json::from_slice(&bytes) {
                Ok(change) => return Ok(Some((number, change))),
                Err(error) => tracing::warn!(%error, number, "a change of a case is not readable, and nobody is told"),
            },
            None if number <= newest => {}
            None => return Ok(None),
        }
    }
}
