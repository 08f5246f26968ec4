//! Looking at servers after they are provisioned: how often, how many at once.

use serde::{Deserialize, Serialize};

/// Looking at servers that are past discover. Durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitor {
    /// Is it done at all?
    pub enabled: bool,
    /// Between two looks at one controller that is well.
    pub interval_ms: u64,
    /// The longest time between two looks at one that is slow or does not answer.
    pub slowest_ms: u64,
    /// Each how many looks the parts are read too: drives, power supplies, links.
    pub inventory_every: u32,
    /// Looks at once.
    pub concurrency: usize,
    /// The longest one call of a driver may take in a look.
    pub timeout_ms: u64,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 60_000,
            slowest_ms: 900_000,
            inventory_every: 30,
            concurrency: 32,
            timeout_ms: 30_000,
        }
    }
}
