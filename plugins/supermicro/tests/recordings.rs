//! The Supermicro driver against recordings of X13 and X10.
//!
//! Promises: expected values were read from the recordings by hand. Does not: run without them; each test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_sdk::driver::{Context, boot, hardening, identity, inventory, log, power, reset, sensors, update};
use farrier_plugin_sdk::serde_json::{self, json};
use farrier_plugin_sdk::testing::{Answer, Memory, Replay, baseline, step};
use farrier_plugin_sdk::types::{
    Body, BootMode, BootOverride, BootPersistence, BootTarget, Completion, DriveProtocol, Error, Finding, JobState,
    PartContent, PowerAction, Quantity, ResetKind, Value, Verdict,
};
use farrier_plugin_supermicro::Supermicro;

const X13: &str = "supermicro-sys821ge-x13-11.01.01";
const X10: &str = "supermicro-x10sdv-4.00";

#[test]
fn x13_is_identified_without_a_vendor_in_the_root() {
    let Some(tree) = Replay::open(X13) else { return };
    let found = identity::read(&Supermicro, &Context::new(&tree)).unwrap();
    assert_eq!((found.vendor.as_str(), found.model.as_str()), ("Supermicro", "SYS-821GE-TNHR"));
    assert_eq!(found.serial, "S889914X3710910");
    assert_eq!(found.controller_version, "11.01.01");
    assert_eq!(found.bmc_mac.as_deref(), Some("7c:c2:55:50:a8:ff"), "not the host-facing interface");
    let extra = |name: &str| found.extra.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(extra("board-serial"), Some("OM234S005959"));
    assert_eq!(extra("chassis-serial"), Some("C8010MM21A30331"));
    assert_eq!(extra("part-number"), Some("SYS-821GE-TNHR-02-CI061"));
}

#[test]
fn x10_is_identified_by_its_system_and_has_no_serial_number() {
    let Some(tree) = Replay::open(X10) else { return };
    tree.alter("/redfish/v1", &json!({"Vendor": null, "Oem": {}}));
    let found = identity::read(&Supermicro, &Context::new(&tree)).unwrap();
    assert_eq!((found.model.as_str(), found.serial.as_str(), found.sku), ("Super Server", "", None));
    assert_eq!(found.bmc_mac.as_deref(), Some("ac:1f:6b:18:a2:41"));
}

#[test]
fn another_vendor_is_passed_on() {
    for name in ["dell-r750-idrac9-7.10.30.00", "generic-dmtf-public-rackmount1"] {
        let Some(tree) = Replay::open(name) else { return };
        let error = identity::read(&Supermicro, &Context::new(&tree)).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{name}: {error:?}");
    }
}

#[test]
fn the_inventory_is_what_the_recordings_hold() {
    let Some(tree) = Replay::open(X13) else { return };
    let found = inventory::read(&Supermicro, &Context::new(&tree)).unwrap();
    assert_eq!((found.processors.len(), found.memory.len(), found.drives.len()), (2, 32, 8));
    assert_eq!((found.processors[0].socket.as_str(), found.processors[0].cores), ("CPU1", 32));
    assert_eq!(found.memory[0].slot, "P1-DIMMA1");
    assert_eq!(found.drives[0].bytes, 7_681_501_126_656);
    assert_eq!((found.drives[0].protocol, found.drives[0].solid_state), (DriveProtocol::Nvme, true));
    assert_eq!(found.nics.len(), 11, "the twelfth leads to the controller");
    assert_eq!(found.power_supplies.len(), 8);
    let version = |id: &str| found.firmware.iter().find(|f| f.id == id).map(|f| f.version.as_str());
    assert_eq!(version("bmc"), Some("11.01.01"));
    assert_eq!(version("bios"), Some("BIOS Date: 08/04/2023 Ver 1.4"));
    assert_eq!(version("backup-bmc"), None, "not present");

    let Some(tree) = Replay::open(X10) else { return };
    let found = inventory::read(&Supermicro, &Context::new(&tree)).unwrap();
    assert_eq!((found.processors.len(), found.memory.len(), found.drives.len()), (1, 4, 0));
    assert_eq!((found.processors[0].cores, found.processors[0].threads), (8, 16));
    assert_eq!(found.nics.len(), 4);
    let firmware: Vec<_> = found.firmware.iter().map(|f| (f.id.as_str(), f.version.as_str())).collect();
    assert_eq!(firmware, [("bmc", "4.0"), ("bios", "1.2")], "there is no update service");
}

#[test]
fn sensors_are_read() {
    let Some(tree) = Replay::open(X13) else { return };
    let found = sensors::read(&Context::new(&tree)).unwrap();
    let value = |name: &str, q: Quantity| found.iter().find(|r| r.sensor == name && r.quantity == q).map(|r| r.value);
    assert_eq!(value("inlet", Quantity::TemperatureCelsius), Some(21.0));
    assert_eq!(value("cpu1-temp", Quantity::TemperatureCelsius), Some(29.0));
    assert_eq!(value("fan9", Quantity::FanRpm), Some(2240.0));
    assert_eq!(value("system", Quantity::PowerWatts), Some(2161.0));
    assert_eq!(value("12v", Quantity::VoltageVolts), Some(12.176));
    assert_eq!(value("psu1", Quantity::PowerWatts), Some(361.0));
    assert_eq!(value("psu6", Quantity::PowerWatts), None, "a supply that says nothing");
}

#[test]
fn two_logs_of_one_name_are_told_apart() {
    let Some(tree) = Replay::open(X13) else { return };
    let page = log::read(&Supermicro, &Context::new(&tree), None).unwrap();
    let count = |name: &str| page.entries.iter().filter(|e| e.log == name).count();
    assert_eq!((count("sel") > 0, count("maintenance") > 0), (true, true));
}

fn verdict(findings: &[Finding], id: &str) -> (Verdict, Option<Value>) {
    findings.iter().find(|f| f.control == id).map(|f| (f.verdict, f.observed.clone())).unwrap()
}

#[test]
fn the_audit_claims_nothing_there_is_no_setting_for() {
    let Some(tree) = Replay::open(X13) else { return };
    let found = hardening::audit(&Supermicro, &Context::new(&tree), &baseline()).unwrap();
    let of = |id: &str| verdict(&found, id);
    assert_eq!(of("ipmi-over-lan"), (Verdict::NonCompliant, Some(Value::Flag(true))));
    assert_eq!(of("snmp-v2c"), (Verdict::Compliant, Some(Value::Flag(false))));
    assert_eq!(of("ssdp"), (Verdict::NonCompliant, Some(Value::Flag(true))));
    assert_eq!(of("ntp-servers"), (Verdict::NonCompliant, Some(Value::Texts(vec![]))), "the client is off");
    assert_eq!(of("tls-minimum-version"), (Verdict::NotApplicable, None));
    assert_eq!(of("login-banner"), (Verdict::NotApplicable, None));
    assert_eq!(of("session-timeout"), (Verdict::Compliant, Some(Value::Number(300))));
    assert_eq!(of("syslog-server"), (Verdict::NonCompliant, Some(Value::Text(String::new()))));
    assert_eq!(of("default-account"), (Verdict::Compliant, Some(Value::Flag(false))));
}

#[test]
fn x13_is_hardened_by_the_schema_and_syslog_by_its_own() {
    let Some(tree) = Replay::open(X13) else { return };
    let done = hardening::harden(&Supermicro, &Context::new(&tree), &baseline()).unwrap();
    assert_eq!(done.changed, ["ipmi-over-lan", "ssdp", "ntp-servers", "syslog-server", "ssh"]);
    assert!(done.findings.iter().all(|f| f.verdict != Verdict::NonCompliant), "{:?}", done.findings);
    let writes = tree.writes();
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[0].path, "/redfish/v1/Managers/1/NetworkProtocol");
    assert_eq!(writes[1].body, json!({"EnableSyslog": true, "SyslogServer": "10.0.0.9", "SyslogPortNumber": 514}));
    let again = hardening::harden(&Supermicro, &Context::new(&tree), &baseline()).unwrap();
    assert_eq!((again.changed, tree.writes()), (vec![], vec![]));
}

#[test]
fn x10_has_time_syslog_and_snmp_in_resources_of_their_own() {
    let Some(tree) = Replay::open(X10) else { return };
    let done = hardening::harden(&Supermicro, &Context::new(&tree), &baseline()).unwrap();
    assert_eq!(verdict(&done.findings, "ssdp"), (Verdict::NotApplicable, None));
    assert_eq!(verdict(&done.findings, "default-account"), (Verdict::NonCompliant, Some(Value::Flag(true))));
    let writes = tree.writes();
    let of = |end: &str| writes.iter().find(|w| w.path.ends_with(end)).map(|w| w.body.clone());
    let ntp = json!({"NTPEnable": true, "PrimaryNTPServer": "10.0.0.1", "SecondaryNTPServer": "10.0.0.2"});
    assert_eq!(of("/NTP"), Some(ntp));
    let syslog = json!({"EnableSyslog": true, "SyslogServerIP": "10.0.0.9", "SyslogPortNumber": 514});
    assert_eq!(of("/Syslog"), Some(syslog));
    assert_eq!(of("/SNMPv2"), None, "SNMP is off as a whole already");
    tree.alter("/redfish/v1/Managers/1/SNMP", &json!({"SnmpEnabled": true}));
    let done = hardening::harden(&Supermicro, &Context::new(&tree), &baseline()).unwrap();
    assert_eq!(done.changed, ["snmp-v2c"]);
    assert_eq!(tree.writes()[0].body, json!({"Snmpv2Enabled": false}));
}

#[test]
fn a_boot_override_names_everything_every_time() {
    let Some(tree) = Replay::open(X13) else { return };
    let wanted = BootOverride { target: BootTarget::Pxe, persistence: BootPersistence::Once, mode: BootMode::Uefi };
    assert_eq!(boot::get(&Supermicro, &Context::new(&tree)).unwrap().target, BootTarget::None, "Pxe, but disabled");
    boot::set(&Supermicro, &Context::new(&tree), &wanted).unwrap();
    let body = json!({"Boot": {
        "BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "UEFI"}});
    assert_eq!(tree.writes()[0].body, body);
    tree.alter("/redfish/v1/Systems/1", &json!({"Boot": {"BootSourceOverrideTarget": "UefiBootNext"}}));
    boot::set(&Supermicro, &Context::new(&tree), &wanted).unwrap();
    assert_eq!(tree.writes(), [], "the firmware keeps Pxe as UefiBootNext");
}

#[test]
fn power_and_reset_take_the_values_of_the_action_info() {
    let Some(tree) = Replay::open(X13) else { return };
    power::set(&Context::new(&tree), PowerAction::Off).unwrap();
    assert_eq!(tree.writes()[0].body, json!({"ResetType": "ForceOff"}));
    let Some(tree) = Replay::open(X10) else { return };
    reset::reset(&Context::new(&tree), ResetKind::Bmc).unwrap();
    assert_eq!(tree.writes()[0].body, json!({}), "X10 takes no parameter");
}

#[test]
fn x13_is_sent_one_target_and_what_is_kept_of_it() {
    let Some(tree) = Replay::open(X13) else { return };
    for (component, target, part) in
        [("bmc", "/redfish/v1/Managers/1", "BMC"), ("bios", "/redfish/v1/Systems/1/Bios", "BIOS")]
    {
        let started = update::apply(&Supermicro, &Context::new(&tree), &step(component, "99.1", "")).unwrap();
        let Completion::Pending(job) = started else { panic!("not pending") };
        assert!(job.id.ends_with(&format!("#verify:{component}@99.1")), "{}", job.id);
        let [push] = tree.pushes().try_into().unwrap();
        assert_eq!(push.path, "/redfish/v1/UpdateService/upload");
        let Body::Multipart(parts) = push.body else { panic!("no form") };
        let PartContent::Text(text) = &parts[0].content else { panic!("no text") };
        let parameters: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(parameters["Targets"], json!([target]));
        assert_eq!(parameters["@Redfish.OperationApplyTime"], "OnStartUpdateRequest");
        assert!(parameters["Oem"]["Supermicro"][part].as_object().unwrap().values().all(|kept| *kept == true));
        assert_eq!(parts[1].filename, None, "the host knows the file's name");
    }
    let error = update::apply(&Supermicro, &Context::new(&tree), &step("cpld-motherboard", "99.1", "")).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
    let stuck = json!({"error": {"@Message.ExtendedInfo": [
        {"MessageId": "SMC.1.0.OemFirmwareAlreadyInUpdateMode", "Message": "x", "MessageSeverity": "Warning"}]}});
    tree.answer("/redfish/v1/UpdateService/upload", Answer::Say(400, stuck));
    let Err(Error::Rejected(remote)) = update::apply(&Supermicro, &Context::new(&tree), &step("bmc", "99.1", ""))
    else {
        panic!("not refused")
    };
    assert!(remote.resolution.unwrap().contains("BMC cold reset"));
}

#[test]
fn what_was_verified_is_started_once_and_what_is_forgotten_is_sent_anew() {
    let Some(tree) = Replay::open(X13) else { return };
    let (memory, step) = (Memory::default(), step("bmc", "99.1", ""));
    let context = || Context::with(&tree, &memory);
    let start = || match update::apply(&Supermicro, &context(), &step) {
        Ok(Completion::Pending(job)) => job.id,
        other => panic!("{other:?}"),
    };
    let task = |id: &str| json!({"@odata.type": "#Task.v1_4_3.Task", "@odata.id": format!("/redfish/v1/TaskService/Tasks/{id}")});
    let set = |id: &str, state: &str| {
        tree.alter(&format!("/redfish/v1/TaskService/Tasks/{id}"), &json!({"TaskState": state, "Name": "BMC"}));
    };
    tree.answer("/redfish/v1/UpdateService/upload", Answer::Say(202, task("71")));
    tree.answer("/redfish/v1/UpdateService/Actions/UpdateService.StartUpdate", Answer::Say(202, task("72")));
    set("71", "Running");
    let verify = start();
    assert_eq!(verify, start(), "not sent a second time while nobody was told how it ended");
    assert!(matches!(update::poll(&Supermicro, &context(), &verify), Ok(JobState::Running(_))));
    set("71", "Completed");
    let Ok(JobState::Succeeded(said)) = update::poll(&Supermicro, &context(), &verify) else { panic!("not verified") };
    assert!(said.starts_with("verified"), "{said}");
    assert_eq!(tree.pushes().len(), 1);
    let write = start();
    assert_eq!(write, "/redfish/v1/TaskService/Tasks/72#write:bmc@99.1");
    assert_eq!(tree.pushes().len(), 0, "started, not sent again");
    let gone = update::poll(&Supermicro, &context(), &write);
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    assert_eq!(start(), verify, "sent anew");
    assert_eq!(tree.pushes().len(), 1);
}
