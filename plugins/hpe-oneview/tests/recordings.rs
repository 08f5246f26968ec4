//! The plugin against bodies that HPE recorded from a OneView 4.10 appliance. Expected values were read from them by hand.
//!
//! Skipped, visibly, where the recordings are not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_hpe_oneview::HpeOneView;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::testing::{Answer, Replay, document};
use farrier_plugin_sdk::types::{Completion, Error, Health, Method};
use farrier_plugin_sdk_fleet::Fleet as _;
use farrier_plugin_sdk_fleet::types::{BmcAccess, ServerRef};

fn server(serial: Option<&str>, address: Option<&str>) -> ServerRef {
    ServerRef {
        id: "server-1".to_owned(),
        name: "AMS-SRV-001".to_owned(),
        serial: serial.map(str::to_owned),
        bmc_mac: None,
        bmc_address: address.map(str::to_owned),
        site: None,
    }
}

fn access() -> BmcAccess {
    BmcAccess { username_secret: "user".to_owned(), password_secret: "password".to_owned() }
}

fn list(members: &Value) -> Value {
    json!({ "type": "server-hardware-list", "members": members, "nextPageUri": null })
}

const ALL: &str = "/rest/server-hardware?start=0&count=100";

fn by_serial(serial: &str) -> String {
    format!("{ALL}&filter=%22serialNumber%3D%27{serial}%27%22")
}

#[test]
fn recorded_servers_are_found_by_serial_number_and_by_address() {
    let Some(all) = document("oneview-4.10/ServerHardwareList.json") else { return };
    let tree = Replay::of([(by_serial("2M201515GR"), list(&all)), (ALL.to_owned(), list(&all))]);
    let member = HpeOneView.find(&tree, &server(Some("2M201515GR"), None)).unwrap().unwrap();
    assert_eq!(member.id, "/rest/server-hardware/30373737-3237-4D32-3230-313531354752");
    assert_eq!((member.health, member.baseline), (Health::Ok, None));
    for address in ["172.18.6.24", "fe80::2:0:3:18"] {
        let member = HpeOneView.find(&tree, &server(None, Some(address))).unwrap().unwrap();
        assert_eq!(member.id, "/rest/server-hardware/30303437-3034-4D32-3230-313133394752", "{address}");
    }
    assert_eq!(HpeOneView.find(&tree, &server(None, Some("172.18.6.2"))).unwrap(), None);
    assert_eq!(HpeOneView.register(&tree, &server(Some("2M201515GR"), None), &access()).unwrap(), Completion::Done);
    assert!(tree.writes().is_empty());
}

#[test]
fn a_recorded_server_with_a_profile_is_held_to_no_bundle_that_the_profile_does_not_manage() {
    let (Some(mut one), Some(mut profile)) =
        (document("oneview-4.10/ServerHardware.json"), document("oneview-4.10/ServerProfile.json"))
    else {
        return;
    };
    let uri = profile["uri"].as_str().unwrap().to_owned();
    one["serverProfileUri"] = json!(uri);
    let serial = one["serialNumber"].as_str().unwrap().to_owned();
    let tree =
        |profile: &Value| Replay::of([(by_serial(&serial), list(&json!([one]))), (uri.clone(), profile.clone())]);
    let found = |tree: &Replay| HpeOneView.find(tree, &server(Some(&serial), None)).unwrap().unwrap().baseline;
    assert_eq!(found(&tree(&profile)), None);
    profile["firmware"]["manageFirmware"] = json!(true);
    profile["firmware"]["firmwareBaselineUri"] = json!("/rest/firmware-drivers/SPP1");
    assert_eq!(found(&tree(&profile)).as_deref(), Some("/rest/firmware-drivers/SPP1"));
}

#[test]
fn recorded_errors_keep_their_words() {
    let Some(body) = document("oneview-4.10/errors/Error500.json") else { return };
    let none = list(&json!([]));
    let tasks = "/rest/tasks?start=0&count=100&sort=created%3Adescending".to_owned();
    let tree = Replay::of([(by_serial("X1"), none.clone()), (ALL.to_owned(), none.clone()), (tasks, none)]);
    tree.answer("/rest/server-hardware", Answer::Say(500, body));
    let Err(Error::Other(other)) = HpeOneView.register(&tree, &server(Some("X1"), Some("10.0.0.1")), &access()) else {
        panic!("not other")
    };
    assert!(other.retryable && other.message.contains("internal service error"), "{}", other.message);
    let writes = tree.writes();
    assert_eq!((writes.len(), writes[0].method), (1, Method::Post));
    assert_eq!(writes[0].body["password"], json!({ "$secret": "password" }));
    assert_eq!(writes[0].body["force"], json!(false));
}
