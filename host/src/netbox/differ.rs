//! What NetBox says of a server otherwise than this host.
//!
//! Only reads. Only what this host writes is compared, so that what operators keep in other fields is never called a difference; and
//! whose a server is only from the day it can be somebody's.

use std::collections::BTreeMap;

use farrier_lifecycle::{Fault, Server, ServerId, Stage};

use super::NetBoxInventory;
use super::device::{STATE, status};
use super::model::{Device, text};
use super::schema::Known;
use super::tenant::is_called;
use crate::inventory::Difference;

/// Devices asked for in one request.
const CHUNK: usize = 50;

impl NetBoxInventory {
    /// The differences of these servers; a server without any is there with none, one that NetBox was never told of is not there.
    pub(super) async fn differ(&self, servers: &[Server]) -> Result<Vec<(ServerId, Vec<Difference>)>, Fault> {
        let known = self.schema().known(self.client()).await?;
        let ours: Vec<(u64, &Server)> =
            servers.iter().filter_map(|server| Some((device_of(server)?, server))).collect();
        let mut all = Vec::new();
        for chunk in ours.chunks(CHUNK) {
            let ids: Vec<String> = chunk.iter().map(|(id, _)| id.to_string()).collect();
            let query: Vec<(&str, &str)> = ids.iter().map(|id| ("id", id.as_str())).collect();
            let found: Vec<Device> = self.client().list("dcim/devices", &query).await?;
            let found: BTreeMap<u64, Device> = found.into_iter().map(|device| (device.id, device)).collect();
            for (id, server) in chunk {
                let differences = match found.get(id) {
                    Some(device) => differences(device, server, &self.config().status, &known),
                    None => vec![difference("device", &id.to_string(), "it is gone")],
                };
                all.push((server.id.clone(), differences));
            }
        }
        Ok(all)
    }
}

/// NetBox's id of the device; before discover is through, nothing was written that could differ.
fn device_of(server: &Server) -> Option<u64> {
    if server.stage == Stage::Discover {
        return None;
    }
    server.facts.inventory_id.as_deref()?.parse().ok()
}

fn difference(field: &str, ours: &str, theirs: &str) -> Difference {
    Difference { field: field.to_owned(), ours: ours.to_owned(), theirs: theirs.to_owned() }
}

fn differences(
    device: &Device,
    server: &Server,
    overrides: &BTreeMap<String, String>,
    known: &Known,
) -> Vec<Difference> {
    let mut all = Vec::new();
    let state = server.lifecycle_state();
    if let Some(status) = status(state, overrides, known)
        && status != device.status.value
    {
        all.push(difference("status", &status, &device.status.value));
    }
    if let Some(now) = device.custom_fields.get(STATE)
        && text(now) != Some(state.as_str())
    {
        all.push(difference(STATE, state.as_str(), text(now).unwrap_or("")));
    }
    let address = device.oob_ip.as_ref().map(|oob| oob.address.addr());
    if address != Some(server.lease.ip) {
        let theirs = address.map(|address| address.to_string()).unwrap_or_default();
        all.push(difference("oob_ip", &server.lease.ip.to_string(), &theirs));
    }
    if matches!(server.stage, Stage::Assign | Stage::Service | Stage::Retire) {
        let same = match (&device.tenant, &server.tenant) {
            (None, None) => true,
            (Some(theirs), Some(ours)) => is_called(theirs, ours),
            _ => false,
        };
        if !same {
            let theirs = device.tenant.as_ref().and_then(|tenant| tenant.name.as_deref()).unwrap_or_default();
            all.push(difference("tenant", server.tenant.as_deref().unwrap_or_default(), theirs));
        }
    }
    all
}
