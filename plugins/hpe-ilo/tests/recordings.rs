//! The iLO driver against HPE's recordings of three iLO generations.
//!
//! Promises: expected values were read from the recordings by hand. Does not: run without them; each test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_hpe_ilo::HpeIlo;
use farrier_plugin_sdk::driver::{Context, firmware, hardening, identity, inventory, log, sensors, update};
use farrier_plugin_sdk::serde_json::json;
use farrier_plugin_sdk::testing::{Answer, Replay, baseline, step};
use farrier_plugin_sdk::types::{
    Body, Completion, DriveProtocol, Error, Finding, Health, JobState, Method, PartContent, Quantity, ResetKind,
    TextOrSecret, Value, Verdict,
};

const ILO5: &str = "hpe-dl360gen10plus-ilo5-3.11";
const ILO6: &str = "hpe-dl380agen11-ilo6-1.66";
const ILO7: &str = "hpe-dl360gen12-ilo7-1.14";

#[test]
fn ilo5_is_identified() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let found = identity::read(&HpeIlo, &Context::new(&tree)).unwrap();
    assert_eq!(found.vendor, "HPE");
    assert_eq!(found.model, "ProLiant DL360 Gen10 Plus - SIMULATED");
    assert_eq!(found.serial, "MXQ2390RHW");
    assert_eq!(found.sku.as_deref(), Some("P28948-B21"));
    assert_eq!(found.controller, "iLO 5");
    assert_eq!(found.controller_version, "3.11");
    assert_eq!(found.redfish_version.as_deref(), Some("1.20.0"));
    assert_eq!(found.bmc_mac.as_deref(), Some("5c:ed:8c:2e:56:3c"));
    assert_eq!(found.asset_tag, None);
    assert_eq!(found.extra, [("post-state".to_owned(), "FinishedPost".to_owned())]);
}

#[test]
fn ilo6_and_ilo7_are_identified() {
    for (name, serial, controller, version, mac) in [
        (ILO6, "2M2D2J00L4", "iLO 6", "1.66", "7c:a6:2a:40:c3:e4"),
        (ILO7, "3M1D2V13TW", "iLO 7", "1.14.00", "7c:a6:2a:6f:0a:30"),
    ] {
        let Some(tree) = Replay::open(name) else { return };
        let found = identity::read(&HpeIlo, &Context::new(&tree)).unwrap();
        assert_eq!((found.serial.as_str(), found.controller.as_str()), (serial, controller));
        assert_eq!((found.controller_version.as_str(), found.bmc_mac.as_deref()), (version, Some(mac)));
        assert_eq!(found.asset_tag, None, "32 spaces are no asset tag");
    }
}

#[test]
fn another_vendor_is_passed_on() {
    let Some(tree) = Replay::open("dell-r750-idrac9-7.10.30.00") else { return };
    let error = identity::read(&HpeIlo, &Context::new(&tree)).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
}

#[test]
fn ilo5_inventory_is_what_the_recording_holds() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let found = inventory::read(&HpeIlo, &Context::new(&tree)).unwrap();
    assert_eq!(found.health, Health::Ok);
    assert_eq!(found.bios_version.as_deref(), Some("U46 v2.34 (03/11/2025)"));
    let cpus: Vec<_> = found.processors.iter().map(|c| (c.socket.as_str(), c.cores, c.threads)).collect();
    assert_eq!(cpus, [("Proc 1", 12, 24), ("Proc 2", 12, 24)]);
    assert_eq!(found.memory.len(), 12, "20 of 32 slots are empty");
    assert_eq!(found.memory[0].slot, "PROC 1 DIMM 1");
    assert_eq!((found.memory[0].mebibytes, found.memory[0].speed), (16384, Some(2666)));
    assert_eq!(found.drives.len(), 2);
    assert_eq!(found.drives[0].serial.as_deref(), Some("S521NA0T605357"));
    assert_eq!(found.drives[0].bytes, 480_103_981_056);
    assert_eq!((found.drives[0].protocol, found.drives[0].endurance_left), (DriveProtocol::Sata, Some(99)));
    let nics: Vec<_> = found.nics.iter().map(|n| (n.name.as_str(), n.mac.as_str(), n.link_up)).collect();
    assert_eq!(nics.len(), 6);
    assert_eq!(nics[0], ("NIC.Slot.1.1-1", "88:e9:a4:6b:a8:ac", Some(true)));
    assert_eq!(nics[1], ("NIC.Slot.1.1-2", "88:e9:a4:6b:a8:ad", Some(true)));
    let supplies: Vec<_> = found.power_supplies.iter().map(|p| (p.slot.as_str(), p.watts)).collect();
    assert_eq!(supplies, [("Bay 1", Some(800)), ("Bay 2", Some(800))]);
    assert_eq!(found.firmware.len(), 23);
    let version = |id: &str| found.firmware.iter().find(|f| f.id == id).map(|f| f.version.as_str());
    assert_eq!(version("bmc"), Some("3.11 Feb 25 2025"));
    assert_eq!(version("bios"), Some("U46 v2.34 (03/11/2025)"));
    assert_eq!(version("power-supply-firmware-2"), Some("2.00"));
    assert!(found.extra.is_empty(), "{:?}", found.extra);
}

#[test]
fn a_gpu_is_no_processor_and_an_empty_bay_no_drive() {
    let Some(tree) = Replay::open(ILO6) else { return };
    let found = inventory::read(&HpeIlo, &Context::new(&tree)).unwrap();
    assert_eq!(found.processors.len(), 2);
    assert_eq!(found.memory.len(), 16);
    assert_eq!(found.drives.len(), 7);
    assert_eq!(found.nics.len(), 2);
    assert_eq!(found.power_supplies.len(), 4);
    assert_eq!(found.firmware.len(), 34);
}

#[test]
fn ilo7_inventory_is_what_the_recording_holds() {
    let Some(tree) = Replay::open(ILO7) else { return };
    let found = inventory::read(&HpeIlo, &Context::new(&tree)).unwrap();
    assert_eq!((found.processors.len(), found.memory.len(), found.drives.len()), (2, 16, 2));
    assert_eq!((found.nics.len(), found.power_supplies.len(), found.firmware.len()), (2, 2, 16));
    assert_eq!(found.drives[0].protocol, DriveProtocol::Sas);
}

#[test]
fn sensors_are_read_without_absent_ones() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let found = sensors::read(&Context::new(&tree)).unwrap();
    let value = |sensor: &str, quantity: Quantity| {
        found.iter().find(|r| r.sensor == sensor && r.quantity == quantity).map(|r| r.value)
    };
    assert_eq!(value("inlet", Quantity::TemperatureCelsius), Some(21.0));
    assert_eq!(value("02-cpu-1", Quantity::TemperatureCelsius), Some(40.0));
    assert_eq!(value("05-p1-pmm-1-8", Quantity::TemperatureCelsius), None, "absent");
    assert_eq!(value("fan-1", Quantity::FanPercent), Some(26.0));
    assert_eq!(value("system", Quantity::PowerWatts), Some(150.0));
    assert_eq!(value("psu1", Quantity::PowerWatts), Some(75.0));
    assert_eq!(value("psu2", Quantity::VoltageVolts), Some(208.0));
    let count = |quantity: Quantity| found.iter().filter(|r| r.quantity == quantity).count();
    assert_eq!((count(Quantity::TemperatureCelsius), count(Quantity::FanPercent)), (38, 7));
}

#[test]
fn logs_are_read_in_order_and_from_a_cursor() {
    let Some(tree) = Replay::open(ILO7) else { return };
    let context = Context::new(&tree);
    let page = log::read(&HpeIlo, &context, None).unwrap();
    // Eight entries of each log were kept, fewer where there were fewer; the `Event` log is left out.
    let count = |name: &str| page.entries.iter().filter(|e| e.log == name).count();
    assert_eq!(count("iml"), 5);
    assert!(count("security") > 0 && count("event") > 0);
    assert!(page.entries.is_sorted_by_key(|e| e.at.unwrap_or(0)), "oldest first");
    assert_eq!(page.entries[0].at, Some(1_750_064_887_000), "2025-06-16T09:08:07Z");
    let rest = log::read(&HpeIlo, &context, Some(&page.cursor)).unwrap();
    assert_eq!(rest.entries, []);
    assert_eq!(rest.cursor, page.cursor);
}

fn verdicts(findings: &[Finding]) -> Vec<(&str, Verdict, Option<Value>)> {
    findings.iter().map(|f| (f.control.as_str(), f.verdict, f.observed.clone())).collect()
}

#[test]
fn ilo5_audit_reads_every_control() {
    use Value::{Flag, Number, Text, Texts};
    use Verdict::{Compliant, NonCompliant};
    let Some(tree) = Replay::open(ILO5) else { return };
    let found = hardening::audit(&HpeIlo, &Context::new(&tree), &baseline()).unwrap();
    let expected = vec![
        ("ipmi-over-lan", Compliant, Some(Flag(false))),
        ("snmp-v2c", NonCompliant, Some(Flag(true))),
        ("ssdp", NonCompliant, Some(Flag(true))),
        ("ntp-servers", NonCompliant, Some(Texts(vec![]))),
        ("tls-minimum-version", NonCompliant, Some(Text("1.0".to_owned()))),
        ("session-timeout", NonCompliant, Some(Number(1800))),
        ("syslog-server", NonCompliant, Some(Text(String::new()))),
        ("login-banner", NonCompliant, Some(Text(String::new()))),
        ("ssh", NonCompliant, Some(Flag(true))),
        ("default-account", Compliant, Some(Flag(false))),
    ];
    assert_eq!(verdicts(&found), expected);
    assert_eq!(tree.writes(), [], "an audit writes nothing");
}

#[test]
fn ilo7_has_no_old_tls_and_a_factory_account() {
    let Some(tree) = Replay::open(ILO7) else { return };
    let found = hardening::audit(&HpeIlo, &Context::new(&tree), &baseline()).unwrap();
    let tls = found.iter().find(|f| f.control == "tls-minimum-version").unwrap();
    assert_eq!((tls.verdict, tls.observed.clone()), (Verdict::Compliant, Some(Value::Text("1.2".to_owned()))));
    let account = found.iter().find(|f| f.control == "default-account").unwrap();
    assert_eq!((account.verdict, account.observed.clone()), (Verdict::NonCompliant, Some(Value::Flag(true))));
}

#[test]
fn hardening_writes_one_patch_a_resource_and_nothing_the_second_time() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let done = hardening::harden(&HpeIlo, &Context::new(&tree), &baseline()).unwrap();
    assert!(done.findings.iter().all(|f| f.verdict == Verdict::Compliant), "{:?}", done.findings);
    assert_eq!(
        done.changed,
        [
            "snmp-v2c",
            "ssdp",
            "ntp-servers",
            "tls-minimum-version",
            "session-timeout",
            "syslog-server",
            "login-banner",
            "ssh"
        ]
    );
    assert_eq!(done.pending_reset, Some(ResetKind::Bmc));
    let writes = tree.writes();
    let paths: Vec<_> = writes.iter().map(|w| w.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["SnmpService", "NetworkProtocol", "DateTime", "1", "SecurityService"], "TLS last");
    assert!(writes.iter().all(|w| w.method == Method::Patch));
    assert_eq!(writes[1].if_match.as_deref(), Some("W/\"9499D9AA\""), "an iLO takes its own ETag");
    assert_eq!(writes[2].body, json!({"StaticNTPServers": ["10.0.0.1", "10.0.0.2"]}));
    assert_eq!(writes[3].body, json!({"Oem": {"Hpe": {"IdleConnectionTimeoutMinutes": 15}}}));
    let tls = json!({"TLS1_0": "Disabled", "TLS1_1": "Disabled"});
    assert_eq!(writes[4].body["TLSVersion"], tls);
    let again = hardening::harden(&HpeIlo, &Context::new(&tree), &baseline()).unwrap();
    assert_eq!((again.changed, again.pending_reset), (vec![], None));
    assert_eq!(tree.writes(), []);
}

#[test]
fn a_change_that_is_taken_and_not_made_is_a_finding() {
    let Some(tree) = Replay::open(ILO5) else { return };
    tree.answer("/redfish/v1/Managers/1/SnmpService", Answer::Lie);
    let done = hardening::harden(&HpeIlo, &Context::new(&tree), &baseline()).unwrap();
    let snmp = done.findings.iter().find(|f| f.control == "snmp-v2c").unwrap();
    assert_eq!(snmp.verdict, Verdict::NonCompliant);
    assert_eq!(snmp.detail.as_deref(), Some("the controller took the change and did not make it"));
    assert!(!done.changed.contains(&"snmp-v2c".to_owned()));
    assert!(done.changed.contains(&"ssh".to_owned()));
}

#[test]
fn a_refused_change_keeps_the_words_of_the_ilo() {
    let Some(tree) = Replay::open(ILO6) else { return };
    let said = json!({"error": {"code": "iLO.0.10.ExtendedInfo", "@Message.ExtendedInfo": [
        {"MessageId": "iLO.2.29.PropertyValueBadParam", "MessageArgs": ["TLSVersion"]}]}});
    tree.answer("/redfish/v1/Managers/1/SecurityService/", Answer::Say(400, said));
    let done = hardening::harden(&HpeIlo, &Context::new(&tree), &baseline()).unwrap();
    let tls = done.findings.iter().find(|f| f.control == "tls-minimum-version").unwrap();
    assert_eq!(tls.verdict, Verdict::NonCompliant);
    assert!(tls.detail.as_deref().unwrap().contains("iLO.2.29.PropertyValueBadParam"), "{:?}", tls.detail);
}

#[test]
fn the_write_that_may_cut_off_comes_last_in_any_order_of_the_baseline() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let mut wanted = baseline();
    wanted.sort_by_key(|control| control.id != "login-banner");
    hardening::harden(&HpeIlo, &Context::new(&tree), &wanted).unwrap();
    assert!(tree.writes().last().unwrap().path.ends_with("/SecurityService"));
}

#[test]
fn a_plan_starts_with_the_ilo() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let image = |component, version| step(component, version, "http://files/x").image;
    let catalogue = [
        image("bios", "2.36"),
        image("bmc", "3.12"),
        image("system-programmable-logic-device", "0x15"),
        image("fpga", "9"),
    ];
    let plan = firmware::plan(&HpeIlo, &Context::new(&tree), &catalogue).unwrap();
    let steps: Vec<_> = plan.iter().map(|s| (s.image.component.as_str(), s.reset_after, s.disruptive)).collect();
    assert_eq!(steps, [("bmc", None, false), ("bios", Some(ResetKind::Host), true)]);
    assert_eq!(plan[1].current_version, "U46 v2.34 (03/11/2025)");
}

#[test]
fn an_image_goes_to_every_ilo_as_a_form_in_order_with_the_session() {
    for name in [ILO5, ILO6, ILO7] {
        let Some(tree) = Replay::open(name) else { return };
        let step = step("bios", "v9.99", "http://10.0.0.1/firmware/token/U46_9.99.fwpkg");
        let Completion::Pending(job) = update::apply(&HpeIlo, &Context::new(&tree), &step).unwrap() else {
            panic!("not pending")
        };
        assert!(job.id.starts_with("/redfish/v1/UpdateService") && job.id.ends_with("#write:bios@v9.99"), "{}", job.id);
        let [push] = tree.pushes().try_into().unwrap();
        assert_eq!((push.method, push.path.as_str()), (Method::Post, "/cgi-bin/uploadFile"));
        let cookie = push.headers.iter().find(|(name, _)| name == "Cookie").map(|(_, value)| value);
        let Some(TextOrSecret::Secret(secret)) = cookie else { panic!("{cookie:?}") };
        assert_eq!((secret.prefix.as_str(), secret.name.as_str()), ("sessionKey=", "session"));
        let Body::Multipart(parts) = push.body else { panic!("no form") };
        let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["sessionKey", "parameters", "file"]);
        assert!(matches!(&parts[2].content, PartContent::Image(digest) if *digest == "0".repeat(64)));
        assert_eq!(parts[2].filename.as_deref(), Some("U46_9.99.fwpkg"));
    }
}

#[test]
fn an_ilo_tells_how_an_update_goes_in_its_update_service() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let poll = |state: &str, result: Option<&str>| {
        tree.alter(
            "/redfish/v1/UpdateService",
            &json!({"Oem": {"Hpe": {"State": state, "FlashProgressPercent": 40, "Result": {"MessageId": result}}}}),
        );
        update::poll(&HpeIlo, &Context::new(&tree), "/redfish/v1/UpdateService#write:bios@U46 v9.99")
    };
    assert!(matches!(poll("Writing", None), Ok(JobState::Running(progress)) if progress.percent == Some(40)));
    assert!(matches!(poll("SomethingNew", None), Ok(JobState::Running(_))));
    let Ok(JobState::Succeeded(said)) = poll("Complete", None) else { panic!("not ended") };
    assert!(said.starts_with("staged"), "the recording's ROM is another: {said}");
    let Ok(JobState::Failed(Error::Rejected(remote))) = poll("Error", Some("iLO.2.24.InvalidImage")) else {
        panic!("not failed")
    };
    assert_eq!(remote.code.as_deref(), Some("iLO.2.24.InvalidImage"));
    tree.alter("/redfish/v1/UpdateService", &json!({"Oem": {"Hpe": {"State": "Writing"}}}));
    let error = update::apply(&HpeIlo, &Context::new(&tree), &step("bios", "v9.99", "")).unwrap_err();
    assert!(matches!(error, Error::Busy(_)), "{error:?}");
}

#[test]
fn an_ilo_7_takes_nothing_older_than_it_supports() {
    let Some(tree) = Replay::open(ILO7) else { return };
    let apply = |version: &str| update::apply(&HpeIlo, &Context::new(&tree), &step("bmc", version, ""));
    let Err(Error::Rejected(remote)) = apply("1.10.00") else { panic!("not refused") };
    assert_eq!(remote.code.as_deref(), Some("LowestSupportedVersion"));
    assert!(tree.pushes().is_empty());
    assert!(matches!(apply("1.14.00"), Ok(Completion::Done)), "it is there");
    assert!(matches!(apply("1.12.00"), Ok(Completion::Pending(_))));
}
