//! Who asks, and for what.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::Method;
use serde_json::{Value, json};

use super::answers::{self, error};
use super::state::State;
use crate::appliance::{Desk, Product};
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

const SESSIONS: &str = "/api/SessionService/Sessions";

/// An appliance.
pub(super) struct Ome {
    pub(super) desk: Desk,
    state: Mutex<State>,
}

impl Product for Ome {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn is_session(&self, path: &str) -> bool {
        path.starts_with(SESSIONS)
    }

    fn busy(&self) -> Reply {
        error(503, "LAB0503", "The appliance is starting.")
    }

    fn answer(&self, ask: &Ask) -> Reply {
        let reply = self.route(ask);
        let effects = std::mem::take(&mut self.state().effects);
        for (kind, detail) in effects {
            self.desk.count(kind, &detail);
        }
        reply
    }
}

impl Ome {
    pub(super) fn new(desk: Desk) -> Self {
        let state = Mutex::new(State::new(desk.setup.machines.clone()));
        Self { desk, state }
    }

    /// The state, as it is now.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle();
        state
    }

    fn route(&self, ask: &Ask) -> Reply {
        if ask.path == SESSIONS && ask.method == Method::POST {
            return self.login(ask);
        }
        if !self.admitted(ask) {
            return error(401, "CSEC5001", "The session is missing, invalid or expired.");
        }
        let Some(path) = ask.path.strip_prefix("/api/") else {
            return self.wrong(ask, 404, "unknown path");
        };
        match (ask.method.as_str(), path) {
            ("GET", "DeviceService/Devices") => self.devices(ask),
            ("POST", "DeviceService/Actions/DeviceService.RemoveDevices") => self.remove_devices(ask),
            ("GET", "DiscoveryConfigService/DiscoveryConfigGroups") => self.groups(ask),
            ("POST", "DiscoveryConfigService/DiscoveryConfigGroups") => self.discover(ask),
            ("GET", "DiscoveryConfigService/Jobs") => self.discovery_jobs(ask),
            ("POST", "DiscoveryConfigService/Actions/DiscoveryConfigService.RemoveDiscoveryGroup") => {
                self.remove_groups(ask)
            }
            ("GET", "JobService/Jobs") => self.jobs(ask),
            ("POST", "JobService/Jobs") => self.new_job(ask),
            ("GET", "JobService/JobTypes") => self.job_types(ask),
            ("POST", "JobService/Actions/JobService.RunJobs") => self.run_jobs(ask),
            ("GET", "WarrantyService/Warranties") => self.warranties(ask),
            ("GET", "UpdateService/Baselines") => {
                let body = answers::baseline(&self.state(), None);
                self.collection(ask, "UpdateService.Baselines", &[body], &[])
            }
            ("POST", "UpdateService/Actions/UpdateService.GetBaselinesReportByDeviceids") => self.report(ask),
            _ => self.numbered(ask, path),
        }
    }

    /// Paths with an id in parentheses.
    fn numbered(&self, ask: &Ask, path: &str) -> Reply {
        let split = path.split_once('(').and_then(|(start, rest)| {
            let (id, rest) = rest.split_once(')')?;
            Some((start, id, rest))
        });
        match (ask.method.as_str(), split) {
            ("DELETE", Some(("SessionService/Sessions", id, ""))) => {
                let id = id.trim_matches('\'').to_owned();
                if self.desk.close(|pass| pass.id == id) {
                    Reply::none()
                } else {
                    self.wrong(ask, 404, "no such session")
                }
            }
            ("GET", Some(("JobService/Jobs", id, rest))) => match id.parse() {
                Ok(id) => self.job(ask, id, rest),
                Err(_) => self.wrong(ask, 404, "this is no job's id"),
            },
            ("GET", Some(("UpdateService/Baselines", _, "/DeviceComplianceReports"))) => {
                self.wrong(ask, 400, "the compliance of every device, where one was meant")
            }
            _ => self.wrong(ask, 404, "unknown path or method"),
        }
    }

    fn admitted(&self, ask: &Ask) -> bool {
        let basic = ask.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        if let Some((username, password)) = basic.and_then(crate::redfish::basic) {
            return self.desk.check(Some(&username), Some(&password));
        }
        self.desk.admits(ask, ask.header("x-auth-token"))
    }

    fn login(&self, ask: &Ask) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB0002", "The body is not JSON.") };
        if let Some(reply) = self.keys(ask, &body, &["UserName", "Password", "SessionType"]) {
            return reply;
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if text("SessionType") != Some("API") {
            return self.wrong(ask, 400, "a session of no type");
        }
        if !self.desk.check(text("UserName"), text("Password")) {
            return error(401, "CSEC5001", "Unable to log in because the entered username or password is incorrect.");
        }
        let Some(pass) = self.desk.open() else {
            return error(503, "LAB0503", "There are too many sessions.");
        };
        let body = json!({
            "@odata.type": "#SessionService.Session", "@odata.id": format!("{SESSIONS}('{}')", pass.id), "Id": pass.id,
            "Description": "admin", "Name": "API", "UserName": text("UserName"), "UserId": 10_063, "Password": null,
            "Roles": ["ADMINISTRATOR"], "IpAddress": ask.peer.ip().to_string(),
        });
        Reply::json(201, body).header("X-Auth-Token", pass.token)
    }

    /// Of the devices it has, and of no others.
    fn warranties(&self, ask: &Ask) -> Reply {
        let state = self.state();
        let known = state.devices.iter().filter_map(|one| Some((one, state.machines.get(one.machine)?)));
        let each = known.flat_map(|(device, machine)| machine.warranties.iter().map(move |one| (device, machine, one)));
        let all: Vec<Value> =
            (1..).zip(each).map(|(id, (device, machine, one))| answers::warranty(id, device, machine, one)).collect();
        drop(state);
        self.collection(ask, "WarrantyService.Warranty", &all, &["DeviceIdentifier"])
    }

    fn devices(&self, ask: &Ask) -> Reply {
        let state = self.state();
        let all: Vec<Value> = state
            .devices
            .iter()
            .filter_map(|one| Some(answers::device(one, state.machines.get(one.machine)?)))
            .collect();
        drop(state);
        self.collection(ask, "DeviceService.Device", &all, &["DeviceServiceTag", "DeviceName"])
    }
}
