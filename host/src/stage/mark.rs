//! How far a controller's log was read, kept beside the record, with how many entries came since.
//!
//! Promises that reading goes on where it ended, on whichever host. Not obvious: what stood in the log before a server was first looked at is
//! history. The monitor stage sets the first mark, at the end of what it read; a server without one gets it at the first look.

use farrier_lifecycle::ServerId;
use serde::{Deserialize, Serialize};

use crate::bus::{Bus, BusError};
use crate::plugin::wit::event_log::Entry;
use crate::plugin::wit::types::Health;

/// Where marks are kept in the store.
const PREFIX: &str = "monitor/log/";

/// How far a log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The driver's own.
    pub cursor: String,
    /// Entries that came since the first mark: ok (or without severity), warning, critical.
    #[serde(default)]
    pub entries: [u64; 3],
}

impl Mark {
    /// At the end of what was read, nothing counted.
    pub const fn at(cursor: String) -> Self {
        Self { cursor, entries: [0; 3] }
    }

    /// Count what is new.
    pub fn count(&mut self, entries: &[Entry]) {
        let [ok, warning, critical] = &mut self.entries;
        for entry in entries {
            match entry.severity {
                Health::Critical => *critical += 1,
                Health::Warning => *warning += 1,
                Health::Ok | Health::Unknown => *ok += 1,
            }
        }
    }

    /// The server's mark; what this version cannot read is none.
    pub async fn read(bus: &dyn Bus, server: &ServerId) -> Result<Option<Self>, BusError> {
        let bytes = bus.get(&format!("{PREFIX}{server}")).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keep it.
    pub async fn keep(&self, bus: &dyn Bus, server: &ServerId) -> Result<(), BusError> {
        let key = format!("{PREFIX}{server}");
        let bytes = serde_json::to_vec(self)
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        bus.set(&key, Some(&bytes), None).await
    }
}
