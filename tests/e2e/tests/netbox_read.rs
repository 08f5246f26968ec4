//! Init, populate, find, export and refusals, against the simulated NetBox of both versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod netbox_rig;

use farrier::inventory::{Found, Heights, Inventory as _};
use farrier::netbox::populate::{PopulateError, Silent, populate};
use farrier::netbox::{export, init};
use farrier_lab::netbox::{Fault, Version};
use farrier_lifecycle::{Blame, Mac, Retry};
use netbox_rig::{BOTH, README_MAC, Rig, example};
use serde_json::json;

fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

#[tokio::test]
async fn init_makes_what_is_missing_and_a_second_run_nothing() {
    for version in BOTH {
        let rig = Rig::empty(version).await;
        let missing = rig.inventory.check().await.unwrap();
        assert_eq!(missing.len(), 9, "{missing:?}");
        let steps = init::plan(rig.inventory.client()).await.unwrap();
        assert_eq!(rig.writes(), 0, "a plan writes nothing");
        let guide = include_str!("../../../docs/guides/quickstart.md");
        for step in &steps {
            let field = step.text.strip_prefix("create the custom field ").and_then(|rest| rest.split(' ').next());
            assert!(field.is_none_or(|name| guide.contains(&format!("`{name}`"))), "the quick start: {}", step.text);
        }
        let done = init::apply(rig.inventory.client(), |_| {}).await.unwrap();
        assert_eq!(done, steps.len());
        assert_eq!(rig.inventory.check().await.unwrap(), Vec::<String>::new());
        let writes = rig.writes();
        assert_eq!(init::apply(rig.inventory.client(), |_| {}).await.unwrap(), 0);
        assert_eq!(rig.writes(), writes);
        let state = &rig.lab.find("extras/custom-fields", "name", &json!("lifecycle_state"))[0];
        assert_eq!(state["type"], "select");
        rig.assert_correct();
    }
}

#[tokio::test]
async fn the_choices_of_the_poc_are_kept_and_ours_added() {
    for version in BOTH {
        let rig = Rig::empty(version).await;
        let choices = json!([["offline", "Offline"], ["monitored", "Monitored"]]);
        let set = rig
            .lab
            .create("extras/custom-field-choice-sets", &json!({"name": "PoC states", "extra_choices": choices}))
            .unwrap();
        let models = if version == Version::V3_7 { "content_types" } else { "object_types" };
        let field = json!({"name": "lifecycle_state", "type": "select", "choice_set": set, models: ["dcim.device"]});
        rig.lab.create("extras/custom-fields", &field).unwrap();
        init::apply(rig.inventory.client(), |_| {}).await.unwrap();
        let sets = rig.lab.get("extras/custom-field-choice-sets", set);
        let values: Vec<&str> =
            sets["extra_choices"].as_array().unwrap().iter().map(|c| c[0].as_str().unwrap()).collect();
        assert_eq!(values[..2], ["offline", "monitored"]);
        assert_eq!(values.len(), 10, "{values:?}");
        assert_eq!(init::plan(rig.inventory.client()).await.unwrap(), Vec::new());
    }
}

#[tokio::test]
async fn populate_brings_the_example_and_a_second_run_has_nothing_to_do() {
    for version in BOTH {
        let rig = Rig::empty(version).await;
        let report = populate(rig.inventory.client(), &example(), &Silent).await.unwrap();
        assert_eq!(report.created["device"], 20);
        assert_eq!(report.created["cable"], 20);
        assert_eq!(report.created["prefix"], 5);
        let writes = rig.writes();
        let again = populate(rig.inventory.client(), &example(), &Silent).await.unwrap();
        assert!(again.is_nothing(), "{version:?}: {again:?}");
        assert_eq!(rig.writes(), writes);
        let device = rig.device("AMS-SRV-001");
        assert_eq!((&device["serial"], &device["site"]["slug"]), (&json!("S5101001"), &json!("ams")));
        assert_eq!((device["position"].as_f64(), &device["rack"]["name"]), (Some(10.0), &json!("A01")));
        let kind = rig.lab.get("dcim/device-types", device["device_type"]["id"].as_u64().unwrap());
        assert_eq!(kind["u_height"].as_f64(), Some(2.0), "{version:?}: as the file has it");
        rig.assert_correct();
    }
}

#[tokio::test]
async fn the_height_of_a_server_and_its_rack_is_netboxs() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let Found::Server(found) = rig.inventory.find(mac(README_MAC)).await.unwrap() else { panic!() };
        let device = rig.device(&found.name);
        let id = |what: &str| device[what]["id"].as_u64().unwrap();
        let fits = rig.inventory.heights(&found).await.unwrap();
        assert_eq!(fits.rack, Some(42), "{version:?}: as the file has it");
        // The operator's own types and racks: halves are drawn whole.
        rig.lab.patch("dcim/device-types", id("device_type"), &json!({"u_height": 1.5})).unwrap();
        rig.lab.patch("dcim/racks", id("rack"), &json!({"u_height": 47})).unwrap();
        let heights = rig.inventory.heights(&found).await.unwrap();
        assert_eq!(heights, Heights { server: Some(2), rack: Some(47) }, "{version:?}");
        rig.assert_correct();
    }
}

#[tokio::test]
async fn populate_that_is_cut_off_goes_on() {
    for version in BOTH {
        let rig = Rig::empty(version).await;
        let (mut runs, mut lost) = (0, 0);
        loop {
            // A few writes get through, then an answer is lost with its write done.
            rig.lab.set_fault(if runs < 60 { Fault::DropAnswers(1) } else { Fault::None });
            runs += 1;
            match populate(rig.inventory.client(), &example(), &Silent).await {
                Ok(_) => break,
                Err(_) => lost += 1,
            }
        }
        rig.lab.set_fault(Fault::None);
        assert!(lost > 8, "{lost}");
        assert!(populate(rig.inventory.client(), &example(), &Silent).await.unwrap().is_nothing());
        let Found::Server(found) = rig.inventory.find(mac(README_MAC)).await.unwrap() else { panic!() };
        assert_eq!(found.nics.iter().filter(|nic| nic.mac.is_some() && nic.cable.is_some()).count(), 2);
        rig.assert_correct();
    }
}

#[tokio::test]
async fn populate_mends_what_differs_and_stops_before_contradictions() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        rig.lab.patch("dcim/devices", rig.device_id("AMS-SRV-002"), &json!({"serial": "WRONG"})).unwrap();
        let report = populate(rig.inventory.client(), &example(), &Silent).await.unwrap();
        assert_eq!(report.changed.get("device"), Some(&1));
        let mut document = example();
        document.servers[0].value.bmc_mac =
            std::mem::replace(&mut document.servers[1].value.bmc_mac, "02:00:00:00:00:07".to_owned());
        document.servers[2].value.interface[0].cable = document.servers[2].value.interface[1].cable.take();
        let writes = rig.writes();
        let error = populate(rig.inventory.client(), &document, &Silent).await.unwrap_err();
        let PopulateError::Contradictions(lines) = error else { panic!("{error}") };
        assert_eq!(lines.len(), 3, "a MAC, and a cable seen from either end: {lines:#?}");
        assert_eq!(rig.writes(), writes, "nothing was written");
    }
}

#[tokio::test]
async fn a_server_is_found_by_its_controllers_mac_in_any_spelling() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        for spelling in [README_MAC, "a0-36-9f-01-00-00", "a036.9f01.0000", "a0369f010000", "a0:36:9f:1:0:0"] {
            let Found::Server(found) = rig.inventory.find(mac(spelling)).await.unwrap() else { panic!("{spelling}") };
            assert_eq!((found.name.as_str(), found.bmc_interface.as_str()), ("AMS-SRV-001", "bmc"));
            assert_eq!((found.site.as_deref(), found.rack.clone()), (Some("ams"), Some(("A01".to_owned(), Some(10)))));
            assert_eq!(found.serial.as_deref(), Some("S5101001"));
            assert_eq!(
                (found.manufacturer.as_deref(), found.model.as_deref()),
                (Some("Supermicro"), Some("SYS-621C-TN12R"))
            );
            assert_eq!(found.claim, None, "offline is free to be taken");
            let nics: Vec<_> = found.nics.iter().map(|nic| (nic.name.as_str(), nic.mac, nic.cable.clone())).collect();
            let cable = |side: &str| Some((format!("ams-a01-tor-{side}"), "Ethernet1".to_owned()));
            let (first, second) = (mac("88:e9:a4:01:01:00"), mac("88:e9:a4:01:01:01"));
            assert_eq!(nics, [("ens1f0", Some(first), cable("a")), ("ens2f0", Some(second), cable("b"))]);
        }
        rig.assert_correct();
    }
}

#[tokio::test]
async fn what_is_not_one_controller_is_told_apart() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        assert_eq!(rig.inventory.find(mac("02:00:00:00:00:01")).await.unwrap(), Found::Unknown);
        let nic = rig.inventory.find(mac("88:e9:a4:01:01:00")).await.unwrap();
        assert_eq!(nic, Found::NotController { device: "AMS-SRV-001".to_owned(), interface: "ens1f0".to_owned() });
        let other = rig.device_id("SIN-SRV-001");
        if version == Version::V3_7 {
            let body = json!({"device": other, "name": "ilo", "type": "1000base-t", "mac_address": README_MAC});
            rig.lab.create("dcim/interfaces", &body).unwrap();
        } else {
            let body = json!({"device": other, "name": "ilo", "type": "1000base-t"});
            let id = rig.lab.create("dcim/interfaces", &body).unwrap();
            let body =
                json!({"mac_address": README_MAC, "assigned_object_type": "dcim.interface", "assigned_object_id": id});
            rig.lab.create("dcim/mac-addresses", &body).unwrap();
        }
        let both = rig.inventory.find(mac(README_MAC)).await.unwrap();
        assert_eq!(both, Found::Ambiguous(vec!["AMS-SRV-001".to_owned(), "SIN-SRV-001".to_owned()]));
    }
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_read_to_its_end() {
    let rig = Rig::populated(Version::V3_7).await;
    let device = rig.device_id("AMS-SRV-001");
    for number in 0..600 {
        let body = json!({"device": device, "name": format!("veth{number}"), "type": "virtual"});
        rig.lab.create("dcim/interfaces", &body).unwrap();
    }
    let all: Vec<serde_json::Value> = rig.inventory.client().list("dcim/interfaces", &[]).await.unwrap();
    assert_eq!(all.len(), 650);
    let Found::Server(found) = rig.inventory.find(mac(README_MAC)).await.unwrap() else { panic!() };
    assert_eq!(found.nics.len(), 2, "virtual interfaces are not expected on the wire");
}

#[tokio::test]
async fn refusals_say_who_must_act() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let (wrong, _file) = Rig::inventory(&rig.lab.url(), "ffffffffffffffffffffffffffffffffffffffff");
        let fault = wrong.find(mac(README_MAC)).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.blame), ("netbox-forbidden", Blame::Operator));
        assert!(fault.hint.is_some());
        rig.lab.set_fault(Fault::Error5xx(1));
        let fault = rig.inventory.find(mac(README_MAC)).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retry), ("netbox-failing", Retry::Backoff));
        rig.lab.set_fault(Fault::Down);
        let fault = rig.inventory.find(mac(README_MAC)).await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.retry, fault.blame),
            ("netbox-unreachable", Retry::Backoff, Blame::Network)
        );
        rig.lab.set_fault(Fault::None);
        assert!(matches!(rig.inventory.find(mac(README_MAC)).await.unwrap(), Found::Server(_)));
    }
}

#[tokio::test]
async fn the_macs_come_out_as_the_pocs_csv_and_go_in_again() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let names = ["bmc".to_owned()];
        let lines = export::macs(rig.inventory.client(), &names).await.unwrap();
        assert_eq!(lines.len(), 30);
        let mut text = Vec::new();
        farrier::inventory::csv::write(&lines, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("Datacenter,Rack,Server,Interface,MAC Address,Type,Description\n"));
        assert!(text.contains("Amsterdam,A01,AMS-SRV-001,bmc,A0:36:9F:01:00:00,1000base-t,"), "{text}");
        let document = farrier::inventory::parse(std::path::Path::new("x.csv"), &text, true).unwrap();
        assert_eq!(document.servers.len(), 10);
        let again = populate(rig.inventory.client(), &document, &Silent).await.unwrap();
        assert!(again.is_nothing(), "what a CSV does not say stays as it is: {again:?}");
        let fresh = Rig::empty(version).await;
        populate(fresh.inventory.client(), &document, &Silent).await.unwrap();
        let Found::Server(found) = fresh.inventory.find(mac(README_MAC)).await.unwrap() else { panic!() };
        assert_eq!((found.model, found.serial, found.nics.len()), (None, None, 2));
    }
}
