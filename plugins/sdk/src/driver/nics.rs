//! The network interfaces of a server.
//!
//! Promises: each MAC once, in lower case; the host's own interface towards the controller is left out. Does not:
//! guess a port's cable.
//!
//! Not obvious: `EthernetInterfaces` is asked first because it is flat; the functions of `NetworkAdapters` only where
//! it names no MAC, as each costs a request.

use super::{Context, Vendor};
use crate::json::Json;
use crate::text;
use crate::types::{Error, Nic};
use serde_json::Value;

/// The interfaces, corrected by the vendor's hook.
pub fn read<V: Vendor>(vendor: &V, context: &Context<'_>, system: &Value) -> Result<Vec<Nic>, Error> {
    let members = context.redfish.members(system.link(&["EthernetInterfaces"]).as_deref())?;
    let mut nics: Vec<Nic> = Vec::new();
    for nic in members.iter().filter(|value| !is_to_manager(value)).filter_map(|value| interface(value)) {
        add(&mut nics, nic);
    }
    if nics.is_empty() {
        for nic in of_adapters(context)? {
            add(&mut nics, nic);
        }
    }
    vendor.nics(context, &mut nics)?;
    Ok(nics)
}

/// Add an interface whose MAC is not there yet.
fn add(nics: &mut Vec<Nic>, nic: Nic) {
    if !nics.iter().any(|known| known.mac == nic.mac) {
        nics.push(nic);
    }
}

fn is_to_manager(value: &Value) -> bool {
    value.text(&["Id"]).is_some_and(|id| id.eq_ignore_ascii_case("tomanager"))
}

fn interface(value: &Value) -> Option<Nic> {
    let mac = value.text(&["PermanentMACAddress"]).or_else(|| value.text(&["MACAddress"]))?;
    Some(Nic {
        name: value.text(&["Id"]).unwrap_or_default(),
        mac: text::mac(&mac)?,
        speed: value.natural(&["SpeedMbps"]).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
        link_up: link_up(value.text(&["LinkStatus"]).as_deref()),
    })
}

/// `LinkUp` and `LinkDown`; anything else says nothing.
pub fn link_up(status: Option<&str>) -> Option<bool> {
    match status.map(str::to_ascii_lowercase).as_deref() {
        Some("linkup" | "up") => Some(true),
        Some("linkdown" | "down" | "nolink") => Some(false),
        _ => None,
    }
}

/// The Ethernet functions of the chassis' adapters.
fn of_adapters(context: &Context<'_>) -> Result<Vec<Nic>, Error> {
    let Some(chassis) = context.chassis()? else { return Ok(Vec::new()) };
    let adapters = context.redfish.members(chassis.link(&["NetworkAdapters"]).as_deref())?;
    let mut nics = Vec::new();
    for adapter in adapters {
        let id = adapter.text(&["Id"]).unwrap_or_default();
        let functions = context.redfish.members(adapter.link(&["NetworkDeviceFunctions"]).as_deref())?;
        for function in functions {
            let permanent = function.text(&["Ethernet", "PermanentMACAddress"]);
            let Some(mac) = permanent.or_else(|| function.text(&["Ethernet", "MACAddress"])) else { continue };
            let Some(mac) = text::mac(&mac) else { continue };
            let number = function.text(&["Id"]).unwrap_or_default();
            let name = if number.contains(&id) { number } else { format!("{id}-{number}") };
            nics.push(Nic { name, mac, speed: None, link_up: None });
        }
    }
    Ok(nics)
}
