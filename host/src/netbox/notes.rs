//! Journal entries of devices, each exactly once.
//!
//! An entry carries the transition's id and its time: who finds both writes nothing. The time is in it because a store that
//! was lost begins to count anew, and an old entry must not silence a new one.
//!
//! Not obvious: NetBox has no condition on a POST, and a projector that was paused between its look and its POST may find its role, and the
//! entry, with another one. So whoever wrote looks again, and of two entries the first stays; both decide alike.

use farrier_lifecycle::{JournalEntry, NoteKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::device::iso;
use super::error::NetBoxError;

#[derive(Deserialize)]
struct Written {
    id: u64,
    assigned_object_id: u64,
    comments: String,
}

/// Write those notes that are not there yet, oldest first, in one request.
pub(super) async fn write(client: &Client, device: u64, entries: &[JournalEntry]) -> Result<(), NetBoxError> {
    let noted: Vec<&JournalEntry> = entries.iter().filter(|entry| entry.note.is_some()).collect();
    let there = look(client, device, &noted).await?;
    let missing = noted.iter().filter(|entry| !there.iter().any(|one| says(one, device, entry)));
    let mut bodies: Vec<Value> = missing.filter_map(|entry| body(device, entry)).collect();
    let there = match bodies.len() {
        0 => there,
        1 => {
            client.post("extras/journal-entries", &bodies.remove(0)).await?;
            look(client, device, &noted).await?
        }
        _ => {
            client.post("extras/journal-entries", &bodies.into()).await?;
            look(client, device, &noted).await?
        }
    };
    once(client, device, &noted, &there).await
}

/// What the journal has of these notes, and perhaps of others of the server.
async fn look(client: &Client, device: u64, noted: &[&JournalEntry]) -> Result<Vec<Written>, NetBoxError> {
    let wanted = match noted {
        [] => return Ok(Vec::new()),
        [only] => marker(only),
        [first, ..] => format!("[farrier:{}:", first.server),
    };
    let id = device.to_string();
    let query = [("assigned_object_type", "dcim.device"), ("assigned_object_id", id.as_str()), ("q", wanted.as_str())];
    client.list("extras/journal-entries", &query).await
}

fn says(there: &Written, device: u64, entry: &JournalEntry) -> bool {
    there.assigned_object_id == device
        && there.comments.starts_with(&stamp(entry))
        && there.comments.trim_end().ends_with(&marker(entry))
}

/// Of what stands there twice, leave the first.
async fn once(client: &Client, device: u64, noted: &[&JournalEntry], there: &[Written]) -> Result<(), NetBoxError> {
    for entry in noted {
        let mut ids: Vec<u64> = there.iter().filter(|one| says(one, device, entry)).map(|one| one.id).collect();
        ids.sort_unstable();
        for id in ids.into_iter().skip(1) {
            match client.delete(&format!("extras/journal-entries/{id}")).await {
                // Gone: the other projector saw it as well.
                Ok(()) | Err(NetBoxError::NotFound { .. }) => {}
                Err(NetBoxError::Forbidden { .. }) => {
                    let hint = "let the token's user delete journal entries";
                    tracing::warn!(server = entry.name, id, hint, "an entry stands in NetBox's journal twice");
                }
                Err(error) => return Err(error),
            }
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
