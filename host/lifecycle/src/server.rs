//! The record of one server: everything a restart must find again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Approval, Facts, LifecycleState, Mac, Reservation, ServerId, Stage, Status, Timestamp, Wait, WaitFor};

/// Names one attempt for ever: an outcome that carries another token is late and means nothing (law 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The version at which the stage was entered; unchanged by retries.
    pub entered: u64,
    /// The number of the attempt since then, from 1.
    pub number: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entered, self.number)
    }
}

impl FromStr for Token {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (entered, number) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { entered: entered.parse()?, number: number.parse()? })
    }
}

/// A request to run a stage for a server; what stands on a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The server.
    pub server: ServerId,
    /// The stage to run; says which stream.
    pub stage: Stage,
    /// The attempt it is.
    pub token: Token,
}

/// A DHCP lease of a controller, as seen last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Of the controller.
    pub mac: Mac,
    /// Given to it.
    pub ip: IpAddr,
    /// What it called itself; hostile text, cut to 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// DHCP option 60; hostile text, cut to 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_class: Option<String>,
    /// When the lease was given; orders leases however they arrive.
    pub at: Timestamp,
    /// Who reported it: `dnsmasq`, `isc`, `kea`, `spool`, `simulate`, the PoC's sources.
    #[serde(default)]
    pub source: String,
}

/// Something policy did not require and so was not done; the server carries it until it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Hardware or cabling was not checked in full.
    Unvalidated,
    /// The controller was not brought to the baseline.
    Unhardened,
    /// Firmware was not brought to the catalogue.
    Unupdated,
}

impl Mark {
    /// As shown in lists and journals.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unvalidated => "unvalidated",
            Self::Unhardened => "unhardened",
            Self::Unupdated => "unupdated",
        }
    }

    /// The stage that would remove it.
    pub const fn stage(self) -> Stage {
        match self {
            Self::Unvalidated => Stage::Validate,
            Self::Unhardened => Stage::Harden,
            Self::Unupdated => Stage::Update,
        }
    }
}

/// An operator's hand on a server: nothing is started on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// What a server is taken from its tenant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To be provisioned again for another tenant.
    Reuse,
    /// To leave the datacentre.
    Decommission,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Stable for the life of the hardware.
    pub id: ServerId,
    /// Counts commits, from 1.
    pub version: u64,
    /// The version at which the present stage was entered.
    pub entered: u64,
    /// The number of the latest attempt of the present stage; 0 before the first.
    pub attempt: u32,
    /// Attempts of the present stage that failed since the last progress or request.
    pub failures: u32,
    /// Where it stands.
    pub stage: Stage,
    /// How the stage's work stands.
    pub status: Status,
    /// Since when the status is what it is.
    pub since: Timestamp,
    /// Set by an operator; nothing is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The stage has changed something outside; from then on `discovered` is called `provisioning`.
    #[serde(default)]
    pub effect: bool,
    /// The controller's latest lease.
    pub lease: Lease,
    /// What is known of it.
    #[serde(default)]
    pub facts: Facts,
    /// What policy left undone, with the line of policy that did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<Mark, String>,
    /// The stage's own memory between attempts, as JSON; forgotten when the stage is left, and by a retry of any but harden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The validation image's report, as it came; forgotten when the stage is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// The tenant it is to be delivered to, or is with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The order it is kept for while it is in assign; [`Server::reserved`] says whether that still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
    /// The order under which it was given to its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The latest firmware wave it was updated in; forgotten when it is provisioned from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
    /// Why it is being retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Who attested that its drives are erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_by: Option<String>,
    /// Permissions for the present service period.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Fault codes already journalled in this stage, so that a slow retry does not fill the journal.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub told: BTreeSet<String>,
}

impl Server {
    /// A server seen for the first time, before its first commit.
    pub fn unseen(lease: Lease) -> Self {
        Self {
            id: ServerId::from(lease.mac),
            version: 0,
            entered: 0,
            attempt: 0,
            failures: 0,
            stage: Stage::Discover,
            status: Status::Waiting(Wait { until: lease.at, for_: WaitFor::Lease }),
            since: lease.at,
            hold: None,
            effect: false,
            lease,
            facts: Facts::default(),
            marks: BTreeMap::new(),
            memo: None,
            report: None,
            tenant: None,
            reservation: None,
            order: None,
            wave: None,
            purpose: None,
            erased_by: None,
            approvals: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    /// The latest attempt.
    pub const fn token(&self) -> Token {
        Token { entered: self.entered, number: self.attempt }
    }

    /// The command that is on a stream or with a worker: exactly when running.
    pub fn outstanding(&self) -> Option<Command> {
        matches!(self.status, Status::Running).then(|| Command {
            server: self.id.clone(),
            stage: self.stage,
            token: self.token(),
        })
    }

    /// When the timer fires: exactly when waiting.
    pub const fn timer(&self) -> Option<Timestamp> {
        match &self.status {
            Status::Waiting(wait) => Some(wait.until),
            _ => None,
        }
    }

    /// Would a lease with an unchanged address still mean something? Only after a reset.
    pub const fn awaits_lease(&self) -> bool {
        matches!(&self.status, Status::Waiting(Wait { for_: WaitFor::Lease, .. }))
    }

    /// Is it with a tenant? Then nothing may be done to it without an approval.
    pub const fn in_service(&self) -> bool {
        matches!(self.stage, Stage::Service)
    }

    /// The name people see.
    pub const fn lifecycle_state(&self) -> LifecycleState {
        if matches!(self.status, Status::Failed(_)) {
            return LifecycleState::Failed;
        }
        if self.hold.is_some() {
            return LifecycleState::Maintenance;
        }
        match self.stage {
            Stage::Discover => LifecycleState::Offline,
            Stage::Validate if !self.effect => LifecycleState::Discovered,
            Stage::Validate | Stage::Update | Stage::Harden | Stage::Monitor => LifecycleState::Provisioning,
            Stage::Assign => LifecycleState::Ready,
            Stage::Service => LifecycleState::Active,
            Stage::Retire => LifecycleState::Decommissioning,
            Stage::Retired => LifecycleState::Decommissioned,
        }
    }

    /// The permission to do `action` now, if there is one for this service period.
    pub fn approval(&self, action: crate::Action, now: Timestamp) -> Option<&Approval> {
        self.approvals
            .iter()
            .find(|approval| approval.action == action && approval.entered == self.entered && now < approval.expires)
    }

    /// The name operators use: the inventory's, or the id while it has none.
    pub fn label(&self) -> &str {
        self.facts.name.as_deref().unwrap_or(self.id.as_str())
    }
}
