//! A committed transition, as the journal keeps it and everyone who watches reads it.

use serde::{Deserialize, Serialize};

use crate::{
    Event, Fault, LifecycleState, Note, Server, ServerId, Stage, Status, Timestamp, Transition, Wait, WaitFor,
};

/// A transition as the journal keeps it: for the projector, dashboards, and programs that watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// `<server id>:<version>`: the same for ever, so that a projection never happens twice.
    pub transition: String,
    /// The server.
    pub server: ServerId,
    /// Its name then.
    pub name: String,
    /// The version this transition made.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// What happened, one word.
    pub event: String,
    /// The name people saw before.
    pub from: LifecycleState,
    /// And see now.
    pub to: LifecycleState,
    /// The stage after.
    pub stage: Stage,
    /// Running, waiting, resting, failed.
    pub status: String,
    /// Since when the state before held, for durations.
    pub since: Timestamp,
    /// What people should read, where they should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// What stands in the way after it: of a failed server, or of one that waits to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl JournalEntry {
    /// What to write of `transition`, decided on `before` because of `event`.
    pub fn of(before: &Server, event: &Event, transition: &Transition, now: Timestamp) -> Self {
        let after = &transition.server;
        Self {
            transition: format!("{}:{}", after.id, after.version),
            server: after.id.clone(),
            name: after.label().to_owned(),
            version: after.version,
            at: now,
            event: event.as_str().to_owned(),
            from: before.lifecycle_state(),
            to: after.lifecycle_state(),
            stage: after.stage,
            status: after.status.as_str().to_owned(),
            since: before.since,
            note: transition.note.clone(),
            fault: blocking(&after.status).cloned(),
        }
    }
}

const fn blocking(status: &Status) -> Option<&Fault> {
    match status {
        Status::Failed(fault) | Status::Waiting(Wait { for_: WaitFor::Retry(fault), .. }) => Some(fault),
        Status::Running | Status::Waiting(_) | Status::Resting => None,
    }
}
