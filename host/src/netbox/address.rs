//! The controller's address: one IP address object on the controller's interface, moved when the lease moves.
//!
//! DHCP owns the fact. An address that this program made (its description says so) is moved or taken over freely; one that an
//! operator made for something else is left alone and reported, because two truths about one address need a person. What is meant by
//! "one address" ends at the routing table: the same number in another VRF is another address.

use std::net::IpAddr;

use farrier_lifecycle::{Blame, Fault, Retry, Server};
use serde_json::{Value, json};

use super::client::{Client, Tagged};
use super::device::iso;
use super::error::NetBoxError;
use super::find::interfaces_with;
use super::model::{Device, Interface, IpAddress, Nested, Prefix};

/// How the description of an address begins that this program made; the PoC's words.
const OURS: &str = "Auto-assigned by DHCP";

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// The address object that should be the device's `oob_ip`.
    pub oob: Option<u64>,
    /// Addresses of ours on the interface that are out of date; freed once `oob_ip` points elsewhere.
    pub stale: Vec<u64>,
}

/// Bring the address on the controller's interface up to date. Sends nothing where `oob_ip` is right already.
pub(super) async fn place(
    client: &Client,
    device: &Device,
    server: &Server,
    prefix_length: u8,
) -> Result<Placed, Fault> {
    let ip = server.lease.ip;
    if device.oob_ip.as_ref().is_some_and(|oob| oob.address.addr() == ip) {
        return Ok(Placed::default());
    }
    let interfaces = interfaces_with(client, server.lease.mac).await?;
    let Some(bmc) = interfaces.iter().find(|interface| interface.device.id == device.id) else {
        let text = format!("no interface of {} has the MAC {}", device.label(), server.lease.mac);
        return Err(Fault::new("no-bmc-interface", Retry::Slowly, Blame::Inventory, text));
    };
    let own = on_interface(client, bmc.id).await?;
    let ours: Vec<&IpAddress> = own.iter().filter(|address| is_ours(address) && address.host() != ip).collect();
    let stale: Vec<u64> = ours.iter().map(|address| address.id).collect();
    let assign =
        json!({"assigned_object_type": "dcim.interface", "assigned_object_id": bmc.id, "description": words(server)});
    if let Some(there) = own.iter().find(|address| address.host() == ip) {
        return Ok(Placed { oob: Some(there.id), stale });
    }
    let (length, vrf) = containing(client, device, bmc, ip, prefix_length).await?;
    let known = same_address(client, ip, vrf).await?;
    if let Some(free) = known.iter().find(|address| is_free(address)) {
        client.patch(&format!("ipam/ip-addresses/{}", free.id), &assign, None).await?;
        return Ok(Placed { oob: Some(free.id), stale });
    }
    if let Some(held) = known.first() {
        let Some(mine) = known.iter().find(|address| is_ours(address)) else { return Err(taken(held, device)) };
        release(client, mine).await?;
        client.patch(&format!("ipam/ip-addresses/{}", mine.id), &assign, None).await?;
        return Ok(Placed { oob: Some(mine.id), stale });
    }
    let mut body = assign;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("address".to_owned(), format!("{ip}/{length}").into());
        fields.insert("status".to_owned(), "dhcp".into());
        fields.insert("vrf".to_owned(), vrf.map_or(Value::Null, Value::from));
    }
    if let [moved] = ours.as_slice() {
        client.patch(&format!("ipam/ip-addresses/{}", moved.id), &body, None).await?;
        return Ok(Placed { oob: Some(moved.id), stale: Vec::new() });
    }
    let made = client.post("ipam/ip-addresses", &body).await?;
    Ok(Placed { oob: made.get("id").and_then(Value::as_u64), stale })
}

/// Take addresses off the interface that the lease has left.
pub(super) async fn free(client: &Client, stale: &[u64]) -> Result<(), NetBoxError> {
    let body = json!({"assigned_object_type": null, "assigned_object_id": null});
    for id in stale {
        client.patch(&format!("ipam/ip-addresses/{id}"), &body, None).await?;
    }
    Ok(())
}

fn is_ours(address: &IpAddress) -> bool {
    address.description.starts_with(OURS)
}

/// Nobody's, and no operator said what it is for.
fn is_free(address: &IpAddress) -> bool {
    address.assigned_object_id.is_none() && (is_ours(address) || address.description.trim().is_empty())
}

fn words(server: &Server) -> String {
    format!("{OURS} on {}", iso(server.lease.at, false))
}

fn taken(held: &IpAddress, device: &Device) -> Fault {
    let (ip, label) = (held.host(), device.label());
    let fault = |text: String| Fault::new("address-taken", Retry::Slowly, Blame::Inventory, text);
    if held.assigned_object_id.is_none() {
        let text =
            format!("{label} leases {ip}, which NetBox keeps for something (`{}`)", held.description.escape_debug());
        return fault(text).hint(
            "put it on the controller's interface in NetBox, or clear its description; or keep it out of the DHCP server's range",
        );
    }
    let holder = held.assigned_object.as_ref().and_then(|object| object.device.as_ref()?.name.clone());
    let holder = holder.unwrap_or_else(|| "something else".to_owned());
    fault(format!("{label} leases {ip}, which NetBox has on {holder}"))
        .hint("free the address in NetBox, or keep it out of the DHCP server's range")
}

/// Addresses with this host part in one routing table, of any prefix length; the filter's answer is compared.
async fn same_address(client: &Client, ip: IpAddr, vrf: Option<u64>) -> Result<Vec<IpAddress>, NetBoxError> {
    let found: Vec<IpAddress> = client.list("ipam/ip-addresses", &[("address", &ip.to_string())]).await?;
    Ok(found.into_iter().filter(|address| address.host() == ip && id(address.vrf.as_ref()) == vrf).collect())
}

fn id(object: Option<&Nested>) -> Option<u64> {
    object.map(|object| object.id)
}

async fn on_interface(client: &Client, interface: u64) -> Result<Vec<IpAddress>, NetBoxError> {
    let found: Vec<IpAddress> = client.list("ipam/ip-addresses", &[("interface_id", &interface.to_string())]).await?;
    Ok(found.into_iter().filter(|address| address.is_on(interface)).collect())
}

/// NetBox keeps an address where it is while it is a device's out-of-band address, so that goes first.
async fn release(client: &Client, address: &IpAddress) -> Result<(), NetBoxError> {
    let Some(holder) = address.assigned_object.as_ref().and_then(|object| object.device.as_ref()) else {
        return Ok(());
    };
    let path = format!("dcim/devices/{}", holder.id);
    let Tagged { value, etag } = client.get::<Device>(&path, &[]).await?;
    if value.oob_ip.is_some_and(|oob| oob.id == address.id) {
        client.patch(&path, &json!({"oob_ip": null}), etag.as_ref()).await?;
    }
    Ok(())
}

/// Prefix length and routing table of the smallest prefix around the address, the device's own site before others. Where the interface has a
/// routing table, that is the one.
async fn containing(
    client: &Client,
    device: &Device,
    bmc: &Interface,
    ip: IpAddr,
    default: u8,
) -> Result<(u8, Option<u64>), NetBoxError> {
    let found: Vec<Prefix> = client.list("ipam/prefixes", &[("contains", &ip.to_string())]).await?;
    let said = id(bmc.vrf.as_ref());
    let in_table = |prefix: &Prefix| said.is_none() || id(prefix.vrf.as_ref()) == said;
    let around = found.iter().filter(|prefix| prefix.network.contains(&ip) && in_table(prefix));
    let best = around.max_by_key(|prefix| (prefix.site() == Some(device.site.id), prefix.network.prefix_len()));
    let default = if ip.is_ipv4() { default.min(32) } else { 64 };
    Ok(best.map_or((default, said), |prefix| (prefix.network.prefix_len(), id(prefix.vrf.as_ref()))))
}
