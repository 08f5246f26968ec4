//! Journal entries of devices, each exactly once.
//!
//! An entry carries the transition's id and its time: who finds both writes nothing. The time is in it because a store that
//! was lost begins to count anew, and an old entry must not silence a new one.

use farrier_lifecycle::{JournalEntry, NoteKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::device::iso;
use super::error::NetBoxError;

#[derive(Deserialize)]
struct Written {
    assigned_object_id: u64,
    comments: String,
}

/// Write those notes that are not there yet, oldest first, in one request.
pub(super) async fn write(client: &Client, device: u64, entries: &[JournalEntry]) -> Result<(), NetBoxError> {
    let noted: Vec<&JournalEntry> = entries.iter().filter(|entry| entry.note.is_some()).collect();
    let Some(first) = noted.first() else { return Ok(()) };
    let wanted = match noted.as_slice() {
        [only] => marker(only),
        _ => format!("[farrier:{}:", first.server),
    };
    let id = device.to_string();
    let query = [("assigned_object_type", "dcim.device"), ("assigned_object_id", id.as_str()), ("q", wanted.as_str())];
    let written: Vec<Written> = client.list("extras/journal-entries", &query).await?;
    let is_there = |entry: &JournalEntry| {
        let (stamp, marker) = (stamp(entry), marker(entry));
        written.iter().any(|there| {
            there.assigned_object_id == device
                && there.comments.starts_with(&stamp)
                && there.comments.trim_end().ends_with(&marker)
        })
    };
    let mut bodies: Vec<Value> =
        noted.into_iter().filter(|entry| !is_there(entry)).filter_map(|entry| body(device, entry)).collect();
    match bodies.len() {
        0 => {}
        1 => {
            client.post("extras/journal-entries", &bodies.remove(0)).await?;
        }
        _ => {
            client.post("extras/journal-entries", &bodies.into()).await?;
        }
    }
    Ok(())
}

fn stamp(entry: &JournalEntry) -> String {
    format!("[{}]", iso(entry.at, false))
}

fn marker(entry: &JournalEntry) -> String {
    format!("[farrier:{}]", entry.transition)
}

fn body(device: u64, entry: &JournalEntry) -> Option<Value> {
    let note = entry.note.as_ref()?;
    let kind = match note.kind {
        NoteKind::Info => "info",
        NoteKind::Success => "success",
        NoteKind::Warning => "warning",
        NoteKind::Danger => "danger",
    };
    let comments = format!("{} {}\n\n{}", stamp(entry), note.text.trim(), marker(entry));
    Some(
        json!({"assigned_object_type": "dcim.device", "assigned_object_id": device, "kind": kind, "comments": comments}),
    )
}
