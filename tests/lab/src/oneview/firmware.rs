//! Firmware: what a server has against the bundle, and the update, with and without a profile.

use serde_json::{Value, json};

use super::BUNDLE;
use super::answers::{self, error};
use super::route::OneView;
use super::servers::accepted;
use super::state::{Profile, Work};
use crate::ledger::Kind as Count;
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

impl OneView {
    /// Asks and changes nothing.
    pub(super) fn compliance(&self, ask: &Ask) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB_BODY", "The body is not JSON.") };
        if let Some(reply) = self.keys(ask, &body, &["firmwareBaselineId", "serverUUID"]) {
            return reply;
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("firmwareBaselineId") != BUNDLE.0 {
            return self.wrong(ask, 404, "LAB_NO_SUCH_BUNDLE", "a bundle the appliance does not have");
        }
        let state = self.state();
        let Some((_, machine)) = state.server(text("serverUUID")) else {
            drop(state);
            return self.wrong(ask, 404, "LAB_NO_SUCH_SERVER", "compliance of a server that is not there");
        };
        let components: Vec<Value> = machine
            .firmware
            .iter()
            .map(|one| {
                json!({
                    "componentName": one.name, "installedVersion": one.installed, "baselineVersion": one.available,
                    "componentFirmwareUpdateRequired": one.installed != one.available,
                })
            })
            .collect();
        Reply::json(
            200,
            json!({ "serverFirmwareUpdateRequired": !machine.is_current(), "componentMappingList": components }),
        )
    }

    /// JSON patch of a server without a profile. What the appliance demands of the client is a violation where it fails.
    pub(super) fn update(&self, ask: &Ask, id: &str) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB_BODY", "The body is not JSON.") };
        if ask.header("content-type") != Some("application/json-patch+json") {
            return self.wrong(ask, 415, "LAB_CONTENT_TYPE", "a PATCH that is no JSON patch");
        }
        let value = body.get(0).filter(|one| one.get("op") == Some(&json!("replace"))).and_then(|one| one.get("value"));
        let text = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_str).unwrap_or_default();
        let kind = text("firmwareInstallType");
        let policy = ["LowerThanBaseline", "NotEqualToBaseline"].contains(&text("installationPolicy"));
        if !policy || text("baselineUri") != format!("/rest/firmware-drivers/{}", BUNDLE.0) {
            return self.wrong(ask, 400, "LAB_UPDATE", "an update without policy, or to no bundle of the appliance");
        }
        let mut state = self.state();
        let Some((hardware, machine)) = state.server(id) else {
            drop(state);
            return self.wrong(ask, 404, "LAB_NO_SUCH_SERVER", "an update of a server that is not there");
        };
        let problem = match kind {
            _ if hardware.profile.is_some() => Some("the server has a profile"),
            _ if hardware.state == "UpdatingFirmware" => Some("a second update while one runs"),
            _ if machine.licence != "iLO Advanced" => Some("no iLO Advanced licence"),
            "FirmwareOnlyOfflineMode" if machine.on => Some("offline mode on a server that is on"),
            "FirmwareOnly" | "FirmwareAndOSDrivers" if !machine.on => Some("online mode on a server that is off"),
            "FirmwareOnlyOfflineMode" | "FirmwareOnly" | "FirmwareAndOSDrivers" => None,
            _ => Some("an unknown install type"),
        };
        if let Some(problem) = problem {
            drop(state);
            return self.wrong(ask, 409, "LAB_PRECONDITION", problem);
        }
        let (id, name) = (hardware.uuid.clone(), machine.address.clone());
        self.flash(&mut state, &id, &name)
    }

    fn flash(&self, state: &mut super::state::State, id: &str, name: &str) -> Reply {
        self.desk.count(Count::FirmwareStart, name);
        state.hardware.iter_mut().filter(|one| one.uuid == id).for_each(|one| one.state = "UpdatingFirmware");
        let error = self.desk.failing();
        let lies = error.is_none() && self.desk.lying();
        let error = error.or_else(|| lies.then(|| "LAB_LIES".to_owned()));
        accepted(&state.begin(Work::Update, id, name, self.desk.setup.work, error, lies))
    }

    pub(super) fn one_profile(&self, ask: &Ask, id: &str) -> Reply {
        let state = self.state();
        let found = state.server(id).and_then(|(one, _)| Some(answers::profile(one, one.profile.as_ref()?)));
        drop(state);
        match found {
            Some(body) => Reply::json(200, body),
            None => self.wrong(ask, 404, "LAB_NO_SUCH_PROFILE", "a profile that is not there"),
        }
    }

    /// The whole profile, with the `eTag` it was read with.
    pub(super) fn put_profile(&self, ask: &Ask, id: &str) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB_BODY", "The body is not JSON.") };
        let mut state = self.state();
        let known = state
            .server(id)
            .and_then(|(one, machine)| Some((one.clone(), one.profile.clone()?, machine.address.clone())));
        let Some((hardware, profile, name)) = known else {
            drop(state);
            return self.wrong(ask, 404, "LAB_NO_SUCH_PROFILE", "a profile that is not there");
        };
        let Some(etag) = body.get("eTag").and_then(Value::as_str) else {
            drop(state);
            return self.wrong(ask, 412, "LAB_ETAG", "a PUT without the eTag it was read with");
        };
        if etag != profile.etag.to_string() {
            return error(412, "LAB_ETAG", "The profile was changed by somebody else.");
        }
        let was = answers::profile(&hardware, &profile);
        let kept =
            was.as_object().into_iter().flatten().all(|(key, value)| key == "firmware" || body.get(key) == Some(value));
        if !kept {
            drop(state);
            return self.wrong(ask, 400, "LAB_PROFILE", "a PUT that changes or drops more than the firmware");
        }
        if hardware.state == "UpdatingFirmware" {
            drop(state);
            return self.wrong(ask, 409, "LAB_PRECONDITION", "a second update while one runs");
        }
        let managed = body.pointer("/firmware/manageFirmware") == Some(&Value::Bool(true));
        let baseline = body.pointer("/firmware/firmwareBaselineUri").and_then(Value::as_str).map(str::to_owned);
        let changed = Profile { etag: profile.etag + 1, managed, baseline };
        state
            .hardware
            .iter_mut()
            .filter(|one| one.uuid == hardware.uuid)
            .for_each(|one| one.profile = Some(changed.clone()));
        self.flash(&mut state, &hardware.uuid, &name)
    }
}
