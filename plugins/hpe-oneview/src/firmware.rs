//! Firmware against a bundle, and the update to it.
//!
//! Promises: one server is asked about and updated, never more; a server at its baseline is `done`; what cannot work is refused
//! before it is tried, with the reason. Does not: upload bundles, install what is older than what is there, apply a profile's other
//! settings.
//!
//! Not obvious: the compliance of a server is asked with a POST that changes nothing. In a call that only looks, the host lets it
//! pass where the configuration names it as a question.

use crate::api::{first, last, same};
use crate::hardware;
use crate::tasks::{self, About, Aim};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{Body, Completion, Error, Method, RemoteError};
use farrier_plugin_sdk_fleet::rest::{Answer, Rest};
use farrier_plugin_sdk_fleet::types::{ComplianceReport, ComponentCompliance, ServerRef};

/// Asks, and changes nothing.
const QUESTION: &str = "/rest/server-hardware/firmware-compliance";

/// See [`Fleet::check`](farrier_plugin_sdk_fleet::Fleet::check).
pub fn check(api: &Rest<'_>, server: &ServerRef, baseline: Option<&str>) -> Result<ComplianceReport, Error> {
    let found = known(api, server)?;
    let (uri, name) = resolve(api, server, &found, baseline)?;
    Ok(ComplianceReport { baseline: name, ..compliance(api, &found, &uri)? })
}

/// See [`Fleet::update`](farrier_plugin_sdk_fleet::Fleet::update).
pub fn update(api: &Rest<'_>, server: &ServerRef, baseline: Option<&str>) -> Result<Completion, Error> {
    let found = known(api, server)?;
    let (baseline, _) = resolve(api, server, &found, baseline)?;
    let uri = hardware::uri(&found)?;
    let about = About { hardware: Some(uri.clone()), address: server.bmc_address.clone(), baseline: Some(baseline) };
    let title = format!("OneView: updating {}", server.name);
    let running = tasks::running(api, Aim::Update, &about)?;
    if running.is_some() || hardware::state(&found) == "UpdatingFirmware" {
        return Ok(tasks::job(Aim::Update, running.as_deref(), &about, &title));
    }
    let wanted = about.baseline.as_deref().unwrap_or_default();
    if compliance(api, &found, wanted)?.compliant {
        return Ok(Completion::Done);
    }
    let answer = match hardware::profile(api, &found)? {
        Some(profile) => {
            let (path, body) = with_profile(profile, wanted)?;
            api.send(Method::Put, &path, Body::Json(body.to_string()))?
        }
        None => direct(api, &found, &uri, wanted)?,
    };
    Ok(tasks::job(Aim::Update, tasks::started(&answer).as_deref(), &about, &title))
}

fn known(api: &Rest<'_>, server: &ServerRef) -> Result<Value, Error> {
    hardware::locate(api, server)?
        .ok_or_else(|| Error::NotFound(format!("the appliance does not have {}; register it first", server.name)))
}

/// URI and name of the bundle: named by its URI, id or name, or the one the profile holds the server to.
fn resolve(api: &Rest<'_>, server: &ServerRef, found: &Value, named: Option<&str>) -> Result<(String, String), Error> {
    let held = match named {
        Some(_) => None,
        None => hardware::profile(api, found)?.as_ref().and_then(hardware::held_to),
    };
    let Some(wanted) = named.map(ToOwned::to_owned).or(held) else {
        let text = format!("{} is held to no baseline on the appliance, and none was named", server.name);
        return Err(Error::InvalidInput(text));
    };
    let mut matches: Vec<(String, String)> = Vec::new();
    api.list(&first("/rest/firmware-drivers", ""), &mut |driver| {
        let Some(uri) = driver.text(&["uri"]) else { return true };
        let name = driver.text(&["name"]).unwrap_or_else(|| uri.clone());
        if same(&uri, &wanted) || same(last(&uri), &wanted) || same(&name, &wanted) {
            matches.push((uri, name));
        }
        true
    })?;
    match matches.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::NotFound(format!("the appliance has no firmware bundle `{wanted}`"))),
        several => {
            Err(Error::InvalidInput(format!("{} bundles are called `{wanted}`; name one by its id", several.len())))
        }
    }
}

/// Ask for one server. A component whose need is not said counts as one that complies only at the bundle's version.
pub fn compliance(api: &Rest<'_>, found: &Value, baseline: &str) -> Result<ComplianceReport, Error> {
    let uuid = found.text(&["uuid"]).ok_or_else(|| Error::Malformed("the server has no `uuid`".to_owned()))?;
    let body = json!({ "firmwareBaselineId": last(baseline), "serverUUID": uuid });
    let report = api.post(QUESTION, &body)?.body;
    let Some(required) = report.flag(&["serverFirmwareUpdateRequired"]) else {
        return Err(Error::Malformed("a compliance report without `serverFirmwareUpdateRequired`".to_owned()));
    };
    let components: Vec<ComponentCompliance> = report.list(&["componentMappingList"]).iter().map(component).collect();
    let compliant = !required && components.iter().all(|one| one.compliant);
    Ok(ComplianceReport { baseline: baseline.to_owned(), compliant, components })
}

fn component(one: &Value) -> ComponentCompliance {
    let installed = one.text(&["installedVersion"]).unwrap_or_default();
    let expected = one.text(&["baselineVersion"]).unwrap_or_default();
    let needed = one.flag(&["componentFirmwareUpdateRequired"]);
    ComponentCompliance {
        component: one.text(&["componentName"]).unwrap_or_default(),
        compliant: needed.map_or(!expected.is_empty() && installed == expected, |needed| !needed),
        installed,
        expected,
    }
}

/// The whole profile with its firmware changed; its `eTag` makes the appliance refuse it if somebody else changed it meanwhile.
fn with_profile(mut profile: Value, baseline: &str) -> Result<(String, Value), Error> {
    let uri = profile.text(&["uri"]).ok_or_else(|| Error::Malformed("the server's profile has no `uri`".to_owned()))?;
    let Some(firmware) = profile.get_mut("firmware").and_then(Value::as_object_mut) else {
        return Err(Error::Malformed(format!("the profile {uri} has no `firmware`")));
    };
    firmware.insert("manageFirmware".to_owned(), json!(true));
    firmware.insert("firmwareBaselineUri".to_owned(), json!(baseline));
    firmware.insert("firmwareInstallType".to_owned(), json!("FirmwareOnly"));
    Ok((uri, profile))
}

/// Without a profile: the appliance's own preconditions, checked first so that the refusal says what to do.
fn direct(api: &Rest<'_>, found: &Value, uri: &str, baseline: &str) -> Result<Answer, Error> {
    let model = found.text(&["mpModel"]).unwrap_or_default();
    if matches!(model.as_str(), "iLO2" | "iLO3" | "iLO4") {
        return Err(Error::Unsupported(format!("{model}: without a profile OneView updates iLO 5 and later")));
    }
    let refuse = |code: &str, message: String, resolution: &str| {
        Err(Error::Rejected(RemoteError {
            status: None,
            code: Some(code.to_owned()),
            message,
            resolution: Some(resolution.to_owned()),
        }))
    };
    let licence = found.text(&["mpLicenseType"]).unwrap_or_else(|| "none".to_owned());
    if licence != "iLO Advanced" {
        let message =
            format!("the update without a profile needs an iLO Advanced licence; the controller has {licence}");
        return refuse("licence", message, "Install the licence, or update through a server profile.");
    }
    if hardware::state(found) == "Monitored" {
        let message = "the server is only monitored by the appliance".to_owned();
        return refuse("monitored", message, "Remove the server from the appliance and register it as managed.");
    }
    let kind = match found.text(&["powerState"]).unwrap_or_default().as_str() {
        "On" => "FirmwareOnly",
        "Off" => "FirmwareOnlyOfflineMode",
        other => return Err(Error::Conflict(format!("the server's power is in state {other}"))),
    };
    let value = json!({
        "baselineUri": baseline, "firmwareInstallType": kind, "installationPolicy": "LowerThanBaseline",
    });
    let body = json!([{ "op": "replace", "value": value }]).to_string().into_bytes();
    let blob = farrier_plugin_sdk::types::Blob { content_type: "application/json-patch+json".to_owned(), data: body };
    api.send(Method::Patch, &format!("{uri}/firmware/settings"), Body::Bytes(blob))
}
