//! A delivery's tenant and the cables that LLDP shows, written into the simulated NetBox of both versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod netbox_rig;

use farrier::inventory::{Connected, Found, Inventory as _};
use farrier_lifecycle::{Event, Outcome, Request, Retry};
use netbox_rig::{BOTH, README_MAC, Rig, Walker};
use serde_json::{Value, json};

const NAME: &str = "AMS-SRV-001";

fn request(walker: &mut Walker, request: Request) {
    walker.event(&Event::Requested { by: "anna".to_owned(), request });
}

fn delivered(rig: &Rig, tenant: &str) -> Walker {
    let mut walker = Walker::new(README_MAC, "10.0.100.50");
    walker.ready(rig.device_id(NAME), NAME);
    request(&mut walker, Request::Assign { tenant: tenant.to_owned(), accept: true, order: None });
    walker.outcome(Outcome::done(format!("delivered to {tenant}")));
    walker
}

fn tenant(rig: &Rig, name: &str, slug: &str) -> u64 {
    rig.lab.create("tenancy/tenants", &json!({"name": name, "slug": slug})).unwrap()
}

#[tokio::test]
async fn a_delivered_server_has_its_tenant_in_netbox_until_its_drives_are_erased() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let acme = tenant(&rig, "Acme Corporation", "acme");
        for name in ["Acme Corporation", "acme"] {
            let walker = delivered(&rig, name);
            rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap();
            assert_eq!(rig.device(NAME)["tenant"]["id"], acme, "by name or slug: {name}");
        }
        let mut walker = delivered(&rig, "acme");
        let writes = rig.writes();
        rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        assert_eq!(rig.writes(), writes, "repeating it writes nothing");
        request(&mut walker, Request::Release);
        rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        assert_eq!(rig.device(NAME)["tenant"]["id"], acme, "its data is still on the drives");
        request(&mut walker, Request::AttestErased);
        walker.outcome(Outcome::done("erased"));
        assert_eq!(walker.server.tenant, None);
        rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        assert_eq!(rig.device(NAME)["tenant"], Value::Null);
        rig.assert_correct();
    }
}

#[tokio::test]
async fn a_tenant_netbox_does_not_have_is_reported_and_never_made() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let walker = delivered(&rig, "Acme");
        let fault = rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.retry), ("no-tenant", Retry::Slowly), "{fault}");
        assert!(fault.text.contains("no tenant called `Acme`"), "{fault}");
        let device = rig.device(NAME);
        assert_eq!(
            (&device["tenant"], &device["status"]["value"]),
            (&Value::Null, &json!("active")),
            "the rest is written"
        );
        assert_eq!(rig.journal(NAME).len(), walker.notes());
        assert_eq!(rig.lab.find("tenancy/tenants", "name", &json!("Acme")), Vec::<Value>::new());
        let acme = tenant(&rig, "ACME", "acme");
        rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        assert_eq!(rig.device(NAME)["tenant"]["id"], acme);
    }
}

#[tokio::test]
async fn a_tenant_changed_in_netbox_is_not_written_over_by_what_happens_later() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        tenant(&rig, "Acme", "acme");
        let other = tenant(&rig, "Other", "other");
        let mut walker = delivered(&rig, "Acme");
        rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        rig.lab.patch("dcim/devices", rig.device_id(NAME), &json!({"tenant": other})).unwrap();
        let known = walker.entries.len();
        walker.moves_to("10.0.100.60");
        rig.inventory.project_all(&walker.entries[known..], &walker.server).await.unwrap();
        assert_eq!(rig.device(NAME)["oob_ip"]["address"], "10.0.100.60/24");
        assert_eq!(rig.device(NAME)["tenant"]["id"], other);
        let found = rig.inventory.differences(std::slice::from_ref(&walker.server)).await.unwrap();
        assert_eq!(found.len(), 1);
        let differences = &found[0].1;
        assert_eq!(differences.len(), 1, "{differences:?}");
        let one = &differences[0];
        assert_eq!((one.field.as_str(), one.ours.as_str(), one.theirs.as_str()), ("tenant", "Acme", "Other"));
        rig.assert_correct();
    }
}

#[tokio::test]
async fn a_cable_that_lldp_shows_is_made_where_there_is_none_and_never_changed() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let Found::Server(before) = rig.inventory.find(README_MAC.parse().unwrap()).await.unwrap() else {
            panic!("it is there")
        };
        let connect = |nic: &'static str, switch: &'static str, port: &'static str| {
            let (inventory, expected) = (rig.inventory.clone(), before.clone());
            async move { inventory.connect(&expected, nic, switch, &["7".to_owned(), port.to_owned()]).await.unwrap() }
        };
        let writes = rig.writes();
        let left = connect("ens1f0", "ams-a01-tor-a", "Ethernet3").await;
        assert!(matches!(&left, Connected::Left(why) if why.contains("by now")), "{left:?}");
        let device = rig.device_id(NAME);
        let interfaces = rig.lab.find("dcim/interfaces", "device", &json!(device));
        let ens1f0 = interfaces.iter().find(|one| one["name"] == "ens1f0").unwrap()["id"].as_u64().unwrap();
        let cable = rig.lab.get("dcim/interfaces", ens1f0)["cable"]["id"].as_u64().unwrap();
        rig.lab.delete("dcim/cables", cable).unwrap();
        for (switch, port, why) in [
            ("ams-a01-tor-b", "Ethernet1", "another cable"),
            ("nowhere", "Ethernet1", "0 devices"),
            ("ams-a01-tor-a", "Ethernet99", "no port"),
        ] {
            let left = connect("ens1f0", switch, port).await;
            assert!(matches!(&left, Connected::Left(text) if text.contains(why)), "{why}: {left:?}");
        }
        assert_eq!(rig.writes(), writes);
        let made = connect("ens1f0", "AMS-A01-TOR-A.dc.example", "ethernet1").await;
        assert_eq!(made, Connected::Made { device: "ams-a01-tor-a".to_owned(), port: "Ethernet1".to_owned() });
        assert_eq!(rig.inventory.find(README_MAC.parse().unwrap()).await.unwrap(), Found::Server(before.clone()));
        rig.assert_correct();
    }
}
