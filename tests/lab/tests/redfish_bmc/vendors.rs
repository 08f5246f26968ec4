//! What only Dell, only Supermicro and only the generic service do.

use farrier_lab::ledger::Kind as Count;
use farrier_lab::redfish::{Kind, Power};
use serde_json::json;

use crate::client::{Client, Rig, until};

const DELL: &str = "/redfish/v1/Systems/System.Embedded.1";
const IDRAC: &str = "/redfish/v1/Managers/iDRAC.Embedded.1";

#[tokio::test]
async fn dell_is_known_by_its_service_tag() {
    let rig = Rig::new(Kind::DellIdrac9).await;
    let root = rig.client.get("/redfish/v1").await.body;
    assert_eq!(root["Oem"]["Dell"]["ServiceTag"], "ABC1234");
    assert_eq!(root["Oem"]["Dell"]["ManagerMACAddress"], "94:40:c9:00:00:01");
    let system = rig.client.get(DELL).await.body;
    assert_eq!(system["SKU"], "ABC1234");
    assert!(system["SerialNumber"].as_str().unwrap().starts_with("CN"));
}

#[tokio::test]
async fn dell_makes_one_bios_job_and_the_task_goes_when_it_is_done() {
    let mut rig = Rig::new(Kind::DellIdrac9).await;
    let settings = format!("{DELL}/Bios/Settings");
    let apply = json!({"ApplyTime": "OnReset"});
    let change = |value: &str| json!({"@Redfish.SettingsApplyTime": apply.clone(), "Attributes": {"MemTest": value}});
    let answer = rig.client.patch(&settings, change("Enabled")).await;
    assert_eq!(answer.status, 202);
    let task = answer.header("location").unwrap().to_owned();
    assert!(task.contains("/TaskService/Tasks/JID_"));
    assert_eq!(rig.client.get(&task).await.status, 200);
    let second = rig.client.patch(&settings, change("Disabled")).await;
    assert_eq!(second.status, 400);
    assert!(second.message().ends_with("SYS011"));
    let job = format!("{IDRAC}/Oem/Dell/Jobs/{}", task.rsplit('/').next().unwrap());
    assert_eq!(rig.client.get(&job).await.body["JobState"], "Scheduled");
    rig.reset("On").await;
    rig.next_event().await;
    until("the job", || async { rig.client.get(&job).await.body["JobState"] == "Completed" }).await;
    assert_eq!(rig.client.get(&task).await.status, 404);
    assert_eq!(rig.bmc.state().bios["MemTest"], "Enabled");
    assert_eq!(rig.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn dell_pending_values_wait_for_a_job() {
    let mut rig = Rig::new(Kind::DellIdrac9).await;
    let settings = format!("{DELL}/Bios/Settings");
    assert_eq!(rig.client.patch(&settings, json!({"Attributes": {"MemTest": "Enabled"}})).await.status, 200);
    rig.reset("On").await;
    rig.next_event().await;
    assert_eq!(rig.bmc.state().bios["MemTest"], "Disabled", "nothing committed them");
    let answer = rig.client.post(&format!("{IDRAC}/Oem/Dell/Jobs"), json!({"TargetSettingsURI": settings})).await;
    assert!(answer.header("location").unwrap().contains("/Jobs/JID_"));
    rig.reset("ForceRestart").await;
    rig.next_event().await;
    assert_eq!(rig.bmc.state().bios["MemTest"], "Enabled");
}

#[tokio::test]
async fn dell_attributes_hold_at_once_and_all_or_nothing() {
    let rig = Rig::new(Kind::DellIdrac9).await;
    let path = format!("{IDRAC}/Oem/Dell/DellAttributes/iDRAC.Embedded.1");
    let bad = json!({"Attributes": {"IPMILan.1.Enable": "Disabled", "WebServer.1.TLSProtocol": "TLS 9"}});
    assert_eq!(rig.client.patch(&path, bad).await.status, 400);
    assert_eq!(rig.client.get(&path).await.body["Attributes"]["IPMILan.1.Enable"], "Enabled");
    let good = json!({"Attributes": {"IPMILan.1.Enable": "Disabled", "WebServer.1.TLSProtocol": "TLS 1.2 and Higher",
        "NTPConfigGroup.1.NTP1": "10.0.0.1", "NTPConfigGroup.1.NTPEnable": "Enabled", "SNMP.1.SNMPProtocol": "SNMPv3",
        "WebServer.1.Timeout": 600, "SysLog.1.Server1": "10.0.0.9", "SysLog.1.SysLogEnable": "Enabled",
        "GUI.1.SecurityPolicyMessage": "No entry", "SSH.1.Enable": "Disabled"}});
    assert_eq!(rig.client.patch(&path, good.clone()).await.status, 200);
    assert_eq!(rig.count(Count::SettingsChange), 10);
    let protocol = rig.client.get(&format!("{IDRAC}/NetworkProtocol")).await.body;
    assert_eq!(protocol["IPMI"]["ProtocolEnabled"], false, "both views agree");
    assert_eq!(protocol["NTP"]["NTPServers"][0], "10.0.0.1");
    rig.client.patch(&path, good).await;
    assert_eq!((rig.count(Count::SettingsChange), rig.count(Count::NoChange)), (10, 1));
    let on = json!({"SSH": {"ProtocolEnabled": true}});
    assert_eq!(rig.client.patch(&format!("{IDRAC}/NetworkProtocol"), on).await.status, 200);
    assert_eq!(rig.client.get(&path).await.body["Attributes"]["SSH.1.Enable"], "Enabled");
}

#[tokio::test]
async fn dell_pages_its_log() {
    let rig = Rig::new(Kind::DellIdrac9).await;
    let mut next = Some(format!("{IDRAC}/LogServices/Lclog/Entries"));
    let (mut pages, mut entries) = (0, 0);
    while let Some(path) = next {
        let body = rig.client.get(&path).await.body;
        pages += 1;
        entries += body["Members"].as_array().unwrap().len();
        assert_eq!(body["Members@odata.count"], 120);
        next = body["Members@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!((pages, entries), (3, 120));
}

#[tokio::test]
async fn dell_blocks_the_source_after_three_and_ends_sessions_at_eight() {
    let rig = Rig::slow(Kind::DellIdrac9).await;
    let stranger = Client::new(&rig.bmc.url());
    for _ in 0..7 {
        assert_eq!(stranger.try_login("root", "lab-password-1").await.status, 201);
    }
    let full = stranger.try_login("root", "lab-password-1").await;
    assert_eq!(full.status, 503);
    assert!(full.message().ends_with("RAC0218"));
    for _ in 0..3 {
        assert_eq!(stranger.try_login("root", "wrong").await.status, 401);
    }
    assert!(stranger.http.get(rig.bmc.url()).send().await.is_err(), "the address is not blocked");
    until("the end of the block", || async { stranger.http.get(rig.bmc.url()).send().await.is_ok() }).await;
}

#[tokio::test]
async fn dell_answers_409_to_the_present_state_and_fills_account_slots() {
    let rig = Rig::new(Kind::DellIdrac9).await;
    assert_eq!(rig.reset("ForceOff").await.status, 409);
    let slot = "/redfish/v1/AccountService/Accounts/3";
    let body = json!({"UserName": "farrier", "Password": "Secret-12345", "RoleId": "Administrator", "Enabled": true});
    assert_eq!(rig.client.patch(slot, body).await.status, 200);
    assert_eq!(Client::new(&rig.bmc.url()).try_login("farrier", "Secret-12345").await.status, 201);
    assert_eq!(rig.client.post("/redfish/v1/AccountService/Accounts", json!({"UserName": "x"})).await.status, 405);
}

#[tokio::test]
async fn supermicro_has_no_vendor_and_resets_through_its_action_info() {
    let rig = Rig::new(Kind::SupermicroX13).await;
    let root = rig.client.get("/redfish/v1").await.body;
    assert!(root.get("Vendor").is_none() && root["Oem"].get("Supermicro").is_some());
    let body = rig.client.get("/redfish/v1/Systems/1").await.body;
    assert!(body["Actions"]["#ComputerSystem.Reset"].get("ResetType@Redfish.AllowableValues").is_none());
    assert_eq!(rig.reset("PushPowerButton").await.status, 400, "not in the action info");
    assert_eq!(rig.reset("ForceOff").await.status, 200, "already off is no error");
    assert_eq!(rig.count(Count::NoChange), 1);
}

#[tokio::test]
async fn supermicro_takes_a_missing_enabled_as_once() {
    let rig = Rig::new(Kind::SupermicroX13).await;
    let system = "/redfish/v1/Systems/1";
    let all = json!({"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Continuous"}});
    rig.client.patch(system, all).await;
    assert_eq!(rig.bmc.state().boot_enabled, "Continuous");
    rig.client.patch(system, json!({"Boot": {"BootSourceOverrideTarget": "Pxe"}})).await;
    assert_eq!(rig.bmc.state().boot_enabled, "Once");
}

#[tokio::test]
async fn supermicro_stages_bios_without_a_location_and_hides_an_empty_pending_object() {
    let rig = Rig::new(Kind::SupermicroX13).await;
    let pending = "/redfish/v1/Systems/1/Bios/SD";
    assert!(rig.client.get(pending).await.body.get("Attributes").is_none());
    let answer = rig.client.patch(pending, json!({"Attributes": {"QuietBoot_002D": false}})).await;
    assert_eq!((answer.status, answer.header("location")), (202, None));
    assert_eq!(rig.client.get(pending).await.body["Attributes"], json!({"QuietBoot_002D": false}));
}

#[tokio::test]
async fn supermicro_locks_the_account_after_three() {
    let rig = Rig::slow(Kind::SupermicroX13).await;
    let stranger = Client::new(&rig.bmc.url());
    for _ in 0..3 {
        assert_eq!(stranger.try_login("ADMIN", "wrong").await.status, 401);
    }
    assert_eq!(stranger.try_login("ADMIN", "lab-password-1").await.status, 401, "locked");
    assert_eq!(rig.client.get("/redfish/v1/AccountService/Accounts/2").await.body["Locked"], true);
    until("the end of the lock", || async {
        !rig.client.get("/redfish/v1/AccountService/Accounts/2").await.body["Locked"].as_bool().unwrap()
    })
    .await;
    assert_eq!(stranger.try_login("ADMIN", "lab-password-1").await.status, 201);
}

#[tokio::test]
async fn supermicro_shows_one_ntp_setting_in_two_places() {
    let rig = Rig::new(Kind::SupermicroX13).await;
    let manager = "/redfish/v1/Managers/1";
    let body = json!({"NTP": {"ProtocolEnabled": true, "NTPServers": ["10.0.0.1", "10.0.0.2"]}});
    assert_eq!(rig.client.patch(&format!("{manager}/NetworkProtocol"), body).await.status, 200);
    let oem = format!("{manager}/Oem/Supermicro/NTP");
    assert_eq!(rig.client.get(&oem).await.body["SecondaryNTPServer"], "10.0.0.2");
    rig.client.patch(&oem, json!({"PrimaryNTPServer": "10.0.0.3"})).await;
    let protocol = rig.client.get(&format!("{manager}/NetworkProtocol")).await.body;
    assert_eq!(protocol["NTP"]["NTPServers"], json!(["10.0.0.3", "10.0.0.2"]));
}

#[tokio::test]
async fn the_generic_service_requires_if_match() {
    let rig = Rig::new(Kind::Generic).await;
    let path = "/redfish/v1/Managers/BMC/NetworkProtocol";
    let body = json!({"SSDP": {"ProtocolEnabled": false}});
    assert_eq!(rig.client.patch(path, body.clone()).await.status, 428);
    assert_eq!(rig.violations().len(), 1);
    assert_eq!(rig.client.patch_if(path, "\"stale\"", body.clone()).await.status, 412);
    let answer = rig.set(path, body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["SSDP"]["ProtocolEnabled"], false);
    assert_eq!(rig.violations().len(), 1);
}

#[tokio::test]
async fn the_generic_service_reports_the_way_and_makes_accounts() {
    let rig = Rig::slow(Kind::Generic).await;
    rig.reset("On").await;
    assert_eq!(rig.power().await, "PoweringOn");
    assert_eq!(rig.reset("On").await.status, 409);
    let accounts = "/redfish/v1/AccountService/Accounts";
    let body = json!({"UserName": "farrier", "Password": "Secret-12345", "RoleId": "Operator"});
    let made = rig.client.post(accounts, body.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(rig.client.post(accounts, body).await.status, 400, "the name is taken");
    assert_eq!(rig.client.get(made.header("location").unwrap()).await.body["RoleId"], "Operator");
    assert_eq!(rig.bmc.state().accounts.len(), 2);
}

#[tokio::test]
async fn a_controller_restart_ends_sessions_and_answers_again() {
    let mut rig = Rig::slow(Kind::Generic).await;
    rig.bmc.power_on_by_hand();
    rig.next_event().await;
    let target = "/redfish/v1/Managers/BMC/Actions/Manager.Reset";
    assert_eq!(rig.client.post(target, json!({"ResetType": "GracefulRestart"})).await.status, 204);
    assert!(rig.client.request(reqwest::Method::GET, "/redfish/v1").send().await.is_err());
    let stranger = Client::new(&rig.bmc.url());
    until("the restart", || async { stranger.http.get(format!("{}/redfish/v1", stranger.base)).send().await.is_ok() })
        .await;
    assert_eq!(rig.client.get("/redfish/v1/Systems").await.status, 401);
    assert_eq!(rig.bmc.state().power, Power::On, "the server runs on");
    assert_eq!(rig.violations(), Vec::<String>::new());
}
