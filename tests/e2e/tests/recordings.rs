//! `farrier plugin call` on each driver against the recorded controllers of its vendor.
//!
//! Expected values were read from the recordings by hand. The recording is served with a login and nothing else; a write would be
//! refused and counted, and there must be none. Skipped, visibly, where the recordings are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::PathBuf;

use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::redfish::{ReplayHandle, Scheme, replay};
use farrier_lab::rig::{Programs, skip};
use serde_json::{Value, json};

/// `FARRIER_FIXTURES`, or `shared/fixtures` beside a parent of the source.
fn fixtures() -> Option<PathBuf> {
    let given = std::env::var_os("FARRIER_FIXTURES").map(PathBuf::from);
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = source.ancestors().map(|folder| folder.join("shared/fixtures")).find(|folder| folder.is_dir());
    given.or(beside).filter(|folder| folder.is_dir())
}

/// A recording that is served, and a driver to call against it.
struct Recorded {
    handle: ReplayHandle,
    ledger: Ledger,
    plugin: PathBuf,
    farrier: PathBuf,
    password: tempfile::NamedTempFile,
}

impl Recorded {
    async fn serve(driver: &str, name: &str) -> Option<Self> {
        let Some(folder) = fixtures().map(|fixtures| fixtures.join(name)).filter(|folder| folder.is_dir()) else {
            skip(&format!("no recording {name}; FARRIER_FIXTURES names the folder of recordings"));
            return None;
        };
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let programs = Programs::find().unwrap();
        let ledger = Ledger::default();
        let listen = "127.0.0.1:0".parse().unwrap();
        let handle = replay(&folder, listen, Scheme::Https, "admin", "of-a-recording", ledger.clone()).await.unwrap();
        let mut password = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut password, b"of-a-recording\n").unwrap();
        let plugin = programs.plugins.join(format!("{driver}.wasm"));
        Some(Self { handle, ledger, plugin, farrier: programs.farrier, password })
    }

    /// What stands on standard output, and the exit code.
    async fn try_call(&self, function: &str, arguments: &Value) -> (Value, Option<i32>) {
        let mut command = tokio::process::Command::new(&self.farrier);
        command.args(["plugin", "call"]).arg(&self.plugin).args([function, "--endpoint", &self.handle.url()]);
        command.args(["--username", "admin", "--password-file"]).arg(self.password.path());
        command.args(["--args", &arguments.to_string()]).env("XDG_CACHE_HOME", farrier_e2e::compiled());
        let output = command.kill_on_drop(true).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let value = serde_json::from_slice(&output.stdout);
        (value.unwrap_or_else(|error| panic!("{function}: {error}: {output:?} {said}")), output.status.code())
    }

    async fn call(&self, function: &str, arguments: &Value) -> Value {
        let (value, code) = self.try_call(function, arguments).await;
        assert_eq!(code, Some(0), "{function}: {value}");
        value
    }

    /// The fields of an object must have these values; others may have any.
    async fn identify(&self, expected: Value) {
        let found = self.call("identify", &Value::Null).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&found[field], value, "{}: identify: {field}", self.handle.name());
        }
    }

    /// How many there are of each part, and single values by JSON pointer.
    async fn inventory(&self, counts: [usize; 6], values: &[(&str, Value)]) {
        let found = self.call("bmc-driver.read-inventory", &Value::Null).await;
        let parts = ["processors", "memory", "drives", "nics", "power-supplies", "firmware"];
        let lengths = parts.map(|part| found[part].as_array().unwrap().len());
        assert_eq!(lengths, counts, "{}: {parts:?}", self.handle.name());
        for (pointer, value) in values {
            assert_eq!(found.pointer(pointer), Some(value), "{}: {pointer}", self.handle.name());
        }
    }

    /// Sensor, quantity, value.
    async fn sensors(&self, expected: &[(&str, &str, f64)]) {
        let found = self.call("read-sensors", &Value::Null).await;
        for (sensor, quantity, value) in expected {
            let one = |reading: &&Value| reading["sensor"] == **sensor && reading["quantity"] == **quantity;
            let readings: Vec<&Value> = found.as_array().unwrap().iter().filter(one).collect();
            assert_eq!(readings.len(), 1, "{}: {sensor} {quantity}: {readings:?}", self.handle.name());
            assert_eq!(readings[0]["value"].as_f64(), Some(*value), "{}: {sensor} {quantity}", self.handle.name());
        }
    }

    /// Control, verdict, observed value.
    async fn audit(&self, expected: &[(&str, &str, Value)]) {
        let found = self.call("hardening.audit", &json!({ "baseline": baseline() })).await;
        let findings = found.as_array().unwrap();
        assert_eq!(findings.len(), baseline().as_array().unwrap().len(), "one finding for each control: {found}");
        for (control, verdict, observed) in expected {
            let finding = findings.iter().find(|finding| finding["control"] == *control).unwrap();
            let seen = (&finding["verdict"], &finding["observed"]);
            assert_eq!(seen, (&json!(verdict), observed), "{}: {finding}", self.handle.name());
        }
    }

    /// Nothing was written, and every login was the right one.
    fn end(self) {
        let report = self.ledger.report();
        for kind in [Kind::Write, Kind::SettingsChange, Kind::NoChange, Kind::PowerTransition, Kind::LoginRefused] {
            assert_eq!(report.total(kind), 0, "{}: {kind:?}: {:?}", self.handle.name(), report.effects);
        }
        assert_eq!(report.violations, Vec::new());
    }
}

fn baseline() -> Value {
    json!([
        { "id": "ipmi-over-lan", "desired": { "flag": false } },
        { "id": "snmp-v2c", "desired": { "flag": false } },
        { "id": "ssdp", "desired": { "flag": false } },
        { "id": "ntp-servers", "desired": { "texts": ["192.0.2.1", "192.0.2.2"] } },
        { "id": "tls-minimum-version", "desired": { "text": "1.2" } },
        { "id": "session-timeout", "desired": { "number": 900 } },
        { "id": "ssh", "desired": { "flag": false } },
        { "id": "default-account", "desired": { "flag": false } },
    ])
}

fn flag(value: bool) -> Value {
    json!({ "flag": value })
}

const YES: &str = "compliant";
const NO: &str = "non-compliant";
const NONE: &str = "not-applicable";

#[tokio::test(flavor = "multi_thread")]
async fn ilo_5() {
    let Some(bmc) = Recorded::serve("hpe-ilo", "hpe-dl360gen10plus-ilo5-3.11").await else { return };
    bmc.identify(json!({
        "vendor": "HPE", "model": "ProLiant DL360 Gen10 Plus - SIMULATED", "serial": "MXQ2390RHW", "sku": "P28948-B21",
        "asset-tag": null, "controller": "iLO 5", "controller-version": "3.11", "bmc-mac": "5c:ed:8c:2e:56:3c",
    }))
    .await;
    let values = [
        ("/bios-version", json!("U46 v2.34 (03/11/2025)")),
        ("/health", json!("ok")),
        ("/processors/0/cores", json!(12)),
        ("/processors/0/threads", json!(24)),
        ("/memory/0/mebibytes", json!(16384)),
        ("/drives/0/serial", json!("S521NA0T605357")),
        ("/drives/0/protocol", json!("sata")),
        ("/power-supplies/1/watts", json!(800)),
    ];
    bmc.inventory([2, 12, 2, 6, 2, 23], &values).await;
    bmc.sensors(&[
        ("inlet", "temperature-celsius", 21.0),
        ("02-cpu-1", "temperature-celsius", 40.0),
        ("fan-1", "fan-percent", 26.0),
        ("system", "power-watts", 150.0),
    ])
    .await;
    bmc.audit(&[
        ("ipmi-over-lan", YES, flag(false)),
        ("snmp-v2c", NO, flag(true)),
        ("ssdp", NO, flag(true)),
        ("ntp-servers", NO, json!({ "texts": [] })),
        ("tls-minimum-version", NO, json!({ "text": "1.0" })),
        // Half an hour, kept in minutes.
        ("session-timeout", NO, json!({ "number": 1800 })),
        ("ssh", NO, flag(true)),
        ("default-account", YES, flag(false)),
    ])
    .await;
    bmc.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn ilo_6() {
    let Some(bmc) = Recorded::serve("hpe-ilo", "hpe-dl380agen11-ilo6-1.66").await else { return };
    bmc.identify(json!({
        "vendor": "HPE", "model": "ProLiant DL380a Gen11 -- SIMULATED", "serial": "2M2D2J00L4", "sku": "P54903-B21",
        "controller": "iLO 6", "controller-version": "1.66", "bmc-mac": "7c:a6:2a:40:c3:e4",
    }))
    .await;
    let values = [
        ("/bios-version", json!("U58 v2.44 (01/17/2025)")),
        ("/processors/1/cores", json!(32)),
        ("/memory/0/mebibytes", json!(32768)),
        ("/nics/0/mac", json!("58:a2:e1:03:96:f2")),
        ("/power-supplies/0/watts", json!(2200)),
    ];
    bmc.inventory([2, 16, 7, 2, 4, 34], &values).await;
    bmc.sensors(&[("system", "power-watts", 565.0)]).await;
    bmc.audit(&[
        ("ipmi-over-lan", YES, flag(false)),
        ("tls-minimum-version", NO, json!({ "text": "1.0" })),
        ("default-account", NO, flag(true)),
    ])
    .await;
    bmc.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn ilo_7() {
    let Some(bmc) = Recorded::serve("hpe-ilo", "hpe-dl360gen12-ilo7-1.14").await else { return };
    bmc.identify(json!({
        "vendor": "HPE", "serial": "3M1D2V13TW", "sku": "P72176-B21", "asset-tag": null,
        "controller": "iLO 7", "controller-version": "1.14.00", "bmc-mac": "7c:a6:2a:6f:0a:30",
    }))
    .await;
    let values = [
        ("/bios-version", json!("U68 v1.40 (05/22/2025)")),
        ("/processors/0/cores", json!(16)),
        ("/drives/0/protocol", json!("sas")),
        ("/power-supplies/0/watts", json!(1000)),
    ];
    bmc.inventory([2, 16, 2, 2, 2, 16], &values).await;
    bmc.sensors(&[("system", "power-watts", 217.0)]).await;
    bmc.audit(&[
        // An iLO 7 has no TLS below 1.2 any more.
        ("tls-minimum-version", YES, json!({ "text": "1.2" })),
        ("snmp-v2c", NO, flag(true)),
        ("default-account", NO, flag(true)),
    ])
    .await;
    bmc.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn idrac_9_of_two_firmware_levels() {
    let Some(bmc) = Recorded::serve("dell-idrac", "dell-r750-idrac9-7.10.30.00").await else { return };
    bmc.identify(json!({
        "vendor": "Dell", "model": "PowerEdge R750", "serial": "CLLV0R3", "sku": "CLLV0R3",
        "controller": "iDRAC9", "controller-version": "7.10.30.00", "bmc-mac": "c8:4b:d6:7a:dc:bc",
    }))
    .await;
    let values = [
        ("/bios-version", json!("1.13.2")),
        ("/health", json!("critical")),
        ("/processors/0/cores", json!(18)),
        ("/memory/0/mebibytes", json!(16384)),
        ("/drives/0/serial", json!("S6CSNE0RB00699")),
        ("/drives/0/protocol", json!("nvme")),
        ("/power-supplies/0/watts", json!(1400)),
    ];
    bmc.inventory([2, 8, 2, 4, 2, 17], &values).await;
    bmc.sensors(&[
        ("inlet", "temperature-celsius", 20.0),
        ("system-board-fan1a", "fan-rpm", 9840.0),
        ("system", "power-watts", 252.0),
        ("psu1", "power-watts", 126.25),
    ])
    .await;
    bmc.audit(&[
        ("ipmi-over-lan", NO, flag(true)),
        ("snmp-v2c", NO, flag(true)),
        ("ssdp", NONE, Value::Null),
        ("ntp-servers", NO, json!({ "texts": [] })),
        ("tls-minimum-version", YES, json!({ "text": "1.2" })),
        ("session-timeout", NO, json!({ "number": 1800 })),
        ("ssh", NO, flag(true)),
        ("default-account", NO, flag(true)),
    ])
    .await;
    bmc.end();
    let Some(older) = Recorded::serve("dell-idrac", "dell-r750-idrac9-6.00.30.00").await else { return };
    older
        .identify(json!({ "serial": "F54P1G3", "controller-version": "6.00.30.00", "bmc-mac": "b0:7b:25:d6:51:82" }))
        .await;
    older.inventory([2, 16, 3, 5, 2, 21], &[("/memory/0/mebibytes", json!(32768))]).await;
    older.sensors(&[("system", "power-watts", 614.0)]).await;
    older.audit(&[("tls-minimum-version", NO, json!({ "text": "1.1" }))]).await;
    older.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn supermicro_x13_and_x10() {
    let Some(bmc) = Recorded::serve("supermicro", "supermicro-sys821ge-x13-11.01.01").await else { return };
    bmc.identify(json!({
        "vendor": "Supermicro", "model": "SYS-821GE-TNHR", "serial": "S889914X3710910",
        "controller-version": "11.01.01", "bmc-mac": "7c:c2:55:50:a8:ff",
    }))
    .await;
    let values = [
        ("/bios-version", json!("1.4")),
        ("/processors/0/cores", json!(32)),
        ("/memory/0/slot", json!("P1-DIMMA1")),
        ("/memory/0/mebibytes", json!(65536)),
        ("/drives/0/bytes", json!(7_681_501_126_656_u64)),
        ("/power-supplies/7/watts", json!(3000)),
    ];
    let firmware = bmc.call("read-inventory", &Value::Null).await["firmware"].as_array().unwrap().len();
    bmc.inventory([2, 32, 8, 11, 8, firmware], &values).await;
    bmc.sensors(&[
        ("inlet", "temperature-celsius", 21.0),
        ("cpu1-temp", "temperature-celsius", 29.0),
        ("fan9", "fan-rpm", 2240.0),
        ("12v", "voltage-volts", 12.176),
        ("system", "power-watts", 2161.0),
    ])
    .await;
    bmc.audit(&[
        ("ipmi-over-lan", NO, flag(true)),
        ("snmp-v2c", YES, flag(false)),
        ("ssdp", NO, flag(true)),
        // Two servers are set, and the client is off.
        ("ntp-servers", NO, json!({ "texts": [] })),
        ("tls-minimum-version", NONE, Value::Null),
        ("session-timeout", YES, json!({ "number": 300 })),
        ("ssh", NO, flag(true)),
        ("default-account", YES, flag(false)),
    ])
    .await;
    bmc.end();
    let Some(older) = Recorded::serve("supermicro", "supermicro-x10sdv-4.00").await else { return };
    older.identify(json!({ "model": "Super Server", "serial": "", "bmc-mac": "ac:1f:6b:18:a2:41" })).await;
    older.inventory([1, 4, 0, 4, 0, 2], &[("/processors/0/threads", json!(16))]).await;
    older.audit(&[("ssdp", NONE, Value::Null), ("default-account", NO, flag(true))]).await;
    older.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generic_driver_reads_a_vendor_without_one_and_the_reference_tree() {
    let Some(bmc) = Recorded::serve("redfish", "generic-lenovo-sr670v2-xcc-2.83").await else { return };
    bmc.identify(json!({
        "vendor": "Lenovo", "model": "ThinkSystem SR670 V2", "serial": "J105958B", "bmc-mac": "08:8f:c3:a5:8a:6f",
    }))
    .await;
    let values = [("/processors/0/cores", json!(32)), ("/nics/0/mac", json!("00:62:0b:4c:28:4e"))];
    bmc.inventory([2, 16, 4, 4, 4, 43], &values).await;
    bmc.sensors(&[
        ("ambient-temp", "temperature-celsius", 19.0),
        ("fan-1a-tach", "fan-rpm", 6431.0),
        ("system", "power-watts", 708.0),
    ])
    .await;
    bmc.audit(&[
        ("ipmi-over-lan", YES, flag(false)),
        ("ssdp", NO, flag(true)),
        ("ssh", NO, flag(true)),
        ("session-timeout", YES, json!({ "number": 300 })),
        ("tls-minimum-version", NONE, Value::Null),
        ("default-account", NO, flag(true)),
    ])
    .await;
    bmc.end();
    let Some(reference) = Recorded::serve("redfish", "generic-dmtf-public-rackmount1").await else { return };
    reference.identify(json!({ "vendor": "Contoso", "serial": "437XR1138R2", "asset-tag": "Chicago-45Z-2381" })).await;
    // The drives stand in the older SimpleStorage; two of its four bays are empty.
    let values = [("/power-supplies/0/watts", json!(800)), ("/drives/0/bytes", json!(8_000_000_000_000_u64))];
    reference.inventory([1, 3, 2, 2, 1, 3], &values).await;
    reference.sensors(&[("system", "power-watts", 344.0)]).await;
    reference.audit(&[("session-timeout", YES, json!({ "number": 30 })), ("default-account", NO, flag(true))]).await;
    reference.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_passes_on_what_is_not_its_vendors_and_a_write_is_not_sent() {
    let Some(bmc) = Recorded::serve("hpe-ilo", "dell-r750-idrac9-7.10.30.00").await else { return };
    let (value, code) = bmc.try_call("identify", &Value::Null).await;
    assert_eq!(code, Some(1));
    assert!(value["error"]["unsupported"].is_string(), "{value}");
    let mut command = tokio::process::Command::new(&bmc.farrier);
    command.args(["plugin", "call"]).arg(&bmc.plugin).args(["set-power", "--endpoint", &bmc.handle.url()]);
    command.args(["--args", r#"["off"]"#]).env("XDG_CACHE_HOME", farrier_e2e::compiled());
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("--write"), "{said}");
    bmc.end();
}
