//! Writes to the lab's NetBox, without recordings.
//!
//! Promises, for both versions where they differ, what a client of bare metal must get right when it writes: stale
//! and bulk writes, custom fields, addresses, deletes, faults, and what of that lands in the ledger.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]

mod netbox_support;

use farrier_lab::ledger::Kind;
use farrier_lab::netbox::{Fault, NetBoxConfig, Version};
use netbox_support::{BOTH, Lab, config};
use serde_json::{Value, json};

#[tokio::test]
async fn a_mac_address_in_an_interface_is_ignored_on_4_6_and_noted() {
    let lab = Lab::start(Version::V4_6).await;
    let body = json!({"device": 1, "name": "bmc", "type": "1000base-t", "mac_address": "a0:36:9f:01:00:0b"});
    let reply = lab.send("POST", "dcim/interfaces/", body).await;
    assert_eq!((reply.status, &reply.body["mac_address"]), (201, &Value::Null));
    assert!(lab.violations()[0].contains("mac_address"), "{:?}", lab.violations());
}

#[tokio::test]
async fn a_stale_write_is_refused_on_4_6_only() {
    let lab = Lab::start(Version::V4_6).await;
    let seen = lab.get("dcim/devices/1/").await.etag.unwrap();
    let change = |text: &str| json!({"comments": text});
    let first = lab.try_send("PATCH", "dcim/devices/1/", &change("first"), Some(&seen)).await.unwrap();
    assert_eq!(first.status, 200);
    let second = lab.try_send("PATCH", "dcim/devices/1/", &change("second"), Some(&seen)).await.unwrap();
    assert_eq!((second.status, &second.body["detail"]), (412, &json!("Precondition failed.")));
    assert_eq!(second.etag, first.etag);
    assert_eq!(lab.get("dcim/devices/1/").await.body["comments"], "first");
    let old = Lab::start(Version::V3_7).await;
    assert_eq!(old.get("dcim/devices/1/").await.etag, None);
    assert_eq!(old.try_send("PATCH", "dcim/devices/1/", &change("x"), Some(&seen)).await.unwrap().status, 200);
}

#[tokio::test]
async fn of_many_writes_with_one_tag_one_wins() {
    let lab = Lab::start(Version::V4_6).await;
    let tag = lab.get("dcim/devices/1/").await.etag.unwrap();
    let body = json!({"comments": "mine"});
    let calls = (0..8).map(|_| lab.try_send("PATCH", "dcim/devices/1/", &body, Some(&tag)));
    let replies = futures_util::future::join_all(calls).await;
    let mut statuses: Vec<u16> = replies.into_iter().map(|reply| reply.unwrap().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn custom_fields_are_merged_and_checked() {
    for version in BOTH {
        let lab = Lab::start(version).await;
        let patch = |fields: Value| lab.send("PATCH", "dcim/devices/1/", json!({"custom_fields": fields}));
        assert_eq!(patch(json!({"lifecycle_state": "ready"})).await.status, 200);
        let merged = patch(json!({"hardened_at": "2026-11-22"})).await.body;
        assert_eq!(merged["custom_fields"], json!({"lifecycle_state": "ready", "hardened_at": "2026-11-22"}));
        let wrong = patch(json!({"lifecycle_state": "bogus"})).await;
        assert_eq!(wrong.status, 400);
        let text = "Invalid value for custom field 'lifecycle_state': Invalid choice (bogus) for choice set states.";
        assert_eq!(wrong.body["__all__"][0], text);
        // A date field refuses the date and time that the proof of concept writes into it.
        assert_eq!(patch(json!({"hardened_at": "2026-11-22T10:00:00Z"})).await.status, 400);
        let key = if version == Version::V3_7 { "__all__" } else { "custom_fields" };
        assert!(patch(json!({"nothing": 1})).await.body.get(key).is_some(), "{version:?}");
        assert_eq!(lab.get("dcim/devices/?cf_lifecycle_state=ready").await.body["count"], 1);
        assert_eq!(lab.get("dcim/devices/1/").await.body["custom_fields"], merged["custom_fields"]);
    }
}

#[tokio::test]
async fn a_bulk_write_happens_whole_or_not_at_all() {
    let lab = Lab::start(Version::V4_6).await;
    let bad = json!([{"id": 1, "status": "staged"}, {"id": 2, "status": "bogus"}]);
    assert_eq!(lab.send("PATCH", "dcim/devices/", bad).await.status, 400);
    assert_eq!(lab.get("dcim/devices/1/").await.body["status"]["value"], "active");
    assert_eq!(lab.ledger.report().total(Kind::SettingsChange), 0);
    let one_missing = lab
        .send("PATCH", "dcim/devices/", json!([{"id": 1, "status": "staged"}, {"id": 99, "status": "staged"}]))
        .await;
    assert_eq!((one_missing.status, one_missing.body.as_array().unwrap().len()), (200, 1));
}

#[tokio::test]
async fn changes_and_journal_entries_are_counted() {
    let lab = Lab::start(Version::V3_7).await;
    for _ in 0..2 {
        assert_eq!(lab.send("PATCH", "dcim/devices/1/", json!({"status": "discovered"})).await.status, 200);
    }
    let entry = json!({"assigned_object_type": "dcim.device", "assigned_object_id": 1, "kind": "success", "comments": "Lifecycle state changed [t-17]"});
    lab.created("extras/journal-entries/", entry).await;
    let report = lab.ledger.report();
    let counted =
        [Kind::Write, Kind::SettingsChange, Kind::NoChange, Kind::JournalEntry].map(|kind| report.of("netbox", kind));
    assert_eq!(counted, [3, 1, 1, 1]);
    assert_eq!(report.effects.last().unwrap(), "netbox JournalEntry srv-1 Lifecycle state changed [t-17]");
    let found =
        lab.get("extras/journal-entries/?q=t-17&assigned_object_type=dcim.device&assigned_object_id=1").await.body;
    assert_eq!(found["count"], 1);
    assert_eq!(lab.get("extras/journal-entries/?q=t-18").await.body["count"], 0);
    assert_eq!(lab.violations(), Vec::<String>::new());
    let wrong = json!({"assigned_object_type": "dcim.device", "assigned_object_id": 9, "comments": "x"});
    assert_eq!(lab.send("POST", "extras/journal-entries/", wrong).await.status, 400);
}

#[tokio::test]
async fn an_address_must_be_the_devices_own() {
    for version in BOTH {
        let lab = Lab::start(version).await;
        let bmc = lab.interface(version, 1, "bmc", "a0:36:9f:01:00:0b").await;
        let body =
            json!({"address": "10.55.1.9/24", "assigned_object_type": "dcim.interface", "assigned_object_id": bmc});
        let ip = lab.created("ipam/ip-addresses/", body.clone()).await;
        assert_eq!(lab.send("PATCH", "dcim/devices/2/", json!({"oob_ip": ip})).await.status, 400);
        let own = lab.send("PATCH", "dcim/devices/1/", json!({"oob_ip": ip, "primary_ip4": ip})).await;
        assert_eq!(own.body["oob_ip"]["address"], "10.55.1.9/24");
        assert_eq!(lab.send("POST", "ipam/ip-addresses/", body).await.status, 400);
        assert_eq!(lab.get("ipam/ip-addresses/?address=10.55.1.9&device=srv-1").await.body["count"], 1);
        let other = lab.interface(version, 2, "bmc", "a0:36:9f:01:00:0c").await;
        let moved = lab.send("PATCH", &format!("ipam/ip-addresses/{ip}/"), json!({"assigned_object_id": other})).await;
        assert_eq!(moved.status, 400, "a primary address stays where it is");
        assert_eq!(lab.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_delete_takes_along_what_belongs_and_is_refused_by_what_depends() {
    for version in BOTH {
        let lab = Lab::start(version).await;
        let a = lab.interface(version, 1, "ens1f0", "a0:36:9f:01:00:0b").await;
        let b = lab.interface(version, 2, "Ethernet1", "a0:36:9f:01:00:0c").await;
        let end = |id: u64| json!([{"object_type": "dcim.interface", "object_id": id}]);
        lab.created("dcim/cables/", json!({"a_terminations": end(a), "b_terminations": end(b)})).await;
        let peer = lab.get(&format!("dcim/interfaces/{a}/")).await.body;
        assert_eq!(peer["connected_endpoints"][0]["device"]["name"], "srv-2");
        let refused = lab.send("DELETE", "dcim/sites/1/", Value::Null).await;
        assert_eq!(refused.status, 409);
        assert_eq!(
            refused.body["detail"],
            "Unable to delete object. 2 dependent objects were found: srv-1 (1), srv-2 (2)"
        );
        assert_eq!(lab.send("DELETE", "dcim/devices/1/", Value::Null).await.status, 204);
        assert_eq!(lab.get(&format!("dcim/interfaces/{a}/")).await.status, 404);
        assert_eq!(lab.get("dcim/cables/").await.body["count"], 0);
        assert_eq!(lab.get(&format!("dcim/interfaces/{b}/")).await.body["cable"], Value::Null);
    }
}

#[tokio::test]
async fn faults_hit_and_pass() {
    let lab = Lab::start(Version::V4_6).await;
    lab.netbox.set_fault(Fault::Error5xx(2));
    let statuses = [lab.get("status/").await.status, lab.get("status/").await.status, lab.get("status/").await.status];
    assert_eq!(statuses, [503, 503, 200]);
    lab.netbox.set_fault(Fault::Forbidden);
    assert_eq!(lab.get("dcim/sites/").await.status, 403);
    lab.netbox.set_fault(Fault::Down);
    assert!(lab.try_send("GET", "dcim/sites/", &Value::Null, None).await.is_err());
    lab.netbox.set_fault(Fault::Slow(50));
    let before = std::time::Instant::now();
    assert_eq!(lab.get("dcim/sites/").await.status, 200);
    assert!(before.elapsed().as_millis() >= 50);
    // The write happens, its answer is lost: a client that repeats it blindly would write twice.
    lab.netbox.set_fault(Fault::DropAnswers(1));
    let site = json!({"name": "Berlin", "slug": "ber"});
    assert!(lab.try_send("POST", "dcim/sites/", &site, None).await.is_err());
    assert_eq!(lab.get("dcim/sites/?slug=ber").await.body["count"], 1);
}

#[tokio::test]
async fn a_killed_lab_goes_on_with_what_it_had_answered() {
    let folder = tempfile::tempdir().unwrap();
    let file = Some(folder.path().join("netbox.jsonl"));
    let first = Lab::with(NetBoxConfig { file: file.clone(), ..config(Version::V4_6) }).await;
    assert_eq!(first.send("PATCH", "dcim/devices/1/", json!({"status": "failed"})).await.status, 200);
    assert_eq!(first.send("DELETE", "dcim/devices/2/", Value::Null).await.status, 204);
    let before = first.netbox.snapshot();
    // A kill can cut the last line short.
    let mut text = std::fs::read_to_string(file.as_ref().unwrap()).unwrap();
    text.push_str("{\"path\":\"dcim/dev");
    std::fs::write(file.as_ref().unwrap(), text).unwrap();
    drop(first);
    let second = Lab::with(NetBoxConfig { file, ..config(Version::V4_6) }).await;
    assert_eq!(second.netbox.snapshot(), before);
    assert_eq!(second.get("dcim/devices/1/").await.body["status"]["value"], "failed");
}
