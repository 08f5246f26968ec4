//! A simulated estate: what stands in the racks, and what the inventory says should stand there.
//!
//! Promises that a seed always gives the same estate, whatever the number of servers drawn before it, and
//! that the planted faults are in the physical estate only: [`Estate::inventory_toml`] never shows them.
//! It starts nothing; [`crate::run::Lab`] brings it to life.
//!
//! Every physical fact that may differ from the plan is a field of its own (`found_serial`, `plugged`, the
//! controller's password), so an estate file can be read and edited by a person.

mod generate;
mod inventory;
pub mod lease;
mod lldp;
mod model;
mod quickstart;
mod report;
pub mod server;

pub use generate::{DEFAULT_BASE, DEFAULT_SEED, DEFAULT_SERVERS};
pub use model::{Bmc, Cable, Estate, Fault, Nic, Prefix, Server, Site, Switch, SwitchRole, Vendor};
pub use quickstart::QUICK_START_MAC;
pub use report::{Kernel, ReportShape};
