//! A delivery list in the simulated NetBox of both versions: planned, arrived, overdue, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod netbox_rig;

use std::path::Path;

use farrier::inventory::Inventory as _;
use farrier::inventory::delivery::{Delivery, parse};
use farrier::inventory::document::Row;
use farrier::netbox::populate::deliveries::deliveries;
use farrier::netbox::populate::{PopulateError, Silent};
use netbox_rig::{BOTH, Rig, Walker};

const HEADER: &str = "purchase_order,serial,bmc_mac,warranty_start,warranty_end,site,model,name,ordered,received";
const ORDERED: &str =
    "PO-7,NEW0001,94:40:c9:77:00:01,2026-12-01,2029-11-30,ams,ProLiant DL360 Gen10 Plus,AMS-SRV-101,2026-10-01,";
const ARRIVED: &str =
    "PO-7,NEW0002,94:40:c9:77:00:02,2026-12-01,,Amsterdam,proliant dl360 gen10 plus,,2026-10-01,2026-11-20";
/// AMS-SRV-002 of the example, which is there already.
const KNOWN: &str = "PO-6,MXQ01002,94:40:c9:00:01:02,2025-01-01,,ams,DL360,,,";

fn today() -> jiff::civil::Date {
    jiff::civil::date(2026, 11, 22)
}

fn list(rows: &[&str]) -> Vec<Row<Delivery>> {
    parse(Path::new("list.csv"), &format!("{HEADER}\n{}", rows.join("\n")), true, today()).unwrap()
}

#[tokio::test]
async fn what_is_ordered_is_planned_and_what_arrives_is_offline() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let list = list(&[ORDERED, ARRIVED, KNOWN]);
        let run = || deliveries(rig.inventory.client(), &list, today(), &Silent);
        let kind_before = rig.device("AMS-SRV-002")["device_type"]["id"].clone();
        let done = run().await.unwrap();
        assert_eq!(done.outstanding.len(), 1, "{done:?}");
        let one = &done.outstanding[0];
        assert_eq!((one.name.as_str(), one.purchase_order.as_str(), one.days), ("AMS-SRV-101", "PO-7", Some(52)));
        let ordered = rig.device("AMS-SRV-101");
        assert_eq!(ordered["status"]["value"], "planned");
        assert_eq!(ordered["serial"], "NEW0001");
        assert_eq!(ordered["custom_fields"]["purchase_order"], "PO-7");
        assert_eq!(ordered["custom_fields"]["warranty_end"], "2029-11-30");
        assert!(ordered["custom_fields"]["received_at"].is_null());
        let arrived = rig.device("NEW0002");
        assert_eq!(
            (&arrived["status"]["value"], &arrived["custom_fields"]["received_at"]),
            (&"offline".into(), &"2026-11-20".into())
        );
        let known = rig.device("AMS-SRV-002");
        assert_eq!(
            (&known["custom_fields"]["purchase_order"], &known["device_type"]["id"]),
            (&"PO-6".into(), &kind_before)
        );
        let writes = rig.writes();
        assert!(run().await.unwrap().report.is_nothing(), "a second run has nothing to do");
        assert_eq!(rig.writes(), writes);
        // Its controller asks for an address.
        let walker = Walker::new("94:40:c9:77:00:01", "10.0.100.77");
        rig.inventory.project_all(&walker.entries, &walker.server).await.unwrap();
        let ordered = rig.device("AMS-SRV-101");
        assert_eq!(ordered["status"]["value"], "offline");
        assert_eq!(ordered["custom_fields"]["received_at"], "2026-11-22");
        assert_eq!(run().await.unwrap().outstanding, []);
        rig.assert_correct();
    }
}

#[tokio::test]
async fn everything_that_speaks_against_a_list_is_named_before_anything_is_written() {
    for version in BOTH {
        let rig = Rig::populated(version).await;
        let writes = rig.writes();
        let list = list(&[
            "PO-7,NEW0001,94:40:c9:77:00:01,2026-12-01,,nowhere,DL360,,,",
            "PO-7,MXQ01002,A0:36:9F:01:00:00,2026-12-01,,ams,DL360,,,",
            "PO-7,NEW0003,94:40:c9:77:00:03,2026-12-01,,ams,Unheard Of,,,",
            "PO-7,NEW0004,94:40:c9:77:00:04,2026-12-01,,ams,DL360,AMS-SRV-003,,",
        ]);
        let error = deliveries(rig.inventory.client(), &list, today(), &Silent).await.unwrap_err();
        let PopulateError::Contradictions(lines) = error else { panic!("{error}") };
        let lines = lines.join("\n");
        for part in [
            "no site `nowhere`",
            "serial MXQ01002 on AMS-SRV-002 and MAC a0:36:9f:01:00:00 on AMS-SRV-001",
            "`Unheard Of`",
            "NetBox has AMS-SRV-003 with serial",
        ] {
            assert!(lines.contains(part), "{part} in {lines}");
        }
        assert_eq!(rig.writes(), writes);
    }
}
