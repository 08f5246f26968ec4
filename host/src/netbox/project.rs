//! Writes where a server stands into its device: address first, then status and fields in one request, then the journal.
//!
//! Each part is read before it is written and may be repeated at will; the journal comes last, so that an entry never speaks of
//! something that is not there yet.

use farrier_lifecycle::{Blame, Fault, JournalEntry, Retry, Server};
use serde_json::Value;

use super::NetBoxInventory;
use super::client::Tagged;
use super::error::NetBoxError;
use super::model::Device;
use super::tenant::{Tenancy, tenancy};
use super::{address, device, notes};
use crate::inventory::{Found, Inventory as _};

/// Someone else may change the device this often while we decide.
const ROUNDS: u32 = 5;

impl NetBoxInventory {
    /// Write these transitions of one server, oldest first.
    pub(super) async fn write(&self, entries: &[JournalEntry], server: &Server) -> Result<(), Fault> {
        let entries: Vec<JournalEntry> = entries.iter().filter(|entry| says_something(entry)).cloned().collect();
        if entries.is_empty() {
            return Ok(());
        }
        let Some(mut tagged) = self.device(server).await? else { return Ok(()) };
        let id = tagged.value.id;
        if server.facts.inventory_id.is_none() && device::claim(&tagged.value).is_some() {
            // Not taken into work: what NetBox says of it is all that tells it from a new server, and stays.
            return Ok(notes::write(self.client(), id, &entries).await?);
        }
        let placed = address::place(self.client(), &tagged.value, server, self.config().prefix_length).await;
        let (placed, trouble) = match placed {
            Ok(placed) => (placed, None),
            Err(fault) if is_of_this_server(&fault) => (address::Placed::default(), Some(fault)),
            Err(fault) => return Err(fault),
        };
        let (tenancy, lacking) = tenancy(self.client(), &tagged.value, server, &entries).await?;
        self.update(&mut tagged, server, &entries, placed.oob, tenancy).await?;
        address::free(self.client(), &placed.stale).await?;
        notes::write(self.client(), id, &entries).await?;
        trouble.or(lacking).map_or(Ok(()), Err)
    }

    /// The device of a server; `None` if NetBox has none, which is nothing to write to.
    pub(super) async fn device(&self, server: &Server) -> Result<Option<Tagged<Device>>, Fault> {
        if let Some(id) = server.facts.inventory_id.as_deref().and_then(|id| id.parse::<u64>().ok()) {
            match self.client().get(&format!("dcim/devices/{id}"), &[]).await {
                Ok(device) => return Ok(Some(device)),
                Err(NetBoxError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Found::Server(found) = self.find(server.lease.mac).await? else {
            return match &server.facts.inventory_id {
                None => Ok(None),
                Some(id) => {
                    let text =
                        format!("device {id} of {} is gone from NetBox, and no other has its MAC", server.label());
                    Err(Fault::new("device-gone", Retry::Slowly, Blame::Inventory, text))
                }
            };
        };
        let path = format!("dcim/devices/{}", found.id);
        Ok(Some(self.client().get(&path, &[]).await?))
    }

    /// Send what differs; where someone was faster, read and decide again.
    async fn update(
        &self,
        tagged: &mut Tagged<Device>,
        server: &Server,
        entries: &[JournalEntry],
        oob: Option<u64>,
        tenancy: Tenancy,
    ) -> Result<(), Fault> {
        let known = self.schema().known(self.client()).await?;
        let path = format!("dcim/devices/{}", tagged.value.id);
        let mut last = None;
        for _ in 0..ROUNDS {
            let wanted = device::Wanted { oob, tenancy };
            let body = device::changes(&tagged.value, server, entries, wanted, &self.config().status, &known);
            if body.is_empty() {
                return Ok(());
            }
            match self.client().patch(&path, &Value::Object(body), tagged.etag.as_ref()).await {
                Ok(_) => return Ok(()),
                Err(error @ NetBoxError::Changed { .. }) => last = Some(error),
                Err(error) => return Err(error.into()),
            }
            *tagged = self.client().get(&path, &[]).await?;
        }
        last.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Attempts and checkpoints within a state are the store's business.
fn says_something(entry: &JournalEntry) -> bool {
    entry.note.is_some() || entry.from != entry.to || matches!(entry.event.as_str(), "done" | "lease-seen")
}

/// Does the fault speak of this server's data only, so that the rest can be written?
fn is_of_this_server(fault: &Fault) -> bool {
    matches!(fault.code.as_str(), "address-taken" | "no-bmc-interface" | "netbox-refused" | "netbox-changed")
}
