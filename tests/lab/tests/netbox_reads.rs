//! Look-ups in the lab's NetBox, without recordings.
//!
//! Promises, for both versions where they differ, what a client of bare metal must get right when it reads: filters
//! that are ignored, spellings of MAC addresses, pages, tokens, and what of that lands in the ledger.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]

mod netbox_support;

use farrier_lab::netbox::Version;
use netbox_support::{BOTH, Lab, device};
use serde_json::{Value, json};

#[tokio::test]
async fn an_unknown_filter_is_ignored_and_noted() {
    for version in BOTH {
        let lab = Lab::start(version).await;
        assert_eq!(lab.get("dcim/devices/?name=srv-1&site=ams&status=active").await.body["count"], 1);
        assert_eq!(lab.violations(), Vec::<String>::new());
        assert_eq!(lab.get("dcim/devices/?hostname=srv-1").await.body["count"], 2);
        assert_eq!(lab.violations().len(), 1);
        assert!(lab.violations()[0].contains("hostname"), "{:?}", lab.violations());
    }
}

#[tokio::test]
async fn a_filter_value_that_cannot_be_is_refused() {
    let lab = Lab::start(Version::V4_6).await;
    let reply = lab.get("dcim/devices/?status=bogus").await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.body["status"][0], "Select a valid choice. bogus is not one of the available choices.");
    assert_eq!(lab.get("dcim/devices/?status=discovered").await.body["count"], 0);
    assert_eq!(lab.get("dcim/devices/?site=nowhere").await.status, 400);
}

#[tokio::test]
async fn a_mac_address_is_found_in_any_spelling() {
    for version in BOTH {
        let lab = Lab::start(version).await;
        lab.interface(version, 1, "bmc", "a0:36:9f:01:00:0b").await;
        for spelling in ["A0:36:9F:01:00:0B", "a0369f01000b", "a0-36-9f-01-00-0b", "a036.9f01.000b", "a0:36:9f:1:0:b"] {
            let found = lab.get(&format!("dcim/interfaces/?mac_address={spelling}")).await.body;
            assert_eq!(found["count"], 1, "{version:?} {spelling}");
            assert_eq!(found["results"][0]["mac_address"], "A0:36:9F:01:00:0B");
            assert_eq!(lab.get(&format!("dcim/devices/?mac_address={spelling}")).await.body["count"], 1);
        }
        assert_eq!(lab.get("dcim/interfaces/?mac_address=bogus").await.body["count"], 0);
        assert_eq!(lab.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn two_devices_may_hold_one_mac_address_on_4_6() {
    let lab = Lab::start(Version::V4_6).await;
    for device in [1, 2] {
        lab.interface(Version::V4_6, device, "bmc", "a0:36:9f:01:00:0b").await;
    }
    assert_eq!(lab.get("dcim/devices/?mac_address=A0:36:9F:01:00:0B").await.body["count"], 2);
    assert_eq!(lab.get("dcim/mac-addresses/?mac_address=A0:36:9F:01:00:0B").await.body["count"], 2);
}

#[tokio::test]
async fn pages_lead_to_every_object_once() {
    let lab = Lab::start(Version::V3_7).await;
    let sites: Vec<Value> =
        (0..120).map(|n| json!({"name": format!("Site {n}"), "slug": format!("site-{n}")})).collect();
    assert_eq!(lab.send("POST", "dcim/sites/", json!(sites)).await.status, 201);
    let mut next = json!("dcim/sites/?name__ic=site");
    let (mut names, mut pages) = (Vec::new(), 0);
    while let Some(address) = next.as_str() {
        let page = lab.get(address).await.body;
        assert_eq!(page["count"], 120);
        names.extend(page["results"].as_array().unwrap().iter().map(|site| site["name"].as_str().unwrap().to_owned()));
        (next, pages) = (page["next"].clone(), pages + 1);
    }
    assert_eq!((pages, names.len()), (3, 120));
    let in_order: Vec<String> = (0..120).map(|n| format!("Site {n}")).collect();
    assert_eq!(names, in_order);
    let page = lab.get("dcim/sites/?limit=0").await.body;
    assert_eq!((page["results"].as_array().unwrap().len(), &page["next"]), (121, &Value::Null));
}

#[tokio::test]
async fn what_no_correct_client_sends_is_noted() {
    let lab = Lab::start(Version::V3_7).await;
    assert_eq!(lab.send("POST", "dcim/sites", json!({"name": "x", "slug": "x"})).await.status, 301);
    assert_eq!(lab.get("dcim/nothing/").await.status, 404);
    assert_eq!(lab.get("core/object-changes/").await.status, 404);
    assert_eq!(lab.send("PUT", "extras/object-changes/1/", json!({})).await.status, 405);
    assert_eq!(lab.send("PATCH", "dcim/devices/1/", json!({"rack_unit": 3})).await.status, 200);
    assert_eq!(lab.violations().len(), 5, "{:?}", lab.violations());
}

#[tokio::test]
async fn a_prefix_is_found_by_what_it_contains() {
    for version in BOTH {
        let lab = Lab::start(version).await;
        let place = match version {
            Version::V3_7 => json!({"prefix": "10.55.1.0/24", "site": 1}),
            Version::V4_6 => json!({"prefix": "10.55.1.0/24", "scope_type": "dcim.site", "scope_id": 1}),
        };
        lab.created("ipam/prefixes/", place).await;
        assert_eq!(lab.get("ipam/prefixes/?contains=10.55.1.9&site=ams").await.body["count"], 1);
        assert_eq!(lab.get("ipam/prefixes/?contains=10.55.2.9").await.body["count"], 0);
        assert_eq!(lab.send("POST", "ipam/prefixes/", json!({"prefix": "10.55.1.1/24"})).await.status, 400);
        assert_eq!(lab.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_with_403() {
    for version in BOTH {
        let lab = Lab::start(version).await;
        let address = format!("{}/api/dcim/sites/", lab.netbox.url());
        for header in ["", "Token ffffffffffffffffffffffffffffffffffffffff", "Basic YWRtaW46YWRtaW4="] {
            let reply = lab.client.get(&address).header("Authorization", header).send().await.unwrap();
            assert_eq!(reply.status().as_u16(), 403, "{version:?} {header}");
        }
        let open = lab.client.get(format!("{}/api/status/", lab.netbox.url())).send().await.unwrap();
        assert_eq!(open.status().as_u16(), if version == Version::V3_7 { 200 } else { 403 });
        let made =
            lab.send("POST", "users/tokens/provision/", json!({"username": "admin", "password": "admin"})).await.body;
        let token = match version {
            Version::V3_7 => format!("Token {}", made["key"].as_str().unwrap()),
            Version::V4_6 => {
                format!("Bearer nbt_{}.{}", made["key"].as_str().unwrap(), made["token"].as_str().unwrap())
            }
        };
        let reply = lab.client.get(&address).header("Authorization", token).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
    }
}

#[tokio::test]
async fn an_estate_of_a_thousand_servers_is_answered_in_time() {
    let lab = Lab::start(Version::V4_6).await;
    for n in 10..1010_u64 {
        let device = lab.netbox.create("dcim/devices", &device(&format!("server-{n}"))).unwrap();
        for port in 0..2 {
            let body = json!({"device": device, "name": format!("port{port}"), "type": "1000base-t"});
            let id = lab.netbox.create("dcim/interfaces", &body).unwrap();
            let mac = format!("02:00:00:{:02x}:{:02x}:{port:02x}", n / 256, n % 256);
            let body = json!({"mac_address": mac, "assigned_object_type": "dcim.interface", "assigned_object_id": id});
            lab.netbox.create("dcim/mac-addresses", &body).unwrap();
        }
    }
    let before = std::time::Instant::now();
    for n in 10..110_u64 {
        let mac = format!("02:00:00:00:{n:02x}:00");
        assert_eq!(
            lab.get(&format!("dcim/devices/?mac_address={mac}")).await.body["results"][0]["name"],
            format!("server-{n}")
        );
    }
    assert_eq!(lab.get("dcim/interfaces/?limit=0").await.body["results"].as_array().unwrap().len(), 1000);
    let took = before.elapsed();
    assert!(took.as_secs() < 30, "100 look-ups and 1000 interfaces took {took:?}");
}

#[tokio::test]
async fn names_are_compared_as_netbox_compares_them() {
    let lab = Lab::start(Version::V4_6).await;
    for (device, serial) in [(1, "0123"), (2, "123")] {
        lab.netbox.patch("dcim/devices", device, &json!({"serial": serial})).unwrap();
    }
    assert_eq!(lab.get("dcim/devices/?serial=0123").await.body["count"], 1);
    assert_eq!(lab.get("dcim/devices/?name=SRV-1").await.body["count"], 1);
    assert_eq!(lab.get("dcim/devices/?name__ic=srv&id=1&id=2").await.body["count"], 2);
    assert_eq!(lab.get("dcim/devices/?serial__n=123").await.body["results"][0]["serial"], "0123");
}

#[tokio::test]
async fn racks_of_two_sites_may_share_a_name() {
    let lab = Lab::start(Version::V3_7).await;
    let other = lab.created("dcim/sites/", json!({"name": "Berlin", "slug": "ber"})).await;
    for site in [1, other] {
        lab.created("dcim/racks/", json!({"name": "A01", "site": site, "u_height": 42, "width": 19})).await;
    }
    let placed = |unit: u64| json!({"rack": 1, "position": unit, "face": "front"});
    assert_eq!(lab.send("PATCH", "dcim/devices/1/", placed(10)).await.status, 200);
    let taken = lab.send("PATCH", "dcim/devices/2/", placed(10)).await;
    assert_eq!((taken.status, taken.body["position"].is_array()), (400, true));
    assert_eq!(lab.send("PATCH", "dcim/devices/2/", json!({"rack": 2})).await.status, 400, "another site's rack");
    assert_eq!(lab.send("PATCH", "dcim/devices/2/", placed(11)).await.body["position"], 11.0);
    assert_eq!(lab.get("dcim/devices/?rack=A01&site=ams").await.body["count"], 2);
    assert_eq!(lab.get("dcim/racks/?site=ber").await.body["results"][0]["width"]["value"], 19);
    assert_eq!(lab.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn options_name_the_statuses_to_those_who_may_write() {
    let lab = Lab::start(Version::V3_7).await;
    let described = lab.send("OPTIONS", "dcim/devices/", Value::Null).await.body;
    let statuses = described["actions"]["POST"]["status"]["choices"].as_array().unwrap();
    assert_eq!(statuses.len(), 8);
    assert_eq!(statuses.last().unwrap(), &json!({"value": "discovered", "display_name": "Discovered"}));
    assert_eq!(lab.violations(), Vec::<String>::new());
}
