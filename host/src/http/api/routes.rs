//! What each route asks of its caller: the one table.
//!
//! A route that is not in it is refused to everyone by the gate; a permission here is the least that any call of the route needs.
//! `host/tests/api_routes.rs` compares it with the description in both directions.

use crate::access::Permission::{
    self, Administer, Approve, Operate, Order, Public, ReadAudit, ReadOrders, ReadPipeline, ReadServers, SignedIn,
};

/// Method, path as the router has it, permission. `HEAD` is `GET`.
pub type Route = (&'static str, &'static str, Permission);

/// Method, path as the router has it, permission. Requests to servers ask for more than their route does, by what is asked:
/// `ask::permission`.
pub const ROUTES: &[Route] = &[
    // Signing in and out: `http/auth`.
    ("GET", "/auth/means", Public),
    ("POST", "/auth/token", Public),
    ("GET", "/auth/link", Public),
    ("GET", "/auth/oidc", Public),
    ("GET", "/auth/callback", Public),
    ("POST", "/auth/sign-out", SignedIn),
    ("POST", "/auth/links", Administer),
    ("GET", "/api/v1/tokens", Administer),
    ("POST", "/api/v1/tokens", Administer),
    ("DELETE", "/api/v1/tokens/{id}", Administer),
    // The API: `http/api`.
    ("GET", "/api/v1/me", SignedIn),
    ("GET", "/api/v1/fleet", ReadPipeline),
    ("GET", "/api/v1/servers", ReadServers),
    ("GET", "/api/v1/servers/{name}", ReadServers),
    ("GET", "/api/v1/servers/{name}/timeline", ReadServers),
    ("GET", "/api/v1/servers/{name}/evidence", ReadServers),
    ("GET", "/api/v1/servers/{name}/readings", ReadServers),
    ("POST", "/api/v1/servers/{name}/requests", ReadServers),
    ("POST", "/api/v1/servers/{name}/preview", ReadServers),
    ("GET", "/api/v1/servers/{name}/label.svg", ReadServers),
    ("GET", "/api/v1/racks", ReadServers),
    ("GET", "/api/v1/work", ReadServers),
    ("GET", "/api/v1/journal", ReadPipeline),
    ("GET", "/api/v1/events", ReadServers),
    ("GET", "/api/v1/bus", ReadPipeline),
    ("GET", "/api/v1/bus/dead", ReadPipeline),
    ("POST", "/api/v1/bus/dead/{id}/redrive", Operate),
    ("POST", "/api/v1/leases", Operate),
    ("GET", "/api/v1/plugins", ReadPipeline),
    ("GET", "/api/v1/orders", ReadOrders),
    ("POST", "/api/v1/orders", Order),
    ("POST", "/api/v1/orders/preview", Order),
    ("GET", "/api/v1/orders/{id}", ReadOrders),
    ("POST", "/api/v1/orders/{id}/cancel", Order),
    ("POST", "/api/v1/orders/{id}/approve", Approve),
    ("GET", "/api/v1/firmware", ReadServers),
    ("GET", "/api/v1/waves", ReadPipeline),
    ("POST", "/api/v1/waves", Operate),
    ("POST", "/api/v1/waves/preview", Operate),
    ("GET", "/api/v1/waves/{id}", ReadPipeline),
    ("POST", "/api/v1/waves/{id}/halt", Operate),
    ("POST", "/api/v1/waves/{id}/resume", Operate),
    ("GET", "/api/v1/audit", ReadAudit),
    ("GET", "/api/v1/faults", ReadServers),
    ("GET", "/api/v1/silences", ReadServers),
    ("POST", "/api/v1/silences", Operate),
    ("DELETE", "/api/v1/silences/{id}", Operate),
    ("GET", "/api/v1/drift", ReadPipeline),
    ("POST", "/api/v1/webhooks/netbox", Public),
    ("GET", "/api/devices", ReadServers),
    ("GET", "/api/device/{id}/timeline", ReadServers),
    ("GET", "/api/queue", ReadPipeline),
    ("GET", "/api/stats", ReadServers),
    ("GET", "/metrics", ReadServers),
    ("GET", "/api/v1/openapi.json", Public),
    // The dashboard's pages, which hold no data: `http/ui`.
    ("GET", "/", Public),
    ("GET", "/servers", Public),
    ("GET", "/servers/{name}", Public),
    ("GET", "/racks", Public),
    ("GET", "/work", Public),
    ("GET", "/orders", Public),
    ("GET", "/journal", Public),
    ("GET", "/api", Public),
    ("GET", "/label/{name}", Public),
    ("GET", "/sign-in", Public),
    ("GET", "/ui/{version}/{file}", Public),
];
