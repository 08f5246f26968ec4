//! A server in OneView: `server-hardware`.
//!
//! Promises: a server is found by its serial number, compared exactly; by its controller's address only where it has no serial
//! number yet. Does not: use the name, which may be a host name, an address or a bay.
//!
//! Not obvious: a filter is a help, not a proof; what it returns is compared again here.

use crate::api::{filter, first, same};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::types::{Error, Health};
use farrier_plugin_sdk_fleet::rest::Rest;
use farrier_plugin_sdk_fleet::types::{Member, ServerRef};
use std::net::IpAddr;

/// The list of all servers.
pub const LIST: &str = "/rest/server-hardware";

/// The server, if the appliance has it.
pub fn locate(api: &Rest<'_>, server: &ServerRef) -> Result<Option<Value>, Error> {
    match (&server.serial, &server.bmc_address) {
        (Some(serial), _) => by_serial(api, serial),
        (None, Some(address)) => by_address(api, address),
        (None, None) => Err(Error::InvalidInput(format!("{} has neither serial number nor address", server.name))),
    }
}

/// By serial number; two servers with one serial number are a conflict, never a guess.
pub fn by_serial(api: &Rest<'_>, serial: &str) -> Result<Option<Value>, Error> {
    let plain = serial.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let query = if plain { filter("serialNumber", serial) } else { String::new() };
    let mut found: Vec<Value> = Vec::new();
    api.list(&first(LIST, &query), &mut |one| {
        if one.text(&["serialNumber"]).is_some_and(|other| other.eq_ignore_ascii_case(serial.trim())) {
            found.push(one.clone());
        }
        true
    })?;
    if found.len() > 1 {
        return Err(Error::Conflict(format!("the appliance has {} servers with serial number {serial}", found.len())));
    }
    Ok(found.pop())
}

/// By the address of its controller, among all.
pub fn by_address(api: &Rest<'_>, address: &str) -> Result<Option<Value>, Error> {
    let mut found = None;
    api.list(&first(LIST, ""), &mut |one| {
        if has_address(one, address) {
            found = Some(one.clone());
        }
        found.is_none()
    })?;
    Ok(found)
}

fn has_address(hardware: &Value, wanted: &str) -> bool {
    let listed = hardware.list(&["mpHostInfo", "mpIpAddresses"]).iter().filter_map(|one| one.text(&["address"]));
    listed.chain(hardware.text(&["mpHostInfo", "mpHostName"])).any(|one| same_address(&one, wanted))
}

/// Whether two texts are one address, however they write it.
pub fn same_address(a: &str, b: &str) -> bool {
    match (a.trim().parse::<IpAddr>(), b.trim().parse::<IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => same(a, b),
    }
}

/// `uri`, without which a server cannot be worked on.
pub fn uri(hardware: &Value) -> Result<String, Error> {
    hardware.text(&["uri"]).ok_or_else(|| Error::Malformed("a server in the list has no `uri`".to_owned()))
}

/// `state`, empty where it is not said.
pub fn state(hardware: &Value) -> String {
    hardware.text(&["state"]).unwrap_or_default()
}

/// The states of a server that the appliance manages or monitors.
pub fn is_settled(state: &str) -> bool {
    ["Monitored", "NoProfileApplied", "ProfileApplied", "ApplyingProfile", "RemovingProfile", "ProfileError"]
        .contains(&state)
        || state == "UpdatingFirmware"
}

/// The profile applied to the server.
pub fn profile(api: &Rest<'_>, hardware: &Value) -> Result<Option<Value>, Error> {
    match hardware.text(&["serverProfileUri"]) {
        Some(uri) => api.find(&uri),
        None => Ok(None),
    }
}

/// What the host is told of the server.
pub fn member(api: &Rest<'_>, hardware: &Value) -> Result<Member, Error> {
    let baseline = profile(api, hardware)?.as_ref().and_then(held_to);
    Ok(Member { id: uri(hardware)?, health: health(hardware), baseline })
}

/// The bundle a profile holds its server to.
pub fn held_to(profile: &Value) -> Option<String> {
    let managed = profile.flag(&["firmware", "manageFirmware"]) == Some(true);
    profile.text(&["firmware", "firmwareBaselineUri"]).filter(|_| managed)
}

fn health(hardware: &Value) -> Health {
    match hardware.text(&["status"]).unwrap_or_default().as_str() {
        "OK" => Health::Ok,
        "Warning" => Health::Warning,
        "Critical" => Health::Critical,
        _ => Health::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::same_address;

    #[test]
    fn an_address_has_many_spellings() {
        assert!(same_address("fe80:0:0:0:2:0:3:15", "fe80::2:0:3:15"));
        assert!(same_address("172.18.6.21", " 172.18.6.21"));
        assert!(!same_address("172.18.6.2", "172.18.6.21"));
    }
}
