//! Where a server stands: stage and status for the program, nine names for people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Fault, Timestamp};

/// What is being done with a server, in the order it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Found in the inventory by its BMC MAC; driver confirmed; identity checked.
    Discover,
    /// Booted once from the network; hardware, NICs and cabling checked.
    Validate,
    /// Registered with fleet tools; firmware brought to the catalogue.
    Update,
    /// The controller brought to the security baseline, and audited.
    Harden,
    /// Enrolled in telemetry; first readings.
    Monitor,
    /// Ready for a tenant, or being delivered to one.
    Assign,
    /// In a tenant's hands.
    Service,
    /// Being taken from the tenant: erased, freed.
    Retire,
    /// Gone. Final.
    Retired,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 9] = [
        Self::Discover,
        Self::Validate,
        Self::Update,
        Self::Harden,
        Self::Monitor,
        Self::Assign,
        Self::Service,
        Self::Retire,
        Self::Retired,
    ];

    /// The stages that have work to do, and so a stream of commands.
    pub const WORKED: [Self; 7] =
        [Self::Discover, Self::Validate, Self::Update, Self::Harden, Self::Monitor, Self::Assign, Self::Retire];

    /// As written in configuration, journals and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Validate => "validate",
            Self::Update => "update",
            Self::Harden => "harden",
            Self::Monitor => "monitor",
            Self::Assign => "assign",
            Self::Service => "service",
            Self::Retire => "retire",
            Self::Retired => "retired",
        }
    }

    /// The stream whose entries are the commands waiting for this stage; a public contract. A stage without work has none.
    pub const fn stream(self) -> Option<&'static str> {
        match self {
            Self::Discover => Some("netbox:bmc:discovered"),
            Self::Validate => Some("netbox:server:discovered"),
            Self::Update => Some("netbox:server:validated"),
            Self::Harden => Some("netbox:server:updated"),
            Self::Monitor => Some("netbox:server:hardened"),
            Self::Assign => Some("netbox:server:ready"),
            Self::Retire => Some("netbox:server:retiring"),
            Self::Service | Self::Retired => None,
        }
    }

    /// May a server stay here without a hold and without work? (Law 4.)
    pub const fn may_rest(self) -> bool {
        matches!(self, Self::Assign | Self::Service | Self::Retired)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or_else(|| format!("no stage is called `{text}`"))
    }
}

/// How the work of a stage stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A command is on the stage's stream, or a worker has it.
    Running,
    /// A timer is set; something else may come first.
    Waiting(Wait),
    /// Only a request moves it.
    Resting,
    /// A person must look.
    Failed(Fault),
}

impl Status {
    /// One word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting(_) => "waiting",
            Self::Resting => "resting",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a waiting server waits for, and until when at the latest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// When the timer fires and the stage runs again.
    pub until: Timestamp,
    /// What else may wake it.
    pub for_: WaitFor,
}

/// What a waiting server waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitFor {
    /// The next attempt after this fault.
    Retry(Fault),
    /// The validation image's report.
    Callback,
    /// Work that goes on elsewhere, described in a line.
    Job(String),
    /// A DHCP lease of its controller, after a reset.
    Lease,
}

/// The nine names that people, NetBox and the API see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleState {
    /// Known, not yet identified on the network.
    Offline,
    /// Identified; nothing has been changed on it yet.
    Discovered,
    /// Being validated, updated, hardened, enrolled.
    Provisioning,
    /// Available for a tenant.
    Ready,
    /// In a tenant's hands.
    Active,
    /// Held by an operator.
    Maintenance,
    /// A person must look.
    Failed,
    /// Being taken from the tenant.
    Decommissioning,
    /// Gone.
    Decommissioned,
}

impl LifecycleState {
    /// Every name, in the order of the lifecycle.
    pub const ALL: [Self; 9] = [
        Self::Offline,
        Self::Discovered,
        Self::Provisioning,
        Self::Ready,
        Self::Active,
        Self::Maintenance,
        Self::Failed,
        Self::Decommissioning,
        Self::Decommissioned,
    ];

    /// As written in NetBox's custom field `lifecycle_state`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Discovered => "discovered",
            Self::Provisioning => "provisioning",
            Self::Ready => "ready",
            Self::Active => "active",
            Self::Maintenance => "maintenance",
            Self::Failed => "failed",
            Self::Decommissioning => "decommissioning",
            Self::Decommissioned => "decommissioned",
        }
    }
}

impl fmt::Display for LifecycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The order of the variants, which a stage that was forgotten in the lists breaks: the compiler asks for its place here.
    const fn place(stage: Stage) -> usize {
        match stage {
            Stage::Discover => 0,
            Stage::Validate => 1,
            Stage::Update => 2,
            Stage::Harden => 3,
            Stage::Monitor => 4,
            Stage::Assign => 5,
            Stage::Service => 6,
            Stage::Retire => 7,
            Stage::Retired => 8,
        }
    }

    #[test]
    fn every_stage_is_in_the_lists_and_has_a_stream_of_its_own() {
        assert!(Stage::ALL.into_iter().map(place).eq(0..Stage::ALL.len()), "ALL is every stage, in order");
        let streams: BTreeSet<_> = Stage::ALL.into_iter().filter_map(Stage::stream).collect();
        let worked: BTreeSet<_> = Stage::WORKED.into_iter().filter_map(Stage::stream).collect();
        assert_eq!(streams, worked, "a stage with a stream is worked");
        assert_eq!(worked.len(), Stage::WORKED.len(), "no two stages share a stream");
    }
}
