//! Leases from DHCP servers: hooks, spool, log files, and what other programs put on the bus.
//!
//! Promises that a lease is delivered at least once, in order of lease time, and that nothing a DHCP client says can do harm on
//! the way. It decides nothing about servers: what a lease means is `farrier_lifecycle::step`. The hook is the same binary under
//! another name, so that a machine with a DHCP server needs one file.

mod classify;
pub mod hook;
mod lease;
pub mod peek;
mod sink;
pub mod spool;
pub mod tail;
mod text;

pub use classify::{Class, Filter, Ignored};
pub use lease::{LeaseError, Parsed, from_foreign, from_json};
pub use sink::{BusSink, LeaseSink, SinkError};
pub use text::{LIMIT, clean};
