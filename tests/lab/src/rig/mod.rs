//! What whole-system tests and the demonstration share: a lab, a store, a NetBox, and the real host.
//!
//! Promises that everything started here ends when the [`Rig`] is dropped, that no two rigs share a port or
//! a folder, and that the host is always the real program, started and killed as a process. It never links
//! the host.

mod config;
mod host;
mod ports;
mod skip;
mod start;
mod store;
#[cfg(test)]
mod tests;

pub use config::{Credential, Feed, HostFile};
pub use host::{Host, Programs, ServerRow, plugin};
pub use ports::free_port;
pub use skip::{skip, venv};
pub(crate) use start::random_token;
pub use start::{Rig, RigConfig};
pub use store::{Store, StoreProcess, store_program};
