//! What update remembers between attempts: how far it is with which image.

use std::collections::BTreeMap;

use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plugin::wit::types::Job;

/// Everything. The field that no other memo of this stage has keeps a fleet tool's from being read as this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    /// What was done so far, for the journal.
    pub flashed: Vec<String>,
    /// Registration at a fleet tool that leaves firmware to the catalogue.
    #[serde(default)]
    pub registered: Option<String>,
    /// Settings as they were before the first image; `None`: not looked at.
    #[serde(default)]
    pub settings: Option<BTreeMap<String, String>>,
    /// The image under way.
    #[serde(default)]
    pub step: Option<StepMemo>,
}

/// One image on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepMemo {
    /// Which component.
    pub component: String,
    /// To which version.
    pub version: String,
    /// From which.
    pub from: String,
    /// Of the image.
    pub sha256: String,
    /// What the driver says must restart.
    #[serde(default)]
    pub reset: Option<Restart>,
    /// It takes the server down.
    pub disruptive: bool,
    /// How often it was told to be written.
    pub tries: u32,
    /// How far it is.
    pub phase: Phase,
    /// How it becomes current.
    #[serde(default)]
    pub becomes: Becomes,
    /// The server was off before it, and is to be so after.
    #[serde(default)]
    pub was_off: bool,
    /// Where the store keeps the right to fetch the image.
    #[serde(default)]
    pub pull: Option<String>,
}

/// How an image that was written becomes current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// By itself.
    #[default]
    Itself,
    /// By the restart that the driver named.
    ByRestart,
    /// That restart was done.
    Restarted,
}

/// What can be restarted for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// The controller.
    Bmc,
    /// The server.
    Host,
}

/// The steps of writing one image, each verified before it is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is about to be written; after a crash it is looked at first.
    Apply,
    /// It is being written.
    Job {
        /// The controller's job.
        job: Job,
        /// Since when.
        since: Timestamp,
    },
    /// It was written; what it needs is about to be restarted.
    Restart,
    /// The server is off, and is to be switched on.
    Start,
    /// Its version is awaited.
    Settle {
        /// Since when.
        since: Timestamp,
    },
}

impl StepMemo {
    /// `bios 2.80`.
    pub fn what(&self) -> String {
        format!("{} {}", self.component, self.version)
    }
}

impl Memo {
    /// What was done, and how it ended.
    pub fn evidence(&self, last: &str) -> String {
        let lines = self.registered.iter().map(String::as_str).chain(self.flashed.iter().map(String::as_str));
        lines.chain([last]).collect::<Vec<_>>().join("; ")
    }
}
