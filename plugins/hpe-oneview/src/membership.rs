//! Adding a server and removing it.
//!
//! Promises: an address is added once, however often and after whatever crash it is asked; a server that is there is `done`. Does
//! not: send `force`, which would take a server from another appliance.
//!
//! Not obvious: whether another request already adds the address is seen in the tasks before it is seen among the servers.

use crate::hardware;
use crate::tasks::{self, About, Aim};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{Body, Busy, Completion, Error, Method, RemoteError};
use farrier_plugin_sdk_fleet::rest::Rest;
use farrier_plugin_sdk_fleet::types::{BmcAccess, ServerRef};

/// See [`Fleet::register`](farrier_plugin_sdk_fleet::Fleet::register).
pub fn register(api: &Rest<'_>, server: &ServerRef, access: &BmcAccess) -> Result<Completion, Error> {
    if let Some(found) = present(api, server)? {
        return as_found(api, server, &found);
    }
    let Some(address) = &server.bmc_address else {
        return Err(Error::InvalidInput(format!("{} has no address to add it by", server.name)));
    };
    let about = About { address: Some(address.clone()), ..About::default() };
    if let Some(task) = tasks::running(api, Aim::Add, &about)? {
        return Ok(tasks::job(Aim::Add, Some(&task), &about, &title("adding", server)));
    }
    let body = json!({
        "hostname": address,
        "username": { "$secret": access.username_secret },
        "password": { "$secret": access.password_secret },
        "force": false,
        "licensingIntent": "OneViewNoiLO",
        "configurationState": "Managed",
    });
    match api.post(hardware::LIST, &body) {
        Ok(answer) => Ok(tasks::job(Aim::Add, tasks::started(&answer).as_deref(), &about, &title("adding", server))),
        // Somebody was quicker: then it is there now, or on its way.
        Err(refused @ (Error::Rejected(_) | Error::Conflict(_))) => match present(api, server)? {
            Some(found) => as_found(api, server, &found),
            None => Err(refused),
        },
        Err(other) => Err(other),
    }
}

/// The server by serial number, else whatever has its address.
fn present(api: &Rest<'_>, server: &ServerRef) -> Result<Option<Value>, Error> {
    if let Some(found) = hardware::locate(api, server)? {
        return Ok(Some(found));
    }
    let Some(address) = server.bmc_address.as_ref().filter(|_| server.serial.is_some()) else { return Ok(None) };
    let Some(found) = hardware::by_address(api, address)? else { return Ok(None) };
    match (found.text(&["serialNumber"]), &server.serial) {
        (Some(other), Some(serial)) if !other.eq_ignore_ascii_case(serial.trim()) => {
            Err(Error::Rejected(RemoteError {
                status: None,
                code: Some("address-in-use".to_owned()),
                message: format!("the appliance has another server at {address}: serial number {other}, not {serial}"),
                resolution: Some("Remove the other server from the appliance, or refresh it there.".to_owned()),
            }))
        }
        _ => Ok(Some(found)),
    }
}

fn as_found(api: &Rest<'_>, server: &ServerRef, found: &Value) -> Result<Completion, Error> {
    let state = hardware::state(found);
    let about =
        About { hardware: Some(hardware::uri(found)?), address: server.bmc_address.clone(), ..About::default() };
    match state.as_str() {
        "Adding" => {
            let task = tasks::running(api, Aim::Add, &about)?;
            Ok(tasks::job(Aim::Add, task.as_deref(), &about, &title("adding", server)))
        }
        "Removing" => Err(Error::Busy(Busy { retry_after: None, reason: "the server is being removed".to_owned() })),
        "AddError" | "RemoveFailed" | "UnsupportedHardware" | "UnsupportedFirmware" => {
            Err(Error::Rejected(RemoteError {
                status: None,
                code: Some(state.clone()),
                message: format!("the appliance has the server in state {state}"),
                resolution: Some("Refresh or remove the server on the appliance.".to_owned()),
            }))
        }
        _ => Ok(Completion::Done),
    }
}

/// See [`Fleet::unregister`](farrier_plugin_sdk_fleet::Fleet::unregister).
pub fn unregister(api: &Rest<'_>, server: &ServerRef) -> Result<Completion, Error> {
    let Some(found) = hardware::locate(api, server)? else { return Ok(Completion::Done) };
    let uri = hardware::uri(&found)?;
    let about = About { hardware: Some(uri.clone()), address: server.bmc_address.clone(), ..About::default() };
    if let Some(task) = tasks::running(api, Aim::Remove, &about)? {
        return Ok(tasks::job(Aim::Remove, Some(&task), &about, &title("removing", server)));
    }
    if found.text(&["serverProfileUri"]).is_some() {
        return Err(Error::Rejected(RemoteError {
            status: None,
            code: Some("profile-applied".to_owned()),
            message: format!("{} has a server profile", server.name),
            resolution: Some("Unassign or delete the profile on the appliance.".to_owned()),
        }));
    }
    match api.send(Method::Delete, &uri, Body::None) {
        Ok(answer) => {
            Ok(tasks::job(Aim::Remove, tasks::started(&answer).as_deref(), &about, &title("removing", server)))
        }
        Err(Error::NotFound(_)) => Ok(Completion::Done),
        Err(other) => Err(other),
    }
}

fn title(doing: &str, server: &ServerRef) -> String {
    format!("OneView: {doing} {}", server.name)
}
