//! Jobs: read, run again, and updates.

use serde_json::{Value, json};

use super::BASELINE;
use super::answers::{self, error};
use super::route::Ome;
use super::state::{BASELINE_TASK, State, Work, time};
use crate::ledger::Kind as Count;
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

impl Ome {
    pub(super) fn jobs(&self, ask: &Ask) -> Reply {
        let all: Vec<Value> = self.state().jobs.iter().map(answers::job).collect();
        self.collection(ask, "JobService.Job", &all, &["JobName"])
    }

    /// A job, its runs, or what a run said. One that is purged is not there.
    pub(super) fn job(&self, ask: &Ask, id: u64, rest: &str) -> Reply {
        let Some(job) = self.state().jobs.iter().find(|job| job.id == id).cloned() else {
            return error(404, "LAB0404", "The job is not there.");
        };
        let details = format!("/ExecutionHistories({})/ExecutionHistoryDetails", job.id + 70_000);
        match rest {
            "" => Reply::json(200, answers::job(&job)),
            "/ExecutionHistories" => {
                self.collection(ask, "JobService.ExecutionHistory", &[answers::history(&job)], &[])
            }
            _ if rest == details => {
                let line = if job.ends.is_some() { "Running".to_owned() } else { job.outcome.1.clone() };
                let detail =
                    json!({ "Id": 1, "Key": "10.0.0.1", "Value": line, "ExecutionHistoryId": job.id + 70_000 });
                self.collection(ask, "JobService.ExecutionHistoryDetail", &[detail], &[])
            }
            _ => self.wrong(ask, 404, "unknown path"),
        }
    }

    pub(super) fn job_types(&self, ask: &Ask) -> Reply {
        let one = |id: u64, name: &str| json!({ "Id": id, "Name": name, "Internal": false });
        let all =
            [one(3, "DeviceAction_Task"), one(5, "Update_Task"), one(8, "Inventory_Task"), one(101, "Discovery_Task")];
        self.collection(ask, "JobService.JobType", &all, &[])
    }

    /// Only the baseline's comparison may be run again here.
    pub(super) fn run_jobs(&self, ask: &Ask) -> Reply {
        if self.ids(ask, "JobIds") != Some(vec![BASELINE_TASK]) {
            return self.wrong(ask, 400, "runs a job that is not the baseline's");
        }
        let work = self.desk.setup.work;
        let mut state = self.state();
        let job = state.jobs.iter_mut().find(|job| job.id == BASELINE_TASK);
        if let Some(job) = job.filter(|job| job.ends.is_none()) {
            job.ends = Some(std::time::Instant::now() + work);
            job.status = 2050;
            job.begun = time();
        }
        Reply::none()
    }

    /// An update of one device.
    pub(super) fn new_job(&self, ask: &Ask) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB0002", "The body is not JSON.") };
        let mut state = self.state();
        let (device, sources) = match update(&body, &state) {
            Ok(update) => update,
            Err(problem) => {
                drop(state);
                return self.wrong(ask, 400, &problem);
            }
        };
        let name = body.get("JobName").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.desk.count(Count::FirmwareStart, &device.to_string());
        let planted = self.desk.failing();
        let lies = planted.is_none() && self.desk.lying();
        let outcome = match planted {
            Some(code) => (2070, format!("The update did not end well. ({code})")),
            None if lies => (2090, "Some of the work did not end well. (LAB0003)".to_owned()),
            None => (2060, "Updated.".to_owned()),
        };
        let id = state.begin(&name, Work::Update { device, sources }, self.desk.setup.work, outcome, lies);
        let made = state.jobs.iter().find(|job| job.id == id).map(answers::job);
        drop(state);
        made.map_or_else(|| error(500, "LAB0500", "The job is lost."), |body| Reply::json(201, body))
    }
}

/// The device and sources of an update, or what is wrong with it.
fn update(body: &Value, state: &State) -> Result<(u64, Vec<String>), String> {
    if body.pointer("/JobType") != Some(&json!({ "Id": 5, "Name": "Update_Task" })) {
        return Err("the job type is not the one of that name".to_owned());
    }
    let params = body.get("Params").and_then(Value::as_array).cloned().unwrap_or_default();
    let param = |key: &str| {
        let found = params.iter().find(|one| one.get("Key").and_then(Value::as_str) == Some(key));
        found.and_then(|one| one.get("Value")).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let baseline = BASELINE.0.to_string();
    let wanted = [
        ("operationName", "INSTALL_FIRMWARE"),
        ("complianceUpdate", "true"),
        ("complianceReportId", baseline.as_str()),
        ("repositoryId", "43"),
        ("catalogId", "37"),
        ("signVerify", "true"),
        ("stagingValue", "false"),
    ];
    for (key, value) in wanted {
        if param(key) != value {
            return Err(format!("the parameter {key} is `{}`", param(key)));
        }
    }
    if !["1", "2", "3"].contains(&param("rebootType").as_str()) {
        return Err("an update at once without a kind of restart".to_owned());
    }
    let targets = body.get("Targets").and_then(Value::as_array).cloned().unwrap_or_default();
    let [target] = targets.as_slice() else {
        return Err("an update of several devices, where one was meant".to_owned());
    };
    let device = target.get("Id").and_then(Value::as_u64).ok_or("a target without a device")?;
    if target.pointer("/TargetType/Id").and_then(Value::as_u64) != Some(1000) {
        return Err("a target that is no device".to_owned());
    }
    let found = state.found.get(&device).ok_or("a device that is in no baseline")?;
    let data = target.get("Data").and_then(Value::as_str).unwrap_or_default();
    let sources: Vec<String> = data.split(';').filter(|source| !source.is_empty()).map(str::to_owned).collect();
    let upgrade = |source: &String| found.iter().any(|one| one.source == *source && answers::action(one) == "UPGRADE");
    if sources.is_empty() || !sources.iter().all(upgrade) {
        return Err("an update of what the report does not ask to upgrade".to_owned());
    }
    let of_device = |work: &Work| matches!(work, Work::Update { device: own, .. } if *own == device);
    if state.jobs.iter().any(|job| job.ends.is_some() && of_device(&job.work)) {
        return Err("a second update of a device while one runs".to_owned());
    }
    if state.device(device).is_some_and(|(_, machine)| machine.is_current()) {
        return Err("an update of a device that is up to date: the report is older than its last update".to_owned());
    }
    Ok((device, sources))
}
