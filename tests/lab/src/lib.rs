//! A simulated bare-metal estate that speaks public protocols only.
//!
//! Promises strict simulators: an unknown path, a missing `If-Match`, a wrong login is recorded in the
//! [`ledger`] and fails the test that reads it. Written from vendors' documents and recordings, never from
//! the plugins' code. It never links the host; what it starts of the host it starts as a process.

pub mod appliance;
pub mod estate;
pub mod jira;
pub mod ledger;
pub mod maas;
pub mod netbox;
pub mod oneview;
pub mod openmanage;
pub mod redfish;
pub mod rig;
pub mod run;
pub mod techdirect;
mod web;
