//! An order as it is kept: who wants what, and what became of it.

use std::fmt;
use std::str::FromStr;

use farrier_lifecycle::{ServerId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Somebody must agree before its time is over; servers are kept for it meanwhile.
    AwaitingApproval,
    /// There are not enough ready servers yet.
    Waiting,
    /// All its servers are kept for it.
    Reserved,
    /// Servers are on their way, or some are there.
    Delivering,
    /// All its servers are in service.
    Delivered,
    /// Somebody ended it.
    Cancelled,
    /// Nobody approved it in time.
    Expired,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AwaitingApproval,
        Self::Waiting,
        Self::Reserved,
        Self::Delivering,
        Self::Delivered,
        Self::Cancelled,
        Self::Expired,
    ];

    /// As written in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting-approval",
            Self::Waiting => "waiting",
            Self::Reserved => "reserved",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Is there something left to do for it?
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Delivered | Self::Cancelled | Self::Expired)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = Self::ALL.iter().map(|state| state.as_str()).collect();
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("no state is called `{text}`; the states are {}", words.join(", ")))
    }
}

/// What is asked for. What is absent does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// For whom; a tenant's own orders need not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Slug of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// How the model begins, at any of its words: `DL360`, `PowerEdge R650`. Case and punctuation do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Text in the processor's name: `Xeon Gold 6338`. Case and punctuation do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Cores at least, of all processors together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Memory at least, GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<u32>,
    /// Drives at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drives: Option<u32>,
    /// Capacity at least, of all drives together, GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drive_gib: Option<u64>,
    /// How many such servers.
    pub count: u32,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Deliver each server as soon as there is one, not all together.
    pub partial: bool,
    /// Take servers on which policy left things undone.
    pub accept: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            tenant: None,
            site: None,
            model: None,
            cpu: None,
            cores: None,
            memory_gib: None,
            drives: None,
            drive_gib: None,
            count: 1,
            note: None,
            partial: false,
            accept: false,
        }
    }
}

/// A server of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which.
    pub id: ServerId,
    /// Its name then.
    pub name: String,
    /// It has been in service for the order's tenant.
    pub delivered: bool,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// `O000042`; later orders have higher numbers.
    pub id: String,
    /// Counts changes, from 1.
    pub version: u64,
    /// Whose servers they will be.
    pub tenant: String,
    /// Who placed it.
    pub by: String,
    /// When.
    pub created: Timestamp,
    /// What was asked for.
    pub wanted: Wanted,
    /// Policy asked for an approver when it was placed.
    pub approval: bool,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Without an approval by then it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// Its servers: kept for it, on their way, delivered.
    #[serde(default)]
    pub servers: Vec<Line>,
    /// Why it is where it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Order {
    /// The id of the order with this number.
    pub fn id_of(number: u64) -> String {
        format!("O{number:06}")
    }

    /// Its number; 0 for what is no order's id.
    pub fn number(&self) -> u64 {
        self.id.strip_prefix('O').and_then(|digits| digits.parse().ok()).unwrap_or_default()
    }

    /// May its servers be delivered?
    pub const fn is_approved(&self) -> bool {
        !self.approval || self.approved_by.is_some()
    }

    /// How many servers it wants.
    pub fn count(&self) -> usize {
        usize::try_from(self.wanted.count).unwrap_or(usize::MAX)
    }

    /// Is this server in its list?
    pub fn lists(&self, server: &ServerId) -> bool {
        self.servers.iter().any(|line| line.id == *server)
    }
}
