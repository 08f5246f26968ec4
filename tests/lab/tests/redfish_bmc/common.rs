//! What holds for every vendor.

use std::collections::BTreeSet;

use farrier_lab::ledger::Kind as Count;
use farrier_lab::redfish::{EventKind, Power};
use serde_json::{Value, json};

use crate::client::{ALL, Client, Rig, until};

#[tokio::test]
async fn the_root_is_open_and_nothing_else_is() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        let stranger = Client::new(&rig.bmc.url());
        assert_eq!(stranger.get("/redfish/v1/").await.status, 200, "{kind:?}");
        assert_eq!(rig.violations(), Vec::<String>::new());
        assert_eq!(stranger.get("/redfish/v1/Systems").await.status, 401, "{kind:?}");
        assert_eq!(rig.violations().len(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn every_link_of_every_tree_leads_somewhere() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        let mut seen = BTreeSet::new();
        let mut open = vec!["/redfish/v1".to_owned()];
        while let Some(path) = open.pop() {
            if !seen.insert(path.trim_end_matches('/').to_lowercase()) {
                continue;
            }
            let answer = rig.client.get(&path).await;
            assert_eq!(answer.status, 200, "{kind:?}: {path}");
            assert!(!answer.body.to_string().contains("${"), "{kind:?}: {path} has an unfilled variable");
            links(&answer.body, &mut open);
        }
        assert!(seen.len() > 40, "{kind:?} has only {} resources", seen.len());
        let unreachable: Vec<String> = rig
            .bmc
            .paths()
            .into_iter()
            .filter(|path| !seen.contains(&path.trim_end_matches('/').to_lowercase()))
            .collect();
        assert_eq!(unreachable, Vec::<String>::new(), "{kind:?}: nothing links to these");
        assert_eq!(rig.violations(), Vec::<String>::new(), "{kind:?}");
    }
}

fn links(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let link = matches!(name.as_str(), "@odata.id" | "@Redfish.ActionInfo" | "Members@odata.nextLink");
                if let (true, Some(path)) = (link, inner.as_str()) {
                    if !path.contains('#') {
                        out.push(path.to_owned());
                    }
                } else {
                    links(inner, out);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| links(item, out)),
        _ => {}
    }
}

#[tokio::test]
async fn power_takes_time_and_is_counted_once() {
    for kind in ALL {
        let mut rig = Rig::slow(kind).await;
        let answer = rig.reset("On").await;
        assert!((200..300).contains(&answer.status), "{kind:?}: {} {}", answer.status, answer.body);
        assert_ne!(rig.power().await, "On", "{kind:?}: too fast");
        assert_eq!(rig.count(Count::PowerTransition), 0);
        let event = rig.next_event().await;
        let expected = EventKind::PowerOn { boot_target: None, mode: "UEFI".to_owned(), restart: false };
        assert_eq!(event.kind, expected, "{kind:?}");
        assert_eq!(rig.power().await, "On", "{kind:?}");
        assert_eq!(rig.count(Count::PowerTransition), 1, "{kind:?}");
        assert!((200..300).contains(&rig.reset("ForceOff").await.status));
        assert_eq!(rig.next_event().await.kind, EventKind::PowerOff);
        assert_eq!(rig.power().await, "Off", "{kind:?}");
        assert_eq!(rig.count(Count::PowerTransition), 2, "{kind:?}");
        assert_eq!(rig.violations(), Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn once_is_used_once_and_continuous_stays() {
    for kind in ALL {
        let mut rig = Rig::new(kind).await;
        let system = rig.first("Systems").await;
        let boot =
            |enabled: &str| json!({"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": enabled}});
        let answer = rig.set(&system, boot("Once")).await;
        assert!((200..300).contains(&answer.status), "{kind:?}: {}", answer.body);
        assert_eq!(rig.client.get(&system).await.body["Boot"]["BootSourceOverrideTarget"], "Pxe", "{kind:?}");
        rig.reset("On").await;
        assert!(
            matches!(rig.next_event().await.kind, EventKind::PowerOn { boot_target: Some(target), .. } if target == "Pxe")
        );
        let body = rig.client.get(&system).await.body;
        assert_eq!(body["Boot"]["BootSourceOverrideEnabled"], "Disabled", "{kind:?}");
        until("the end of the self-test", || async { !rig.bmc.state().in_post }).await;
        assert!((200..300).contains(&rig.set(&system, boot("Continuous")).await.status), "{kind:?}");
        rig.reset("ForceRestart").await;
        let expected =
            EventKind::PowerOn { boot_target: Some("Pxe".to_owned()), mode: "UEFI".to_owned(), restart: true };
        assert_eq!(rig.next_event().await.kind, expected, "{kind:?}");
        assert_eq!(rig.bmc.state().boot_enabled, "Continuous", "{kind:?}");
        assert_eq!(rig.count(Count::PowerTransition), 1, "{kind:?}: a restart is no transition");
        assert_eq!(rig.violations(), Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn what_the_vendor_does_not_know_is_refused() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        let system = rig.first("Systems").await;
        let answer = rig.set(&system, json!({"Boot": {"BootSourceOverrideTarget": "Toaster"}})).await;
        assert_eq!(answer.status, 400, "{kind:?}");
        assert!(answer.message().ends_with("PropertyValueNotInList"), "{kind:?}: {}", answer.body);
        let answer = rig.set(&system, json!({"Colour": "red"})).await;
        assert!(answer.message().ends_with("PropertyUnknown"), "{kind:?}: {}", answer.body);
        let answer = rig.set(&system, json!({"SerialNumber": "X"})).await;
        assert!(answer.message().ends_with("PropertyNotWritable"), "{kind:?}: {}", answer.body);
        assert_eq!(rig.reset("Explode").await.status, 400, "{kind:?}");
        assert_eq!(rig.count(Count::SettingsChange), 0, "{kind:?}");
        assert_eq!(rig.count(Count::Write), 4, "{kind:?}");
        assert_eq!(rig.violations(), Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test]
async fn requests_no_client_should_send_are_violations() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        let system = rig.first("Systems").await;
        assert_eq!(rig.client.get("/redfish/v1/Nowhere").await.status, 404, "{kind:?}");
        assert_eq!(rig.client.get("/redfish/v1/Systems//1").await.status, 404, "{kind:?}");
        assert_eq!(rig.client.post("/redfish/v1/Systems", json!({})).await.status, 405, "{kind:?}");
        let etag = rig.client.get(&system).await.header("etag").unwrap_or("*").to_owned();
        let broken = || rig.client.request(reqwest::Method::PATCH, &system).header("If-Match", &etag).body("{broken");
        assert_eq!(rig.client.send(broken()).await.status, 415, "{kind:?}");
        let json = broken().header("Content-Type", "application/json");
        assert_eq!(rig.client.send(json).await.status, 400, "{kind:?}");
        assert_eq!(rig.client.get("/redfish/v1/Systems?$filter=Id eq '1'").await.status, 400, "{kind:?}");
        assert_eq!(rig.violations().len(), 6, "{kind:?}: {:?}", rig.violations());
    }
}

#[tokio::test]
async fn a_session_ends_and_an_old_token_is_no_violation() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        assert_eq!(rig.bmc.state().sessions, 1);
        let session = rig.client.session.clone().unwrap();
        let status = rig.client.delete(&session).await.status;
        assert!((200..300).contains(&status), "{kind:?}: {status}");
        assert_eq!(rig.client.get("/redfish/v1/Systems").await.status, 401, "{kind:?}");
        assert_eq!(rig.bmc.state().sessions, 0);
        assert_eq!(rig.violations(), Vec::<String>::new(), "{kind:?}");
        assert_eq!(rig.count(Count::Write), 0, "{kind:?}: a login is not a write");
    }
}

#[tokio::test]
async fn pending_bios_settings_hold_after_the_next_boot() {
    for kind in ALL {
        let mut rig = Rig::new(kind).await;
        let system = rig.client.get(&rig.first("Systems").await).await.body;
        let bios = system["Bios"]["@odata.id"].as_str().unwrap();
        let current = rig.client.get(bios).await.body;
        let settings = current["@Redfish.Settings"]["SettingsObject"]["@odata.id"].as_str().unwrap();
        let attributes = current["Attributes"].as_object().unwrap();
        let (name, old) = attributes.iter().find(|(_, value)| *value == "Enabled").unwrap();
        let change = json!({"@Redfish.SettingsApplyTime": {"ApplyTime": "OnReset"}, "Attributes": {name: "Disabled"}});
        let answer = rig.set(settings, change).await;
        assert!((200..300).contains(&answer.status), "{kind:?}: {}", answer.body);
        assert_eq!(rig.client.get(bios).await.body["Attributes"][name], *old, "{kind:?}: not yet");
        assert_eq!(rig.client.get(settings).await.body["Attributes"][name], "Disabled", "{kind:?}");
        rig.reset("On").await;
        rig.next_event().await;
        assert_eq!(rig.client.get(bios).await.body["Attributes"][name], "Disabled", "{kind:?}");
        assert!(rig.bmc.state().bios_pending.is_empty(), "{kind:?}");
        assert_eq!(rig.bmc.state().power, Power::On);
        let bad = rig.set(settings, json!({"Attributes": {"NoSuchAttribute": 1}})).await;
        assert_eq!(bad.status, 400, "{kind:?}");
    }
}

#[tokio::test]
async fn the_generic_password_works_with_basic_too() {
    for kind in ALL {
        let rig = Rig::new(kind).await;
        let stranger = Client::new(&rig.bmc.url());
        let config = rig.bmc.config();
        let request = stranger.request(reqwest::Method::GET, "/redfish/v1/Systems");
        let answer = stranger.send(request.basic_auth(&config.username, Some(&config.password))).await;
        assert_eq!(answer.status, 200, "{kind:?}");
        let request = stranger.request(reqwest::Method::GET, "/redfish/v1/Systems");
        let answer = stranger.send(request.basic_auth(&config.username, Some("wrong"))).await;
        assert_eq!(answer.status, 401, "{kind:?}");
        assert_eq!(rig.count(Count::LoginRefused), 1, "{kind:?}");
    }
}
