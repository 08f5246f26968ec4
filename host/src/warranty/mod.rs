//! Until when each server's vendor supports it.
//!
//! Promises: every server has an end, or a stated reason why none is known; the operator's CSV is asked
//! first, then the vendor whose source matches. Answers are kept in the store and asked for again once a day; a source
//! that is away changes nothing that is known. Does not: guess an end from a shipping date.
//!
//! Not obvious: a plugin has no files, so the CSV is the host's. An end that is near is a case, like a fault.

mod book;
mod csv;

use farrier_lifecycle::{ServerId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::book::{Alert, Book, CODE, Source, alert, run};
pub use self::csv::{CsvError, Line, parse};

use crate::bus::{Bus, BusError};

/// Where answers are kept in the store.
pub const PREFIX: &str = "warranty/";

/// What is known of one server's support.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// When somebody was asked.
    pub at: Timestamp,
    /// Its end, the latest of all entitlements.
    #[serde(default)]
    pub ends: Option<Timestamp>,
    /// The vendor's name for it.
    #[serde(default)]
    pub level: Option<String>,
    /// Who said so: `csv`, or a plugin's name.
    #[serde(default)]
    pub source: String,
    /// Why there is no end.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Support {
    /// No end is known, for this reason.
    pub fn unknown(at: Timestamp, reason: impl Into<String>) -> Self {
        Self { at, ends: None, level: None, source: String::new(), reason: Some(reason.into()) }
    }

    /// Whole days until its end; negative once it is past.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        const DAY: i64 = 86_400_000;
        let millis = |at: Timestamp| i64::try_from(at.0).unwrap_or(i64::MAX);
        self.ends.map(|ends| (millis(ends) - millis(now)).div_euclid(DAY))
    }
}

/// What is known of a server.
pub async fn of(bus: &dyn Bus, server: &ServerId) -> Result<Option<Support>, BusError> {
    let Some(bytes) = bus.get(&format!("{PREFIX}{server}")).await? else { return Ok(None) };
    // Of another version's shape: asked again within a day.
    Ok(serde_json::from_slice(&bytes).ok())
}
