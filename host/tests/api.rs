//! The API through its real router, gate and stores: what every route answers, to whom, and how often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "api/boot.rs"]
mod boot;
#[path = "api/events.rs"]
mod events;
#[path = "api/fleet.rs"]
mod fleet;
#[path = "api/health.rs"]
mod health;
#[path = "api/leases.rs"]
mod leases;
#[path = "api/metrics.rs"]
mod metrics;
#[path = "api/once.rs"]
mod once;
#[path = "api/requests.rs"]
mod requests;
#[path = "api/rig.rs"]
mod rig;
#[path = "api/roles.rs"]
mod roles;
#[path = "api/routes.rs"]
mod routes;
#[path = "api/servers.rs"]
mod servers;
#[path = "api/tenants.rs"]
mod tenants;
