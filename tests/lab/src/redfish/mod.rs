//! Simulated Redfish controllers: HPE iLO 5 and 6, Dell iDRAC9, Supermicro X13, and a generic one.
//!
//! Promises stateful and strict controllers over HTTPS: power takes time, `Once` is consumed, settings pend
//! until a boot, and what a correct client would not do becomes a violation in the [`crate::ledger`]. It
//! does not simulate what boots on the server: [`BmcEvent`] tells the estate, which plays that part. The
//! trees are authored data (`data/*.json`) in the shapes of recordings; vendors differ by
//! [`profile`](self) data first and by code only where behaviour differs.

mod accounts;
mod actions;
mod auth;
mod bios;
mod bmc;
mod boot;
mod config;
mod firmware;
mod handle;
mod hardware;
pub mod image;
mod patch;
mod power;
mod profile;
mod read;
mod replay;
pub(crate) mod reply;
mod resource;
mod rules;
pub(crate) mod serve;
mod state;
mod template;
pub(crate) mod tls;
mod traffic;

pub(crate) use auth::decode as basic;
pub use config::{BmcConfig, BmcEvent, EventKind, Fault, Hooks, Kind, Nic, Power, StartError, Timing};
pub use handle::{AccountView, BmcHandle, BmcState, start};
pub use hardware::{Broken, Logged};
pub use replay::{ReplayHandle, Scheme, replay};
