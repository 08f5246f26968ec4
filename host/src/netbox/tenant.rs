//! Whose a device is: NetBox's tenant follows a delivery, and its end.
//!
//! Written when a server is delivered and when it is taken back, and at no other time: what an operator sets in NetBox in between is
//! shown as drift, not written over. A tenant NetBox does not have is reported and never made, since its name, group and contacts
//! are not ours to invent.

use farrier_lifecycle::{Blame, Fault, JournalEntry, LifecycleState, Retry, Server};

use super::client::Client;
use super::error::NetBoxError;
use super::model::{Device, Nested};
use crate::inventory::document::slug;

/// What becomes of a device's tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenancy {
    /// As it is.
    Leave,
    /// This tenant, by NetBox's id.
    Set(u64),
    /// Nobody's.
    Clear,
}

/// Is this NetBox's tenant the one a record names, by name or slug?
pub(super) fn is_called(tenant: &Nested, name: &str) -> bool {
    let same = |text: &Option<String>| text.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(name.trim()));
    same(&tenant.name) || same(&tenant.slug)
}

/// What these transitions mean for the device's tenant; the fault is of this server, and the rest can be written.
pub(super) async fn tenancy(
    client: &Client,
    device: &Device,
    server: &Server,
    entries: &[JournalEntry],
) -> Result<(Tenancy, Option<Fault>), NetBoxError> {
    match &server.tenant {
        Some(_) if !entries.iter().any(is_delivery) => Ok((Tenancy::Leave, None)),
        Some(name) if device.tenant.as_ref().is_some_and(|tenant| is_called(tenant, name)) => {
            Ok((Tenancy::Leave, None))
        }
        Some(name) => match find(client, name).await? {
            Some(tenant) => Ok((Tenancy::Set(tenant.id), None)),
            None => Ok((Tenancy::Leave, Some(missing(server, name)))),
        },
        None if device.tenant.is_some() && entries.iter().any(is_end) => Ok((Tenancy::Clear, None)),
        None => Ok((Tenancy::Leave, None)),
    }
}

fn is_delivery(entry: &JournalEntry) -> bool {
    let delivered = entry.from == LifecycleState::Ready && entry.to == LifecycleState::Active;
    entry.event == "assign" || (entry.event == "done" && delivered)
}

/// The drives are erased: the tenant's time is over.
fn is_end(entry: &JournalEntry) -> bool {
    entry.event == "done" && entry.from == LifecycleState::Decommissioning
}

async fn find(client: &Client, name: &str) -> Result<Option<Nested>, NetBoxError> {
    let by_slug = slug(name);
    for query in [("name", name.trim()), ("slug", by_slug.as_str())] {
        let found: Vec<Nested> = client.list("tenancy/tenants", &[query]).await?;
        let is_it = |tenant: &Nested| is_called(tenant, name) || tenant.slug.as_deref() == Some(&by_slug);
        if let Some(tenant) = found.into_iter().find(is_it) {
            return Ok(Some(tenant));
        }
    }
    Ok(None)
}

fn missing(server: &Server, name: &str) -> Fault {
    let text = format!("NetBox has no tenant called `{name}`, to whom {} is delivered", server.label());
    Fault::new("no-tenant", Retry::Slowly, Blame::Inventory, text)
        .hint("make the tenant in NetBox; it is set by itself within minutes")
}
