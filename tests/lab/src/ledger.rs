//! What the simulated systems saw: counted effects, and violations.
//!
//! Promises that nothing a client did is forgotten: every write, power transition, settings change and
//! journal entry is counted by system, and every request a correct client would not make (an unknown path,
//! a missing `If-Match`, a wrong login) is kept with its text. It judges nothing: a test reads the report.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What is counted. Names are stable: tests and the control API use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Any request that is not GET or HEAD, logins excluded.
    Write,
    /// A login that succeeded.
    Login,
    /// A login that was refused.
    LoginRefused,
    /// The power state really changed: on to off, or off to on.
    PowerTransition,
    /// A setting really changed its value.
    SettingsChange,
    /// A write that asked for what already was, and changed nothing.
    NoChange,
    /// A journal entry was created in the simulated NetBox.
    JournalEntry,
    /// A fleet tool took a server in.
    Registration,
    /// A fleet tool let a server go.
    Removal,
    /// A fleet tool began to write firmware to a server.
    FirmwareStart,
    /// A controller wrote firmware, of itself or of a part; staged firmware counts when it is staged.
    Flashed,
    /// Something was made that must not be made twice: a machine, an issue.
    Created,
    /// A comment was added to an issue.
    Commented,
    /// A machine or an issue moved to another state because somebody asked.
    Moved,
}

/// One thing a correct client would not have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The simulated system: a server's name, or `netbox`.
    pub system: String,
    /// What was asked and why it is wrong.
    pub text: String,
}

/// A copy of the ledger at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Counts by system, then kind.
    pub counts: BTreeMap<String, BTreeMap<Kind, u64>>,
    /// One line for each counted effect, in order: `system kind detail`.
    pub effects: Vec<String>,
    /// Everything a correct client would not have done, in order.
    pub violations: Vec<Violation>,
}

impl Report {
    /// The count of one kind over all systems.
    pub fn total(&self, kind: Kind) -> u64 {
        self.counts.values().filter_map(|by_kind| by_kind.get(&kind)).sum()
    }

    /// The count of one kind for one system.
    pub fn of(&self, system: &str, kind: Kind) -> u64 {
        self.counts.get(system).and_then(|by_kind| by_kind.get(&kind)).copied().unwrap_or(0)
    }
}

/// The shared record; clones write to the same one.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    inner: Arc<Mutex<Report>>,
}

impl Ledger {
    /// Count an effect; `detail` says which, in a few words without secrets.
    pub fn count(&self, system: &str, kind: Kind, detail: &str) {
        let mut report = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *report.counts.entry(system.to_owned()).or_default().entry(kind).or_default() += 1;
        report.effects.push(format!("{system} {kind:?} {detail}"));
    }

    /// Keep what a correct client would not have done.
    pub fn violation(&self, system: &str, text: impl Into<String>) {
        let mut report = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        report.violations.push(Violation { system: system.to_owned(), text: text.into() });
    }

    /// A copy of everything so far.
    pub fn report(&self) -> Report {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
