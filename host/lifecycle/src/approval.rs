//! A named person's permission to do one kind of thing to one active server, for a while.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What an external effect does to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Power on, off, or a shutdown.
    Power,
    /// A boot override, a boot profile, virtual media.
    Boot,
    /// A reset of the controller or of firmware settings.
    Reset,
    /// A firmware image applied.
    Firmware,
    /// Settings of the controller changed to the baseline.
    Harden,
    /// A fleet tool, an event log, anything else that is changed.
    Configure,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 6] = [Self::Power, Self::Boot, Self::Reset, Self::Firmware, Self::Harden, Self::Configure];

    /// As written on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Boot => "boot",
            Self::Reset => "reset",
            Self::Firmware => "firmware",
            Self::Harden => "harden",
            Self::Configure => "configure",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or_else(|| {
            format!("no action is called `{text}`; one of power, boot, reset, firmware, harden, configure")
        })
    }
}

/// Permission to act on a server in service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// What may be done.
    pub action: Action,
    /// Why, in the approver's words.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// From then on it is worth nothing.
    pub expires: Timestamp,
    /// The entered version of the service period it was given for; a later tenant is not covered.
    pub entered: u64,
}
