//! Every server has an end of support or a stated reason: the operator's CSV, `TechDirect` by its plugin, and nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod order_support;
mod service_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bus::Rig;
use bus::server::Server as Store;
use farrier::bus::Bus;
use farrier::config::{Bmc, Tickets};
use farrier::fault::Fault;
use farrier::plugin::wit::ticketing::{Draft, Priority};
use farrier::plugin::{Broker, MemoryPins};
use farrier::ticket::{Cases, Desk, Pace, Subject, Tracker, support};
use farrier::warranty::{Alert, Book, CODE, Source, Support, alert, of};
use farrier_lab::ledger::Ledger;
use farrier_lab::techdirect::{self, TechDirectConfig};
use farrier_lifecycle::{Facts, Outcome, Server, Stage, Timestamp};
use order_support::ready_with;
use service_support::{Engine, inventory, service};

const DAY: u64 = 86_400_000;
const TODAY: Timestamp = Timestamp(1000 * DAY);

fn ends_in(days: u64) -> Support {
    Support { ends: Some(TODAY.plus(days * DAY)), ..Support::unknown(Timestamp(0), "") }
}

async fn server(rig: &Rig, n: u8, vendor: &str, serial: &str) -> Server {
    rig.see(n).await;
    learn(rig, vendor, serial).await
}

/// Discover the server that waits for it.
async fn learn(rig: &Rig, vendor: &str, serial: &str) -> Server {
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

#[tokio::test]
async fn a_server_without_a_serial_has_a_reason_until_it_has_one() {
    let rig = Rig::sqlite_memory();
    let broker = Arc::new(Broker::new(&Bmc::default(), Arc::new(MemoryPins::default())).unwrap());
    let book = Book::new(rig.bus.clone(), broker, None, Vec::new());
    let blank = server(&rig, 1, "HPE", " ").await;
    let unseen = rig.see(2).await;
    let (answers, faults) = book.round().await.unwrap();
    assert_eq!((answers.len(), faults.len()), (2, 0));
    for server in [&blank, &unseen] {
        let support = of(&*rig.bus, &server.id).await.unwrap().unwrap();
        assert_eq!((support.ends, support.reason.as_deref()), (None, Some("no serial is known yet")));
    }
    let known = learn(&rig, "HPE", "MXQ00002").await;
    assert_eq!(known.id, unseen.id);
    book.round().await.unwrap();
    let support = of(&*rig.bus, &known.id).await.unwrap().unwrap();
    assert_eq!(support.reason.as_deref(), Some("no source is configured for HPE"));
}

const HOUR: u64 = 3_600_000;

/// A book of one host, with nobody to ask but the file.
fn book(bus: &Arc<dyn Bus>, csv: &Path) -> Book {
    let broker = Arc::new(Broker::new(&Bmc::default(), Arc::new(MemoryPins::default())).unwrap());
    Book::new(bus.clone(), broker, Some(csv.to_owned()), Vec::new())
}

/// Hosts of one store: a host that starts anew is the same to the embedded one.
async fn hosts() -> Vec<(Rig, Arc<dyn Bus>)> {
    let rig = Rig::sqlite_memory();
    let mut hosts = vec![(Rig::new(rig.bus.clone(), rig.clock.clone()), rig.bus)];
    if let Some(store) = Store::start() {
        let clock = bus::Stepped::default();
        let open = || -> Arc<dyn Bus> { Arc::new(store.bus(&clock.settings())) };
        let (mut rig, other) = (Rig::new(open(), clock.clone()), open());
        assert_eq!(rig.bus.check().await.unwrap(), Vec::<String>::new());
        rig.keep.push(Box::new(store));
        hosts.push((rig, other));
    }
    hosts
}

#[tokio::test]
async fn several_hosts_make_one_round_a_day() {
    for (rig, bus) in hosts().await {
        server(&rig, 1, "HPE", "MXQ00001").await;
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("warranty.csv");
        std::fs::write(&csv, "serial,level,starts,ends\nMXQ00001,Tech Care,,2029-12-31\n").unwrap();
        let (one, other, rounds) = (book(&rig.bus, &csv), book(&bus, &csv), AtomicUsize::new(0));
        let tell = |_: Server, _: Support| {
            rounds.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        };
        let at = |hours: u64| rig.clock.now().plus(hours * HOUR);
        let hours = Duration::from_hours;
        let made = || rounds.load(Ordering::SeqCst);
        assert_eq!(one.turn(at(0), &tell).await.unwrap(), hours(1));
        // The role is over by now, and the other host has it: the round is of today.
        rig.clock.step(HOUR);
        assert_eq!(other.turn(at(0), &tell).await.unwrap(), hours(1));
        assert_eq!(book(&bus, &csv).turn(at(1), &tell).await.unwrap(), hours(1), "and after a restart");
        assert_eq!(made(), 1);
        // A server that came since is asked for, and no other.
        let new = server(&rig, 2, "HPE", "MXQ00002").await;
        assert_eq!(other.turn(at(1), &tell).await.unwrap(), hours(1));
        assert_eq!(made(), 2);
        let support = of(&*rig.bus, &new.id).await.unwrap().unwrap();
        assert_eq!(support.reason.as_deref(), Some("it is not in the csv, and no source is configured for HPE"));
        // Whoever comes first when it is due makes the next.
        assert_eq!(other.turn(at(23), &tell).await.unwrap(), hours(1));
        rig.clock.step(HOUR);
        assert_eq!(one.turn(at(23), &tell).await.unwrap(), hours(1));
        assert_eq!(made(), 4);
        // A file that was edited is read, and one that cannot be is tried again sooner, by one of them.
        std::fs::write(&csv, "serial,level,starts,ends\nMXQ00001,Tech Care,,soon\n").unwrap();
        assert_eq!(one.turn(at(24), &tell).await.unwrap(), hours(1));
        rig.clock.step(HOUR / 2);
        assert_eq!(other.turn(at(24), &tell).await.unwrap(), hours(1) / 2);
        assert_eq!(made(), 6);
        // The clock of the host before was wrong.
        assert_eq!(other.turn(at(0), &tell).await.unwrap(), hours(1));
        assert_eq!(made(), 8);
    }
}

#[test]
fn an_end_is_told_at_ninety_thirty_and_seven_days() {
    let said = |days: u64| alert(&ends_in(days), TODAY).map(|alert| (alert.fault.text, alert.warning));
    assert_eq!(said(91), None);
    assert_eq!(said(90).unwrap(), ("the vendor's support ends within 90 days".to_owned(), true));
    assert_eq!(said(31), said(90));
    assert_eq!(said(30).unwrap(), ("the vendor's support ends within 30 days".to_owned(), true));
    assert_eq!(said(8), said(30));
    assert_eq!(said(7).unwrap(), ("the vendor's support ends within 7 days".to_owned(), false));
    let past = Support { ends: Some(Timestamp(999 * DAY)), ..Support::unknown(Timestamp(0), "") };
    let Alert { fault, warning } = alert(&past, TODAY).unwrap();
    assert_eq!((fault.code.as_str(), fault.text.as_str(), warning), (CODE, "the vendor's support is over", false));
}

/// A ticket system that takes down how urgent each ticket is.
#[derive(Default)]
struct Urgency(Mutex<Vec<Priority>>);

#[async_trait]
impl Tracker for Urgency {
    async fn open(&self, about: &Subject, draft: &Draft) -> Result<(String, String), Fault> {
        self.0.lock().unwrap().push(draft.priority);
        Ok((about.to_string(), "https://jira.example.test".to_owned()))
    }

    async fn comment(&self, _: &Subject, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    async fn close(&self, _: &Subject, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

/// Server `n`, with a tenant.
async fn active(rig: &Rig, n: u32) -> Server {
    let id = ready_with(rig, n, |server| {
        (server.stage, server.tenant) = (Stage::Service, Some("acme".to_owned()));
    });
    rig.read(&id.await).await
}

#[tokio::test]
async fn a_ticket_of_an_active_server_is_urgent_only_without_time_to_renew() {
    let (rig, folder) = (Rig::sqlite_memory(), tempfile::tempdir().unwrap());
    let cases = Cases(rig.bus.clone());
    for (n, days) in [(1, 90), (2, 30), (3, 7), (4, 0)] {
        support(&cases, true, &active(&rig, n).await, &ends_in(days), TODAY).await.unwrap();
    }
    let service = service("jira", "https://jira.example.test");
    let settings = Tickets { service, link: None, after_ms: 0, labels: Vec::new() };
    let (urgency, pace) = (Arc::new(Urgency::default()), Pace { wait: Duration::ZERO, ..Pace::default() });
    let shelf = Arc::new(inventory(folder.path()));
    let mut desk = Desk::new(rig.bus.clone(), shelf, urgency.clone(), settings, pace);
    assert!(desk.turn().await.unwrap());
    let seen = urgency.0.lock().unwrap().clone();
    assert_eq!(seen, [Priority::Medium, Priority::Medium, Priority::Urgent, Priority::Urgent]);
}

#[tokio::test]
async fn without_a_ticket_system_an_end_is_a_case_until_it_moved_away_or_the_server_left() {
    let rig = Rig::sqlite_memory();
    let cases = Cases(rig.bus.clone());
    let (mut first, second) = (active(&rig, 1).await, active(&rig, 2).await);
    for server in [&first, &second] {
        support(&cases, false, server, &ends_in(20), TODAY).await.unwrap();
    }
    let codes: Vec<_> = cases.all().await.unwrap().into_iter().map(|case| (case.fault.code, case.warning)).collect();
    assert_eq!(codes, [(CODE.to_owned(), true), (CODE.to_owned(), true)]);
    first.stage = Stage::Retired;
    support(&cases, false, &first, &ends_in(20), TODAY.plus(DAY)).await.unwrap();
    support(&cases, false, &second, &ends_in(800), TODAY.plus(DAY)).await.unwrap();
    assert_eq!(cases.all().await.unwrap(), []);
}
