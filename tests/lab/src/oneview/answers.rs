//! Bodies, in the shapes of HPE's recordings.

use serde_json::{Value, json};

use super::BUNDLE;
use super::state::{Hardware, Profile, Task, Work};
use crate::appliance::Machine;
use crate::redfish::reply::Reply;

/// An error as OneView words it.
pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        json!({
            "errorCode": code, "message": message, "details": null, "recommendedActions": ["Correct the request and try again."],
            "nestedErrors": [], "errorSource": null, "data": {},
        }),
    )
}

/// The page of a list that starts at `start`.
pub(super) fn page(uri: &str, members: &[Value], start: usize, count: usize, rest: &str) -> Reply {
    let part: Vec<Value> = members.iter().skip(start).take(count).cloned().collect();
    let next = start + part.len();
    let next = (next < members.len()).then(|| format!("{uri}?start={next}&count={count}{rest}"));
    Reply::json(
        200,
        json!({
            "type": "ResourceListV2", "category": "list", "count": part.len(), "total": members.len(), "start": start,
            "prevPageUri": null, "nextPageUri": next, "uri": uri, "eTag": null, "members": part,
        }),
    )
}

/// A server. While it is being added only its address is known.
pub(super) fn server(hardware: &Hardware, machine: &Machine) -> Value {
    let uri = format!("/rest/server-hardware/{}", hardware.uuid);
    let adding = hardware.state == "Adding";
    let profile = hardware.profile.as_ref().map(|_| format!("/rest/server-profiles/{}", hardware.uuid));
    json!({
        "type": "server-hardware-13", "category": "server-hardware", "uri": uri, "uuid": hardware.uuid,
        "name": machine.address, "status": if machine.is_current() { "OK" } else { "Warning" },
        "serialNumber": if adding { Value::Null } else { json!(machine.serial) },
        "model": machine.model, "shortModel": machine.model, "state": hardware.state, "stateReason": "NotApplicable",
        "refreshState": "NotRefreshing", "powerState": if machine.on { "On" } else { "Off" }, "powerLock": false,
        "mpModel": "iLO5", "mpFirmwareVersion": "2.30 Jul 23 2015", "mpState": "OK", "mpLicenseType": machine.licence,
        "mpHostInfo": {
            "mpHostName": machine.address,
            "mpIpAddresses": [
                { "address": "fe80:0:0:0:2:0:3:15", "type": "LinkLocal" }, { "address": machine.address, "type": "Static" },
            ],
        },
        "serverProfileUri": profile, "serverFirmwareInventoryUri": format!("{uri}/firmware"),
        "licensingIntent": "OneViewNoiLO", "maintenanceMode": "Normal", "scopeUris": [], "eTag": "1500926327179",
    })
}

/// A task.
pub(super) fn task(task: &Task) -> Value {
    let (state, percent) = match (task.ended, &task.error) {
        (false, _) => ("Running", 40),
        (true, Some(_)) => ("Error", 100),
        (true, None) => ("Completed", 100),
    };
    let errors: Vec<Value> = task
        .error
        .iter()
        .filter(|_| task.ended)
        .map(|code| json!({ "errorCode": code, "message": "The operation did not end well.", "recommendedActions": ["Look at the server."] }))
        .collect();
    let name = match task.work {
        Work::Add => "Add",
        Work::Remove => "Remove",
        Work::Update => "Update firmware",
    };
    json!({
        "type": "TaskResourceV2", "category": "tasks", "uri": format!("/rest/tasks/{}", task.id), "name": name,
        "owner": "farrier", "taskState": state, "percentComplete": percent, "taskErrors": errors,
        "associatedResource": {
            "resourceCategory": "server-hardware", "resourceUri": format!("/rest/server-hardware/{}", task.uuid),
            "resourceName": task.name,
        },
        "progressUpdates": [], "created": "2024-05-07T09:33:07.161Z",
    })
}

/// The firmware bundle.
pub(super) fn bundle() -> Value {
    json!({
        "type": "firmware-baselines", "category": "firmware-drivers", "uri": format!("/rest/firmware-drivers/{}", BUNDLE.0),
        "resourceId": BUNDLE.0, "name": BUNDLE.1, "version": "2024.03.0", "bundleType": "SPP", "state": "Created",
    })
}

/// A server profile.
pub(super) fn profile(hardware: &Hardware, profile: &Profile) -> Value {
    json!({
        "type": "ServerProfileV12", "category": "server-profiles", "uri": format!("/rest/server-profiles/{}", hardware.uuid),
        "name": format!("profile of {}", hardware.uuid), "eTag": profile.etag.to_string(),
        "serverHardwareUri": format!("/rest/server-hardware/{}", hardware.uuid), "state": "Normal", "status": "OK",
        "firmware": {
            "manageFirmware": profile.managed, "firmwareBaselineUri": profile.baseline, "forceInstallFirmware": false,
            "firmwareInstallType": null,
        },
        "connectionSettings": { "connections": [] },
    })
}
