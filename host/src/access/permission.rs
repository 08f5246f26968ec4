//! What a route asks of whoever calls it. Each route of the API has exactly one.

use serde::{Deserialize, Serialize};

/// What can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Anyone, signed in or not: health, sign-in, the API's own description.
    Public,
    /// Anyone signed in: who am I, sign out.
    SignedIn,
    /// See servers, of one's own sites and tenant.
    ReadServers,
    /// See the pipeline, the store's backlog, plugins: nothing of a tenant's.
    ReadPipeline,
    /// Ask for a stage to be tried again at one's own sites.
    Revalidate,
    /// Move servers: hold, assign, release, retire, reset; redrive; publish a lease.
    Operate,
    /// Allow something to be done to an active server, or an order that policy holds back.
    Approve,
    /// See orders, of one's own tenant and sites.
    ReadOrders,
    /// Place and cancel orders, as a tenant one's own.
    Order,
    /// See who did what.
    ReadAudit,
    /// Make and revoke tokens.
    Administer,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Public,
        Self::SignedIn,
        Self::ReadServers,
        Self::ReadPipeline,
        Self::Revalidate,
        Self::Operate,
        Self::Approve,
        Self::ReadOrders,
        Self::Order,
        Self::ReadAudit,
        Self::Administer,
    ];
}
