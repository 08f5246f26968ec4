//! The generic driver against a reference tree and a vendor there is no driver for.
//!
//! Promises: expected values were read from the recordings by hand. Does not: run without them; each test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_redfish::Generic;
use farrier_plugin_sdk::driver::{Context, boot, hardening, identity, inventory, log, sensors, update};
use farrier_plugin_sdk::serde_json::json;
use farrier_plugin_sdk::testing::{Answer, Replay, baseline, control, step};
use farrier_plugin_sdk::types::{
    Body, BootMode, BootOverride, BootPersistence, BootTarget, Completion, DriveProtocol, Error, Quantity, Value,
    Verdict,
};

const DMTF: &str = "generic-dmtf-public-rackmount1";
const LENOVO: &str = "generic-lenovo-sr670v2-xcc-2.83";

#[test]
fn the_reference_tree_is_read() {
    let Some(tree) = Replay::open(DMTF) else { return };
    let found = inventory::read(&Generic, &Context::new(&tree)).unwrap();
    let who = &found.identity;
    assert_eq!((who.vendor.as_str(), who.model.as_str(), who.serial.as_str()), ("Contoso", "3500", "437XR1138R2"));
    assert_eq!((who.controller.as_str(), who.controller_version.as_str()), ("Joo Janta 200", "1.45.455b66-rev4"));
    assert_eq!(who.bmc_mac.as_deref(), Some("23:11:8a:33:cf:ea"), "not the host-facing interface");
    assert_eq!(who.asset_tag.as_deref(), Some("Chicago-45Z-2381"));
    assert_eq!(found.processors.len(), 1, "one socket is empty, and an FPGA is no processor");
    assert_eq!(found.memory.len(), 3);
    assert_eq!(found.nics.len(), 2, "a VLAN repeats a MAC");
    assert_eq!(found.power_supplies.len(), 1);
    let ids: Vec<_> = found.firmware.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids, ["bmc", "ss", "bios"]);
}

#[test]
fn lenovo_is_read() {
    let Some(tree) = Replay::open(LENOVO) else { return };
    let found = inventory::read(&Generic, &Context::new(&tree)).unwrap();
    let who = &found.identity;
    assert_eq!((who.vendor.as_str(), who.serial.as_str()), ("Lenovo", "J105958B"));
    assert_eq!(who.model, "ThinkSystem SR670 V2");
    assert_eq!(who.bmc_mac.as_deref(), Some("08:8f:c3:a5:8a:6f"));
    assert_eq!((found.processors.len(), found.memory.len()), (2, 16), "eight GPUs are no processors");
    assert_eq!(found.drives.len(), 4);
    assert_eq!((found.drives[2].bytes, found.drives[2].protocol), (7_680_000_000_000, DriveProtocol::Nvme));
    let macs: Vec<_> = found.nics.iter().map(|n| n.mac.as_str()).collect();
    assert_eq!(macs, ["00:62:0b:4c:28:4e", "00:62:0b:4c:28:4f", "00:62:0b:4c:28:50", "00:62:0b:4c:28:51"]);
    assert_eq!(found.power_supplies.len(), 4);
    assert_eq!(found.firmware.len(), 43);
    assert_eq!(found.firmware[0].id, "bmc");
}

#[test]
fn sensors_come_from_the_old_resources_or_else_from_the_collection() {
    let Some(tree) = Replay::open(LENOVO) else { return };
    let found = sensors::read(&Context::new(&tree)).unwrap();
    let value = |name: &str, q: Quantity| found.iter().find(|r| r.sensor == name && r.quantity == q).map(|r| r.value);
    assert_eq!(value("ambient-temp", Quantity::TemperatureCelsius), Some(19.0));
    assert_eq!(value("fan-1a-tach", Quantity::FanRpm), Some(6431.0));
    assert_eq!(value("system", Quantity::PowerWatts), Some(708.0));
    assert_eq!(value("psu1", Quantity::PowerWatts), Some(199.0));

    let Some(tree) = Replay::open(DMTF) else { return };
    for old in ["Thermal", "Power"] {
        tree.alter("/redfish/v1/Chassis/1U", &json!({ old: null }));
    }
    let found = sensors::read(&Context::new(&tree)).unwrap();
    let value = |name: &str, q: Quantity| found.iter().find(|r| r.sensor == name && r.quantity == q).map(|r| r.value);
    assert_eq!(value("ambient-temperature", Quantity::TemperatureCelsius), Some(22.5));
    assert_eq!(value("power-supply-1-input-voltage", Quantity::VoltageVolts), Some(119.27));
    assert_eq!(value("chassis-fan-1", Quantity::FanPercent), Some(45.0));
    assert_eq!(value("battery-1-state-of-health", Quantity::FanPercent), None, "not every percent is a fan");
}

#[test]
fn a_log_named_twice_is_read_once() {
    let Some(tree) = Replay::open(LENOVO) else { return };
    let page = log::read(&Generic, &Context::new(&tree), None).unwrap();
    let count = |name: &str| page.entries.iter().filter(|e| e.log == name).count();
    assert_eq!((count("platformlog"), count("auditlog"), count("maintenancelog")), (5, 5, 5));
}

#[test]
fn what_the_schema_has_no_setting_for_is_not_applicable() {
    let Some(tree) = Replay::open(DMTF) else { return };
    let found = hardening::audit(&Generic, &Context::new(&tree), &baseline()).unwrap();
    let of = |id: &str| found.iter().find(|f| f.control == id).map(|f| (f.verdict, f.observed.clone())).unwrap();
    assert_eq!(of("ipmi-over-lan"), (Verdict::NonCompliant, Some(Value::Flag(true))));
    assert_eq!(of("snmp-v2c"), (Verdict::NonCompliant, Some(Value::Flag(true))), "v1 counts");
    assert_eq!(of("ssh"), (Verdict::NonCompliant, Some(Value::Flag(true))));
    assert_eq!(of("session-timeout"), (Verdict::Compliant, Some(Value::Number(30))), "shorter is safer");
    assert_eq!(of("default-account"), (Verdict::NonCompliant, Some(Value::Flag(true))));
    for id in ["tls-minimum-version", "syslog-server", "login-banner"] {
        assert_eq!(of(id), (Verdict::NotApplicable, None));
    }
}

#[test]
fn a_batch_refused_for_one_control_is_tried_one_by_one() {
    let Some(tree) = Replay::open(DMTF) else { return };
    tree.answer("/redfish/v1/Managers/BMC/NetworkProtocol", Answer::Say(400, json!({"error": {"message": "no"}})));
    let wanted = [control("ssh", Value::Flag(false)), control("ssdp", Value::Flag(false))];
    let done = hardening::harden(&Generic, &Context::new(&tree), &wanted).unwrap();
    assert_eq!(tree.writes().len(), 3, "both, then each");
    assert_eq!(done.changed, Vec::<String>::new());
    assert!(done.findings.iter().all(|f| f.verdict == Verdict::NonCompliant));
    assert!(done.findings.iter().all(|f| f.detail.as_deref().is_some_and(|d| d.starts_with("refused: "))));
}

#[test]
fn credentials_refused_in_the_middle_end_the_call() {
    let Some(tree) = Replay::open(DMTF) else { return };
    tree.answer("/redfish/v1/Managers/BMC/NetworkProtocol", Answer::Say(401, json!({})));
    let error = hardening::harden(&Generic, &Context::new(&tree), &baseline()).unwrap_err();
    assert_eq!(error, Error::Unauthenticated);
    assert_eq!(tree.writes().len(), 1, "tried once");
}

#[test]
fn a_wrong_kind_of_value_is_the_hosts_mistake() {
    let Some(tree) = Replay::open(DMTF) else { return };
    let wrong = [control("ssh", Value::Number(1))];
    let error = hardening::audit(&Generic, &Context::new(&tree), &wrong).unwrap_err();
    assert_eq!(error, Error::InvalidInput("the control `ssh` takes a flag".to_owned()));
}

#[test]
fn an_override_the_controller_does_not_list_is_refused_before_it_is_sent() {
    let Some(tree) = Replay::open(LENOVO) else { return };
    let wanted =
        BootOverride { target: BootTarget::Pxe, persistence: BootPersistence::Continuous, mode: BootMode::Uefi };
    let error = boot::set(&Generic, &Context::new(&tree), &wanted).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
    assert_eq!(tree.writes(), []);
    let Some(tree) = Replay::open(DMTF) else { return };
    let now = boot::get(&Generic, &Context::new(&tree)).unwrap();
    assert_eq!((now.target, now.persistence), (BootTarget::Pxe, BootPersistence::Once));
}

#[test]
fn ami_firmware_takes_only_the_wildcard() {
    let Some(tree) = Replay::open(DMTF) else { return };
    tree.alter("/redfish/v1", &json!({"Oem": {"Ami": {}}}));
    let wanted = [control("ssh", Value::Flag(false))];
    hardening::harden(&Generic, &Context::new(&tree), &wanted).unwrap();
    assert_eq!(tree.writes()[0].if_match.as_deref(), Some("*"));
}

#[test]
fn a_reply_that_is_no_json_object_is_malformed() {
    let tree = Replay::of([("/redfish/v1".to_owned(), json!([1, 2]))]);
    let error = identity::read(&Generic, &Context::new(&tree)).unwrap_err();
    assert!(matches!(error, Error::Malformed(_)), "{error:?}");
    let tree = Replay::of([]);
    let error = identity::read(&Generic, &Context::new(&tree)).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
}

#[test]
fn settings_that_a_job_makes_are_pending() {
    let Some(tree) = Replay::open(DMTF) else { return };
    let task = json!({"@odata.type": "#Task.v1_4_3.Task", "@odata.id": "/redfish/v1/TaskService/Tasks/7"});
    tree.answer("/redfish/v1/Managers/BMC/NetworkProtocol", Answer::Say(202, task));
    let wanted = [control("ssh", Value::Flag(false))];
    let done = hardening::harden(&Generic, &Context::new(&tree), &wanted).unwrap();
    assert_eq!(done.pending.map(|job| job.id).as_deref(), Some("/redfish/v1/TaskService/Tasks/7"));
    assert_eq!(done.changed, Vec::<String>::new());
    assert_eq!(done.findings[0].detail.as_deref(), Some("the controller took the change and makes it in a job"));
}

#[test]
fn an_image_goes_the_first_way_a_service_offers() {
    let Some(dmtf) = Replay::open(DMTF) else { return };
    let started = update::apply(&Generic, &Context::new(&dmtf), &step("bios", "P79 v9.99", "")).unwrap();
    assert!(matches!(started, Completion::Pending(_)));
    let [push] = dmtf.pushes().try_into().unwrap();
    assert_eq!((push.path.as_str(), &push.body), ("/FWUpdate", &Body::Image("0".repeat(64))));
    let Some(lenovo) = Replay::open(LENOVO) else { return };
    update::apply(&Generic, &Context::new(&lenovo), &step("bmc", "99.9", "")).unwrap();
    let [push] = lenovo.pushes().try_into().unwrap();
    assert_eq!(push.path, "/mfwupdate");
    assert!(matches!(push.body, Body::Multipart(_)));
    lenovo.alter("/redfish/v1/UpdateService", &json!({"MultipartHttpPushUri": null, "HttpPushUri": null}));
    let error = update::apply(&Generic, &Context::new(&lenovo), &step("bmc", "99.9", "")).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "no image is served: {error:?}");
    let uri = "http://10.0.0.1/firmware/token/x.bin";
    update::apply(&Generic, &Context::new(&lenovo), &step("bmc", "99.9", uri)).unwrap();
    let pulled = lenovo.writes().pop().unwrap();
    assert_eq!(pulled.body, json!({"ImageURI": uri, "TransferProtocol": "HTTP"}));
    lenovo.alter("/redfish/v1/UpdateService", &json!({"HttpPushUriTargetsBusy": true}));
    let error = update::apply(&Generic, &Context::new(&lenovo), &step("bmc", "99.9", uri)).unwrap_err();
    assert!(matches!(error, Error::Busy(_)), "{error:?}");
    let error = update::apply(&Generic, &Context::new(&lenovo), &step("fpga", "1", uri)).unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}
