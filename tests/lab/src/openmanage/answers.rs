//! Bodies, in the shapes of Dell's test data and documents.

use serde_json::{Value, json};

use super::BASELINE;
use super::state::{BASELINE_TASK, Device, Group, Job, State, Work};
use crate::appliance::{Component, Machine, Warranty};
use crate::redfish::reply::Reply;

/// An error in the envelope of the appliance.
pub(super) fn error(status: u16, id: &str, message: &str) -> Reply {
    Reply::json(
        status,
        json!({ "error": {
            "code": "Base.1.0.GeneralError",
            "message": "A general error has occurred. See ExtendedInfo for more information.",
            "@Message.ExtendedInfo": [{
                "MessageId": id, "RelatedProperties": [], "Message": message, "MessageArgs": [], "Severity": "Critical",
                "Resolution": "Correct the request and retry the operation.",
            }],
        } }),
    )
}

/// A device. Its name is an address, as in Dell's data; two profiles claim two versions.
pub(super) fn device(device: &Device, machine: &Machine) -> Value {
    let profile = |id: u64, version: &str| {
        json!({
            "ManagementProfileId": id, "ManagementId": device.id, "AgentName": "iDRAC", "Version": version,
            "ManagementURL": format!("https://{}:443", machine.address), "HasCreds": 1, "Status": 1000,
        })
    };
    json!({
        "@odata.type": "#DeviceService.Device", "@odata.id": format!("/api/DeviceService/Devices({})", device.id),
        "Id": device.id, "Type": 1000, "Identifier": machine.serial, "DeviceServiceTag": machine.serial,
        "ChassisServiceTag": format!("CH{}", machine.serial), "Model": machine.model,
        "PowerState": if machine.on { 17 } else { 18 }, "ManagedState": 3000,
        "Status": if machine.is_current() { 1000 } else { 3000 }, "ConnectionState": true, "AssetTag": null,
        "DeviceName": machine.address, "LastInventoryTime": "2023-07-02 18:30:20.810",
        "DeviceManagement": [{
            "ManagementId": device.id, "NetworkAddress": machine.address, "MacAddress": machine.mac, "ManagementType": 2,
            "InstrumentationName": machine.address, "DnsName": format!("idrac-{}", machine.serial),
            "ManagementProfile": [profile(1, "7.00.00.00"), profile(2, "6.10.80.00")],
        }],
        "Enabled": true, "Actions": null,
    })
}

/// A warranty. Its times have no zone; its device is named by tag and by number.
pub(super) fn warranty(id: u64, device: &Device, machine: &Machine, one: &Warranty) -> Value {
    json!({
        "@odata.type": "#WarrantyService.Warranty", "@odata.id": format!("/api/WarrantyService/Warranties({id})"),
        "Id": id, "DeviceId": device.id, "DeviceIdentifier": machine.serial, "DeviceName": machine.address,
        "DeviceModel": machine.model, "DeviceType": 1000, "State": "Active", "ItemNumber": "997-7210",
        "OrderNumber": "100540040", "ServiceLevelCode": "ND", "ServiceLevelDescription": one.level,
        "ServiceLevelGroup": 5, "ServiceProvider": "DELL", "EntitlementType": "INITIAL", "DaysRemaining": 0,
        "StartDate": one.starts, "EndDate": one.ends, "Timestamp": "2023-07-02 18:30:20.810",
    })
}

/// A discovery as it is read later: its password is null and its profile is pretty-printed.
pub(super) fn group(group: &Group) -> Value {
    let profile = json!({
        "profileId": group.id, "profileName": "", "type": "DISCOVERY",
        "credentials": [{ "type": "WSMAN", "authType": "Basic", "credentials": { "username": group.username, "password": null } }],
    });
    json!({
        "@odata.type": "#DiscoveryConfigService.DiscoveryConfigGroup",
        "@odata.id": format!("/api/DiscoveryConfigService/DiscoveryConfigGroups({})", group.id),
        "DiscoveryConfigGroupId": group.id, "DiscoveryConfigGroupName": group.name,
        "DiscoveryConfigModels": [{
            "DiscoveryConfigId": group.id,
            "DiscoveryConfigTargets": [{ "NetworkAddressDetail": group.address, "AddressType": 3, "Disabled": false }],
            "ConnectionProfile": serde_json::to_string_pretty(&profile).unwrap_or_default(), "DeviceType": [1000],
        }],
        "Schedule": { "RunNow": false, "RunLater": false, "Cron": "startnow" }, "CreateGroup": true,
    })
}

fn status(id: u64) -> Value {
    let name = match id {
        2050 => "Running",
        2060 => "Completed",
        2070 => "Failed",
        2090 => "Warning",
        _ => "New",
    };
    json!({ "@odata.type": "#JobService.JobStatus", "Id": id, "Name": name })
}

/// A job. `JobStatus` stays `New`.
pub(super) fn job(job: &Job) -> Value {
    let (kind, targets) = match &job.work {
        Work::Discover(_) => (json!({ "Id": 101, "Name": "Discovery_Task", "Internal": false }), json!([])),
        Work::Compare => (json!({ "Id": 22, "Name": "BaselineCompliance_Task", "Internal": true }), json!([])),
        Work::Update { device, sources } => (
            json!({ "Id": 5, "Name": "Update_Task", "Internal": false }),
            json!([{
                "Id": device, "JobId": job.id, "Data": sources.join(";"), "TargetType": { "Id": 1000, "Name": "DEVICE" },
            }]),
        ),
    };
    json!({
        "@odata.type": "#JobService.Job", "@odata.id": format!("/api/JobService/Jobs({})", job.id), "Id": job.id,
        "JobName": job.name, "JobDescription": job.name, "NextRun": null, "LastRun": job.begun, "Schedule": "startnow",
        "State": "Enabled", "CreatedBy": "admin", "Targets": targets, "Params": [], "LastRunStatus": status(job.status),
        "JobType": kind, "JobStatus": status(2080),
        "ExecutionHistories@odata.navigationLink": format!("/api/JobService/Jobs({})/ExecutionHistories", job.id),
    })
}

/// The runs of a job: one.
pub(super) fn history(job: &Job) -> Value {
    json!({
        "Id": job.id + 70_000, "JobName": job.name, "Progress": if job.ends.is_some() { "40" } else { "100" },
        "StartTime": job.begun, "JobId": job.id, "JobStatus": status(job.status),
    })
}

/// The baseline; with the report of one device, or without any.
pub(super) fn baseline(state: &State, report_of: Option<u64>) -> Value {
    let targets: Vec<Value> =
        state.devices.iter().map(|one| json!({ "Id": one.id, "Type": { "Id": 1000, "Name": "DEVICE" } })).collect();
    let mut body = json!({
        "@odata.type": "#UpdateService.Baselines", "@odata.id": format!("/api/UpdateService/Baselines({})", BASELINE.0),
        "Id": BASELINE.0, "Name": BASELINE.1, "Description": "", "CatalogId": 37, "RepositoryId": 43,
        "RepositoryName": "Dell Online", "RepositoryType": "DELL_ONLINE", "DowngradeEnabled": true, "Is64Bit": true,
        "LastRun": state.compared, "TaskId": BASELINE_TASK, "TaskStatusId": 2060, "Targets": targets,
    });
    if let (Some(id), Some(fields)) = (report_of, body.as_object_mut()) {
        let report = state.found.get(&id).map(|found| report(id, state, found));
        fields.insert("DeviceComplianceReports".to_owned(), report.into_iter().collect());
    }
    body
}

fn report(id: u64, state: &State, found: &[Component]) -> Value {
    let tag = state.device(id).map(|(_, machine)| machine.serial.clone());
    let behind = found.iter().any(|one| action(one) == "UPGRADE");
    let components: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({
                "Name": one.name, "SourceName": one.source, "CurrentVersion": one.installed, "Version": one.available,
                "UpdateAction": action(one), "Criticality": "Ok", "RebootRequired": true, "PrerequisiteInfo": "",
                "ComplianceStatus": if action(one) == "EQUAL" { "OK" } else { "CRITICAL" },
            })
        })
        .collect();
    json!({
        "@odata.type": "#UpdateService.DeviceComplianceReport", "Id": id + 1, "DeviceId": id, "ServiceTag": tag,
        "FirmwareStatus": if behind { "Non-Compliant" } else { "Compliant" },
        "ComplianceStatus": if behind { "CRITICAL" } else { "OK" }, "RebootRequired": behind, "DeviceName": null,
        "ComponentComplianceReports": components,
    })
}

/// What the appliance would do with a component: numbers compared part by part.
pub(super) fn action(one: &Component) -> &'static str {
    let parts = |text: &str| text.split('.').map(|part| part.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>();
    match parts(&one.available).cmp(&parts(&one.installed)) {
        std::cmp::Ordering::Greater => "UPGRADE",
        std::cmp::Ordering::Equal => "EQUAL",
        std::cmp::Ordering::Less => "DOWNGRADE",
    }
}
