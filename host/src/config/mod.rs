//! The configuration: defaults, file, environment; every problem reported at once with its path and a hint.
//!
//! Sections that are absent are off. Unknown keys are refused, with the nearest known one. Secrets are references to files or
//! environment variables and are read when they are used, so that the configuration can be shown.

mod api;
mod check;
mod check_api;
mod check_firmware;
mod check_monitor;
mod check_services;
mod keys;
mod load;
mod monitor;
mod orders;
mod policy;
mod remote;
mod sections;
mod services;

pub use api::{Api, CertificateGrant, ClaimGrant, Grant, Oidc, ROLES};
pub use load::{ConfigError, Problem, load};
pub use monitor::Monitor;
pub use orders::{Approve, Orders};
pub use policy::{
    ControlPolicy, Erase, HardenPolicy, Off, Policy, Requirement, RetirePolicy, Switch, UpdatePolicy, ValidatePolicy,
    Value,
};
pub use remote::for_driver;
pub use remote::{
    Ansible, Bmc, Credential, Firmware, Fleet, FleetFirmware, Http, Image, ImageNeed, Inventory, NetBox, Plugins,
    TlsPolicy,
};
pub use sections::{Bus, Config, Ingest, Lifecycle, SecretRef};
pub use services::{Health, Service, Tickets, Warranty, WarrantySource, Webhook};
