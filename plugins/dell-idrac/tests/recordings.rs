//! The iDRAC driver against recordings of two firmware levels of iDRAC 9.
//!
//! Promises: expected values were read from the recordings by hand. Does not: run without them; each test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_dell_idrac::DellIdrac;
use farrier_plugin_sdk::driver::{Context, boot, firmware, hardening, identity, inventory, jobs, log, sensors, update};
use farrier_plugin_sdk::serde_json::{self, json};
use farrier_plugin_sdk::testing::{Answer, Replay, baseline, control, step};
use farrier_plugin_sdk::types::{
    Body, BootMode, BootOverride, BootPersistence, BootTarget, Completion, DriveProtocol, Error, Finding, Health,
    JobState, PartContent, Quantity, Value, Verdict,
};

const V6: &str = "dell-r750-idrac9-6.00.30.00";
const V7: &str = "dell-r750-idrac9-7.10.30.00";
const ATTRIBUTES: &str = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/iDRAC.Embedded.1";

#[test]
fn the_service_tag_is_the_serial_number() {
    for (name, tag, board, version, mac) in [
        (V6, "F54P1G3", "CNIVC0014M0388", "6.00.30.00", "b0:7b:25:d6:51:82"),
        (V7, "CLLV0R3", "MXFC40025U031S", "7.10.30.00", "c8:4b:d6:7a:dc:bc"),
    ] {
        let Some(tree) = Replay::open(name) else { return };
        let found = identity::read(&DellIdrac, &Context::new(&tree)).unwrap();
        assert_eq!((found.vendor.as_str(), found.model.as_str()), ("Dell", "PowerEdge R750"));
        assert_eq!((found.serial.as_str(), found.sku.as_deref()), (tag, Some(tag)));
        assert_eq!((found.controller.as_str(), found.controller_version.as_str()), ("iDRAC9", version));
        assert_eq!(found.bmc_mac.as_deref(), Some(mac));
        assert!(found.extra.contains(&("board-serial".to_owned(), board.to_owned())), "{:?}", found.extra);
    }
}

#[test]
fn another_vendor_is_passed_on() {
    let Some(tree) = Replay::open("hpe-dl360gen12-ilo7-1.14") else { return };
    let error = identity::read(&DellIdrac, &Context::new(&tree)).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
}

#[test]
fn the_inventory_is_what_the_recording_holds() {
    let Some(tree) = Replay::open(V7) else { return };
    let found = inventory::read(&DellIdrac, &Context::new(&tree)).unwrap();
    assert_eq!(found.health, Health::Critical);
    assert_eq!(found.bios_version.as_deref(), Some("1.13.2"));
    let cpus: Vec<_> = found.processors.iter().map(|c| (c.socket.as_str(), c.cores, c.threads)).collect();
    assert_eq!(cpus, [("CPU.Socket.1", 18, 36), ("CPU.Socket.2", 18, 36)]);
    assert_eq!(found.memory.len(), 8);
    assert!(found.memory.iter().all(|d| d.mebibytes == 16384 && d.speed == Some(3200)));
    assert_eq!(found.drives.len(), 2);
    assert_eq!(found.drives[0].slot, "Disk.Bay.6:Enclosure.Internal.0-1");
    assert_eq!(found.drives[0].serial.as_deref(), Some("S6CSNE0RB00699"));
    assert_eq!((found.drives[0].protocol, found.drives[0].solid_state), (DriveProtocol::Nvme, true));
    let nics: Vec<_> = found.nics.iter().map(|n| (n.name.as_str(), n.mac.as_str())).collect();
    assert_eq!(nics.len(), 4);
    assert!(nics.contains(&("NIC.Slot.2-1", "a0:88:c2:0c:b8:04")));
    assert_eq!(found.power_supplies.len(), 2);
    assert_eq!(found.power_supplies[0].watts, Some(1400));
    assert_eq!(found.firmware.len(), 17, "what is installed, not what was or repeats");
    let version = |id: &str| found.firmware.iter().find(|f| f.id == id).map(|f| f.version.as_str());
    assert_eq!(version("bmc"), Some("7.10.30.00"));
    assert_eq!(version("bios"), Some("1.13.2"));
    assert_eq!(version("nic-slot-2-1"), Some("32.41.1000"));
}

#[test]
fn a_gpu_of_the_older_firmware_is_no_processor() {
    let Some(tree) = Replay::open(V6) else { return };
    let found = inventory::read(&DellIdrac, &Context::new(&tree)).unwrap();
    assert_eq!((found.processors.len(), found.memory.len(), found.drives.len()), (2, 16, 3));
    assert_eq!((found.nics.len(), found.power_supplies.len(), found.firmware.len()), (5, 2, 21));
}

#[test]
fn sensors_are_read() {
    let Some(tree) = Replay::open(V7) else { return };
    let found = sensors::read(&Context::new(&tree)).unwrap();
    let value = |name: &str, q: Quantity| found.iter().find(|r| r.sensor == name && r.quantity == q).map(|r| r.value);
    assert_eq!(value("inlet", Quantity::TemperatureCelsius), Some(20.0));
    assert_eq!(value("cpu1-temp", Quantity::TemperatureCelsius), Some(26.0));
    assert_eq!(value("system-board-fan1a", Quantity::FanRpm), Some(9840.0));
    assert_eq!(value("system", Quantity::PowerWatts), Some(252.0));
    assert_eq!(value("psu1", Quantity::PowerWatts), Some(126.25));
}

#[test]
fn logs_with_the_newest_first_come_oldest_first() {
    let Some(tree) = Replay::open(V7) else { return };
    let page = log::read(&DellIdrac, &Context::new(&tree), None).unwrap();
    assert!(page.entries.is_sorted_by_key(|e| e.at.unwrap_or(0)));
    let last = page.entries.last().unwrap();
    assert_eq!((last.log.as_str(), last.id.as_str()), ("lclog", "179309"));
    assert_eq!(last.code.as_deref(), Some("IDRAC.2.9.USR0030"));
    assert_eq!(last.at, Some(1_723_755_090_000), "2024-08-15T15:51:30-05:00");
    assert!(page.entries.iter().any(|e| e.log == "sel" && e.id == "45"));
    let rest = log::read(&DellIdrac, &Context::new(&tree), Some(&page.cursor)).unwrap();
    assert_eq!(rest.entries, []);
}

fn verdict(findings: &[Finding], id: &str) -> (Verdict, Option<Value>) {
    findings.iter().find(|f| f.control == id).map(|f| (f.verdict, f.observed.clone())).unwrap()
}

#[test]
fn the_audit_reads_attributes() {
    let Some(tree) = Replay::open(V7) else { return };
    let found = hardening::audit(&DellIdrac, &Context::new(&tree), &baseline()).unwrap();
    let of = |id: &str| verdict(&found, id);
    let no = Verdict::NonCompliant;
    assert_eq!(of("ipmi-over-lan"), (no, Some(Value::Flag(true))));
    assert_eq!(of("snmp-v2c"), (no, Some(Value::Flag(true))));
    assert_eq!(of("ssdp"), (Verdict::NotApplicable, None), "an iDRAC has no SSDP setting");
    assert_eq!(of("ntp-servers"), (no, Some(Value::Texts(vec![]))));
    assert_eq!(of("tls-minimum-version"), (Verdict::Compliant, Some(Value::Text("1.2".to_owned()))));
    assert_eq!(of("session-timeout"), (no, Some(Value::Number(1800))));
    assert_eq!(of("syslog-server"), (no, Some(Value::Text(String::new()))));
    assert_eq!(of("login-banner").0, no);
    let ssh = found.iter().find(|f| f.control == "ssh").unwrap();
    assert!(ssh.detail.as_deref().unwrap().contains("lockdown is on"), "as this recording has it");
    assert_eq!(of("ssh"), (no, Some(Value::Flag(true))));
    assert_eq!(of("default-account"), (no, Some(Value::Flag(true))), "root is enabled");
    let Some(tree) = Replay::open(V6) else { return };
    let found = hardening::audit(&DellIdrac, &Context::new(&tree), &baseline()).unwrap();
    assert_eq!(verdict(&found, "tls-minimum-version"), (no, Some(Value::Text("1.1".to_owned()))));
}

#[test]
fn hardening_is_one_patch_and_nothing_the_second_time() {
    let Some(tree) = Replay::open(V6) else { return };
    let done = hardening::harden(&DellIdrac, &Context::new(&tree), &baseline()).unwrap();
    let writes = tree.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].path, ATTRIBUTES);
    let expected = json!({
        "IPMILan.1.Enable": "Disabled", "SSH.1.Enable": "Disabled",
        "SNMP.1.SNMPProtocol": "SNMPv3", "SNMP.1.TrapFormat": "SNMPv3",
        "NTPConfigGroup.1.NTPEnable": "Enabled",
        "NTPConfigGroup.1.NTP1": "10.0.0.1", "NTPConfigGroup.1.NTP2": "10.0.0.2",
        "WebServer.1.TLSProtocol": "TLS 1.2 and Higher", "WebServer.1.Timeout": 900,
        "SysLog.1.SysLogEnable": "Enabled", "SysLog.1.Server1": "10.0.0.9",
        "GUI.1.SecurityPolicyMessage": "Authorised use only."
    });
    assert_eq!(writes[0].body, json!({ "Attributes": expected }), "and no lockdown");
    let open: Vec<_> =
        done.findings.iter().filter(|f| f.verdict == Verdict::NonCompliant).map(|f| f.control.as_str()).collect();
    assert_eq!(open, ["default-account"], "reported, never changed");
    assert_eq!(done.changed.len(), 8);
    let again = hardening::harden(&DellIdrac, &Context::new(&tree), &baseline()).unwrap();
    assert_eq!(again.changed, Vec::<String>::new());
    assert_eq!(tree.writes(), []);
}

#[test]
fn a_rejection_with_status_200_surfaces() {
    let Some(tree) = Replay::open(V7) else { return };
    let said = json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "IDRAC.2.9.SYS402", "Severity": "Critical",
        "Message": "Unable to change: the system is in lockdown mode.", "Resolution": "Disable lockdown mode."}]}});
    tree.answer(ATTRIBUTES, Answer::Say(200, said));
    let wanted = [control("ssh", Value::Flag(false))];
    let done = hardening::harden(&DellIdrac, &Context::new(&tree), &wanted).unwrap();
    assert_eq!(done.findings[0].verdict, Verdict::NonCompliant);
    let detail = done.findings[0].detail.as_deref().unwrap();
    assert!(detail.contains("lockdown") && detail.contains("IDRAC.2.9.SYS402"), "{detail}");
}

#[test]
fn without_attributes_the_schema_answers() {
    let Some(tree) = Replay::open(V6) else { return };
    tree.alter("/redfish/v1/Managers/iDRAC.Embedded.1", &json!({"Links": {"Oem": null}}));
    let wanted = [control("ssh", Value::Flag(false)), control("tls-minimum-version", Value::Text("1.2".to_owned()))];
    let found = hardening::audit(&DellIdrac, &Context::new(&tree), &wanted).unwrap();
    assert_eq!(verdict(&found, "ssh"), (Verdict::NonCompliant, Some(Value::Flag(true))));
    assert_eq!(verdict(&found, "tls-minimum-version"), (Verdict::NotApplicable, None));
}

#[test]
fn idrac10_takes_boot_settings_in_a_resource_of_their_own() {
    let wanted = BootOverride { target: BootTarget::Pxe, persistence: BootPersistence::Once, mode: BootMode::Uefi };
    for (model, path) in [
        ("16G Monolithic", "/redfish/v1/Systems/System.Embedded.1"),
        ("17G Monolithic", "/redfish/v1/Systems/System.Embedded.1/Settings"),
    ] {
        let Some(tree) = Replay::open(V7) else { return };
        tree.alter("/redfish/v1/Managers/iDRAC.Embedded.1", &json!({ "Model": model }));
        boot::set(&DellIdrac, &Context::new(&tree), &wanted).unwrap();
        assert_eq!(tree.writes()[0].path, path);
        boot::set(&DellIdrac, &Context::new(&tree), &wanted).unwrap();
        assert_eq!(tree.writes(), [], "it stands already");
    }
}

#[test]
fn a_job_outlives_its_task() {
    let Some(tree) = Replay::open(V7) else { return };
    let state = jobs::poll(&DellIdrac, &Context::new(&tree), "/redfish/v1/TaskService/Tasks/JID_229700026199").unwrap();
    let JobState::Failed(Error::Rejected(remote)) = state else { panic!("{state:?}") };
    assert_eq!((remote.code.as_deref(), remote.message.as_str()), (Some("PR31"), "Job completed with errors."));
    let unknown = jobs::poll(&DellIdrac, &Context::new(&tree), "/redfish/v1/TaskService/Tasks/JID_1");
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
}

#[test]
fn a_plan_starts_with_the_idrac_and_ends_with_the_logic_device() {
    let Some(tree) = Replay::open(V7) else { return };
    let image = |component, version| step(component, version, "http://files/x").image;
    let catalogue = [
        image("cpld-embedded-1", "1.0.8"),
        image("nic-slot-2-1", "32.42.1000"),
        image("bios", "1.13.2"),
        image("bmc", "7.20.10.00"),
    ];
    let plan = firmware::plan(&DellIdrac, &Context::new(&tree), &catalogue).unwrap();
    let order: Vec<_> = plan.iter().map(|s| s.image.component.as_str()).collect();
    assert_eq!(order, ["bmc", "nic-slot-2-1", "cpld-embedded-1"]);
}

#[test]
fn a_package_is_pushed_for_now_or_for_the_next_boot() {
    for (name, component, version, when) in
        [(V7, "bmc", "7.20.10.00", "Immediate"), (V7, "bios", "1.14.2", "OnReset"), (V6, "bios", "1.14.2", "OnReset")]
    {
        let Some(tree) = Replay::open(name) else { return };
        let uri = "http://10.0.0.1/firmware/token/package_1.EXE";
        let started = update::apply(&DellIdrac, &Context::new(&tree), &step(component, version, uri)).unwrap();
        assert!(matches!(started, Completion::Pending(_)));
        let [push] = tree.pushes().try_into().unwrap();
        assert_eq!(push.path, "/redfish/v1/UpdateService/MultipartUpload");
        let Body::Multipart(parts) = push.body else { panic!("no form") };
        assert_eq!([parts[0].name.as_str(), parts[1].name.as_str()], ["UpdateParameters", "UpdateFile"]);
        let PartContent::Text(text) = &parts[0].content else { panic!("no text") };
        let parameters: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(parameters, json!({"Targets": [], "@Redfish.OperationApplyTime": when, "Oem": {}}));
        assert_eq!(parts[1].filename.as_deref(), Some("package_1.EXE"));
    }
}

#[test]
fn a_job_of_an_update_waits_for_the_boot_fails_or_goes_on() {
    let Some(tree) = Replay::open(V7) else { return };
    let jobs = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/Jobs";
    tree.alter(jobs, &json!({"Members": [{"@odata.id": format!("{jobs}/JID_1")}], "Members@odata.nextLink": null}));
    let poll = |component: &str, state: &str, message: &str| {
        tree.alter(&format!("{jobs}/JID_1"), &json!({"JobState": state, "Message": message, "MessageId": "X1"}));
        let id = format!("/redfish/v1/TaskService/Tasks/JID_1#write:{component}@9.9.9");
        update::poll(&DellIdrac, &Context::new(&tree), &id)
    };
    let Ok(JobState::Succeeded(said)) = poll("bios", "Scheduled", "Task successfully scheduled.") else {
        panic!("not staged")
    };
    assert!(said.starts_with("staged"), "{said}");
    assert!(matches!(poll("bmc", "Scheduled", "Task successfully scheduled."), Ok(JobState::Running(_))));
    let stuck = poll("bios", "Scheduled", "Job processing initialization failure.");
    assert!(matches!(stuck, Ok(JobState::Failed(_))), "{stuck:?}");
    assert!(matches!(poll("bios", "Downloading", "x"), Ok(JobState::Running(_))), "not known is still running");
    assert!(matches!(poll("bios", "CompletedWithErrors", "x"), Ok(JobState::Failed(_))));
}
