//! Discovering a server by its address, and removing it.
//!
//! Promises: an address is discovered once, however often and after whatever crash it is asked; a server that is there is `done`.
//! Does not: read anything of a connection profile, which may hold the controller's password.
//!
//! Not obvious: the discovery is named for the server, so that a second call finds the first one's. A discovery that ended without
//! the server is removed and made anew, because the password may be another one by now.

use crate::devices;
use crate::jobs::{self, About, Aim, Phase};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{Busy, Completion, Error};
use farrier_plugin_sdk_fleet::rest::Rest;
use farrier_plugin_sdk_fleet::types::{BmcAccess, ServerRef};

const GROUPS: &str = "/api/DiscoveryConfigService/DiscoveryConfigGroups";
const REMOVE_GROUPS: &str = "/api/DiscoveryConfigService/Actions/DiscoveryConfigService.RemoveDiscoveryGroup";
const REMOVE_DEVICES: &str = "/api/DeviceService/Actions/DeviceService.RemoveDevices";

/// A discovery on the appliance that is about a server.
struct Group {
    id: u64,
    /// We made it.
    ours: bool,
}

/// See [`Fleet::register`](farrier_plugin_sdk_fleet::Fleet::register).
pub fn register(ome: &Rest<'_>, server: &ServerRef, access: &BmcAccess) -> Result<Completion, Error> {
    if devices::locate(ome, server)?.is_some() {
        return Ok(Completion::Done);
    }
    let Some(address) = &server.bmc_address else {
        return Err(Error::InvalidInput(format!("{} has no address to discover it by", server.name)));
    };
    let about = About { tag: server.serial.clone(), address: Some(address.clone()) };
    let title = format!("OpenManage: discovering {}", server.name);
    let groups = groups(ome, server)?;
    for group in &groups {
        if let Some(task) = under_way(ome, group.id)? {
            return Ok(jobs::job(Aim::Add, Some(task), &about, &title));
        }
    }
    // One that ended between the first look and this one has brought the server.
    if !groups.is_empty() && devices::locate(ome, server)?.is_some() {
        return Ok(Completion::Done);
    }
    let ended: Vec<u64> = groups.iter().filter(|group| group.ours).map(|group| group.id).collect();
    remove_groups(ome, &ended)?;
    let answer = ome.post(GROUPS, &request(server, address, access))?.body;
    let task = answer.list(&["DiscoveryConfigTaskParam"]).first().and_then(|one| one.natural(&["TaskId"]));
    Ok(jobs::job(Aim::Add, task, &about, &title))
}

/// The name of our discovery of a server.
fn name(server: &ServerRef) -> String {
    format!("farrier-{}", server.id)
}

/// The profile is JSON in a string of JSON; the host puts the secrets in before it makes the string.
fn request(server: &ServerRef, address: &str, access: &BmcAccess) -> Value {
    let credentials = json!({
        "username": { "$secret": access.username_secret },
        "password": { "$secret": access.password_secret },
        "port": 443, "retries": 3, "timeout": 60,
        "caCheck": false, "cnCheck": false, "certificateData": null, "isHttp": false, "keepAlive": true,
    });
    let one = |kind: &str| json!({ "type": kind, "authType": "Basic", "modified": false, "credentials": credentials });
    let profile = json!({
        "profileId": 0, "profileName": "", "profileDescription": "", "type": "DISCOVERY",
        "credentials": [one("WSMAN"), one("REDFISH")],
    });
    json!({
        "DiscoveryConfigGroupName": name(server),
        "DiscoveryConfigModels": [{
            "DeviceType": [1000],
            "DiscoveryConfigTargets": [{ "NetworkAddressDetail": address }],
            "ConnectionProfile": { "$json": profile },
        }],
        "Schedule": { "RunNow": true, "RunLater": false, "Cron": "startnow" },
        "TrapDestination": false,
        "CreateGroup": true,
    })
}

/// The discoveries of this server: ours by name, anybody's by address.
fn groups(ome: &Rest<'_>, server: &ServerRef) -> Result<Vec<Group>, Error> {
    let (wanted, mut found) = (name(server), Vec::new());
    ome.list(GROUPS, &mut |group| {
        let ours = group.text(&["DiscoveryConfigGroupName"]).as_deref() == Some(wanted.as_str());
        let targets =
            group.list(&["DiscoveryConfigModels"]).iter().flat_map(|one| one.list(&["DiscoveryConfigTargets"]));
        let mut addresses = targets.filter_map(|target| target.text(&["NetworkAddressDetail"]));
        let same =
            |address: String| server.bmc_address.as_ref().is_some_and(|own| devices::same_address(own, &address));
        if let (true, Some(id)) = (ours || addresses.any(same), group.natural(&["DiscoveryConfigGroupId"])) {
            found.push(Group { id, ours });
        }
        true
    })?;
    Ok(found)
}

/// The job of a discovery, while it has not ended.
fn under_way(ome: &Rest<'_>, group: u64) -> Result<Option<u64>, Error> {
    let mut jobs: Vec<u64> = Vec::new();
    ome.list("/api/DiscoveryConfigService/Jobs", &mut |job| {
        if job.natural(&["DiscoveryConfigGroupId"]) == Some(group) {
            jobs.extend(job.natural(&["JobId"]));
        }
        true
    })?;
    for id in jobs {
        let running = jobs::get(ome, id)?.is_some_and(|job| jobs::phase(&job) == Phase::Running);
        if running {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn remove_groups(ome: &Rest<'_>, groups: &[u64]) -> Result<(), Error> {
    if groups.is_empty() {
        return Ok(());
    }
    ome.post(REMOVE_GROUPS, &json!({ "DiscoveryGroupIds": groups })).map(|_| ())
}

/// See [`Fleet::unregister`](farrier_plugin_sdk_fleet::Fleet::unregister).
pub fn unregister(ome: &Rest<'_>, server: &ServerRef) -> Result<Completion, Error> {
    let groups = groups(ome, server)?;
    for group in &groups {
        if under_way(ome, group.id)?.is_some() {
            let reason = "the appliance is discovering the server".to_owned();
            return Err(Error::Busy(Busy { retry_after: None, reason }));
        }
    }
    if let Some(device) = devices::locate(ome, server)? {
        ome.post(REMOVE_DEVICES, &json!({ "DeviceIds": [devices::id(&device)?] }))?;
    }
    let ours: Vec<u64> = groups.iter().filter(|group| group.ours).map(|group| group.id).collect();
    remove_groups(ome, &ours)?;
    Ok(Completion::Done)
}
