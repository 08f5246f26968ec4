//! What the inventory would not take, kept in the store until it does.
//!
//! One value for each server: the transitions that are not written yet, in order, and why. It is kept before the cursor moves past them, so
//! that nothing is lost between the two.

use farrier_lifecycle::{Fault, JournalEntry, ServerId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::inventory::JournalSource;

/// Where drifts are kept in the store.
pub const PREFIX: &str = "netbox:drift:";
/// Transitions kept for one server; the oldest go first, and the journal of the store still has them.
const MOST: usize = 200;

/// What one server's device lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The server.
    pub server: ServerId,
    /// Its name then.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Why, as of the latest try.
    pub fault: Fault,
    /// What is not written, oldest first.
    pub entries: Vec<JournalEntry>,
}

fn key(server: &ServerId) -> String {
    format!("{PREFIX}{server}")
}

/// Every drift, for `farrier bus status`, dashboards and the projector.
pub async fn list(source: &dyn JournalSource) -> Result<Vec<Drift>, String> {
    let mut drifts = Vec::new();
    for key in source.keys(PREFIX).await? {
        let Some(bytes) = source.get(&key).await? else { continue };
        drifts.push(serde_json::from_slice(&bytes).map_err(|error| format!("`{key}`: {error}"))?);
    }
    Ok(drifts)
}

/// The drift of one server.
pub(super) async fn of(source: &dyn JournalSource, server: &ServerId) -> Result<Option<Drift>, String> {
    let key = key(server);
    let Some(bytes) = source.get(&key).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("`{key}`: {error}"))
}

/// Keep what is not written, with why.
pub(super) async fn keep(
    source: &dyn JournalSource,
    before: Option<Drift>,
    mut entries: Vec<JournalEntry>,
    fault: Fault,
) -> Result<(), String> {
    let Some(last) = entries.last() else { return Ok(()) };
    let (server, name) = (last.server.clone(), last.name.clone());
    let since = before.map_or(last.at, |drift| drift.since);
    entries.drain(..entries.len().saturating_sub(MOST));
    let key = key(&server);
    let drift = Drift { server, name, since, fault, entries };
    let bytes = serde_json::to_vec(&drift).map_err(|error| error.to_string())?;
    source.set(&key, Some(&bytes)).await
}

/// The device has it all now.
pub(super) async fn clear(source: &dyn JournalSource, server: &ServerId) -> Result<(), String> {
    source.set(&key(server), None).await
}
