//! Leases that other programs put on the bus.

use farrier::bus::EntryBody;
use farrier_lifecycle::{Lease, Stage, Timestamp};

use crate::rig::{PATIENCE, Rig};

#[tokio::test]
async fn a_lease_of_no_controller_is_dropped_and_no_dead_letter() {
    let rig = Rig::new().await;
    let lease = Lease {
        mac: "94:40:c9:00:00:01".parse().unwrap(),
        ip: "10.1.2.3".parse().unwrap(),
        hostname: None,
        vendor_class: Some("PXEClient".to_owned()),
        at: Timestamp(1_763_820_137_123),
        source: "kea".to_owned(),
    };
    rig.bus.publish_lease(&lease).await.unwrap();
    let entry = rig.bus.take(&[Stage::Discover], 1, PATIENCE).await.unwrap().pop().unwrap();
    let EntryBody::Foreign(fields) = &entry.body else { panic!("{entry:?}") };
    rig.parts.foreign.take_in(&rig.parts, &entry, fields).await.unwrap();
    let status = rig.bus.status().await.unwrap();
    assert_eq!((status.streams[0].length, status.dead, status.servers), (0, 0, 0));
}
