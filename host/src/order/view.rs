//! An order as people and programs see it: the same for the API and the command line.

use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Order, State};

/// One server of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LineView {
    /// The server's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// It has been in service for the order's tenant.
    pub delivered: bool,
}

/// An order. Times are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OrderView {
    /// `O000042`.
    pub id: String,
    /// Counts changes, from 1; its `ETag`.
    pub version: u64,
    /// Whose servers they will be.
    pub tenant: String,
    /// Who placed it.
    pub by: String,
    /// When.
    pub created: String,
    /// Slug of the site.
    pub site: Option<String>,
    /// How the model begins.
    pub model: Option<String>,
    /// Text in the processor's name.
    pub cpu: Option<String>,
    /// Cores at least.
    pub cores: Option<u32>,
    /// Memory at least, GiB.
    pub memory_gib: Option<u32>,
    /// Drives at least.
    pub drives: Option<u32>,
    /// Capacity at least, GiB.
    pub drive_gib: Option<u64>,
    /// How many servers.
    pub count: u32,
    /// For people.
    pub note: Option<String>,
    /// Each server is delivered as soon as there is one.
    pub partial: bool,
    /// Servers on which policy left things undone are taken.
    pub accept: bool,
    /// Where it stands.
    pub state: State,
    /// Kept for it, on their way, delivered.
    pub servers: Vec<LineView>,
    /// Without an approval by then it expires.
    pub until: Option<String>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// Why it is where it is.
    pub reason: Option<String>,
}

/// RFC 3339, whole seconds.
pub fn time(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| at.0.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        let wanted = order.wanted.clone();
        let line = |line: &super::Line| LineView {
            id: line.id.to_string(),
            name: line.name.clone(),
            delivered: line.delivered,
        };
        Self {
            id: order.id.clone(),
            version: order.version,
            tenant: order.tenant.clone(),
            by: order.by.clone(),
            created: time(order.created),
            site: wanted.site,
            model: wanted.model,
            cpu: wanted.cpu,
            cores: wanted.cores,
            memory_gib: wanted.memory_gib,
            drives: wanted.drives,
            drive_gib: wanted.drive_gib,
            count: wanted.count,
            note: wanted.note,
            partial: wanted.partial,
            accept: wanted.accept,
            state: order.state,
            servers: order.servers.iter().map(line).collect(),
            until: order.until.map(time),
            approved_by: order.approved_by.clone(),
            reason: order.reason.clone(),
        }
    }
}
