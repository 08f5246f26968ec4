//! Where NetBox and this host do not agree, kept in the store so that people see it and can decide.
//!
//! Two kinds: what NetBox refuses of what was to be written (the projector keeps it and tries again), and what somebody changed in NetBox
//! (found by the rounds and by webhooks). Showing is all: nothing here writes NetBox, and nothing NetBox says is obeyed but a tenant,
//! where the configuration allows it.

mod look;
mod rounds;
mod source;
mod webhook;

use std::collections::BTreeMap;

use farrier_lifecycle::{ServerId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::look::{LookError, Looked, look};
pub use self::rounds::{Rounds, round, run};
pub use self::source::Journal;
pub use self::webhook::{WebhookError, netbox_webhook};
use crate::bus::{Bus, BusError};
use crate::inventory::JournalSource as _;
use crate::netbox::drift::{self as refused};

/// Where differences are kept in the store; a value for each server that has any.
const PREFIX: &str = "netbox:differs:";

/// One thing in which NetBox and this host do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The server's name.
    pub server: String,
    /// Its id.
    pub id: ServerId,
    /// `status`, `tenant`, `lifecycle_state`, `oob_ip`, `device`; or the code of what NetBox refuses.
    pub field: String,
    /// What it should be by this host's record; of a refusal, what is not written.
    pub ours: String,
    /// What NetBox has; of a refusal, its reason.
    pub theirs: String,
    /// Since when it is known.
    pub since: Timestamp,
    /// NetBox's account that changed it, where a webhook said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What can be done, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

fn key(server: &ServerId) -> String {
    format!("{PREFIX}{server}")
}

/// The differences of one server as kept.
async fn kept(bus: &dyn Bus, server: &ServerId) -> Result<Vec<Item>, BusError> {
    let key = key(server);
    let Some(bytes) = bus.get(&key).await? else { return Ok(Vec::new()) };
    serde_json::from_slice(&bytes).map_err(|error| BusError::Corrupt { key, problem: error.to_string() })
}

/// Everything, by server and field.
pub async fn list(bus: &std::sync::Arc<dyn Bus>) -> Result<Vec<Item>, BusError> {
    let mut items = Vec::new();
    for (key, _) in bus.keys(PREFIX).await? {
        let Ok(id) = key.trim_start_matches(PREFIX).parse::<ServerId>() else { continue };
        items.extend(kept(&**bus, &id).await?);
    }
    let source = Journal(bus.clone());
    let unreadable = |problem| BusError::Corrupt { key: refused::PREFIX.to_owned(), problem };
    for key in source.keys(refused::PREFIX).await.map_err(unreadable)? {
        let Some(bytes) = bus.get(&key).await? else { continue };
        let drift: refused::Drift = serde_json::from_slice(&bytes)
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        items.push(Item {
            server: drift.name,
            id: drift.server,
            field: drift.fault.code,
            ours: format!("{} transition(s) not written", drift.entries.len()),
            theirs: drift.fault.text,
            since: drift.since,
            by: None,
            hint: drift.fault.hint,
        });
    }
    items.sort_by(|a, b| (&a.server, &a.field).cmp(&(&b.server, &b.field)));
    Ok(items)
}

/// How many differ, by field; for metrics.
pub fn count(items: &[Item]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item.field.as_str()).or_default() += 1;
    }
    counts
}
