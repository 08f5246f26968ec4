//! The plugin on bodies of the documented shape; no recording of a real MAAS was at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_maas::api::Maas;
use farrier_plugin_maas::machine::{Known, Status, state};
use farrier_plugin_maas::{MachineState, ServerRef};
use farrier_plugin_sdk::serde_json;
use farrier_plugin_sdk::testing::{Memory, Script, documented, recorded};
use farrier_plugin_sdk::types::{Error, Response};

const FOLDER: &str = "maas-docshape";

fn answer(file: &str) -> Option<Response> {
    documented(FOLDER, file)
}

fn error(file: &str) -> Option<Error> {
    let script = Script::new(vec![answer(file)?]);
    Some(Maas::new(&script, &Memory::default()).post("machines/abc123/?op=deploy", &[]).unwrap_err())
}

#[test]
fn every_documented_machine_is_read() {
    for (file, status) in [
        ("machine-new.json", Status::Free),
        ("machine-ready.json", Status::Free),
        ("machine-commissioning.json", Status::Commissioning),
        ("machine-failed-commissioning.json", Status::Faulty),
        ("machine-broken.json", Status::Faulty),
        ("machine-allocated.json", Status::Allocated),
        ("machine-deploying.json", Status::Deploying),
        ("machine-deployed.json", Status::Deployed),
        ("machine-failed-deployment.json", Status::FailedDeployment),
        ("machine-releasing.json", Status::Releasing),
    ] {
        let Some(body) = recorded(FOLDER, file) else { return };
        let known = Known::read(&serde_json::from_slice(&body).unwrap()).unwrap();
        assert_eq!((known.id.as_str(), known.status), ("abc123", status), "{file}");
    }
}

#[test]
fn a_server_is_found_in_a_list_by_its_name_and_absent_where_there_is_none() {
    let server = ServerRef {
        id: "0200000010ff".to_owned(),
        name: "node-a".to_owned(),
        serial: None,
        bmc_mac: None,
        bmc_address: None,
        site: None,
    };
    let (Some(list), Some(none)) = (answer("machines.json"), answer("machines-none.json")) else { return };
    let script = Script::new(vec![list, none]);
    let around = Memory::default();
    let maas = Maas::new(&script, &around);
    assert_ne!(state(&maas, &server).unwrap(), MachineState::Unknown);
    assert_eq!(state(&maas, &server).unwrap(), MachineState::Unknown);
    assert_eq!(script.asked()[0].path, "/MAAS/api/2.0/machines/?hostname=node-a");
}

#[test]
fn every_documented_refusal_is_its_case() {
    let Some(wrong_state) = error("deploy-wrong-state.409.txt") else { return };
    let Error::Conflict(text) = wrong_state else { panic!("{wrong_state:?}") };
    assert!(text.contains("Can't deploy a machine that is in the 'New' state"), "{text}");
    assert!(matches!(error("allocate-none.409.txt").unwrap(), Error::Conflict(_)));
    assert!(matches!(error("auth.401.txt").unwrap(), Error::Unauthenticated));
    let Error::Busy(busy) = error("rack-unavailable.503.txt").unwrap() else { panic!("not busy") };
    assert_eq!(busy.retry_after, Some(10));
    let Error::Rejected(refusal) = error("create-duplicate-mac.400.json").unwrap() else { panic!("not rejected") };
    assert_eq!(refusal.code.as_deref(), Some("mac_addresses"));
    assert!(refusal.message.contains("already in use"), "{}", refusal.message);
}
