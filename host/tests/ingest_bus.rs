//! What the bus says of a lease is what ingest reads from it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use farrier::bus::{Bus, EntryBody, Settings, SqliteBus};
use farrier::ingest::from_foreign;
use farrier_lifecycle::{Lease, Stage, Timestamp};

#[tokio::test]
async fn a_published_lease_is_read_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let bus = SqliteBus::open(dir.path(), &Settings::default()).unwrap();
    bus.check().await.unwrap();
    let lease = Lease {
        mac: "94:40:c9:00:00:01".parse().unwrap(),
        ip: "10.1.2.3".parse().unwrap(),
        hostname: Some("ILO\"MXQ\\1".to_owned()),
        vendor_class: Some("CPQRIB3".to_owned()),
        at: Timestamp(1_763_820_137_123),
        source: "kea".to_owned(),
    };
    let bare = Lease { hostname: None, vendor_class: None, ..lease.clone() };
    for published in [lease, bare] {
        bus.publish_lease(&published).await.unwrap();
        let entries = bus.take(&[Stage::Discover], 1, Duration::from_secs(5)).await.unwrap();
        let EntryBody::Foreign(fields) = &entries[0].body else { panic!("{entries:?}") };
        let parsed = from_foreign(fields, Timestamp(1_863_820_137_123)).unwrap();
        assert_eq!((parsed.lease, parsed.ended), (published, None));
    }
}
