//! The OneView plugin against the simulated appliance: registration, firmware, crashes between request and answer, and what it must
//! never do. Passed means: the lab's rules, written from documents and HPE's recordings, were kept. No appliance of HPE was asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod fleet_support;

use farrier::plugin::CallError;
use farrier::plugin::wit::types::{Completion, Error, Health};
use farrier_lab::appliance::{Fault, Machine, Setup};
use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::oneview::{BUNDLE, OneViewHandle, Versions, start};
use fleet_support::{Bench, machines, mostly_known, plugin_error, server, setup};

const QUESTION: &str = "/rest/server-hardware/firmware-compliance";

async fn rig(setup: Setup) -> Option<(OneViewHandle, Bench)> {
    let ledger = Ledger::default();
    let appliance = start(setup, Versions::default(), ledger.clone()).await.unwrap();
    let bench = Bench::new("hpe-oneview", &appliance.url(), &ledger, QUESTION).await?;
    Some((appliance, bench))
}

#[tokio::test]
async fn a_server_is_added_once_and_found_and_removed() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    assert_eq!(bench.driver.find_member(&bench.lend, &server(0)).await.unwrap(), None);
    let first = bench.register(&server(0)).await.unwrap();
    let second = bench.register(&server(0)).await.unwrap();
    assert!(matches!((&first, &second), (Completion::Pending(a), Completion::Pending(b)) if a.title == b.title));
    bench.end(first).await.unwrap();
    bench.end(second).await.unwrap();
    assert_eq!(bench.register(&server(0)).await.unwrap(), Completion::Done);
    let member = bench.driver.find_member(&bench.lend, &server(0)).await.unwrap().unwrap();
    assert!(member.id.starts_with("/rest/server-hardware/") && member.baseline.is_none(), "{member:?}");
    assert_eq!(member.health, Health::Warning);
    let removed = bench.driver.unregister(&bench.lend, &server(0)).await.unwrap();
    bench.end(removed).await.unwrap();
    assert_eq!(bench.driver.unregister(&bench.lend, &server(0)).await.unwrap(), Completion::Done);
    assert_eq!((bench.count(Kind::Registration), bench.count(Kind::Removal), bench.count(Kind::Login)), (1, 1, 1));
    bench.broker.close().await;
    assert_eq!((appliance.sessions(), bench.violations()), (0, vec![]));
}

#[tokio::test]
async fn every_server_of_every_page_is_found_by_its_exact_serial_number() {
    let Some((_appliance, bench)) = rig(setup(mostly_known())).await else { return };
    for at in 1..machines().len() {
        let found = bench.driver.find_member(&bench.lend, &server(at)).await.unwrap().unwrap();
        let mut nameless = server(at);
        nameless.serial = None;
        assert_eq!(bench.driver.find_member(&bench.lend, &nameless).await.unwrap().unwrap().id, found.id);
    }
    assert_eq!(bench.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_crash_between_request_and_answer_adds_no_second_time() {
    let Some((appliance, bench)) = rig(setup(machines())).await else { return };
    appliance.plant(Fault::LoseAnswer(1));
    assert!(matches!(plugin_error(bench.register(&server(0)).await), Error::Unreachable(_)));
    let again = bench.register(&server(0)).await.unwrap();
    bench.end(again).await.unwrap();
    assert_eq!((bench.count(Kind::Registration), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn a_task_that_failed_or_is_forgotten_is_judged_by_its_effect() {
    let Some((appliance, bench)) = rig(setup(machines())).await else { return };
    appliance.plant(Fault::WorkLies(1));
    let lied = bench.register(&server(0)).await.unwrap();
    assert!(bench.end(lied).await.unwrap().starts_with("the server is there, though Add: Error"));
    appliance.plant(Fault::WorkFails { code: "LAB_FAILS".to_owned(), times: 1 });
    let failed = bench.register(&server(1)).await.unwrap();
    let Error::Rejected(remote) = bench.end(failed).await.unwrap_err() else { panic!("not rejected") };
    assert_eq!(remote.code.as_deref(), Some("LAB_FAILS"));
    assert_eq!(remote.resolution.as_deref(), Some("Look at the server."));
    let Completion::Pending(job) = bench.register(&server(1)).await.unwrap() else { panic!("not pending") };
    bench.job_end(&job).await.unwrap();
    appliance.plant(Fault::Purge);
    assert_eq!(bench.job_end(&job).await.unwrap(), "the server is there");
    let removed = bench.driver.unregister(&bench.lend, &server(1)).await.unwrap();
    bench.end(removed).await.unwrap();
    appliance.plant(Fault::Purge);
    assert!(matches!(bench.job_end(&job).await, Err(Error::NotFound(_))));
    assert_eq!(bench.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_another_appliance_owns_is_not_taken() {
    let mut all = machines();
    all[0].owner = Some("other".to_owned());
    all[1].password = "another-password".to_owned();
    let Some((appliance, bench)) = rig(setup(all)).await else { return };
    for (at, code) in [(0, "LAB_OWNED_ELSEWHERE"), (1, "LAB_BMC_LOGIN")] {
        let adding = bench.register(&server(at)).await.unwrap();
        let Error::Rejected(remote) = bench.end(adding).await.unwrap_err() else { panic!("not rejected") };
        assert_eq!(remote.code.as_deref(), Some(code));
    }
    assert_eq!((appliance.servers(), bench.violations()), (vec![], vec![]));
}

#[tokio::test]
async fn an_address_of_another_server_is_refused_before_it_is_added() {
    let Some((_appliance, bench)) = rig(setup(mostly_known())).await else { return };
    let mut moved = server(0);
    moved.bmc_address.clone_from(&server(3).bmc_address);
    let Error::Rejected(remote) = plugin_error(bench.register(&moved).await) else { panic!("not rejected") };
    assert_eq!(remote.code.as_deref(), Some("address-in-use"));
    assert_eq!((bench.count(Kind::Write), bench.violations()), (0, vec![]));
}

#[tokio::test]
async fn firmware_is_compared_updated_once_and_verified() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    let one = server(1);
    let check = || bench.driver.check_firmware(&bench.lend, &one, Some(BUNDLE.1));
    let report = check().await.unwrap();
    assert!(!report.compliant && report.baseline == BUNDLE.1, "{report:?}");
    let rom = report.components.iter().find(|one| one.component == "System ROM").unwrap();
    assert_eq!((rom.installed.as_str(), rom.expected.as_str(), rom.compliant), ("2.10.2", "2.21.2", false));
    appliance.plant(Fault::LoseAnswer(2));
    // The question's answer is lost, then the update's: a crash at each place.
    for _ in 0..2 {
        assert!(bench.driver.update_firmware(&bench.lend, &one, Some(BUNDLE.0)).await.is_err());
    }
    let Completion::Pending(job) = bench.driver.update_firmware(&bench.lend, &one, Some(BUNDLE.0)).await.unwrap()
    else {
        panic!("it runs already")
    };
    bench.job_end(&job).await.unwrap();
    assert!(check().await.unwrap().compliant);
    assert_eq!(bench.update_all(&one, Some(BUNDLE.0)).await, 0);
    appliance.plant(Fault::Purge);
    assert_eq!(bench.job_end(&job).await.unwrap(), "the firmware is at the baseline");
    assert_eq!((bench.count(Kind::FirmwareStart), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn a_failed_update_is_never_a_success() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    appliance.plant(Fault::WorkFails { code: "LAB_BAD_IMAGE".to_owned(), times: 1 });
    let Completion::Pending(job) = bench.driver.update_firmware(&bench.lend, &server(1), Some(BUNDLE.0)).await.unwrap()
    else {
        panic!("not pending")
    };
    let Error::Rejected(remote) = bench.job_end(&job).await.unwrap_err() else { panic!("not rejected") };
    assert_eq!(remote.code.as_deref(), Some("LAB_BAD_IMAGE"));
    appliance.plant(Fault::Purge);
    assert!(matches!(bench.job_end(&job).await, Err(Error::NotFound(_))), "forgotten, and not at the baseline");
    assert_eq!((bench.count(Kind::FirmwareStart), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn with_a_profile_the_profile_is_changed_and_nothing_else_of_it() {
    let Some((appliance, bench)) = rig(setup(mostly_known())).await else { return };
    appliance.assign_profile(&machines()[1].serial);
    let no_baseline = bench.driver.check_firmware(&bench.lend, &server(1), None).await;
    assert!(matches!(plugin_error(no_baseline), Error::InvalidInput(_)));
    assert!(matches!(plugin_error(bench.driver.unregister(&bench.lend, &server(1)).await), Error::Rejected(_)));
    appliance.touch_profile(&machines()[1].serial);
    assert_eq!(bench.update_all(&server(1), Some(BUNDLE.1)).await, 1);
    let member = bench.driver.find_member(&bench.lend, &server(1)).await.unwrap().unwrap();
    assert_eq!(member.baseline, Some(format!("/rest/firmware-drivers/{}", BUNDLE.0)));
    let report = bench.driver.check_firmware(&bench.lend, &server(1), None).await.unwrap();
    assert!(report.compliant && report.baseline == BUNDLE.1);
    assert_eq!((bench.count(Kind::FirmwareStart), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn preconditions_are_seen_before_the_update() {
    let mut all = mostly_known();
    all[1].licence = "iLO Standard".to_owned();
    all[2].on = false;
    let Some((_appliance, bench)) = rig(setup(all)).await else { return };
    let refused = bench.driver.update_firmware(&bench.lend, &server(1), Some(BUNDLE.1)).await;
    let Error::Rejected(remote) = plugin_error(refused) else { panic!("not rejected") };
    assert_eq!(remote.code.as_deref(), Some("licence"));
    assert_eq!(bench.update_all(&server(2), Some(BUNDLE.1)).await, 1, "off: in offline mode");
    let unknown = bench.driver.check_firmware(&bench.lend, &server(1), Some("no such bundle")).await;
    assert!(matches!(plugin_error(unknown), Error::NotFound(_)));
    let missing = bench.driver.check_firmware(&bench.lend, &server(0), Some(BUNDLE.1)).await;
    assert!(matches!(plugin_error(missing), Error::NotFound(_)));
    assert_eq!((bench.count(Kind::FirmwareStart), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn a_question_passes_only_where_the_host_names_it() {
    let Some((_appliance, mut bench)) = rig(setup(mostly_known())).await else { return };
    bench.lend.questions.clear();
    let refused = bench.driver.check_firmware(&bench.lend, &server(1), Some(BUNDLE.1)).await;
    assert!(matches!(&refused, Err(CallError::Refused(denied)) if denied.code() == "look-only"), "{refused:?}");
    assert_eq!((bench.count(Kind::Write), bench.violations()), (0, vec![]));
}

#[tokio::test]
async fn sessions_are_shared_renewed_and_given_back() {
    let setup = Setup { sessions: 1, ..setup(mostly_known()) };
    let Some((appliance, bench)) = rig(setup).await else { return };
    let (one, two) = (server(1), server(2));
    let (a, b) = tokio::join!(bench.driver.find_member(&bench.lend, &one), bench.driver.find_member(&bench.lend, &two));
    assert!(a.unwrap().is_some() && b.unwrap().is_some());
    appliance.plant(Fault::SessionsLost);
    assert!(bench.driver.find_member(&bench.lend, &one).await.unwrap().is_some());
    assert_eq!((bench.count(Kind::Login), appliance.sessions()), (2, 1));
    appliance.plant(Fault::Busy { after: 7, times: 1 });
    let busy = plugin_error(bench.driver.find_member(&bench.lend, &one).await);
    assert!(matches!(busy, Error::Busy(busy) if busy.retry_after == Some(7)));
    bench.broker.close().await;
    assert_eq!((appliance.sessions(), bench.violations()), (0, vec![]));
}

#[tokio::test]
async fn wrong_credentials_are_sent_once() {
    let ledger = Ledger::default();
    let appliance = start(setup(mostly_known()), Versions::default(), ledger.clone()).await.unwrap();
    let bench = Bench::with_password("hpe-oneview", &appliance.url(), &ledger, QUESTION, "wrong-password").await;
    let Some(bench) = bench else { return };
    for _ in 0..3 {
        let refused = bench.driver.find_member(&bench.lend, &server(1)).await;
        assert_eq!(plugin_error(refused), Error::Unauthenticated);
    }
    assert_eq!((bench.count(Kind::LoginRefused), bench.violations()), (1, vec![]));
}

#[tokio::test]
async fn the_version_is_agreed_on_or_nothing_is_sent() {
    for (minimum, current, works) in [(120, 800, true), (800, 9000, true), (7000, 9000, false), (120, 500, false)] {
        let ledger = Ledger::default();
        let machines: Vec<Machine> = mostly_known();
        let appliance = start(setup(machines), Versions { minimum, current }, ledger.clone()).await.unwrap();
        let Some(bench) = Bench::new("hpe-oneview", &appliance.url(), &ledger, QUESTION).await else { return };
        let found = bench.driver.find_member(&bench.lend, &server(1)).await;
        assert_eq!(found.is_ok(), works, "{minimum} to {current}: {found:?}");
        if let Err(error) = found {
            assert!(error.to_string().contains("API versions"), "{error}");
            assert_eq!(bench.count(Kind::Login) + bench.count(Kind::LoginRefused), 0);
        }
        assert_eq!(bench.violations(), Vec::<String>::new(), "{minimum} to {current}");
    }
}
