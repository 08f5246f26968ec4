//! Actions: only those a resource links to, with values from its own list.
//!
//! Promises that a target which no resource advertises is a violation, and that every advertised one does
//! something. `ResetType` is checked against the allowable values the client could read.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::bmc::Bmc;
use super::config::Kind;
use super::power::Step;
use super::reply::Reply;
use super::resource::{Resource, key, put};
use super::serve::Ask;
use crate::ledger::Kind as Count;

impl Bmc {
    /// `POST` to an action target.
    pub(super) fn act(self: &Arc<Self>, ask: &Ask, at: &str, json: &Value) -> Reply {
        let Some((owner, name, action)) = self.advertised(at) else { return self.missing(ask) };
        let given = json.get("ResetType").and_then(Value::as_str);
        if let Some(allowed) = self.allowable(&action)
            && !given.is_some_and(|given| allowed.iter().any(|value| value == given))
        {
            let args = [given.unwrap_or_default(), "ResetType"];
            return Reply::refuse_base(self.kind(), 400, "ActionParameterNotSupported", &args);
        }
        match name.trim_start_matches('#') {
            "ComputerSystem.Reset" | "Chassis.Reset" | "HpeComputerSystemExt.SystemReset" => {
                self.reset(given.unwrap_or_default())
            }
            "UpdateService.SimpleUpdate" => self.simple_update(json),
            "UpdateService.StartUpdate" => self.start_update(),
            "Manager.Reset" => self.restart_manager(),
            "Bios.ResetBios" => self.reset_bios(),
            "LogService.ClearLog" => self.clear_log(&owner),
            "DellJobService.DeleteJobQueue" => {
                let mut state = self.state();
                state.jobs.clear();
                state.bios_pending = Map::new();
                drop(state);
                Reply::done(self.kind(), None, None)
            }
            "DellManager.ClearPending" => {
                self.state().bios_pending = Map::new();
                Reply::done(self.kind(), None, None)
            }
            "DellLCService.GetRemoteServicesAPIStatus" => {
                let server = if self.state().in_post() { "InPOST" } else { "OutOfPOST" };
                Reply::json(
                    200,
                    json!({"LCStatus": "Ready", "RTStatus": "Ready", "ServerStatus": server, "Status": "Ready"}),
                )
            }
            _ => self.bad_method(ask),
        }
    }

    /// The owner's key, the action's name and its description, when some resource links to the target.
    fn advertised(&self, at: &str) -> Option<(String, String, Value)> {
        let owner = at.split("/actions/").next()?;
        let state = self.state();
        let around = state.resources.iter().filter(|(path, _)| {
            owner == path.as_str() || path.starts_with(&format!("{owner}/")) || owner.starts_with(path.as_str())
        });
        for (path, resource) in around {
            let body = resource.body();
            if let Some((name, action)) = find_target(&body, at) {
                return Some((path.clone(), name, action));
            }
        }
        None
    }

    /// The allowable reset types, inline or from the action info.
    fn allowable(&self, action: &Value) -> Option<Vec<String>> {
        let texts = |value: &Value| -> Option<Vec<String>> {
            Some(value.as_array()?.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
        };
        if let Some(inline) = action.get("ResetType@Redfish.AllowableValues") {
            return texts(inline);
        }
        let info = key(action.get("@Redfish.ActionInfo")?.as_str()?);
        let body = self.state().resources.get(&info).map(Resource::body)?;
        let parameters = body.get("Parameters").and_then(Value::as_array)?;
        let reset =
            parameters.iter().find(|parameter| parameter.get("Name").is_some_and(|name| name == "ResetType"))?;
        texts(reset.get("AllowableValues")?)
    }

    fn restart_manager(&self) -> Reply {
        let mut state = self.state();
        state.away_until = Some(Instant::now() + self.config.timing.manager_reset);
        state.sessions.clear();
        state.verified = None;
        drop(state);
        Reply::done(
            self.kind(),
            (self.kind() == Kind::HpeIlo5 || self.kind() == Kind::HpeIlo6).then_some("iLO.2.24.ResetInProgress"),
            None,
        )
    }

    fn reset_bios(&self) -> Reply {
        self.state().bios_reset = true;
        let hpe = matches!(self.kind(), Kind::HpeIlo5 | Kind::HpeIlo6);
        Reply::done(self.kind(), hpe.then_some("iLO.2.24.SystemResetRequired"), None)
    }

    fn clear_log(&self, owner: &str) -> Reply {
        let mut state = self.state();
        let prefix = format!("{owner}/entries/");
        let before = state.resources.len();
        state.resources.retain(|path, _| !path.starts_with(&prefix));
        let changed = state.resources.len() < before;
        drop(state);
        self.count(if changed { Count::SettingsChange } else { Count::NoChange }, "log cleared");
        Reply::done(self.kind(), None, None)
    }

    /// Set a serial number wherever the old one is shown.
    pub(super) fn rename_serial(&self, to: &str) {
        let mut state = self.state();
        let (origin, shown) =
            state.faults.serial.clone().unwrap_or_else(|| (self.config.serial.clone(), self.config.serial.clone()));
        for resource in state.resources.values_mut() {
            resource.rename(&shown, to);
        }
        state.faults.serial = (to != origin).then(|| (origin, to.to_owned()));
    }

    /// What a hand on the button, or pulling the plug, does.
    pub(super) fn by_hand(self: &Arc<Self>, step: Step) {
        self.state().power_round += 1;
        self.step(step);
    }

    /// Put an entry into the first event log.
    pub(super) fn note_log(&self, message: &str) {
        let mut state = self.state();
        let found =
            state.resources.iter().rev().find(|(path, _)| path.contains("/logservices/") && path.contains("/entries/"));
        let Some((path, sample)) = found.map(|(path, resource)| (path.clone(), resource.clone())) else { return };
        let Some((parent, _)) = path.rsplit_once('/') else { return };
        let id = format!("{}", 1000 + state.serial());
        let mut body = sample.body();
        let shown = sample.path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        put(&mut body, "@odata.id", json!(format!("{shown}/{id}")));
        put(&mut body, "Id", json!(id));
        put(&mut body, "Message", json!(message));
        let entry = Resource::new(&format!("{shown}/{id}"), &body, Arc::clone(&sample.meta));
        state.resources.insert(format!("{parent}/{id}"), entry);
    }
}

fn find_target(value: &Value, at: &str) -> Option<(String, Value)> {
    let map = value.as_object()?;
    for (name, inner) in map {
        if inner.get("target").and_then(Value::as_str).is_some_and(|target| key(target) == at) {
            return Some((name.rsplit('#').next().unwrap_or(name).to_owned(), inner.clone()));
        }
        if let Some(found) = find_target(inner, at) {
            return Some(found);
        }
    }
    None
}
