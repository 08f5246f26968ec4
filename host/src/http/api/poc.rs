//! The paths of the PoC's dashboard, for what was built on them. Shapes as there; nothing is added to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use farrier_lifecycle::{JournalEntry, LifecycleState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Name;
use super::journal::{history, known};
use super::{Api, Problem};
use crate::egress::now;
use crate::fleet::Row;
use crate::http::auth::Who;
use crate::http::view::{EntryView, time};

/// Entries of a timeline, as the PoC had them.
const TIMELINE: usize = 10;
/// Events beside the queue's length.
const RECENT: usize = 20;

/// A device.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// The inventory's id, or ours while it has none.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Slug of its site.
    pub site: Option<String>,
    /// Its lifecycle state.
    pub status: String,
    /// The address of its controller.
    pub primary_ip: String,
}

fn device_id(row: &Row) -> &str {
    row.server.facts.inventory_id.as_deref().unwrap_or(row.server.id.as_str())
}

/// All devices, as the PoC's dashboard listed them.
#[utoipa::path(get, path = "/api/devices", tag = "poc", responses((status = 200, body = Vec<Device>)))]
pub async fn devices(State(api): State<Arc<Api>>, Who(who): Who) -> Json<Vec<Device>> {
    let rows = api.fleet.rows(|row| who.sees(&row.server));
    let device = |row: &Arc<Row>| Device {
        id: device_id(row).to_owned(),
        name: row.server.label().to_owned(),
        site: row.server.facts.site.clone(),
        status: row.server.lifecycle_state().to_string(),
        primary_ip: row.server.lease.ip.to_string(),
    };
    Json(rows.iter().map(device).collect())
}

/// A journal entry, as NetBox has it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    /// When.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// `info`, `success`, `warning`, `danger`.
    pub kind: String,
    /// What.
    pub comments: String,
}

fn comment(entry: &JournalEntry) -> Option<Comment> {
    let note = EntryView::from(entry).note?;
    Some(Comment { timestamp: time(entry.at), kind: note.kind, comments: note.text })
}

/// The last ten journal entries of a device, newest first.
#[utoipa::path(get, path = "/api/device/{id}/timeline", tag = "poc",
    params(("id" = String, Path, description = "The inventory's id, a name, our id or a BMC MAC", max_length = 128)),
    responses((status = 200, body = Vec<Comment>)))]
pub async fn timeline(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(id): Name,
) -> Result<Json<Vec<Comment>>, Problem> {
    let by_inventory = api.fleet.rows(|row| who.sees(&row.server) && device_id(row) == id).into_iter().next();
    let server = match by_inventory {
        Some(row) => row.server.clone(),
        None => api.named(&who, &id).await?,
    };
    let entries = history(&api, &who, &server).await?;
    Ok(Json(entries.iter().rev().filter_map(comment).take(TIMELINE).collect()))
}

/// The queue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// Entries on all streams.
    pub queue_length: u64,
    /// The latest transitions, newest first.
    pub recent_events: Vec<EntryView>,
}

/// What waits, and what happened last.
#[utoipa::path(get, path = "/api/queue", tag = "poc", responses((status = 200, body = Queue)))]
pub async fn queue(State(api): State<Arc<Api>>, Who(who): Who) -> Result<Json<Queue>, Problem> {
    let status = api.status().await?;
    let recent = known(&api, &who, api.parts.bus.journal_last(RECENT).await?).await?;
    Ok(Json(Queue {
        queue_length: status.streams.iter().map(|stream| stream.length).sum(),
        recent_events: recent.iter().rev().map(|(_, entry)| EntryView::from(entry)).collect(),
    }))
}

/// Numbers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Servers you see.
    pub total_devices: u64,
    /// By lifecycle state.
    pub state_counts: BTreeMap<String, u64>,
    /// Entries on all streams.
    pub queue_length: u64,
    /// Now.
    #[schema(format = DateTime)]
    pub timestamp: String,
}

/// How many devices are in which state.
#[utoipa::path(get, path = "/api/stats", tag = "poc", responses((status = 200, body = Stats)))]
pub async fn stats(State(api): State<Arc<Api>>, Who(who): Who) -> Result<Json<Stats>, Problem> {
    let counts = api.fleet.counts(|row| who.sees(&row.server)).all;
    let of = |state: LifecycleState| counts.states.get(&state).copied().unwrap_or_default();
    Ok(Json(Stats {
        total_devices: counts.servers,
        state_counts: LifecycleState::ALL.into_iter().map(|state| (state.to_string(), of(state))).collect(),
        queue_length: api.status().await?.streams.iter().map(|stream| stream.length).sum(),
        timestamp: time(now()),
    }))
}
