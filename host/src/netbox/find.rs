//! Finds a server by its controller's MAC and reads what should be there.
//!
//! The filter's answer is compared MAC by MAC: NetBox ignores a filter it does not know and answers with everything.

use std::net::IpAddr;

use farrier_lifecycle::Mac;

use super::client::Client;
use super::device;
use super::error::NetBoxError;
use super::model::{Device, Interface, IpAddress, Tall};
use crate::inventory::document::UNSTATED;
use crate::inventory::{Expected, ExpectedNic, Found, Heights};

/// The interfaces that have this MAC, whatever else the filter let through.
pub(super) async fn interfaces_with(client: &Client, mac: Mac) -> Result<Vec<Interface>, NetBoxError> {
    let spelling = mac.to_string().to_uppercase();
    let found: Vec<Interface> = client.list("dcim/interfaces", &[("mac_address", &spelling)]).await?;
    Ok(found.into_iter().filter(|interface| interface.macs().contains(&mac)).collect())
}

/// The interfaces of one device.
pub(super) async fn interfaces_of(client: &Client, device: u64) -> Result<Vec<Interface>, NetBoxError> {
    let id = device.to_string();
    let found: Vec<Interface> = client.list("dcim/interfaces", &[("device_id", &id)]).await?;
    Ok(found.into_iter().filter(|interface| interface.device.id == device).collect())
}

/// Is the interface the controller's? By its name; or, where none of the device's is named so, as the only kind that is for
/// management. (A server's `mgmt0` is for management too, and is the operating system's.)
pub(super) fn is_controller(interface: &Interface, siblings: &[Interface], names: &[String]) -> bool {
    let is_named = |interface: &Interface| names.iter().any(|name| name.eq_ignore_ascii_case(&interface.name));
    is_named(interface) || (interface.mgmt_only && !siblings.iter().any(is_named))
}

/// The server whose controller has this MAC.
pub(super) async fn find(client: &Client, mac: Mac, names: &[String]) -> Result<Found, NetBoxError> {
    let matches = interfaces_with(client, mac).await?;
    let Some(first) = matches.first() else { return Ok(Found::Unknown) };
    if matches.iter().any(|interface| interface.device.id != first.device.id) {
        let mut devices: Vec<String> = matches
            .iter()
            .map(|interface| interface.device.name.clone().unwrap_or_else(|| format!("device {}", interface.device.id)))
            .collect();
        devices.sort();
        devices.dedup();
        return Ok(Found::Ambiguous(devices));
    }
    let siblings = interfaces_of(client, first.device.id).await?;
    let Some(bmc) = matches.iter().find(|interface| is_controller(interface, &siblings, names)) else {
        let device = first.device.name.clone().unwrap_or_else(|| format!("device {}", first.device.id));
        return Ok(Found::NotController { device, interface: first.name.clone() });
    };
    let device: Device = client.get(&format!("dcim/devices/{}", first.device.id), &[]).await?.value;
    Ok(Found::Server(Box::new(expected(&device, bmc, &siblings))))
}

fn expected(device: &Device, bmc: &Interface, interfaces: &[Interface]) -> Expected {
    let stated = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty() && text != UNSTATED);
    let nics = interfaces.iter().filter(|nic| nic.id != bmc.id && nic.enabled && nic.is_physical());
    Expected {
        id: device.id.to_string(),
        name: device.label(),
        site: device.site.slug.clone(),
        rack: device.rack.as_ref().map(|rack| (rack.name.clone().unwrap_or_default(), device.position.and_then(unit))),
        serial: stated(&device.serial),
        manufacturer: device.kind.manufacturer.name.as_deref().and_then(stated),
        model: stated(&device.kind.model),
        claim: device::claim(device),
        tenant: device.tenant.as_ref().and_then(|tenant| tenant.name.clone()),
        bmc_interface: bmc.name.clone(),
        nics: nics
            .map(|nic| ExpectedNic { name: nic.name.clone(), mac: nic.macs().first().copied(), cable: nic.far_end() })
            .collect(),
    }
}

/// NetBox's positions are numbers with halves; a unit counts from 1.
fn unit(position: f64) -> Option<u32> {
    (1_u32..=100).find(|unit| (f64::from(*unit) - position.floor()).abs() < 0.25)
}

/// How high the device's type and its rack are.
pub(super) async fn heights(client: &Client, expected: &Expected) -> Result<Heights, NetBoxError> {
    let device: Device = client.get(&format!("dcim/devices/{}", expected.id), &[]).await?.value;
    let kind: Tall = client.get(&format!("dcim/device-types/{}", device.kind.id), &[]).await?.value;
    let rack: Option<Tall> = match device.rack {
        Some(rack) => Some(client.get(&format!("dcim/racks/{}", rack.id), &[]).await?.value),
        None => None,
    };
    Ok(Heights { server: unit(kind.u_height.ceil()), rack: rack.and_then(|rack| unit(rack.u_height)) })
}

/// The controller's address as NetBox has it: the out-of-band address, else one on its interface.
pub(super) async fn address(client: &Client, expected: &Expected) -> Result<Option<IpAddr>, NetBoxError> {
    let device: Device = client.get(&format!("dcim/devices/{}", expected.id), &[]).await?.value;
    if let Some(oob) = device.oob_ip {
        return Ok(Some(oob.address.addr()));
    }
    let interfaces = interfaces_of(client, device.id).await?;
    let Some(bmc) = interfaces.iter().find(|interface| interface.name == expected.bmc_interface) else {
        return Ok(None);
    };
    let id = bmc.id.to_string();
    let addresses: Vec<IpAddress> = client.list("ipam/ip-addresses", &[("interface_id", &id)]).await?;
    Ok(addresses.iter().find(|address| address.is_on(bmc.id)).map(IpAddress::host))
}
