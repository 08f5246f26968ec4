//! Every server has an end of support or a stated reason: the operator's CSV, `TechDirect` by its plugin, and nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod service_support;

use std::collections::BTreeMap;

use bus::Rig;
use farrier::warranty::{Book, CODE, Source, Support, alert, of};
use farrier_lab::ledger::Ledger;
use farrier_lab::techdirect::{self, TechDirectConfig};
use farrier_lifecycle::{Facts, Outcome, Server, Stage, Timestamp};
use service_support::Engine;

async fn server(rig: &Rig, n: u8, vendor: &str, serial: &str) -> Server {
    rig.see(n).await;
    let (server, fence) = rig.run_one(Stage::Discover).await;
    let facts = Facts { vendor: Some(vendor.to_owned()), serial: Some(serial.to_owned()), ..Facts::default() };
    let outcome = Outcome::Done { facts: Box::new(facts), marks: Vec::new(), evidence: String::new() };
    rig.outcome(&fence, outcome).await.unwrap();
    server
}

#[tokio::test]
async fn every_server_has_an_end_or_a_reason() {
    let (rig, ledger) = (Rig::sqlite_memory(), Ledger::default());
    let Some(engine) = Engine::new("warranty-dell", rig.bus.clone()).await else { return };
    let line = ("ProSupport".to_owned(), "2024-01-01T06:00:00Z".to_owned(), "2029-01-01T05:59:59.999Z".to_owned());
    let assets = BTreeMap::from([("ABC1234".to_owned(), vec![line]), ("NONE123".to_owned(), Vec::new())]);
    let config = TechDirectConfig { client: "client".to_owned(), secret: "secret-012345".to_owned(), assets };
    let dell = techdirect::start(config, ledger.clone()).await.unwrap();
    let service = engine.service(&engine.config(&dell.url(), Some("client"), "secret-012345"), "warranty");
    let csv = engine.folder.path().join("warranty.csv");
    std::fs::write(&csv, "serial,level,starts,ends\nMXQ00001,Tech Care,,2026-12-31\nMXQ00002,no contract,,\n").unwrap();
    let sources = vec![Source { matches: "dell".to_owned(), service }];
    let book = Book::new(rig.bus.clone(), engine.broker.clone(), Some(csv.clone()), sources);
    let mut servers = Vec::new();
    for (n, vendor, serial) in [
        (1, "HPE", "MXQ00001"),
        (2, "HPE", "MXQ00002"),
        (3, "HPE", "MXQ00003"),
        (4, "Dell Inc.", "ABC1234"),
        (5, "Dell Inc.", "NONE123"),
        (6, "Dell Inc.", "GONE999"),
    ] {
        servers.push(server(&rig, n, vendor, serial).await);
    }
    let (answers, faults) = book.round().await.unwrap();
    assert_eq!((answers.len(), faults.len()), (6, 0));
    let known = |index: usize| of(&*rig.bus, &servers[index].id);
    let ends = |support: Support| support.ends.map(|ends| ends.0);
    assert_eq!(ends(known(0).await.unwrap().unwrap()), Some(1_798_761_599_999));
    assert_eq!(ends(known(3).await.unwrap().unwrap()), Some(1_861_941_599_999));
    for (index, reason) in [
        (1, "the csv says: no contract"),
        (2, "it is not in the csv, and no source is configured for HPE"),
        (4, "`warranty-dell` knows the serial NONE123, and no entitlement of it"),
        (5, "`warranty-dell` does not know the serial GONE999"),
    ] {
        let support = known(index).await.unwrap().unwrap();
        assert_eq!((support.ends, support.reason.as_deref()), (None, Some(reason)));
    }
    // Away, or unreadable: what is known stays, and what is wrong is said.
    drop(dell);
    std::fs::write(&csv, "serial,level,starts,ends\nMXQ00001,Tech Care,,soon\n").unwrap();
    let (_, faults) = book.round().await.unwrap();
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["warranty-csv", "unreachable"]);
    for (index, end) in [(0, 1_798_761_599_999), (3, 1_861_941_599_999)] {
        assert_eq!(ends(known(index).await.unwrap().unwrap()), Some(end));
    }
    assert_eq!(known(1).await.unwrap().unwrap().reason.as_deref(), Some("the csv says: no contract"));
    assert!(ledger.report().violations.is_empty(), "{:?}", ledger.report().violations);
}

#[test]
fn an_end_is_told_at_ninety_thirty_and_seven_days() {
    const DAY: u64 = 86_400_000;
    let support =
        |days: u64| Support { ends: Some(Timestamp(1000 * DAY + days * DAY)), ..Support::unknown(Timestamp(0), "") };
    let text = |days: u64| alert(&support(days), Timestamp(1000 * DAY)).map(|fault| fault.text);
    assert_eq!(text(91), None);
    assert_eq!(text(90).unwrap(), "the vendor's support ends within 90 days");
    assert_eq!(text(31), text(90));
    assert_eq!(text(30).unwrap(), "the vendor's support ends within 30 days");
    assert_eq!(text(7).unwrap(), "the vendor's support ends within 7 days");
    let past = Support { ends: Some(Timestamp(999 * DAY)), ..Support::unknown(Timestamp(0), "") };
    let fault = alert(&past, Timestamp(1000 * DAY)).unwrap();
    assert_eq!((fault.code.as_str(), fault.text.as_str()), (CODE, "the vendor's support is over"));
}
