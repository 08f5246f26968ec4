//! One look at one controller: what the monitor hands to whoever judges or counts, and how much of it they take.

use std::collections::BTreeMap;

use farrier_lifecycle::{ServerId, Timestamp};

use crate::fault::Fault;
use crate::plugin::wit::bmc_driver::Inventory;
use crate::plugin::wit::event_log::Entry;
use crate::plugin::wit::telemetry::Reading;

/// Sensors of each quantity, and drives, links and firmware components, that are taken of one server.
pub const MOST: usize = 64;
/// Power supplies that are.
pub const SUPPLIES: usize = 16;

/// One look at one server's controller.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The server.
    pub server: ServerId,
    /// When it ended, milliseconds since the epoch.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// What was seen, or why nothing was.
    pub seen: Result<Seen, Fault>,
}

/// What a look showed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Sensors, with their health as the controller judges it.
    pub readings: Vec<Reading>,
    /// Entries of the controller's logs that are new since the look before; oldest first.
    pub events: Vec<Entry>,
    /// Parts and their health; not looked at each time, since it is the longest question.
    pub inventory: Option<Inventory>,
}

impl Seen {
    /// Sensors, of each quantity the first [`MOST`].
    pub fn sensors(&self) -> impl Iterator<Item = &Reading> {
        let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
        self.readings.iter().filter(move |one| {
            let count = counts.entry(one.quantity as u8).or_default();
            *count += 1;
            *count <= MOST
        })
    }
}
