//! Firmware of one device against a baseline, and its update.
//!
//! Promises: the report of one device is asked for, and the job has one device as its target; what is newer than the baseline stays;
//! a device without anything to upgrade is `done`. Does not: add a device to a baseline.
//!
//! Not obvious: a report is as old as the baseline's last run. After an update it still asks for what was installed, so a report
//! older than the device's last update is made anew before anything is started on it.

use crate::devices;
use crate::jobs::{self, About, Aim, Phase};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::types::{Completion, Error};
use farrier_plugin_sdk_fleet::rest::Rest;
use farrier_plugin_sdk_fleet::types::{ComplianceReport, ComponentCompliance, ServerRef};

/// Asks, and changes nothing.
const QUESTION: &str = "/api/UpdateService/Actions/UpdateService.GetBaselinesReportByDeviceids";
const JOBS: &str = "/api/JobService/Jobs";
/// Of what a failing server says when it is in no baseline.
const NO_BASELINE: &str = "CUPD3090";

/// See [`Fleet::check`](farrier_plugin_sdk_fleet::Fleet::check).
pub fn check(ome: &Rest<'_>, server: &ServerRef, baseline: Option<&str>) -> Result<ComplianceReport, Error> {
    let device = known(ome, server)?;
    let baseline = report(ome, server, device, baseline)?;
    let own = of_device(&baseline, device)?;
    let components: Vec<ComponentCompliance> =
        own.list(&["ComponentComplianceReports"]).iter().map(component).collect();
    let judged = !components.is_empty() || own.text(&["FirmwareStatus"]).as_deref() == Some("Compliant");
    Ok(ComplianceReport {
        baseline: baseline.text(&["Name"]).unwrap_or_default(),
        compliant: judged && components.iter().all(|one| one.compliant),
        components,
    })
}

/// See [`Fleet::update`](farrier_plugin_sdk_fleet::Fleet::update).
pub fn update(ome: &Rest<'_>, server: &ServerRef, baseline: Option<&str>) -> Result<Completion, Error> {
    let device = known(ome, server)?;
    let about = About { tag: server.serial.clone(), address: server.bmc_address.clone() };
    let title = format!("OpenManage: updating {}", server.name);
    let updates = Updates::of(ome, device)?;
    if let Some(task) = updates.running {
        return Ok(jobs::job(Aim::Update, Some(task), &about, &title));
    }
    let baseline = report(ome, server, device, baseline)?;
    let own = of_device(&baseline, device)?;
    let sources: Vec<String> = own
        .list(&["ComponentComplianceReports"])
        .iter()
        .filter(|one| one.text(&["UpdateAction"]).as_deref() == Some("UPGRADE"))
        .filter_map(|one| one.text(&["SourceName"]))
        .collect();
    if sources.is_empty() {
        return Ok(Completion::Done);
    }
    if updates.last > baseline.text(&["LastRun"]) {
        let title = format!("OpenManage: comparing {} with its baseline anew", server.name);
        return Ok(jobs::job(Aim::Compare, Some(compare(ome, &baseline)?), &about, &title));
    }
    let answer = ome.post(JOBS, &request(ome, server, device, &baseline, &sources)?)?.body;
    let task = answer.natural(&["Id"]);
    Ok(jobs::job(Aim::Update, task, &about, &title))
}

fn known(ome: &Rest<'_>, server: &ServerRef) -> Result<u64, Error> {
    match devices::locate(ome, server)? {
        Some(device) => devices::id(&device),
        None => Err(Error::NotFound(format!("the appliance does not have {}; register it first", server.name))),
    }
}

/// The baseline, named or the only one, with the report of this device.
fn report(ome: &Rest<'_>, server: &ServerRef, device: u64, named: Option<&str>) -> Result<Value, Error> {
    let answer = match ome.post(QUESTION, &json!({ "Ids": [device] })) {
        Err(Error::Rejected(remote)) if remote.code.as_deref().is_some_and(|code| code.ends_with(NO_BASELINE)) => {
            return Err(Error::InvalidInput(format!("{} is in no firmware baseline of the appliance", server.name)));
        }
        other => other?.body,
    };
    let all = answer.as_array().map_or_else(|| answer.list(&["value"]), Vec::as_slice);
    let is_named = |one: &&Value| {
        named.is_none_or(|name| {
            one.text(&["Name"]).as_deref() == Some(name)
                || one.natural(&["Id"]).map(|id| id.to_string()).as_deref() == Some(name)
        })
    };
    let found: Vec<&Value> = all.iter().filter(is_named).collect();
    match (found.as_slice(), named) {
        ([one], _) => Ok((*one).clone()),
        ([], Some(name)) => Err(Error::InvalidInput(format!("{} is not in the baseline `{name}`", server.name))),
        ([], None) => Err(Error::InvalidInput(format!("{} is in no firmware baseline of the appliance", server.name))),
        (several, _) => {
            Err(Error::InvalidInput(format!("{} is in {} firmware baselines; name one", server.name, several.len())))
        }
    }
}

/// The report of this device among those of the baseline.
fn of_device(baseline: &Value, device: u64) -> Result<Value, Error> {
    let mut reports = baseline.list(&["DeviceComplianceReports"]).iter();
    reports
        .find(|report| report.natural(&["DeviceId"]) == Some(device))
        .cloned()
        .ok_or_else(|| Error::Malformed(format!("the report has nothing of device {device}")))
}

/// What is newer than the baseline is left alone, and so complies.
fn component(one: &Value) -> ComponentCompliance {
    let action = one.text(&["UpdateAction"]).unwrap_or_default();
    ComponentCompliance {
        component: one.text(&["Name"]).unwrap_or_default(),
        installed: one.text(&["CurrentVersion"]).unwrap_or_default(),
        expected: one.text(&["Version"]).unwrap_or_default(),
        compliant: matches!(action.as_str(), "EQUAL" | "DOWNGRADE"),
    }
}

/// The update jobs of a device.
#[derive(Default)]
struct Updates {
    running: Option<u64>,
    /// When the last one that is over began; the appliance writes its times so that they sort.
    last: Option<String>,
}

impl Updates {
    fn of(ome: &Rest<'_>, device: u64) -> Result<Self, Error> {
        let mut all = Self::default();
        ome.list(JOBS, &mut |job| {
            let update = job.text(&["JobType", "Name"]).as_deref() == Some("Update_Task");
            if !update || !job.list(&["Targets"]).iter().any(|target| devices::is_device(target, device)) {
                return true;
            }
            if jobs::phase(job) == Phase::Running {
                all.running = job.natural(&["Id"]);
            } else {
                all.last = all.last.take().max(job.text(&["LastRun"]));
            }
            all.running.is_none()
        })?;
        Ok(all)
    }
}

/// Have the baseline compared anew. It flashes nothing.
fn compare(ome: &Rest<'_>, baseline: &Value) -> Result<u64, Error> {
    let task = baseline
        .natural(&["TaskId"])
        .ok_or_else(|| Error::Malformed("the baseline names no task that compares it".to_owned()))?;
    let running =
        jobs::get(ome, task)?.is_some_and(|job| matches!(job.natural(&["LastRunStatus", "Id"]), Some(2030..=2050)));
    if !running {
        ome.post("/api/JobService/Actions/JobService.RunJobs", &json!({ "JobIds": [task] }))?;
    }
    Ok(task)
}

fn request(
    ome: &Rest<'_>,
    server: &ServerRef,
    device: u64,
    baseline: &Value,
    sources: &[String],
) -> Result<Value, Error> {
    let number = |name: &str| {
        baseline
            .natural(&[name])
            .ok_or_else(|| Error::Malformed(format!("the baseline has no `{name}`")))
            .map(|number| number.to_string())
    };
    let name = format!("farrier-firmware-{}", server.id);
    let param = |key: &str, value: String| json!({ "Key": key, "Value": value });
    Ok(json!({
        "Id": 0, "JobName": name, "JobDescription": name, "Schedule": "startnow", "State": "Enabled",
        "JobType": { "Id": job_type(ome, "Update_Task")?, "Name": "Update_Task" },
        "Targets": [{
            "Id": device, "Data": sources.join(";"), "TargetType": { "Id": 1000, "Name": "DEVICE" },
        }],
        "Params": [
            param("operationName", "INSTALL_FIRMWARE".to_owned()),
            param("complianceUpdate", "true".to_owned()),
            param("complianceReportId", number("Id")?),
            param("repositoryId", number("RepositoryId")?),
            param("catalogId", number("CatalogId")?),
            param("stagingValue", "false".to_owned()),
            param("signVerify", "true".to_owned()),
            param("rebootType", "3".to_owned()),
        ],
    }))
}

/// Ids of job types differ between versions of the appliance.
fn job_type(ome: &Rest<'_>, name: &str) -> Result<u64, Error> {
    let mut found = None;
    ome.list("/api/JobService/JobTypes", &mut |one| {
        if one.text(&["Name"]).as_deref() == Some(name) {
            found = one.natural(&["Id"]);
        }
        found.is_none()
    })?;
    found.ok_or_else(|| Error::Unsupported(format!("the appliance has no job type `{name}`")))
}
