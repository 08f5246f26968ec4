//! Writes the MACs NetBox knows as the PoC's CSV, so that what reads that file goes on working.
//!
//! Servers are devices whose role says so, as in the PoC, or that have an interface with a controller's name.

use std::collections::BTreeMap;

use super::client::Client;
use super::error::NetBoxError;
use super::model::{Device, Interface};
use crate::inventory::csv::Line;

/// One line for each interface with a MAC, by site, rack, server and interface.
pub async fn macs(client: &Client, bmc_interfaces: &[String]) -> Result<Vec<Line>, NetBoxError> {
    let devices: Vec<Device> = client.list("dcim/devices", &[]).await?;
    let mut interfaces: BTreeMap<u64, Vec<Interface>> = BTreeMap::new();
    for interface in client.list::<Interface>("dcim/interfaces", &[]).await? {
        interfaces.entry(interface.device.id).or_default().push(interface);
    }
    let mut lines = Vec::new();
    for device in &devices {
        let own = interfaces.remove(&device.id).unwrap_or_default();
        let named =
            |interface: &Interface| bmc_interfaces.iter().any(|name| name.eq_ignore_ascii_case(&interface.name));
        let role = device.role.as_ref().and_then(|role| role.name.as_deref()).unwrap_or_default();
        if role.to_lowercase().contains("server") || own.iter().any(named) {
            lines.extend(own.iter().filter_map(|interface| line(device, interface)));
        }
    }
    lines.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(lines)
}

fn key(line: &Line) -> (&str, &str, &str, &str) {
    (&line.datacenter, &line.rack, &line.server, &line.interface)
}

fn line(device: &Device, interface: &Interface) -> Option<Line> {
    let mac = *interface.macs().first()?;
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    Some(Line {
        datacenter: name(&device.site.name),
        rack: device.rack.as_ref().map(|rack| name(&rack.name)).unwrap_or_default(),
        server: device.label(),
        interface: interface.name.clone(),
        mac: mac.to_string().to_uppercase(),
        kind: interface.kind.value.clone(),
        description: interface.description.clone(),
    })
}
