//! BIOS settings that wait for a boot, and Dell's jobs.
//!
//! Promises each vendor's way: HPE stages and answers 200 with a reset message, Dell makes a job when asked
//! with an apply time and refuses a second while one is pending, Supermicro answers 202 without `Location`,
//! the generic service answers with the pending object. Values become current at the next boot.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::bmc::Bmc;
use super::config::Kind;
use super::profile::{JOBS, TASKS};
use super::read::show;
use super::reply::{Message, Reply};
use super::resource::{Resource, key, put};
use super::serve::Ask;
use super::state::{Job, State};
use super::template::{defaults, token};
use crate::ledger::Kind as Count;

impl Bmc {
    /// `PATCH` of the pending object.
    pub(super) fn patch_bios(&self, json: &Value) -> Reply {
        let kind = self.kind();
        let Some(wanted) = json.get("Attributes").and_then(Value::as_object) else {
            return Reply::refuse_base(kind, 400, "PropertyMissing", &["Attributes"]);
        };
        if let Some(other) =
            json.as_object().and_then(|map| map.keys().find(|name| *name != "Attributes" && !name.starts_with('@')))
        {
            return Reply::refuse(kind, 400, &[Message::base(kind, "PropertyUnknown", &[other]).about(other)]);
        }
        let mut state = self.state();
        if kind == Kind::DellIdrac9 && state.jobs.iter().any(|job| job.target.is_some() && job.state != "Completed") {
            // Pending values are committed; one configuration job for each target.
            return Reply::refuse(kind, 400, &[Message::full("IDRAC.2.8.SYS011", &[])]);
        }
        let current = attributes(&state, self.profile.bios);
        let bad: Vec<Message> = wanted.iter().filter_map(|(name, value)| wrong(kind, &current, name, value)).collect();
        if !bad.is_empty() {
            return Reply::refuse(kind, 400, &bad);
        }
        let changed: Vec<&String> =
            wanted.iter().filter(|(name, value)| current.get(*name) != Some(*value)).map(|(name, _)| name).collect();
        for (name, value) in wanted {
            if current.get(name) == Some(value) {
                state.bios_pending.remove(name);
            } else {
                state.bios_pending.insert(name.clone(), value.clone());
            }
        }
        let job = (kind == Kind::DellIdrac9 && json.get("@Redfish.SettingsApplyTime").is_some())
            .then(|| self.new_job(&mut state, "Configure: BIOS.Setup.1-1", Some(self.profile.bios_settings)));
        let resource = show(&state, kind, &key(self.profile.bios_settings));
        drop(state);
        if changed.is_empty() {
            self.count(Count::NoChange, "bios");
        }
        for name in changed {
            self.count(Count::SettingsChange, &format!("bios {name}"));
        }
        match (kind, job) {
            (_, Some(id)) => {
                let mut reply = Reply::done(kind, None, None).header("Location", format!("{TASKS}/{id}"));
                reply.status = 202;
                reply
            }
            (Kind::SupermicroX13, None) => Reply::json(
                202,
                json!({"Accepted": {"code": "Base.v1_10_3.Accepted",
                "message": "Successfully Accepted Request. Please see the location header and ExtendedInfo for more information."}}),
            ),
            (Kind::HpeIlo5 | Kind::HpeIlo6, None) => Reply::done(kind, Some("iLO.2.24.SystemResetRequired"), None),
            _ => Reply::done(kind, None, resource),
        }
    }

    /// `POST` to Dell's jobs: commit what pends.
    pub(super) fn create_job(&self, json: &Value) -> Reply {
        let target = json.get("TargetSettingsURI").and_then(Value::as_str).unwrap_or_default();
        let mut state = self.state();
        if key(target) != key(self.profile.bios_settings) {
            return Reply::refuse_base(self.kind(), 400, "PropertyValueFormatError", &[target, "TargetSettingsURI"]);
        }
        if state.bios_pending.is_empty()
            || state.jobs.iter().any(|job| job.target.is_some() && job.state != "Completed")
        {
            return Reply::refuse(self.kind(), 400, &[Message::full("IDRAC.2.8.SYS011", &[])]);
        }
        let id = self.new_job(&mut state, "Configure: BIOS.Setup.1-1", Some(self.profile.bios_settings));
        Reply::done(self.kind(), None, None).header("Location", format!("{JOBS}/{id}"))
    }

    /// Delete a job; a scheduled one takes its pending values with it.
    pub(super) fn delete_job(&self, ask: &Ask, id: &str) -> Reply {
        let mut state = self.state();
        let Some(place) = state.jobs.iter().position(|job| job.id.eq_ignore_ascii_case(id)) else {
            drop(state);
            return self.absent(&ask.path);
        };
        let job = state.jobs.remove(place);
        if job.target.is_some() && job.state != "Completed" {
            state.bios_pending = Map::new();
        }
        drop(state);
        Reply::done(self.kind(), None, None)
    }

    /// Queue a job and give its id.
    pub(super) fn new_job(&self, state: &mut State, name: &str, target: Option<&str>) -> String {
        let number = state.serial();
        let digits: u64 =
            u64::from_str_radix(&token(self.config.seed, &format!("job {number}"), 9), 16).unwrap_or(number);
        let id = format!("JID_{digits:012}");
        let target = target.map(str::to_owned);
        state.jobs.push(Job {
            id: id.clone(),
            name: name.to_owned(),
            state: "Scheduled",
            percent: 0,
            target,
            load: None,
        });
        id
    }

    /// At a boot: pending becomes current, scheduled jobs run and end. Dell applies only what a job commits.
    pub(super) fn apply_bios(self: &Arc<Self>, state: &mut State) {
        let dell = self.kind() == Kind::DellIdrac9;
        let scheduled = state.jobs.iter().any(|job| job.target.is_some() && job.state == "Scheduled");
        if std::mem::take(&mut state.bios_reset)
            && let Some(fresh) = defaults(self.kind(), &state.vars, self.profile.bios)
            && let Some(bios) = state.resources.get_mut(&key(self.profile.bios))
        {
            bios.store(&fresh);
        }
        if dell && !scheduled {
            return;
        }
        let pending = std::mem::take(&mut state.bios_pending);
        if let Some(bios) = state.resources.get_mut(&key(self.profile.bios)) {
            let mut body = bios.body();
            for (name, value) in pending {
                put(&mut body, &format!("Attributes/{name}"), value);
            }
            Resource::store(bios, &body);
        }
        for job in state.jobs.iter_mut().filter(|job| job.target.is_some() && job.state == "Scheduled") {
            (job.state, job.percent) = ("Running", 50);
        }
        if scheduled {
            let bmc = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(bmc.config.timing.job).await;
                for job in bmc.state().jobs.iter_mut().filter(|job| job.target.is_some() && job.state == "Running") {
                    (job.state, job.percent) = ("Completed", 100);
                }
            });
        }
    }
}

fn attributes(state: &State, path: &str) -> Map<String, Value> {
    let body = state.resources.get(&key(path)).map(Resource::body).unwrap_or_default();
    body.get("Attributes").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What is wrong with one attribute: not known, or of another JSON type than its current value.
fn wrong(kind: Kind, current: &Map<String, Value>, name: &str, value: &Value) -> Option<Message> {
    let Some(now) = current.get(name) else {
        return Some(Message::base(kind, "PropertyUnknown", &[name]).about(&format!("Attributes/{name}")));
    };
    let same = now.is_null() || std::mem::discriminant(now) == std::mem::discriminant(value);
    (!same).then(|| {
        Message::base(kind, "PropertyValueTypeError", &[&value.to_string(), name]).about(&format!("Attributes/{name}"))
    })
}
