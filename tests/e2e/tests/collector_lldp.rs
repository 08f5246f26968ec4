//! The validation collector on a server whose wires lead to a real lldpd.
//!
//! Promises that a report says what is plugged in where, and says something else when a wire is moved. DMI is the one thing a namespace
//! cannot have: a `dmidecode` on the collector's `PATH` answers for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod lldp_bench;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use farrier_e2e::netns::skip;
use lldp_bench::{Bench, MAC_A, MAC_B, PROGRAMS, said};
use serde_json::Value;

/// Switch and port that an interface hears, whichever of lldpctl's two shapes the report has.
fn neighbour(report: &Value, interface: &str) -> Option<(String, String)> {
    let heard = &report["lldp"]["lldp"]["interface"];
    let one = match heard.as_array() {
        Some(several) => several.iter().find_map(|entry| entry.get(interface))?,
        None => heard.get(interface)?,
    };
    let switch = one["chassis"].as_object()?.keys().next()?.clone();
    Some((switch, one["port"]["id"]["value"].as_str()?.to_owned()))
}

#[test]
fn the_report_names_hardware_and_neighbours_and_follows_a_moved_wire() {
    if skip(&PROGRAMS) {
        return;
    }
    let bench = Bench::new().unwrap();
    let cmdline = "device_id=7 bm.callback_url=http://127.0.0.1:8089/cb/s3cret-token";
    let output = bench.collect(cmdline, &[]).unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains("s3cret-token"), "the token is nobody's to read: {}", said(&output));
    let (path, report) = bench.report(1).unwrap();
    assert_eq!(path, "/cb/s3cret-token/api/v1/validation/report");
    assert_eq!(report["device_id"], "7");
    let hardware = serde_json::json!(
        {"manufacturer": "HPE", "model": "ProLiant \"DL360\" Gen10 Plus", "serial": "MXQ00001"});
    assert_eq!(report["hardware"], hardware);
    let mut macs: Vec<&str> =
        report["interfaces"].as_array().unwrap().iter().map(|nic| nic["mac"].as_str().unwrap()).collect();
    macs.sort_unstable();
    assert_eq!(macs, [MAC_A, MAC_B]);
    let tor = |port: &str| Some(("ams-a01-tor-a".to_owned(), port.to_owned()));
    assert_eq!(neighbour(&report, "ens1f0"), tor("Ethernet1"), "{report:#}");
    assert_eq!(neighbour(&report, "ens2f0"), tor("Ethernet2"), "{report:#}");

    bench.unplug("ens1f0").unwrap();
    bench.plug("ens1f0", MAC_A, "Ethernet3").unwrap();
    let output = bench.collect("", &["http://127.0.0.1:8089/cb/another/"]).unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let (path, report) = bench.report(2).unwrap();
    assert_eq!(path, "/cb/another/api/v1/validation/report");
    assert_eq!(neighbour(&report, "ens1f0"), tor("Ethernet3"), "{report:#}");
    assert_eq!(neighbour(&report, "ens2f0"), tor("Ethernet2"), "{report:#}");

    // One interface: lldpctl writes an object where it otherwise writes a list.
    bench.unplug("ens2f0").unwrap();
    let output = bench.collect(cmdline, &[]).unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let (_, report) = bench.report(3).unwrap();
    assert_eq!(neighbour(&report, "ens1f0"), tor("Ethernet3"), "{report:#}");
    assert_eq!(neighbour(&report, "ens2f0"), None, "{report:#}");
}

#[test]
fn the_collector_says_what_went_wrong() {
    if skip(&PROGRAMS) {
        return;
    }
    let bench = Bench::new().unwrap();
    let nowhere = bench.collect("", &[]).unwrap();
    assert_eq!(nowhere.status.code(), Some(2), "{}", said(&nowhere));
    assert!(said(&nowhere).contains("bm.callback_url"));
    let refused = bench.collect("", &["http://127.0.0.1:8089/elsewhere"]).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("404"), "{}", said(&refused));
}

/// A folder of programs, and the collector's dry run with them first on its `PATH`.
fn dry_run(scripts: &[(&str, &str)]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    for (name, body) in scripts {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let collector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/validation/collect.sh");
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.arg(collector).env("PATH", path).env("DRY_RUN", "1").env("LLDP_WAIT", "0");
    // An empty folder for interfaces: none of this machine's is touched.
    let output = command.env("SYS_NET", dir.path().join("none")).env("CMDLINE", "/dev/null").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn without_lldpd_the_table_of_networkctl_is_taken() {
    let table = "printf 'ens1f0 b8:59:9f:00:00:01 ams-a01-tor-a ..b........ Ethernet1 to AMS-SRV-001\\n\
                 ens2f0 b8:59:9f:00:00:02 ams-a01-tor-b ..b........ Ethernet7 n/a\\n'";
    let report = dry_run(&[("lldpctl", "exit 1"), ("networkctl", table)]);
    let heard = |interface| neighbour(&report, interface).map(|(switch, port)| format!("{switch} {port}"));
    assert_eq!(heard("ens1f0").as_deref(), Some("ams-a01-tor-a Ethernet1"), "{report:#}");
    assert_eq!(heard("ens2f0").as_deref(), Some("ams-a01-tor-b Ethernet7"), "{report:#}");
}

#[test]
fn odd_texts_of_firmware_are_still_json_and_no_neighbour_is_said_as_such() {
    let report = dry_run(&[
        ("lldpctl", "echo 'not json'"),
        ("networkctl", "exit 1"),
        ("dmidecode", "printf '# a remark\\n  Super \"Micro\" \\\\ \\t\\033[31m \\n'"),
    ]);
    assert_eq!(report["hardware"]["manufacturer"], "Super \"Micro\" \\  [31m");
    assert_eq!(report["lldp"], serde_json::json!({"lldp": {}}));
    assert_eq!(report["interfaces"], serde_json::json!([]));
}
