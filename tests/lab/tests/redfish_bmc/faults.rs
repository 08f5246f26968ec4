//! Faults: what each does, and that clearing them ends it.

use std::time::{Duration, Instant};

use farrier_lab::ledger::Kind as Count;
use farrier_lab::redfish::{BmcConfig, Fault, Kind};
use reqwest::Method;
use serde_json::json;

use crate::client::{ALL, Client, Rig};

#[tokio::test]
async fn a_control_that_lies_answers_success_and_changes_nothing() {
    let rig = Rig::new(Kind::HpeIlo5).await;
    rig.bmc.set_fault(Fault::Lie { control: "ipmi-over-lan".to_owned() });
    let path = "/redfish/v1/Managers/1/NetworkProtocol";
    let body = json!({"IPMI": {"ProtocolEnabled": false}, "SSH": {"ProtocolEnabled": false}});
    let answer = rig.client.patch(path, body).await;
    assert_eq!(answer.status, 200);
    let now = rig.client.get(path).await.body;
    assert_eq!(now["IPMI"]["ProtocolEnabled"], true, "the lie");
    assert_eq!(now["SSH"]["ProtocolEnabled"], false, "the other control is honest");
    assert_eq!(rig.count(Count::SettingsChange), 1);
    rig.bmc.clear_faults();
    rig.client.patch(path, json!({"IPMI": {"ProtocolEnabled": false}})).await;
    assert_eq!(rig.client.get(path).await.body["IPMI"]["ProtocolEnabled"], false);
}

#[tokio::test]
async fn another_serial_is_reported_everywhere_until_cleared() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        let system = rig.first("Systems").await;
        let own = rig.bmc.config().serial.clone();
        rig.bmc.set_fault(Fault::Serial("WRONG0009".to_owned()));
        let text = rig.client.get(&system).await.body.to_string();
        assert!(text.contains("WRONG0009") && !text.contains(&own), "{kind:?}");
        rig.bmc.clear_faults();
        assert!(rig.client.get(&system).await.body.to_string().contains(&own), "{kind:?}");
    }
}

#[tokio::test]
async fn the_wrong_password_is_refused_and_counted() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        rig.bmc.set_fault(Fault::WrongPassword);
        let config = rig.bmc.config();
        let answer = Client::new(&rig.bmc.url()).try_login(&config.username, &config.password).await;
        assert!(answer.status == 401 || answer.status == 400, "{kind:?}");
        assert_eq!(rig.count(Count::LoginRefused), 1, "{kind:?}");
        assert_eq!(rig.count(Count::Login), 1, "{kind:?}: the first login of this test");
    }
}

#[tokio::test]
async fn a_full_session_pool_is_503() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        rig.bmc.set_fault(Fault::SessionExhaustion);
        let config = rig.bmc.config();
        let answer = Client::new(&rig.bmc.url()).try_login(&config.username, &config.password).await;
        assert_eq!(answer.status, 503, "{kind:?}");
        assert_eq!(rig.count(Count::LoginRefused), 0, "{kind:?}: the password was right");
    }
}

#[tokio::test]
async fn counted_faults_end_by_themselves() {
    let rig = Rig::new(Kind::Generic).await;
    rig.bmc.set_fault(Fault::Busy { retry_after: 3, times: 1 });
    let answer = rig.client.get("/redfish/v1/Systems").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3")));
    rig.bmc.set_fault(Fault::Error { status: 500, times: 2 });
    assert_eq!(rig.client.get("/redfish/v1/Systems").await.status, 500);
    assert_eq!(rig.client.get("/redfish/v1/Systems").await.status, 500);
    assert_eq!(rig.client.get("/redfish/v1/Systems").await.status, 200);
}

#[tokio::test]
async fn a_dropped_connection_and_a_cut_body_are_errors() {
    let rig = Rig::new(Kind::Generic).await;
    // Two, because the client itself retries a request on a fresh connection once.
    rig.bmc.set_fault(Fault::Drop { times: 2 });
    assert!(rig.client.request(Method::GET, "/redfish/v1/Systems").send().await.is_err());
    rig.bmc.clear_faults();
    rig.bmc.set_fault(Fault::Truncate { times: 1 });
    let response = rig.client.request(Method::GET, "/redfish/v1/Systems").send().await.unwrap();
    assert!(response.text().await.is_err(), "the body was whole");
    assert_eq!(rig.client.get("/redfish/v1/Systems").await.status, 200);
}

#[tokio::test]
async fn slow_is_slow() {
    let rig = Rig::new(Kind::Generic).await;
    rig.bmc.set_fault(Fault::Slow(Duration::from_millis(120)));
    let begin = Instant::now();
    rig.client.get("/redfish/v1/Systems").await;
    assert!(begin.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn an_ignored_graceful_shutdown_never_happens_and_a_hard_one_does() {
    let mut config = BmcConfig::new("LAB-SRV-001", Kind::DellIdrac9);
    config.power = farrier_lab::redfish::Power::On;
    let mut rig = Rig::with(config).await;
    rig.bmc.set_fault(Fault::IgnoreGraceful);
    assert_eq!(rig.reset("GracefulShutdown").await.status, 204);
    assert_eq!(rig.reset("ForceOff").await.status, 204);
    assert_eq!(rig.next_event().await.kind, farrier_lab::redfish::EventKind::PowerOff);
    assert_eq!(rig.count(Count::PowerTransition), 1);
}

#[tokio::test]
async fn what_a_hand_does_is_seen_and_counted() {
    let mut rig = Rig::new(Kind::SupermicroX13).await;
    rig.bmc.power_on_by_hand();
    rig.next_event().await;
    assert_eq!(rig.power().await, "On");
    rig.bmc.power_off_by_hand();
    rig.next_event().await;
    assert_eq!(rig.power().await, "Off");
    assert_eq!(rig.count(Count::PowerTransition), 2);
    assert_eq!(rig.count(Count::Write), 0);
}

#[tokio::test]
async fn each_vendor_has_a_place_for_the_controls_it_can_do() {
    let common = ["ipmi-over-lan", "ntp-servers", "session-timeout", "snmp-v2c", "ssh"];
    let own: [(Kind, &[&str]); 5] = [
        (Kind::HpeIlo5, &["login-banner", "ssdp", "syslog-server", "tls-minimum-version"]),
        (Kind::HpeIlo6, &["login-banner", "ssdp", "syslog-server", "tls-minimum-version"]),
        (Kind::DellIdrac9, &["login-banner", "syslog-server", "tls-minimum-version"]),
        (Kind::SupermicroX13, &["ssdp", "syslog-server"]),
        (Kind::Generic, &["ssdp"]),
    ];
    for (kind, own) in own {
        let rig = Rig::new(kind).await;
        let wanted: std::collections::BTreeSet<String> = common.iter().chain(own).map(|&id| id.to_owned()).collect();
        assert_eq!(rig.bmc.controls(), wanted, "{kind:?}");
    }
}
