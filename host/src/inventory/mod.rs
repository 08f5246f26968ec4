//! The port: what should exist. NetBox implements it, and so does an inventory file.
//!
//! Read at each stage, never cached across stages: between two stages an operator may have moved a cable in NetBox.

pub mod csv;
pub mod delivery;
pub mod document;

mod check;
mod file;
mod journal;
mod read;

use std::net::IpAddr;

use async_trait::async_trait;
use farrier_lifecycle::{JournalEntry, Mac, Server, ServerId};
use serde::{Deserialize, Serialize};

pub use self::file::FileInventory;
pub use self::journal::{JournalSource, Lag};
pub use self::read::{FileError, Problem, load, parse};

use crate::fault::Fault;

/// One server as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The inventory's id: NetBox's device id, or the name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Slug of its site.
    pub site: Option<String>,
    /// Name of its rack, and the lowest unit it fills.
    pub rack: Option<(String, Option<u32>)>,
    /// As the label says.
    pub serial: Option<String>,
    /// As the inventory names it.
    pub manufacturer: Option<String>,
    /// As the inventory names it.
    pub model: Option<String>,
    /// Where NetBox has it, if only a host with a record of it may take it from there: `status active`; `None` for a file.
    pub claim: Option<String>,
    /// The tenant, by name.
    pub tenant: Option<String>,
    /// Name of the interface whose MAC was looked up.
    pub bmc_interface: String,
    /// The interfaces other than the controller's.
    pub nics: Vec<ExpectedNic>,
}

/// Heights in rack units, as far as the inventory has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heights {
    /// Of the server.
    pub server: Option<u32>,
    /// Of its rack.
    pub rack: Option<u32>,
}

/// One data interface as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedNic {
    /// Its name in the inventory.
    pub name: String,
    /// Its MAC, where the inventory has it.
    pub mac: Option<Mac>,
    /// What its cable ends on: device and port.
    pub cable: Option<(String, String)>,
}

/// What a look-up by BMC MAC came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This one.
    Server(Box<Expected>),
    /// No interface has this MAC.
    Unknown,
    /// The MAC is of an interface that is not a controller's: device and interface.
    NotController {
        /// The device.
        device: String,
        /// Its interface.
        interface: String,
    },
    /// More than one device claims the MAC: their names.
    Ambiguous(Vec<String>),
}

/// One field in which the inventory and a record do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The field, as the inventory calls it.
    pub field: String,
    /// What it should be by the record; empty: nothing.
    pub ours: String,
    /// What the inventory has; empty: nothing.
    pub theirs: String,
}

/// What writing a cable came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connected {
    /// It is there now, between the interface and this port.
    Made {
        /// The switch, as the inventory names it.
        device: String,
        /// Its port, as the inventory names it.
        port: String,
    },
    /// Nothing was written, and why.
    Left(String),
}

/// What should exist, and where what happened is written.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// `netbox 3.7.3`, `file inventory.toml`.
    fn describe(&self) -> String;

    /// The server whose controller has this MAC. Never trusts a filter: what came back is compared.
    async fn find(&self, mac: Mac) -> Result<Found, Fault>;

    /// Write a transition: status, custom fields, address, and exactly one journal entry where it has a note. Repeating it for the same
    /// transition changes nothing. `server` is the record as it is now, which may be later than the transition.
    async fn project(&self, entry: &JournalEntry, server: &Server) -> Result<(), Fault>;

    /// Write several transitions of one server, oldest first: its present state once, every note once, in order. The projector calls this, so
    /// that a server that moved ten times while the inventory was away costs it one change.
    async fn project_all(&self, entries: &[JournalEntry], server: &Server) -> Result<(), Fault> {
        for entry in entries {
            self.project(entry, server).await?;
        }
        Ok(())
    }

    /// Reach it, check the token and what it lacks (custom fields, choices); what is missing comes back as lines for people.
    async fn check(&self) -> Result<Vec<String>, Fault>;

    /// The controller's address as the inventory has it, for drift and observe.
    async fn address(&self, expected: &Expected) -> Result<Option<IpAddr>, Fault>;

    /// How high the server and its rack are. For drawings alone, so it is asked apart from [`Inventory::find`] and seldom.
    async fn heights(&self, _expected: &Expected) -> Result<Heights, Fault> {
        Ok(Heights::default())
    }

    /// What it says of these servers otherwise than their records, of what [`Inventory::project`] writes; a server that agrees is there
    /// without any, one that was never written is not there. An inventory that is not written has none.
    async fn differences(&self, _servers: &[Server]) -> Result<Vec<(ServerId, Vec<Difference>)>, Fault> {
        Ok(Vec::new())
    }

    /// Write what is known of a server's support: its end, milliseconds since the epoch, and who says so or why there is none, as `warranty` keeps it
    /// (JSON). False: there is no place for it here.
    async fn support(&self, _server: &Server, _answer: &[u8]) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Write the cable between a server's interface and a switch's port (named as LLDP does: the port by any of `ports`) where neither end
    /// has one. Never changes a cable. An inventory that is not written says so.
    async fn connect(
        &self,
        _expected: &Expected,
        _nic: &str,
        _switch: &str,
        _ports: &[String],
    ) -> Result<Connected, Fault> {
        Ok(Connected::Left("this inventory is a file, and is not written".to_owned()))
    }
}
