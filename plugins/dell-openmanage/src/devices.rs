//! A server in OpenManage: a device of type 1000.
//!
//! Promises: a server is found by its service tag, compared exactly; by its controller's address or MAC only where the inventory has
//! no tag. Does not: use `DeviceName`, which may be a host name, an address or a tag, or `ManagementURL`, which is no URL for IPv6.
//!
//! Not obvious: some appliances match the start of a tag where they are asked for the whole; a blade's chassis tag is another field.

use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::text;
use farrier_plugin_sdk::types::{Error, Health};
use farrier_plugin_sdk_fleet::openmanage::{DEVICES, filtered};
use farrier_plugin_sdk_fleet::rest::Rest;
use farrier_plugin_sdk_fleet::types::{Member, ServerRef};
use std::net::IpAddr;

/// `Type` of a server.
const SERVER: u64 = 1000;

/// The server, if the appliance has it.
pub fn locate(ome: &Rest<'_>, server: &ServerRef) -> Result<Option<Value>, Error> {
    seek(ome, server.serial.as_deref(), server.bmc_address.as_deref(), server.bmc_mac.as_deref())
}

/// By service tag, else by address or MAC.
pub fn seek(
    ome: &Rest<'_>,
    tag: Option<&str>,
    address: Option<&str>,
    mac: Option<&str>,
) -> Result<Option<Value>, Error> {
    let first = match (tag, address, mac) {
        (Some(tag), _, _) => filtered(DEVICES, "DeviceServiceTag", tag),
        (None, None, None) => {
            return Err(Error::InvalidInput("the server has no service tag, address or MAC".to_owned()));
        }
        _ => DEVICES.to_owned(),
    };
    let fits = |device: &Value| match tag {
        Some(tag) => device.text(&["DeviceServiceTag"]).is_some_and(|own| own.eq_ignore_ascii_case(tag.trim())),
        None => is_managed_at(device, address, mac),
    };
    let mut found: Vec<Value> = Vec::new();
    ome.list(&first, &mut |device| {
        if device.natural(&["Type"]) == Some(SERVER) && fits(device) {
            found.push(device.clone());
        }
        true
    })?;
    if found.len() > 1 {
        return Err(Error::Conflict(format!("the appliance has {} devices that are this server", found.len())));
    }
    Ok(found.pop())
}

fn is_managed_at(device: &Value, address: Option<&str>, mac: Option<&str>) -> bool {
    device.list(&["DeviceManagement"]).iter().any(|one| {
        let by_address = one.text(&["NetworkAddress"]).zip(address).is_some_and(|(a, b)| same_address(&a, b));
        let own = one.text(&["MacAddress"]).and_then(|own| text::mac(&own));
        by_address || (own.is_some() && own == mac.and_then(text::mac))
    })
}

/// Whether two texts are one address, however they write it.
pub fn same_address(a: &str, b: &str) -> bool {
    match (a.trim().parse::<IpAddr>(), b.trim().parse::<IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.trim().eq_ignore_ascii_case(b.trim()),
    }
}

/// `Id`, without which a device cannot be worked on.
pub fn id(device: &Value) -> Result<u64, Error> {
    device.natural(&["Id"]).ok_or_else(|| Error::Malformed("a device in the list has no `Id`".to_owned()))
}

/// What the host is told of the server.
pub fn member(ome: &Rest<'_>, device: &Value) -> Result<Member, Error> {
    let id = id(device)?;
    let mut names: Vec<String> = Vec::new();
    ome.list("/api/UpdateService/Baselines", &mut |baseline| {
        let held = baseline.list(&["Targets"]).iter().any(|target| is_device(target, id));
        names.extend(baseline.text(&["Name"]).filter(|_| held));
        true
    })?;
    // Of several none is the one it is held to; the host then has to name one.
    let baseline = if names.len() == 1 { names.pop() } else { None };
    Ok(Member { id: id.to_string(), health: health(device), baseline })
}

/// Whether a target of a baseline or job is this device and not a group with the same number.
pub fn is_device(target: &Value, id: u64) -> bool {
    let kind = target.natural(&["Type", "Id"]).or_else(|| target.natural(&["TargetType", "Id"]));
    target.natural(&["Id"]) == Some(id) && kind == Some(SERVER)
}

fn health(device: &Value) -> Health {
    match device.natural(&["Status"]) {
        Some(1000) => Health::Ok,
        Some(3000) => Health::Warning,
        Some(4000) => Health::Critical,
        _ => Health::Unknown,
    }
}
