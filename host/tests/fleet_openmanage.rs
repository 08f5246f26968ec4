//! The OpenManage plugin against the simulated appliance: discovery, firmware of one device, crashes between request and answer, and
//! the password that the appliance echoes. Passed means: the lab's rules, written from documents and Dell's test data, were kept. No
//! appliance of Dell was asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod fleet_support;

use std::fmt::Write as _;

use farrier::plugin::CallError;
use farrier::plugin::wit::types::{Completion, Error, Health};
use farrier_lab::appliance::{Fault, Setup};
use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::openmanage::{BASELINE, OmeHandle, start};
use farrier_lab::rig::plugin;
use fleet_support::{BMC_PASSWORD, Bench, machines, mostly_known, plugin_error, server, setup};
use serde_json::json;

const QUESTION: &str = "/api/UpdateService/Actions/UpdateService.GetBaselinesReportByDeviceids";

async fn rig(setup: Setup) -> Option<(OmeHandle, Bench)> {
    let ledger = Ledger::default();
    let appliance = start(setup, ledger.clone()).await.unwrap();
    let bench = Bench::new("dell-openmanage", &appliance.url(), &ledger, QUESTION).await?;
    Some((appliance, bench))
}

#[tokio::test]
async fn a_server_is_discovered_once_and_found_and_removed() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    assert_eq!(bench.driver.find_member(&bench.lend, &server(0)).await.unwrap(), None);
    let first = bench.register(&server(0)).await.unwrap();
    let second = bench.register(&server(0)).await.unwrap();
    assert_eq!(first, second, "the second call finds the first one's job");
    assert!(matches!(plugin_error(bench.driver.unregister(&bench.lend, &server(0)).await), Error::Busy(_)));
    assert_eq!(bench.end(first).await.unwrap(), "the server is there");
    assert_eq!(bench.register(&server(0)).await.unwrap(), Completion::Done);
    let member = bench.driver.find_member(&bench.lend, &server(0)).await.unwrap().unwrap();
    assert_eq!((member.health, member.baseline.as_deref()), (Health::Warning, Some(BASELINE.1)));
    assert_eq!(bench.driver.unregister(&bench.lend, &server(0)).await.unwrap(), Completion::Done);
    assert_eq!(bench.driver.unregister(&bench.lend, &server(0)).await.unwrap(), Completion::Done);
    assert_eq!(appliance.discoveries(), Vec::<String>::new());
    assert_eq!((bench.count(Kind::Registration), bench.count(Kind::Removal), bench.count(Kind::Login)), (1, 1, 1));
    bench.broker.close().await;
    assert_eq!((appliance.sessions(), bench.violations()), (0, vec![]));
}

#[tokio::test]
async fn every_device_of_every_page_is_found_by_its_exact_tag() {
    let Some((_appliance, bench)) = rig(setup(mostly_known())).await else { return };
    for at in 1..machines().len() {
        let found = bench.driver.find_member(&bench.lend, &server(at)).await.unwrap().unwrap();
        let mut nameless = server(at);
        nameless.serial = None;
        assert_eq!(bench.driver.find_member(&bench.lend, &nameless).await.unwrap().unwrap().id, found.id);
    }
    assert_eq!(bench.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_crash_between_request_and_answer_discovers_no_second_time() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    appliance.plant(Fault::LoseAnswer(1));
    assert!(matches!(plugin_error(bench.register(&server(0)).await), Error::Unreachable(_)));
    let again = bench.register(&server(0)).await.unwrap();
    bench.end(again).await.unwrap();
    assert_eq!((bench.count(Kind::Registration), appliance.discoveries().len()), (1, 1));
    appliance.plant(Fault::LoseAnswer(1));
    assert!(bench.driver.unregister(&bench.lend, &server(0)).await.is_err());
    assert_eq!(bench.driver.unregister(&bench.lend, &server(0)).await.unwrap(), Completion::Done);
    assert_eq!((bench.count(Kind::Removal), appliance.discoveries().len(), bench.violations()), (1, 0, vec![]));
}

#[tokio::test]
async fn a_discovery_that_failed_says_why_and_is_made_anew() {
    let mut all = machines();
    all[1].password = "another-password".to_owned();
    let Some((appliance, bench)) = rig(setup(all)).await else { return };
    for _ in 0..2 {
        let discovering = bench.register(&server(1)).await.unwrap();
        let Error::Rejected(remote) = bench.end(discovering).await.unwrap_err() else { panic!("not rejected") };
        assert_eq!(remote.code.as_deref(), Some("CGEN1009"));
        assert!(remote.message.contains("invalid credentials"), "{}", remote.message);
    }
    appliance.plant(Fault::WorkLies(1));
    let Completion::Pending(job) = bench.register(&server(0)).await.unwrap() else { panic!("not pending") };
    assert!(bench.job_end(&job).await.unwrap().contains("did not end well"));
    appliance.plant(Fault::Purge);
    assert_eq!(bench.job_end(&job).await.unwrap(), "the server is there");
    assert_eq!((bench.count(Kind::Registration), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn firmware_of_one_device_is_compared_updated_once_and_verified() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    let device = server(1);
    let report = bench.driver.check_firmware(&bench.lend, &device, None).await.unwrap();
    assert!(!report.compliant && report.baseline == BASELINE.1, "{report:?}");
    let rom = report.components.iter().find(|one| one.component == "System ROM").unwrap();
    assert_eq!((rom.installed.as_str(), rom.expected.as_str(), rom.compliant), ("2.10.2", "2.21.2", false));
    appliance.plant(Fault::LoseAnswer(2));
    // The question's answer is lost, then the update's: a crash at each place.
    for _ in 0..2 {
        assert!(bench.driver.update_firmware(&bench.lend, &device, Some(BASELINE.1)).await.is_err());
    }
    let running = bench.driver.update_firmware(&bench.lend, &device, Some("23")).await.unwrap();
    assert!(matches!(running, Completion::Pending(_)));
    bench.end(running).await.unwrap();
    let stale = bench.driver.check_firmware(&bench.lend, &device, None).await.unwrap();
    assert!(!stale.compliant, "the report is as old as the baseline's last run");
    assert_eq!(bench.update_all(&device, None).await, 1, "compared anew, and nothing flashed again");
    assert!(bench.driver.check_firmware(&bench.lend, &device, None).await.unwrap().compliant);
    let other = bench.driver.check_firmware(&bench.lend, &server(2), None).await.unwrap();
    assert!(!other.compliant, "the others are left alone");
    assert_eq!((bench.count(Kind::FirmwareStart), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn a_partial_update_is_never_a_success() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    for (fault, code) in
        [(Fault::WorkFails { code: "PR21".to_owned(), times: 1 }, "Failed"), (Fault::WorkLies(1), "LAB0003")]
    {
        appliance.plant(fault);
        let at = if code == "Failed" { 1 } else { 2 };
        let Completion::Pending(job) = bench.driver.update_firmware(&bench.lend, &server(at), None).await.unwrap()
        else {
            panic!("not pending")
        };
        let Error::Rejected(remote) = bench.job_end(&job).await.unwrap_err() else { panic!("not rejected") };
        assert_eq!(remote.code.as_deref(), Some(code), "{}", remote.message);
        appliance.plant(Fault::Purge);
        assert!(matches!(bench.job_end(&job).await, Err(Error::NotFound(_))));
    }
    let unknown = bench.driver.check_firmware(&bench.lend, &server(1), Some("no such baseline")).await;
    assert!(matches!(plugin_error(unknown), Error::InvalidInput(_)));
    assert_eq!((bench.count(Kind::FirmwareStart), bench.violations()), (2, vec![]));
}

#[tokio::test]
async fn a_question_passes_only_where_the_host_names_it() {
    let Some((_appliance, mut bench)) = rig(setup(mostly_known())).await else { return };
    bench.lend.questions.clear();
    let refused = bench.driver.check_firmware(&bench.lend, &server(1), None).await;
    assert!(matches!(&refused, Err(CallError::Refused(denied)) if denied.code() == "look-only"), "{refused:?}");
    assert_eq!((bench.count(Kind::Write), bench.violations()), (0, vec![]));
}

#[tokio::test]
async fn sessions_are_shared_renewed_and_given_back() {
    let setup = Setup { sessions: 1, ..setup(mostly_known()) };
    let Some((appliance, bench)) = rig(setup).await else { return };
    let (one, two) = (server(1), server(2));
    let (a, b) = tokio::join!(bench.driver.find_member(&bench.lend, &one), bench.driver.find_member(&bench.lend, &two));
    assert!(a.unwrap().is_some() && b.unwrap().is_some());
    appliance.plant(Fault::SessionsLost);
    assert!(bench.driver.find_member(&bench.lend, &one).await.unwrap().is_some());
    assert_eq!((bench.count(Kind::Login), appliance.sessions()), (2, 1));
    appliance.plant(Fault::Busy { after: 7, times: 1 });
    let busy = plugin_error(bench.driver.find_member(&bench.lend, &one).await);
    assert!(matches!(busy, Error::Busy(busy) if busy.retry_after == Some(7)));
    bench.broker.close().await;
    assert_eq!((appliance.sessions(), bench.violations()), (0, vec![]));
}

/// Every part of the password that could be seen, whatever wrote it.
fn holds_password(text: &str) -> bool {
    let spellings = [BMC_PASSWORD, "Zebra", "Wort", "\\\\Wort", "k\\u00e4se", "käse"];
    spellings.iter().any(|part| text.contains(part))
}

/// Everything that carries a request or an answer; the compiler's own chatter is left out.
const LOG: &str = "debug,farrier=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,h2=trace,\
                   cranelift_codegen=off,regalloc2=off,wasmtime=off,wasmtime_internal_cranelift=off";

#[tokio::test]
async fn the_echoed_password_is_seen_nowhere() {
    let Some(file) = plugin("dell-openmanage") else { return };
    let Some((appliance, bench)) = rig(setup(machines())).await else { return };
    // The body as the plugin gets it: the broker's answer to the very request.
    let discovery = json!({
        "DiscoveryConfigGroupName": "direct",
        "DiscoveryConfigModels": [{
            "DeviceType": [1000], "DiscoveryConfigTargets": [{ "NetworkAddressDetail": "10.0.0.5" }],
            "ConnectionProfile": { "$json": { "credentials": [{ "type": "REDFISH", "credentials": {
                "username": { "$secret": "bmc-username" }, "password": { "$secret": "bmc-password" },
            } }] } },
        }],
        "Schedule": { "RunNow": true, "RunLater": false, "Cron": "startnow" }, "TrapDestination": false, "CreateGroup": true,
    });
    let request = farrier::plugin::wit::http::Request {
        method: farrier::plugin::wit::http::Method::Post,
        path: "/api/DiscoveryConfigService/DiscoveryConfigGroups".to_owned(),
        headers: Vec::new(),
        body: farrier::plugin::wit::http::Body::Json(discovery.to_string()),
        timeout: None,
    };
    let gate = farrier::egress::Gate::detached(farrier::egress::Effect::Act(farrier_lifecycle::Action::Configure));
    let exchange = farrier::plugin::Exchange {
        gate: &gate,
        secrets: &bench.lend.secrets,
        images: &bench.lend.images,
        deadline: std::time::Instant::now() + std::time::Duration::from_secs(10),
        questions: &[],
    };
    let answer = bench.lend.endpoint.send(&request, &exchange).await.unwrap();
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(answer.status == 201 && body.contains("********") && body.contains("TaskId"), "{body}");
    assert!(!holds_password(&body), "{body}");
    serde_json::from_str::<serde_json::Value>(&body).unwrap();

    // The plugin's own registration, as a program with the chattiest log.
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let files = [
        write("login", "appliance-password-1\n"),
        write("user", "root\n"),
        write("password", &format!("{BMC_PASSWORD}\n")),
    ];
    let server = serde_json::to_value(server(0)).unwrap();
    let access = json!({ "username-secret": "bmc-username", "password-secret": "bmc-password" });
    let mut seen = String::new();
    for _ in 0..2 {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_farrier"));
        command.args(["plugin", "call"]).arg(&file).args(["fleet-manager.register", "--endpoint", &appliance.url()]);
        command.args(["--write", "--username", "farrier", "--password-file", &files[0]]);
        command.args([
            "--secret",
            &format!("bmc-username={}", files[1]),
            "--secret",
            &format!("bmc-password={}", files[2]),
        ]);
        command.args(["--args", &kebab(&json!({ "server": server, "access": access })).to_string()]);
        command.env("FARRIER_LOG", LOG).env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        let output = command.kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        write!(seen, "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)).unwrap();
    }
    assert!(seen.contains("OpenManage: discovering AMS-SRV-000") && seen.contains("request"));
    let line = seen.lines().find(|line| holds_password(line));
    assert_eq!(line, None, "of {} lines", seen.lines().count());
    assert!(appliance.echoed() >= 2, "the appliance did echo it");
    assert_eq!(bench.violations(), Vec::<String>::new());
}

/// Names as the contract writes them.
fn kebab(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.replace('_', "-"), kebab(value))).collect()
        }
        other => other.clone(),
    }
}
