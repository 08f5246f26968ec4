//! What only HPE does.

use farrier_lab::ledger::Kind as Count;
use farrier_lab::redfish::Kind;
use serde_json::json;

use crate::client::{Client, Rig, until};

#[tokio::test]
async fn a_login_gives_an_absolute_location_and_a_refused_one_400() {
    let rig = Rig::new(Kind::HpeIlo5).await;
    let config = rig.bmc.config();
    let stranger = Client::new(&rig.bmc.url());
    let answer = stranger.try_login(&config.username, &config.password).await;
    assert!(answer.header("location").unwrap().starts_with("https://127.0.0.1:"));
    let answer = stranger.try_login(&config.username, "wrong").await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().ends_with("UnauthorizedLoginAttempt"));
    assert_eq!(rig.count(Count::LoginRefused), 1);
    let answer = stranger.get("/redfish/v1/Systems").await;
    assert!(answer.message().ends_with("NoValidSession"));
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
async fn a_wildcard_etag_is_refused_and_its_own_or_none_is_not() {
    let rig = Rig::new(Kind::HpeIlo5).await;
    let path = "/redfish/v1/Managers/1/NetworkProtocol";
    let off = |off: bool| json!({"IPMI": {"ProtocolEnabled": !off}});
    assert_eq!(rig.client.patch_if(path, "*", off(true)).await.status, 412);
    assert_eq!(rig.client.patch_if(path, "W/\"DEADBEEF\"", off(true)).await.status, 412);
    let answer = rig.client.patch(path, off(true)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["error"]["code"], "iLO.0.10.ExtendedInfo");
    assert!(answer.message().ends_with("Success"));
    let etag = rig.client.get(path).await.header("etag").unwrap().to_owned();
    assert!(etag.starts_with("W/\""));
    assert_eq!(rig.client.patch_if(path, &etag, off(false)).await.status, 200);
    assert_ne!(rig.client.get(path).await.header("etag").unwrap(), etag);
    assert_eq!(rig.count(Count::SettingsChange), 2);
}

#[tokio::test]
async fn the_boot_override_is_refused_during_the_self_test() {
    let mut rig = Rig::slow(Kind::HpeIlo6).await;
    let boot = json!({"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}});
    rig.reset("On").await;
    rig.next_event().await;
    let answer = rig.client.patch("/redfish/v1/Systems/1", boot.clone()).await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().ends_with("UnableToModifyDuringSystemPOST"));
    until("the end of the self-test", || async {
        rig.client.get("/redfish/v1/Systems/1").await.body["Oem"]["Hpe"]["PostState"] == "FinishedPost"
    })
    .await;
    assert_eq!(rig.client.patch("/redfish/v1/Systems/1", boot).await.status, 200);
}

#[tokio::test]
async fn a_reset_to_the_present_state_is_400() {
    let rig = Rig::new(Kind::HpeIlo5).await;
    let answer = rig.reset("ForceOff").await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().ends_with("InvalidOperationForSystemState"));
    assert_eq!(rig.count(Count::PowerTransition), 0);
}

#[tokio::test]
async fn hardening_lives_where_hpe_documents_it() {
    let rig = Rig::new(Kind::HpeIlo6).await;
    let manager = "/redfish/v1/Managers/1";
    let writes = [
        ("NetworkProtocol", json!({"IPMI": {"ProtocolEnabled": false}, "SSDP": {"ProtocolEnabled": false}})),
        ("NetworkProtocol", json!({"Oem": {"Hpe": {"RemoteSyslogEnabled": true, "RemoteSyslogServer": "10.0.0.9"}}})),
        ("SnmpService", json!({"SNMPv1Enabled": false})),
        ("DateTime", json!({"StaticNTPServers": ["10.0.0.1", "10.0.0.2"]})),
        ("SecurityService", json!({"TLSVersion": {"TLS1_0": "Disabled", "TLS1_1": "Disabled"}})),
        ("SecurityService", json!({"LoginSecurityBanner": {"IsEnabled": true, "SecurityMessage": "No entry"}})),
    ];
    for (resource, body) in writes {
        let answer = rig.client.patch(&format!("{manager}/{resource}"), body).await;
        assert_eq!(answer.status, 200, "{resource}: {}", answer.body);
    }
    assert_eq!(
        rig.client.patch(manager, json!({"Oem": {"Hpe": {"IdleConnectionTimeoutMinutes": 15}}})).await.status,
        200
    );
    assert_eq!(
        rig.client.patch(manager, json!({"Oem": {"Hpe": {"IdleConnectionTimeoutMinutes": 17}}})).await.status,
        400
    );
    let snmp = rig.client.get(&format!("{manager}/SnmpService")).await.body;
    assert_eq!((&snmp["SNMPv1RequestsEnabled"], &snmp["SNMPv1TrapEnabled"]), (&json!(false), &json!(false)));
    assert_eq!(rig.client.get(&format!("{manager}/DateTime")).await.body["NTPServers"][0], "10.0.0.1");
    assert_eq!(rig.count(Count::NoChange), 0);
    assert_eq!(rig.count(Count::SettingsChange), 11);
    assert_eq!(rig.violations(), Vec::<String>::new());
}
