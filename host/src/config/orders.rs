//! Orders: how long servers are kept for one, and which of them somebody must approve.

use serde::{Deserialize, Serialize};

/// Which orders wait for an approver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approve {
    /// None.
    #[default]
    Never,
    /// All.
    Always,
    /// Those for more servers than this.
    Over(u32),
}

impl Approve {
    /// Must an order for so many servers be approved?
    pub const fn needed(self, count: u32) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Over(most) => count > most,
        }
    }
}

/// Orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Orders {
    /// How long servers are kept for an order: without an approval in that time it expires.
    pub reserve_ms: u64,
    /// Which orders wait for an approver.
    pub approve: Approve,
}

impl Default for Orders {
    fn default() -> Self {
        Self { reserve_ms: 86_400_000, approve: Approve::Never }
    }
}
