//! The whole pipeline with validation boots through the lab's MAAS, to `ready`, its wrong-state and busy answers on the way; and back, with
//! erasure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use farrier_lab::estate::{DEFAULT_BASE, Estate, Server};
use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::maas::{self, Faults, MaasConfig, MaasHandle, SYSTEM, Status};
use farrier_lab::rig::{Rig, RigConfig, ServerRow};

const SERVERS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn servers_come_to_ready_through_maas() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("maas-key");
    std::fs::write(&key, format!("{}\n", MaasConfig::default().key.text())).unwrap();
    let ledger = Ledger::default();
    let maas = maas::start(MaasConfig::default(), ledger.clone()).await.unwrap();
    // At the begin: two answers that are lost after the effect, a busy rack, and somebody who was quicker.
    maas.set_faults(Faults { busy: Some((1, 1)), drop_answers: 2, conflicts: 2, ..Faults::default() });
    let estate = Estate::sound(11, SERVERS, DEFAULT_BASE);
    let mut config = RigConfig { boot_url: Some(maas.boot_url()), ..farrier_e2e::config(estate) };
    let mut boot = toml::Table::new();
    boot.insert("plugin".to_owned(), "maas".into());
    boot.insert("url".to_owned(), maas.url().into());
    boot.insert("secret_file".to_owned(), key.to_str().unwrap().into());
    config.over.insert("boot".to_owned(), boot.into());
    let retire = toml::toml! {
        [retire]
        erase = "provisioner"
    };
    config.over.insert("policy".to_owned(), retire.into());
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(1).await.unwrap();
    let rows = rig.settled(Duration::from_mins(5)).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new(), "{}", rig.host.tail());
    let machines = maas.machines();
    assert_eq!(machines.len(), SERVERS);
    for machine in machines {
        assert_eq!((machine.commissionings, machine.status), (1, Status::Ready), "{}", machine.hostname);
        assert_eq!(machine.power_type, "manual");
    }
    taken_back(&rig, &maas).await;
    let report = ledger.report();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert_eq!(report.of(SYSTEM, Kind::Created), u64::try_from(SERVERS).unwrap());
}

/// One server is retired and one released: MAAS erases the drives of both and forgets the first, and then a person must vouch.
async fn taken_back(rig: &Rig, maas: &MaasHandle) {
    let estate = rig.lab.estate();
    let [retired, released, _] = estate.servers.as_slice() else { panic!("three servers") };
    rig.host.farrier(&["server", "assign", &released.name, "--tenant", "acme"]).await.unwrap();
    let active = |rows: &[ServerRow]| rows.iter().any(|row| row.is_of(released) && row.state == "active");
    rig.host.wait(Duration::from_mins(1), active).await.unwrap();
    // The first erasure fails: nothing is forgotten, and it is begun again when somebody says so.
    maas.set_faults(Faults { erase_fails: true, ..Faults::default() });
    rig.host.farrier(&["server", "release", &released.name]).await.unwrap();
    wait_for(rig, released, "other: maas-failed").await;
    let machine = |server: &Server| server.nics.iter().find_map(|nic| maas.machine(&nic.mac));
    assert_eq!(machine(released).map(|machine| machine.erasures), Some(0));
    maas.set_faults(Faults::default());
    rig.host.farrier(&["server", "retry", &released.name]).await.unwrap();
    rig.host.farrier(&["server", "retire", &retired.name]).await.unwrap();
    for server in [retired, released] {
        wait_for(rig, server, "no-eraser").await;
        let why = rig.host.farrier(&["server", "why", &server.name]).await.unwrap();
        assert!(why.contains("maas says that it erased the drives"), "{why}");
    }
    assert_eq!(machine(released).map(|machine| (machine.erasures, machine.status)), Some((1, Status::Ready)));
    assert!(machine(retired).is_none(), "the machine is forgotten");
    rig.host.farrier(&["server", "attest-erased", &retired.name]).await.unwrap();
    let gone = |rows: &[ServerRow]| rows.iter().any(|row| row.is_of(retired) && row.state == "decommissioned");
    rig.host.wait(Duration::from_mins(1), gone).await.unwrap();
}

async fn wait_for(rig: &Rig, server: &Server, code: &str) {
    let there = |row: &ServerRow| row.is_of(server) && row.reason.as_deref().is_some_and(|why| why.starts_with(code));
    rig.host.wait(Duration::from_mins(2), |rows: &[ServerRow]| rows.iter().any(there)).await.unwrap();
}
