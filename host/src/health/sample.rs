//! One look at one controller: what the monitor hands to whoever judges or counts.

use farrier_lifecycle::{ServerId, Timestamp};

use crate::fault::Fault;
use crate::plugin::wit::bmc_driver::Inventory;
use crate::plugin::wit::event_log::Entry;
use crate::plugin::wit::telemetry::Reading;

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
