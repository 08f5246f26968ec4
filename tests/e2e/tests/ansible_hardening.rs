//! The real playbook, run by the real `ansible-playbook` through the host's runner, against simulated controllers of every kind.
//!
//! Promises that each control a vendor has ends as the baseline wants it, read from the controller's own state, and that a second run writes
//! nothing. It does not test the audit that follows a run: the drivers' tests and the whole lab run do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use farrier::ansible::{Hardening, Ran, Runner};
use farrier::config::{Ansible, Bmc, ControlPolicy, Value};
use farrier::egress::{Effect, Gate};
use farrier::fault::{Fault, Secret};
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::wit::types::ResetKind;
use farrier::plugin::{Broker, Lend, Login, MemoryPins, Target};
use farrier_lab::ledger::{Kind as Count, Ledger};
use farrier_lab::redfish::{BmcConfig, BmcHandle, Fault as Planted, Kind, start};
use farrier_lab::rig::skip;
use farrier_lifecycle::Action;
use serde_json::{Value as Json, json};

const NETWORK: &str = "NetworkProtocol";

struct Rig {
    bmc: BmcHandle,
    ledger: Ledger,
    runner: Runner,
    lend: Lend,
    driver: &'static str,
    told: Mutex<Vec<String>>,
}

impl Rig {
    /// `None`, and said so, where there is no Ansible.
    async fn new(kind: Kind, driver: &'static str) -> Option<Self> {
        let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ansible/bmc_hardening.yml");
        let program = std::env::var("FARRIER_ANSIBLE_PLAYBOOK").unwrap_or_else(|_| "ansible-playbook".to_owned());
        let Ok(runner) = Runner::new(&Ansible { playbook, program, runs: 2, timeout_ms: 300_000 }) else {
            skip("no ansible-playbook on PATH");
            return None;
        };
        let ledger = Ledger::default();
        let bmc = start(BmcConfig::new("ams-1", kind), ledger.clone(), None).await.unwrap();
        let config = bmc.config();
        let broker = Broker::new(&Bmc::default(), Arc::new(MemoryPins::default())).unwrap();
        let login = Login { username: config.username.clone(), password: Secret::new(config.password.clone()) };
        let origin = format!("{}/", bmc.url()).parse().unwrap();
        let target = Target { origin, pin: "ams-1".to_owned(), auth: AuthScheme::RedfishSession, login: Some(login) };
        let lend = Lend::new(broker.endpoint(&target).unwrap(), Gate::detached(Effect::Act(Action::Harden)));
        Some(Self { bmc, ledger, runner, lend, driver, told: Mutex::default() })
    }

    async fn harden(&self, controls: &[(&str, Value)]) -> Result<Ran, Fault> {
        let one = |(id, desired): &(&str, Value)| ControlPolicy {
            id: (*id).to_owned(),
            desired: desired.clone(),
            require: true,
            matches: Vec::new(),
        };
        let controls = controls.iter().map(one).collect();
        let what = Hardening { name: "AMS-SRV-001".to_owned(), driver: self.driver.to_owned(), controls };
        self.runner.harden(&what, &self.lend, &|line: &str| self.told.lock().unwrap().push(line.to_owned())).await
    }

    fn written(&self) -> u64 {
        self.ledger.report().of("ams-1", Count::Write)
    }

    /// A resource whose path ends so, as the controller has it now.
    fn resource(&self, end: &str) -> Json {
        let path = self.bmc.paths().into_iter().find(|path| path.contains("anagers") && path.ends_with(end));
        let path = path.unwrap_or_else(|| panic!("no {end} among {:?}", self.bmc.paths()));
        self.bmc.resource(&path).unwrap()
    }

    /// Harden with everything, look, harden again: nothing happens.
    async fn full_then_idle(&self) -> Ran {
        let accounts = self.bmc.state().accounts;
        let first = self.harden(&everything()).await.unwrap();
        assert!(!first.changed.is_empty(), "{first:?}");
        assert!(self.told.lock().unwrap().iter().any(|line| line.starts_with("ansible: Set ")));
        let written = self.written();
        let second = self.harden(&everything()).await.unwrap();
        assert_eq!((second.changed.as_slice(), second.pending_reset), ([].as_slice(), None), "{second:?}");
        assert_eq!(self.written(), written, "the second run wrote");
        let report = self.ledger.report();
        assert!(report.violations.is_empty(), "{:?}", report.violations);
        assert_eq!(report.of("ams-1", Count::NoChange), 0, "{:?}", report.effects);
        assert_eq!(self.bmc.state().accounts, accounts, "no account is touched");
        first
    }
}

const BANNER: &str = "Authorised \"use\" only: [lab] {{ 1 }} é\nAll else is logged.";

fn everything() -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        ("ipmi-over-lan", Value::Flag(false)),
        ("snmp-v2c", Value::Flag(false)),
        ("ssdp", Value::Flag(false)),
        ("ssh", Value::Flag(false)),
        ("ntp-servers", Value::Texts(vec!["10.0.0.1".to_owned(), "ntp.example.net".to_owned()])),
        ("tls-minimum-version", text("1.2")),
        ("session-timeout", Value::Number(900)),
        ("syslog-server", text("10.0.0.9")),
        ("login-banner", text(BANNER)),
        ("default-account", Value::Flag(false)),
    ]
}

/// Every member of `wanted`, by path, is as wanted in `found`.
fn check(found: &Json, wanted: &[(&str, Json)]) {
    let found: BTreeMap<_, _> =
        wanted.iter().map(|(path, _)| (*path, found.pointer(path).cloned().unwrap_or_default())).collect();
    let wanted: BTreeMap<_, _> = wanted.iter().map(|(path, value)| (*path, value.clone())).collect();
    assert_eq!(found, wanted);
}

async fn an_ilo_ends_at_the_baseline(kind: Kind) {
    let Some(rig) = Rig::new(kind, "hpe-ilo").await else { return };
    let ran = rig.full_then_idle().await;
    assert_eq!(ran.pending_reset, Some(ResetKind::Bmc), "SNMP and time need a restart of an iLO");
    let off =
        ["/IPMI/ProtocolEnabled", "/SSDP/ProtocolEnabled", "/SSH/ProtocolEnabled"].map(|path| (path, json!(false)));
    let network = rig.resource(NETWORK);
    check(&network, &off);
    check(
        &network,
        &[("/Oem/Hpe/RemoteSyslogEnabled", json!(true)), ("/Oem/Hpe/RemoteSyslogServer", json!("10.0.0.9"))],
    );
    let snmp = ["/SNMPv1Enabled", "/SNMPv1RequestsEnabled", "/SNMPv1TrapEnabled"].map(|path| (path, json!(false)));
    check(&rig.resource("SnmpService"), &snmp);
    check(&rig.resource("DateTime"), &[("/StaticNTPServers", json!(["10.0.0.1", "ntp.example.net"]))]);
    let interface = rig.resource("EthernetInterfaces/1");
    check(
        &interface,
        &["/Oem/Hpe/DHCPv4/UseNTPServers", "/Oem/Hpe/DHCPv6/UseNTPServers"].map(|path| (path, json!(false))),
    );
    let security = rig.resource("SecurityService");
    check(&security, &[("/TLSVersion/TLS1_0", json!("Disabled")), ("/TLSVersion/TLS1_1", json!("Disabled"))]);
    check(&security, &[("/TLSVersion/TLS1_2", json!("Enabled")), ("/TLSVersion/TLS1_3", json!("Enabled"))]);
    check(
        &security,
        &[("/LoginSecurityBanner/IsEnabled", json!(true)), ("/LoginSecurityBanner/SecurityMessage", json!(BANNER))],
    );
    check(&rig.resource("Managers/1"), &[("/Oem/Hpe/IdleConnectionTimeoutMinutes", json!(15))]);
}

#[tokio::test]
async fn an_ilo_5_ends_at_the_baseline() {
    an_ilo_ends_at_the_baseline(Kind::HpeIlo5).await;
}

#[tokio::test]
async fn an_ilo_6_ends_at_the_baseline() {
    an_ilo_ends_at_the_baseline(Kind::HpeIlo6).await;
}

#[tokio::test]
async fn an_idrac_ends_at_the_baseline() {
    let Some(rig) = Rig::new(Kind::DellIdrac9, "dell-idrac").await else { return };
    let ran = rig.full_then_idle().await;
    assert_eq!(ran.changed.len(), 1, "all attributes in one PATCH: {ran:?}");
    let attributes = rig.resource("DellAttributes/iDRAC.Embedded.1")["Attributes"].clone();
    let wanted = [
        ("IPMILan.1.Enable", json!("Disabled")),
        ("SSH.1.Enable", json!("Disabled")),
        ("SNMP.1.SNMPProtocol", json!("SNMPv3")),
        ("SNMP.1.TrapFormat", json!("SNMPv3")),
        ("NTPConfigGroup.1.NTPEnable", json!("Enabled")),
        ("NTPConfigGroup.1.NTP1", json!("10.0.0.1")),
        ("NTPConfigGroup.1.NTP2", json!("ntp.example.net")),
        ("NTPConfigGroup.1.NTP3", json!("")),
        ("WebServer.1.TLSProtocol", json!("TLS 1.2 and Higher")),
        ("WebServer.1.Timeout", json!(900)),
        ("SysLog.1.SysLogEnable", json!("Enabled")),
        ("SysLog.1.Server1", json!("10.0.0.9")),
        ("GUI.1.SecurityPolicyMessage", json!(BANNER)),
    ];
    for (name, value) in wanted {
        assert_eq!(attributes[name], value, "{name}");
    }
    assert!(!rig.bmc.controls().contains("ssdp"), "an iDRAC has no such setting");
}

#[tokio::test]
async fn a_supermicro_ends_at_the_baseline() {
    let Some(rig) = Rig::new(Kind::SupermicroX13, "supermicro").await else { return };
    rig.full_then_idle().await;
    let network = rig.resource(NETWORK);
    check(
        &network,
        &["/IPMI/ProtocolEnabled", "/SSDP/ProtocolEnabled", "/SSH/ProtocolEnabled"].map(|path| (path, json!(false))),
    );
    check(&network, &[("/SNMP/EnableSNMPv2c", json!(false)), ("/NTP/ProtocolEnabled", json!(true))]);
    check(&network, &[("/NTP/NTPServers", json!(["10.0.0.1", "ntp.example.net"]))]);
    let syslog =
        [("/EnableSyslog", json!(true)), ("/SyslogServer", json!("10.0.0.9")), ("/SyslogPortNumber", json!(514))];
    check(&rig.resource("Syslog"), &syslog);
    // The timeout was 300 seconds: shorter than wanted is as wanted.
    check(&rig.bmc.resource("/redfish/v1/SessionService").unwrap(), &[("/SessionTimeout", json!(300))]);
}

#[tokio::test]
async fn a_controller_of_no_vendor_ends_at_the_baseline_whatever_its_driver_is_called() {
    let Some(rig) = Rig::new(Kind::Generic, "third-party-bmc").await else { return };
    rig.full_then_idle().await;
    let network = rig.resource(NETWORK);
    check(
        &network,
        &["/IPMI/ProtocolEnabled", "/SSDP/ProtocolEnabled", "/SSH/ProtocolEnabled"].map(|path| (path, json!(false))),
    );
    check(&network, &["/SNMP/EnableSNMPv1", "/SNMP/EnableSNMPv2c"].map(|path| (path, json!(false))));
    check(
        &network,
        &[("/NTP/ProtocolEnabled", json!(true)), ("/NTP/NTPServers", json!(["10.0.0.1", "ntp.example.net"]))],
    );
    check(&rig.bmc.resource("/redfish/v1/SessionService").unwrap(), &[("/SessionTimeout", json!(900))]);
}

#[tokio::test]
async fn a_control_the_controller_refuses_fails_the_run_in_its_own_words() {
    let Some(rig) = Rig::new(Kind::HpeIlo5, "hpe-ilo").await else { return };
    // Ten minutes is none of the times an iLO takes.
    let fault = rig.harden(&[("session-timeout", Value::Number(600))]).await.unwrap_err();
    assert_eq!(fault.code, "playbook-failed");
    for part in ["session-timeout", "400", "PropertyValueNotInList"] {
        assert!(fault.text.contains(part), "{part} is missing in {}", fault.text);
    }
}

#[tokio::test]
async fn a_controller_that_lies_is_no_failure_of_the_run_and_is_left_to_the_audit() {
    let Some(rig) = Rig::new(Kind::Generic, "redfish").await else { return };
    rig.bmc.set_fault(Planted::Lie { control: "ipmi-over-lan".to_owned() });
    let ran = rig.harden(&[("ipmi-over-lan", Value::Flag(false))]).await.unwrap();
    assert_eq!(ran.changed, ["Set ipmi-over-lan"]);
    check(&rig.resource(NETWORK), &[("/IPMI/ProtocolEnabled", json!(true))]);
}

#[tokio::test]
async fn a_password_the_controller_refuses_is_named_and_tried_once() {
    let Some(rig) = Rig::new(Kind::SupermicroX13, "supermicro").await else { return };
    rig.bmc.set_fault(Planted::WrongPassword);
    let fault = rig.harden(&[("ssh", Value::Flag(false))]).await.unwrap_err();
    assert_eq!(fault.code, "credentials-refused", "{fault:?}");
    assert_eq!(rig.ledger.report().of("ams-1", Count::LoginRefused), 1);
}

/// What a controller says is data. A template in it must not run on the host.
#[tokio::test]
async fn what_a_hostile_controller_says_is_not_evaluated() {
    let Some(rig) = Rig::new(Kind::Generic, "redfish").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let proof: PathBuf = folder.path().join("proof");
    let trap = format!("{{{{ lookup('ansible.builtin.pipe', 'touch {}') }}}}", proof.display());
    plant(&rig.bmc, &trap).await;
    let ran = rig.harden(&everything()).await.unwrap();
    assert!(!ran.changed.is_empty());
    assert!(!proof.exists(), "a template of the controller's was evaluated");
    check(&rig.resource(NETWORK), &[("/NTP/NTPServers", json!(["10.0.0.1", "ntp.example.net"]))]);
}

/// Give the controller this text as its time server, as somebody with its password could.
async fn plant(bmc: &BmcHandle, text: &str) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let url = format!("{}/redfish/v1/Managers/BMC/NetworkProtocol", bmc.url());
    let body = json!({"NTP": {"ProtocolEnabled": true, "NTPServers": [text]}});
    let request = client.patch(url).basic_auth(&bmc.config().username, Some(&bmc.config().password));
    let answer = request.header("If-Match", "*").json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}
