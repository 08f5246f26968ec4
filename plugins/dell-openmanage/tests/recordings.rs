//! The plugin against Dell's test data, and against bodies in the documented shape. Expected values were read from them by hand.
//!
//! Skipped, visibly, where they are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_dell_openmanage::DellOpenManage;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::testing::{Answer, Replay, Script, document};
use farrier_plugin_sdk::types::{Completion, Error, Health, Job, Method, Response};
use farrier_plugin_sdk_fleet::Fleet as _;
use farrier_plugin_sdk_fleet::types::{BmcAccess, JobState, ServerRef};

fn server(serial: Option<&str>, address: Option<&str>) -> ServerRef {
    ServerRef {
        id: "server-1".to_owned(),
        name: "AMS-SRV-001".to_owned(),
        serial: serial.map(str::to_owned),
        bmc_mac: None,
        bmc_address: address.map(str::to_owned),
        site: None,
    }
}

fn file(name: &str) -> Option<Value> {
    document(&format!("ome-docshape/{name}.json"))
}

fn by_tag(tag: &str) -> String {
    format!("/api/DeviceService/Devices?$filter=DeviceServiceTag%20eq%20%27{tag}%27")
}

const REPORT: &str = "/api/UpdateService/Actions/UpdateService.GetBaselinesReportByDeviceids";
const GROUPS: &str = "/api/DiscoveryConfigService/DiscoveryConfigGroups";

fn empty() -> Value {
    json!({ "value": [] })
}

#[test]
fn recorded_devices_are_found_over_their_pages() {
    let (Some(all), Some(first), Some(second), Some(baselines)) =
        (file("devices"), file("devices-page1"), file("devices-page2"), file("baselines"))
    else {
        return;
    };
    let mut first = first;
    let next = "/api/DeviceService/Devices?$skip=2&$top=2";
    first["@odata.nextLink"] = json!(next);
    let tree = Replay::of([
        (by_tag("CZMC1T2"), all),
        ("/api/DeviceService/Devices".to_owned(), first),
        (next.to_owned(), second),
        ("/api/UpdateService/Baselines".to_owned(), baselines),
    ]);
    let member = DellOpenManage.find(&tree, &server(Some("CZMC1T2"), None)).unwrap().unwrap();
    assert_eq!((member.id.as_str(), member.health), ("123456", Health::Ok));
    assert_eq!(member.baseline.as_deref(), Some("prov-baseline"));
    let member = DellOpenManage.find(&tree, &server(None, Some("fe80::ffff:ffff:ffff:1111"))).unwrap().unwrap();
    assert_eq!((member.id.as_str(), member.health, member.baseline), ("123458", Health::Critical, None));
    assert_eq!(DellOpenManage.find(&tree, &server(None, Some("1.2.3.40"))).unwrap(), None);
}

#[test]
fn nothing_of_the_recorded_echo_is_kept() {
    let (Some(none), Some(created)) = (file("devices-filter-none"), file("discovery-create.201")) else { return };
    let tree = Replay::of([(by_tag("NOSUCH1"), none), (GROUPS.to_owned(), empty())]);
    tree.answer(GROUPS, Answer::Say(201, created));
    let access = BmcAccess { username_secret: "user".to_owned(), password_secret: "password".to_owned() };
    let begun = DellOpenManage.register(&tree, &server(Some("NOSUCH1"), Some("10.226.197.136")), &access).unwrap();
    let text = format!("{begun:?}");
    assert!(text.contains("12926") && !text.contains("REDACTED") && !text.contains("credentials"), "{text}");
    let body = &tree.writes()[0].body["DiscoveryConfigModels"][0]["ConnectionProfile"]["$json"];
    assert_eq!(body["credentials"][1]["credentials"]["password"], json!({ "$secret": "password" }));
}

#[test]
fn a_discovery_that_ends_while_it_is_looked_for_is_not_made_anew() {
    let body = |body: Value| Response { status: 200, headers: Vec::new(), body: body.to_string().into_bytes() };
    let list = |one: Value| body(json!({ "value": [one] }));
    let tree = Script::new(vec![
        body(empty()),
        list(json!({ "DiscoveryConfigGroupName": "farrier-server-1", "DiscoveryConfigGroupId": 51 })),
        list(json!({ "DiscoveryConfigGroupId": 51, "JobId": 12_926 })),
        body(json!({ "Id": 12_926, "LastRunStatus": { "Id": 2060 } })),
        list(json!({ "Id": 7, "Type": 1000, "DeviceServiceTag": "ABC1234" })),
    ]);
    let access = BmcAccess { username_secret: "user".to_owned(), password_secret: "password".to_owned() };
    let begun = DellOpenManage.register(&tree, &server(Some("ABC1234"), Some("10.0.0.5")), &access).unwrap();
    assert_eq!(begun, Completion::Done);
    assert!(tree.asked().iter().all(|request| request.method == Method::Get), "nothing is removed or made");
}

#[test]
fn documented_jobs_are_judged_by_their_last_run() {
    let names = ["job-discovery-running", "job-discovery-failed", "job-update-completed", "job-update-warning"];
    let jobs: Vec<Value> = names.into_iter().filter_map(file).collect();
    let (4, Some(history)) = (jobs.len(), file("job-discovery-failed-history")) else { return };
    let said = "/api/JobService/Jobs(12927)/ExecutionHistories(88001)/ExecutionHistoryDetails";
    let path = |id: u64| format!("/api/JobService/Jobs({id})");
    let details = json!({ "value": [{ "Value": "Unable to log in to the device. (CGEN1009)" }] });
    let mut tree: Vec<(String, Value)> =
        jobs.iter().map(|job| (path(job["Id"].as_u64().unwrap()), job.clone())).collect();
    tree.push((format!("{}/ExecutionHistories", path(12_927)), history));
    tree.push((said.to_owned(), details));
    tree.push((by_tag("NOSUCH1"), empty()));
    let tree = Replay::of(tree);
    let poll = |aim: &str, task: u64| {
        let id = json!({ "aim": aim, "task": task, "tag": "NOSUCH1" }).to_string();
        DellOpenManage.poll(&tree, &Job { id, title: "t".to_owned(), poll_after: 1 })
    };
    assert!(matches!(poll("add", 12_926), Ok(JobState::Running(_))));
    let Ok(JobState::Failed(Error::Rejected(remote))) = poll("add", 12_927) else { panic!("not failed") };
    assert_eq!(remote.code.as_deref(), Some("CGEN1009"));
    assert!(matches!(poll("update", 13_001), Ok(JobState::Succeeded(_))));
    let Ok(JobState::Failed(Error::Rejected(remote))) = poll("update", 13_002) else { panic!("not failed") };
    assert_eq!(remote.code.as_deref(), Some("Warning"), "a partial update is no success");
    assert!(matches!(poll("update", 1), Err(Error::NotFound(_))));
}

#[test]
fn a_documented_report_is_read_and_only_what_is_older_is_updated() {
    let all = (file("devices"), file("baselines"), file("baseline-23-compliance"), file("jobtypes"));
    let (Some(devices), Some(baselines), Some(reports), Some(types)) = all else { return };
    let mut baseline = baselines["value"][0].clone();
    baseline["DeviceComplianceReports"] = reports["value"].clone();
    let tree = Replay::of([
        (by_tag("CZMC1T2"), devices),
        ("/api/JobService/Jobs".to_owned(), empty()),
        ("/api/JobService/JobTypes".to_owned(), types),
    ]);
    tree.answer(REPORT, Answer::Say(200, json!([baseline])));
    let device = server(Some("CZMC1T2"), None);
    let report = DellOpenManage.check(&tree, &device, None).unwrap();
    let verdicts: Vec<(&str, bool)> =
        report.components.iter().map(|one| (one.component.as_str(), one.compliant)).collect();
    assert_eq!(
        verdicts,
        [("BIOS", false), ("Integrated Dell Remote Access Controller", true), ("OS Driver Pack", true)]
    );
    assert!(!report.compliant && report.baseline == "prov-baseline");
    tree.writes();
    tree.answer("/api/JobService/Jobs", Answer::Say(201, json!({ "Id": 13_001 })));
    assert!(matches!(DellOpenManage.update(&tree, &device, Some("23")).unwrap(), Completion::Pending(_)));
    let job = tree.writes().pop().unwrap().body;
    assert_eq!(job["JobType"], json!({ "Id": 5, "Name": "Update_Task" }));
    assert_eq!(job["Targets"][0]["Data"], "DCIM:INSTALLED#741__BIOS.Setup.1-1");
    assert_eq!(job["Targets"].as_array().unwrap().len(), 1);
    let Some(refusal) = file("error-invalid-device.400") else { return };
    tree.answer("/api/JobService/Jobs", Answer::Say(400, refusal));
    let Err(Error::Rejected(remote)) = DellOpenManage.update(&tree, &device, None) else { panic!("not rejected") };
    assert_eq!(remote.code.as_deref(), Some("CGEN6002"));
}
