//! One look at one server: does NetBox say what was written?
//!
//! Promises that a difference is only kept when it is one: never what the projector has not come to yet, and never what changed while
//! it was looked at. The record is read first, then where the projector stands, then NetBox, then the record again: if nothing moved,
//! what NetBox was told is what was compared.

use std::time::Duration;

use farrier_lifecycle::{Server, ServerId, Stage};

use super::{Item, kept, key};
use crate::bus::{Bus, BusError};
use crate::egress::now;
use crate::fault::Fault;
use crate::inventory::{Difference, Inventory};
use crate::netbox::{drift as refused, projector};

/// Entries of the journal looked through for this server; a projector further behind than that has not come to it.
const AHEAD: usize = 512;

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// They agree.
    Agrees,
    /// They do not; kept.
    Differs(Vec<Item>),
    /// It is being written, or NetBox refuses it: look again later.
    Moving,
}

/// Why nothing could be seen.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The store.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The inventory.
    #[error("{0}")]
    Inventory(Fault),
}

/// Look at a server, and keep or clear its differences. `by`: who changed it last, where that is known.
pub async fn look(
    bus: &dyn Bus,
    inventory: &dyn Inventory,
    id: &ServerId,
    by: Option<&str>,
) -> Result<Looked, LookError> {
    let Some(server) = bus.read(id).await? else { return Ok(Looked::Agrees) };
    if is_unwritten(bus, id).await? {
        return Ok(Looked::Moving);
    }
    let found = inventory.differences(std::slice::from_ref(&server)).await.map_err(LookError::Inventory)?;
    let differences = found.into_iter().find(|(found, _)| found == id).map(|(_, all)| all).unwrap_or_default();
    if bus.read(id).await?.is_none_or(|after| after.version != server.version) {
        return Ok(Looked::Moving);
    }
    Ok(keep(bus, &server, differences, by).await?)
}

/// Is there something of this server that the projector has not written yet?
async fn is_unwritten(bus: &dyn Bus, id: &ServerId) -> Result<bool, BusError> {
    if bus.get(&format!("{}{id}", refused::PREFIX)).await?.is_some() {
        return Ok(true);
    }
    let cursor = bus.get(projector::CURSOR).await?.unwrap_or_default();
    let cursor = String::from_utf8(cursor)
        .map_err(|error| BusError::Corrupt { key: projector::CURSOR.to_owned(), problem: error.to_string() })?;
    let ahead = bus.journal(&cursor, AHEAD, Duration::ZERO).await?;
    Ok(ahead.len() >= AHEAD || ahead.iter().any(|(_, entry)| entry.server == *id))
}

async fn keep(
    bus: &dyn Bus,
    server: &Server,
    differences: Vec<Difference>,
    by: Option<&str>,
) -> Result<Looked, BusError> {
    let before = kept(bus, &server.id).await?;
    let items: Vec<Item> = differences.into_iter().map(|one| item(server, one, &before, by)).collect();
    if items == before {
        return Ok(if items.is_empty() { Looked::Agrees } else { Looked::Differs(items) });
    }
    let name = server.label();
    if items.is_empty() {
        bus.set(&key(&server.id), None, None).await?;
        tracing::info!(server = name, "NetBox and this host agree again");
        return Ok(Looked::Agrees);
    }
    let bytes = serde_json::to_vec(&items)
        .map_err(|error| BusError::Corrupt { key: key(&server.id), problem: error.to_string() })?;
    bus.set(&key(&server.id), Some(&bytes), None).await?;
    for item in items.iter().filter(|item| !before.contains(item)) {
        let (field, ours, theirs) = (&item.field, &item.ours, &item.theirs);
        tracing::warn!(server = name, field, ours, theirs, by, "NetBox was changed; it is shown as drift");
    }
    Ok(Looked::Differs(items))
}

/// What was known before keeps its time and its author.
fn item(server: &Server, difference: Difference, before: &[Item], by: Option<&str>) -> Item {
    let Difference { field, ours, theirs } = difference;
    let old = before.iter().find(|old| old.field == field && old.ours == ours && old.theirs == theirs);
    let hint = hint(server, &field, &theirs);
    Item {
        server: server.label().to_owned(),
        id: server.id.clone(),
        since: old.map_or_else(now, |old| old.since),
        by: old.map_or_else(|| by.map(str::to_owned), |old| old.by.clone()),
        field,
        ours,
        theirs,
        hint: Some(hint),
    }
}

fn hint(server: &Server, field: &str, theirs: &str) -> String {
    let name = server.label();
    match field {
        "tenant" if server.stage == Stage::Assign && !theirs.is_empty() => {
            format!("deliver it with `farrier server assign {name} --tenant \"{theirs}\"`, or take the tenant out of NetBox")
        }
        "tenant" => "set NetBox's tenant back, or release the server and assign it anew".to_owned(),
        "device" => "was the device deleted or made anew? `farrier server reset` looks it up again".to_owned(),
        "oob_ip" => "DHCP owns the address; set it back in NetBox".to_owned(),
        _ => "this host owns the field and writes it at the server's next transition; use `farrier server` to move a server".to_owned(),
    }
}
