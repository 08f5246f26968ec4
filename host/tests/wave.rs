//! Firmware waves on a store under a stepped clock, with a worker that does what stages would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bus;
mod order_support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Poll;

use bus::{NOW, Rig};
use farrier::access::{Principal, Role};
use farrier::bus::{Begin, Origin, apply};
use farrier::config::{Config, Firmware};
use farrier::firmware::Catalogue;
use farrier::ticket::{Cases, Problem};
use farrier::wave::{Desk, Standing, State, Wanted, Wave, WaveError};
use farrier_lifecycle::{Blame, Event, Fault, Mark, Outcome, Policy, Request, Retry, ServerId, Stage};
use order_support::{ends, id, operator, ready, ready_with, somebody};

const SOAK: u64 = 60_000;

async fn desk(rig: &Rig) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let firmware = Some(Firmware::default());
    let config = Arc::new(Config { state_dir: folder.path().to_owned(), firmware, ..Config::default() });
    let catalogue = Arc::new(Catalogue::open(&config).await.unwrap());
    Desk::new(rig.bus.clone(), config, catalogue, Policy::default(), false).with_clock(rig.clock.clock())
}

fn wanted() -> Wanted {
    Wanted { soak_ms: SOAK, concurrency: 4, limit_ms: 3_600_000, ..Wanted::default() }
}

/// Twenty servers in racks of five.
async fn floor(rig: &Rig) {
    for n in 1..=20 {
        ready_with(rig, n, |server| server.facts.rack = Some(format!("R{}", (n - 1) / 5))).await;
    }
}

/// Do what waits on the streams, once; what the update of these servers comes to is told.
async fn work(rig: &Rig, update: &BTreeMap<ServerId, Outcome>) -> usize {
    let mut done = 0;
    for stage in [Stage::Update, Stage::Harden, Stage::Monitor, Stage::Assign] {
        for entry in rig.bus.take(&[stage], 64, NOW).await.unwrap() {
            let Begin::Run { server, fence } = rig.bus.begin(&entry).await.unwrap() else { continue };
            let outcome = match stage {
                Stage::Assign => server.tenant.as_ref().map_or(Outcome::Rest, |_| Outcome::done("delivered")),
                Stage::Update => update.get(&server.id).cloned().unwrap_or_else(|| Outcome::done("ok")),
                _ => Outcome::done("ok"),
            };
            let event = Event::Outcome { token: fence.token, outcome };
            apply(rig.bus(), &fence.server, &event, &Policy::default(), rig.clock.now(), Origin::Attempt(&fence))
                .await
                .unwrap();
            done += 1;
        }
    }
    done
}

fn bad() -> Outcome {
    Outcome::Failed(Fault::new("firmware-version", Retry::Never, Blame::Controller, "the controller still shows 2.10"))
}

fn fails(servers: &[u32]) -> BTreeMap<ServerId, Outcome> {
    servers.iter().map(|n| (id(*n), bad())).collect()
}

async fn get(desk: &Desk, wave: &Wave) -> Wave {
    desk.get(&operator(), &wave.id).await.unwrap()
}

/// Pass, work and let time go until the wave does not run any more.
async fn drive(rig: &Rig, desk: &Desk, wave: &Wave, update: &BTreeMap<ServerId, Outcome>) -> Wave {
    for _ in 0..400 {
        desk.pass().await.unwrap();
        let now = get(desk, wave).await;
        if now.state != State::Running {
            return now;
        }
        if work(rig, update).await == 0 {
            rig.clock.step(5_000);
        }
    }
    panic!("it does not end: {:?}", get(desk, wave).await);
}

/// How often each server was started by any wave.
async fn starts(rig: &Rig) -> BTreeMap<ServerId, usize> {
    let mut starts = BTreeMap::new();
    for (_, entry) in rig.bus.journal("", 10_000, NOW).await.unwrap() {
        if entry.event == "update" {
            *starts.entry(entry.server).or_default() += 1;
        }
    }
    starts
}

#[tokio::test]
async fn a_wave_goes_from_one_to_a_rack_to_a_tenth_to_the_rest() {
    let rig = Rig::sqlite_memory();
    floor(&rig).await;
    let desk = desk(&rig).await;
    let wave = desk.begin(&operator(), &wanted()).await.unwrap();
    assert_eq!((wave.id.as_str(), wave.state, wave.steps()), ("W000001", State::Running, 4));
    let sizes: Vec<_> = (0..4).map(|step| wave.members.iter().filter(|one| one.step == step).count()).collect();
    assert_eq!(sizes, [1, 4, 2, 13]);
    desk.pass().await.unwrap();
    let first = get(&desk, &wave).await;
    assert_eq!(
        (first.count(Standing::Running), first.count(Standing::Waiting)),
        (1, 19),
        "one, and no other before it"
    );
    let mut seen_step = BTreeMap::new();
    for _ in 0..400 {
        let before = get(&desk, &wave).await;
        desk.pass().await.unwrap();
        let now = get(&desk, &wave).await;
        let started = |one: &farrier::wave::Member| !matches!(one.standing, Standing::Waiting);
        let deepest = now.members.iter().filter(|one| started(one)).map(|one| one.step).max().unwrap_or_default();
        let early = now.members.iter().filter(|one| one.step < deepest && one.standing != Standing::Passed).count();
        assert_eq!(early, 0, "a step begins when the one before has passed");
        assert!(now.members.iter().filter(|one| one.standing.is_busy()).count() <= 4, "so many at once");
        seen_step.entry(deepest).or_insert_with(|| rig.clock.now());
        if now.state == State::Done {
            assert_eq!(now.reason.as_deref(), Some("20 passed, 0 failed, 0 set aside, 0 skipped"));
            break;
        }
        if work(&rig, &BTreeMap::new()).await == 0 && before == now {
            rig.clock.step(5_000);
        }
    }
    assert_eq!(get(&desk, &wave).await.state, State::Done);
    assert!(seen_step[&1].since(seen_step[&0]) >= SOAK, "the first is watched before the second step");
    let starts = starts(&rig).await;
    assert!(starts.len() == 20 && starts.values().all(|count| *count == 1), "each once: {starts:?}");
    assert!(!desk.pass().await.unwrap(), "nothing runs any more");
}

#[tokio::test]
async fn the_first_breach_halts_it_and_says_who_and_what_next() {
    let rig = Rig::sqlite_memory();
    floor(&rig).await;
    let desk = desk(&rig).await;
    let wave = desk.begin(&operator(), &wanted()).await.unwrap();
    let victim = wave.members.iter().find(|one| one.step == 3).unwrap().clone();
    let update = BTreeMap::from([(victim.id.clone(), bad())]);
    let halted = drive(&rig, &desk, &wave, &update).await;
    assert_eq!(halted.state, State::Halted);
    let reason = halted.reason.unwrap();
    assert_eq!(reason, format!("{}: firmware-version: the controller still shows 2.10", victim.name));
    assert!(halted.next.unwrap().contains(&format!("farrier server why {}", victim.name)));
    let before = starts(&rig).await.len();
    for _ in 0..10 {
        assert!(!desk.pass().await.unwrap());
        work(&rig, &update).await;
    }
    assert_eq!(starts(&rig).await.len(), before, "a halted wave starts nothing");
    assert!(before <= 7 + 4, "those at once with it, and no further: {before}");
    assert!(matches!(desk.halt(&operator(), &wave.id).await, Err(WaveError::State { .. })));
    desk.resume(&operator(), &wave.id).await.unwrap();
    let done = drive(&rig, &desk, &wave, &update).await;
    assert_eq!((done.state, done.count(Standing::Passed), done.count(Standing::Aside)), (State::Done, 19, 1));
    assert!(starts(&rig).await.values().all(|count| *count == 1));
    assert!(matches!(desk.resume(&operator(), &wave.id).await, Err(WaveError::State { .. })));
}

#[tokio::test]
async fn after_a_breach_at_most_one_more_is_started_however_the_failure_falls() {
    // The failure is committed after any number of starts of the pass that follows it.
    for at in 0..6 {
        // A store with a thread of its own, so that a pass can be stopped between two of its operations.
        let rig = Rig::sqlite_file();
        floor(&rig).await;
        let desk = desk(&rig).await;
        let one_step = Wanted { steps: vec!["rest".to_owned()], concurrency: 20, ..wanted() };
        let wave = desk.begin(&operator(), &one_step).await.unwrap();
        let mut pass = Box::pin(desk.pass());
        while starts(&rig).await.len() <= at {
            let polled = std::future::poll_fn(|context| Poll::Ready(pass.as_mut().poll(context))).await;
            assert!(polled.is_pending(), "the pass is stopped on its way");
        }
        let first = wave.members[0].id.clone();
        let (_, fence) = rig.run_one(Stage::Update).await;
        assert_eq!(fence.server, first);
        rig.outcome(&fence, bad()).await.unwrap();
        let then = starts(&rig).await.len();
        pass.await.unwrap();
        let after = starts(&rig).await.len();
        assert!(after <= then + 1, "{then} were started when it failed, {after} in the end");
        assert_eq!(get(&desk, &wave).await.state, State::Halted);
    }
}

#[tokio::test]
async fn a_budget_is_spent_before_it_halts() {
    let rig = Rig::sqlite_memory();
    floor(&rig).await;
    let desk = desk(&rig).await;
    let wave = desk.begin(&operator(), &Wanted { max_failures: 2, ..wanted() }).await.unwrap();
    let done = drive(&rig, &desk, &wave, &fails(&[3, 9])).await;
    assert_eq!((done.state, done.count(Standing::Failed)), (State::Done, 2));
    let again = desk.begin(&operator(), &Wanted { max_failures: 1, ..wanted() }).await.unwrap();
    assert_eq!(again.members.len(), 18, "what failed is not ready");
    let halted = drive(&rig, &desk, &again, &fails(&[1, 2])).await;
    assert_eq!((halted.state, halted.count(Standing::Failed)), (State::Halted, 2));
}

#[tokio::test]
async fn a_server_that_is_ill_again_or_left_as_it_was_halts_it() {
    let rig = Rig::sqlite_memory();
    floor(&rig).await;
    let desk = desk(&rig).await;
    let wave = desk.begin(&operator(), &wanted()).await.unwrap();
    let first = wave.members[0].clone();
    desk.pass().await.unwrap();
    while work(&rig, &BTreeMap::new()).await > 0 {}
    desk.pass().await.unwrap();
    assert_eq!(get(&desk, &wave).await.members[0].standing, Standing::Soaking);
    rig.clock.step(SOAK / 2);
    let fault = Fault::new("fan-failed", Retry::Never, Blame::Hardware, "fan 3 stands still");
    let (at, server) = (rig.clock.now(), first.id.clone());
    let problem = Problem { server, name: first.name.clone(), stage: None, fault, at, version: at.0, warning: false };
    Cases(rig.bus.clone()).raise(&problem).await.unwrap();
    desk.pass().await.unwrap();
    let halted = get(&desk, &wave).await;
    assert_eq!(
        (halted.state, halted.reason.as_deref()),
        (State::Halted, Some("SRV-001: fan-failed: fan 3 stands still"))
    );
    let marked = Outcome::Done {
        facts: Box::default(),
        marks: vec![(Mark::Unupdated, "policy".to_owned())],
        evidence: String::new(),
    };
    let other = desk.begin(&operator(), &Wanted { servers: vec!["srv-007".to_owned()], ..wanted() }).await.unwrap();
    let halted = drive(&rig, &desk, &other, &BTreeMap::from([(id(7), marked)])).await;
    assert_eq!(halted.reason.as_deref(), Some("SRV-007: its firmware was left as it is: policy"));
}

#[tokio::test]
async fn a_server_that_does_not_come_back_or_is_held_halts_it() {
    let rig = Rig::sqlite_memory();
    floor(&rig).await;
    let desk = desk(&rig).await;
    let wave = desk.begin(&operator(), &wanted()).await.unwrap();
    desk.pass().await.unwrap();
    rig.clock.step(3_600_000);
    desk.pass().await.unwrap();
    let halted = get(&desk, &wave).await;
    assert_eq!(halted.reason.as_deref(), Some("SRV-001: not back after 3600 s, it is in update"));
    work(&rig, &BTreeMap::new()).await;
    desk.resume(&operator(), &wave.id).await.unwrap();
    desk.pass().await.unwrap();
    assert_eq!(get(&desk, &wave).await.members[0].standing, Standing::Soaking, "it came back meanwhile");
    rig.request(&id(1), Request::Hold { reason: "hands off".to_owned() }).await.unwrap();
    desk.pass().await.unwrap();
    assert_eq!(get(&desk, &wave).await.reason.as_deref(), Some("SRV-001: held by test: hands off"));
}

#[tokio::test]
async fn who_is_not_ready_is_left_out_or_skipped() {
    let rig = Rig::sqlite_memory();
    for n in 1..=3 {
        ready(&rig, n).await;
    }
    rig.request(&id(2), Request::Hold { reason: "test".to_owned() }).await.unwrap();
    let desk = desk(&rig).await;
    let preview = desk.preview(&operator(), &wanted()).await.unwrap();
    assert_eq!(preview.left_out, ["SRV-002: it is maintenance"]);
    let wave = desk.begin(&operator(), &wanted()).await.unwrap();
    rig.request(&id(3), Request::Assign { tenant: "acme".to_owned(), accept: true, order: None }).await.unwrap();
    work(&rig, &BTreeMap::new()).await;
    let done = drive(&rig, &desk, &wave, &BTreeMap::new()).await;
    assert_eq!((done.count(Standing::Passed), done.count(Standing::Skipped)), (1, 1), "{done:?}");
    let unknown = desk.begin(&operator(), &Wanted { servers: vec!["nobody".to_owned()], ..wanted() }).await;
    assert!(matches!(unknown, Err(WaveError::Invalid(_))));
    let wrong = Wanted { concurrency: 0, steps: vec!["some".to_owned()], ..wanted() };
    let Err(WaveError::Invalid(fields)) = desk.begin(&operator(), &wrong).await else { panic!("it is wrong") };
    assert_eq!(fields.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["steps", "concurrency"]);
}

#[tokio::test]
async fn a_plan_waits_and_each_sees_and_moves_what_is_theirs() {
    let rig = Rig::sqlite_memory();
    floor(&rig).await;
    let desk = desk(&rig).await;
    let viewer = somebody("vic", &[Role::Viewer], None);
    assert!(matches!(desk.begin(&viewer, &wanted()).await, Err(WaveError::NotAllowed { .. })));
    let wave = desk.begin(&operator(), &Wanted { planned: true, ..wanted() }).await.unwrap();
    assert!(!desk.pass().await.unwrap() && starts(&rig).await.is_empty(), "a plan starts nothing");
    assert_eq!(desk.get(&viewer, &wave.id).await.unwrap(), wave);
    assert!(matches!(desk.resume(&viewer, &wave.id).await, Err(WaveError::NotAllowed { .. })));
    let elsewhere = Principal { sites: Some(BTreeSet::from(["fra".to_owned()])), ..operator() };
    assert!(matches!(desk.get(&elsewhere, &wave.id).await, Err(WaveError::Unknown(_))));
    assert!(matches!(desk.begin(&elsewhere, &wanted()).await, Err(WaveError::Invalid(_))), "it sees no server");
    desk.resume(&operator(), &wave.id).await.unwrap();
    desk.pass().await.unwrap();
    desk.halt(&operator(), &wave.id).await.unwrap();
    let halted = get(&desk, &wave).await;
    assert_eq!((halted.state, halted.reason.as_deref()), (State::Halted, Some("halted by ana")));
}

#[tokio::test]
async fn a_pass_that_dies_anywhere_is_finished_by_the_next_and_starts_nothing_twice() {
    let mut died = 0;
    for left in 1.. {
        let rig = Rig::sqlite_file();
        for n in 1..=4 {
            ready(&rig, n).await;
        }
        let old = desk(&rig).await;
        let all = Wanted { steps: vec!["2".to_owned()], ..wanted() };
        let wave = old.begin(&operator(), &all).await.unwrap();
        let ended = ends(left, old.pass()).await;
        drop(old);
        // Two hosts at once, as when the role moves.
        let (one, other) = (desk(&rig).await, desk(&rig).await);
        let (first, second) = tokio::join!(one.pass(), other.pass());
        first.unwrap();
        second.unwrap();
        let done = drive(&rig, &one, &wave, &BTreeMap::new()).await;
        assert_eq!((done.state, done.count(Standing::Passed)), (State::Done, 4), "{left}: {done:?}");
        assert!(starts(&rig).await.values().all(|count| *count == 1));
        if ended {
            break;
        }
        died += 1;
    }
    assert!(died > 5, "a pass has more steps than {died}");
}
