//! Discoveries and devices.

use serde_json::{Value, json};

use super::answers::{self, error};
use super::route::Ome;
use super::state::{Group, Work};
use crate::ledger::Kind as Count;
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

/// What a discovery asks for.
struct Wanted {
    name: String,
    address: String,
    username: String,
    password: String,
}

impl Ome {
    pub(super) fn groups(&self, ask: &Ask) -> Reply {
        let all: Vec<Value> = self.state().groups.iter().map(answers::group).collect();
        self.collection(ask, "DiscoveryConfigService.DiscoveryConfigGroup", &all, &[])
    }

    /// Their states are read at the job, not here: only the numbers.
    pub(super) fn discovery_jobs(&self, ask: &Ask) -> Reply {
        let state = self.state();
        let row = |group: &Group| {
            json!({
                "@odata.type": "#DiscoveryConfigService.DiscoveryJob", "JobId": group.job, "JobName": group.name,
                "DiscoveryConfigGroupId": group.id, "JobStatusId": 2080,
            })
        };
        let all: Vec<Value> = state.groups.iter().map(row).collect();
        drop(state);
        self.collection(ask, "DiscoveryConfigService.DiscoveryJob", &all, &[])
    }

    /// The answer holds what was asked, with the password in clear.
    pub(super) fn discover(&self, ask: &Ask) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB0002", "The body is not JSON.") };
        let known = ["DiscoveryConfigGroupName", "DiscoveryConfigModels", "Schedule", "TrapDestination", "CreateGroup"];
        if let Some(reply) = self.keys(ask, &body, &known) {
            return reply;
        }
        let wanted = match wanted(&body) {
            Ok(wanted) => wanted,
            Err(problem) => return self.wrong(ask, 400, problem),
        };
        let mut state = self.state();
        let at = state.machines.iter().position(|machine| machine.address == wanted.address);
        let taken = state.groups.iter().any(|group| group.name == wanted.name);
        let device = at.is_some_and(|at| state.devices.iter().any(|one| one.machine == at));
        let running = state.groups.iter().any(|group| {
            group.address == wanted.address && state.jobs.iter().any(|job| job.id == group.job && job.ends.is_some())
        });
        if taken || device || running {
            drop(state);
            return self.wrong(ask, 400, "the address or the name is discovered a second time");
        }
        let planted = self.desk.failing();
        let machine = at.and_then(|at| state.machines.get(at));
        let login = machine.is_some_and(|one| one.username == wanted.username && one.password == wanted.password);
        let lies = planted.is_none() && login && self.desk.lying();
        let outcome = match (planted, machine.is_some(), login) {
            (Some(code), _, _) => (2070, format!("The task did not end well. ({code})")),
            (None, false, _) => (2070, format!("Unable to reach {}. (CGEN1008)", wanted.address)),
            (None, true, false) => (2070, "Unable to log in because of invalid credentials. (CGEN1009)".to_owned()),
            (None, true, true) if lies => (2090, "Some of the work did not end well. (LAB0003)".to_owned()),
            (None, true, true) => (2060, "Onboarded.".to_owned()),
        };
        let job = state.begin(&wanted.name, Work::Discover(at), self.desk.setup.work, outcome, lies);
        let id = state.number();
        let answer = echo(&body, id, job);
        state.echoes += 1;
        let Wanted { name, address, username, .. } = wanted;
        state.groups.push(Group { id, name, address, username, job });
        drop(state);
        Reply::json(201, answer)
    }

    pub(super) fn remove_groups(&self, ask: &Ask) -> Reply {
        let Some(ids) = self.ids(ask, "DiscoveryGroupIds") else {
            return self.wrong(ask, 400, "no DiscoveryGroupIds");
        };
        let mut state = self.state();
        let (mut known, mut running) = (true, false);
        for id in &ids {
            let group = state.groups.iter().find(|group| group.id == *id);
            known &= group.is_some();
            running |=
                group.is_some_and(|group| state.jobs.iter().any(|job| job.id == group.job && job.ends.is_some()));
        }
        if !known || running {
            drop(state);
            return self.wrong(ask, 400, "removes a discovery that is not there, or runs");
        }
        state.groups.retain(|group| !ids.contains(&group.id));
        Reply::none()
    }

    pub(super) fn remove_devices(&self, ask: &Ask) -> Reply {
        let Some(ids) = self.ids(ask, "DeviceIds").filter(|ids| ids.len() == 1) else {
            return self.wrong(ask, 400, "DeviceIds of one device were meant");
        };
        let mut state = self.state();
        let tags = state.tags();
        let (before, mut gone) = (state.devices.len(), Vec::new());
        gone.extend(state.devices.iter().zip(tags).filter(|(one, _)| ids.contains(&one.id)).map(|(_, tag)| tag));
        state.devices.retain(|one| !ids.contains(&one.id));
        if state.devices.len() == before {
            drop(state);
            return self.wrong(ask, 400, "removes a device that is not there");
        }
        drop(state);
        for tag in &gone {
            self.desk.count(Count::Removal, tag);
        }
        Reply::none()
    }

    /// A list of numbers that is the body's only member.
    pub(super) fn ids(&self, ask: &Ask, name: &str) -> Option<Vec<u64>> {
        let body = self.desk.json(ask)?;
        let alone = body.as_object().is_some_and(|fields| fields.len() == 1);
        let ids: Option<Vec<u64>> = body.get(name)?.as_array()?.iter().map(Value::as_u64).collect();
        ids.filter(|ids| alone && !ids.is_empty())
    }
}

fn wanted(body: &Value) -> Result<Wanted, &'static str> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let models = body.get("DiscoveryConfigModels").and_then(Value::as_array).filter(|models| models.len() == 1);
    let model = models.and_then(|models| models.first()).ok_or("one discovery model was meant")?;
    let targets = model.get("DiscoveryConfigTargets").and_then(Value::as_array).filter(|targets| targets.len() == 1);
    let target = targets.and_then(|targets| targets.first()).ok_or("one target was meant")?;
    if model.get("DeviceType") != Some(&json!([1000])) {
        return Err("servers are devices of type 1000");
    }
    if body.pointer("/Schedule/Cron").and_then(Value::as_str) != Some("startnow") {
        return Err("a discovery without a schedule");
    }
    let profile = text(model.get("ConnectionProfile")).ok_or("the connection profile is JSON in a string")?;
    let profile: Value = serde_json::from_str(&profile).map_err(|_| "the connection profile is not JSON")?;
    let all = profile.get("credentials").and_then(Value::as_array).filter(|all| !all.is_empty());
    let credentials = all.and_then(|all| all.first()).and_then(|one| one.get("credentials")).ok_or("no credentials")?;
    Ok(Wanted {
        name: text(body.get("DiscoveryConfigGroupName")).ok_or("a discovery without a name")?,
        address: text(target.get("NetworkAddressDetail")).ok_or("a target without an address")?,
        username: text(credentials.get("username")).ok_or("no user name")?,
        password: text(credentials.get("password")).ok_or("no password")?,
    })
}

/// What was asked, with ids, and with the address's type as the appliance has it.
fn echo(body: &Value, id: u64, job: u64) -> Value {
    let mut answer = body.clone();
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("DiscoveryConfigGroupId".to_owned(), json!(id));
        let task = json!([{ "TaskId": job, "TaskTypeId": 0, "ExecutionSequence": 0 }]);
        fields.insert("DiscoveryConfigTaskParam".to_owned(), task);
        fields.insert("DiscoveryConfigTasks".to_owned(), json!([]));
    }
    answer
}
