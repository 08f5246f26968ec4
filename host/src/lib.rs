//! The Farrier host: it owns the event bus and the lifecycle state of every server.
//!
//! Vendor logic lives in WebAssembly plugins; what a plugin can reach, [`egress`] permits. The module graph is in
//! `docs/architecture.md` and is enforced by `tests/architecture.rs`.

pub mod access;
pub mod ansible;
pub mod app;
pub mod bus;
pub mod cli;
pub mod config;
pub mod drift;
pub mod egress;
pub mod fault;
pub mod firmware;
pub mod fleet;
pub mod health;
pub mod http;
pub mod ingest;
pub mod inventory;
pub mod metrics;
pub mod monitor;
pub mod netbox;
pub mod order;
pub mod plugin;
pub mod stage;
pub mod telemetry;
pub mod ticket;
pub mod warranty;
pub mod wave;
